{{/* The Secret with which the application connects. */}}
{{- define "ha-postgres-19.0.0.appSecret" -}}
{{- .Values.app.secretName | default (printf "%s-app" (include "ha-postgres-19.0.0.fullname" .)) -}}
{{- end }}

{{- define "ha-postgres-19.0.0.appOwner" -}}
{{- .Values.app.owner | default .Values.app.database -}}
{{- end }}

{{/* Not empty if the pods create the application's Secret and keep its entries. */}}
{{- define "ha-postgres-19.0.0.makesAppSecret" -}}
{{- if and .Values.app.database (not .Values.app.secretName) }}true{{ end -}}
{{- end }}

{{/* The value `app` as failover.json has it. */}}
{{- define "ha-postgres-19.0.0.app.json" -}}
{{- $name := include "ha-postgres-19.0.0.fullname" . -}}
{{- dict
  "database" .Values.app.database
  "owner" (include "ha-postgres-19.0.0.appOwner" .)
  "secret" (include "ha-postgres-19.0.0.appSecret" .)
  "makesSecret" (empty .Values.app.secretName)
  "host" (include "ha-postgres-19.0.0.host" (list . $name))
  "port" (int .Values.service.port)
  "readHost" (include "ha-postgres-19.0.0.host" (list . (printf "%s-readonly" $name)))
  | toJson -}}
{{- end }}

{{/* What is wrong with `app`, as a list of sentences. */}}
{{- define "ha-postgres-19.0.0.appProblems" -}}
{{- $wrong := list -}}
{{- with .Values.app -}}
{{- if .database -}}
{{- range $key, $name := dict "database" .database "owner" (include "ha-postgres-19.0.0.appOwner" $) -}}
{{- if regexMatch `^(postgres|template0|template1|public|none)$` $name -}}
{{- $wrong = append $wrong (printf "app.%s: can't be %s, because PostgreSQL has this name for itself" $key $name) -}}
{{- else if regexMatch `^pg_` $name -}}
{{- $wrong = append $wrong (printf "app.%s: can't be %s, because names that begin with pg_ are those of PostgreSQL itself" $key $name) -}}
{{- else if regexMatch `^ha_postgres_` $name -}}
{{- $wrong = append $wrong (printf "app.%s: can't be %s, because names that begin with ha_postgres_ are those of the pods and of imports" $key $name) -}}
{{- else if or (gt (len $name) 63) (not (regexMatch `^([A-Za-z_][-._A-Za-z0-9]*)?$` $name)) -}}
{{- $wrong = append $wrong (printf "app.%s: %q is not a name that is allowed here; at most 63 letters, digits, hyphens, dots and underscores, a letter or underscore first" $key $name) -}}
{{- end -}}
{{- end -}}
{{- if and (include "ha-postgres-19.0.0.importsLogically" $) (or (empty $.Values.import.databases) (has .database $.Values.import.databases)) -}}
{{- $wrong = append $wrong (printf "app.database: import.method logical gives the name %s to a database of its own, so it must not exist; set app when the import is finished and its values are removed" .database) -}}
{{- end -}}
{{- else if or .owner .secretName -}}
{{- $wrong = append $wrong "app: owner and secretName have no effect without app.database; set it" -}}
{{- end -}}
{{- end -}}
{{- $wrong | toJson -}}
{{- end }}
