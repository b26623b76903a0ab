{{/* The Secret with which the application connects. */}}
{{- define "[[ prefix ]].appSecret" -}}
{{- .Values.app.secretName | default (printf "%s-app" (include "[[ prefix ]].fullname" .)) -}}
{{- end }}

{{- define "[[ prefix ]].appOwner" -}}
{{- .Values.app.owner | default .Values.app.database -}}
{{- end }}

{{/* Not empty if the pods create the application's Secret and keep its entries. */}}
{{- define "[[ prefix ]].makesAppSecret" -}}
{{- if and .Values.app.database (not .Values.app.secretName) }}true{{ end -}}
{{- end }}

{{/* The value `app` as failover.json has it. */}}
{{- define "[[ prefix ]].app.json" -}}
{{- $name := include "[[ prefix ]].fullname" . -}}
{{- dict
  "database" .Values.app.database
  "owner" (include "[[ prefix ]].appOwner" .)
  "secret" (include "[[ prefix ]].appSecret" .)
  "makesSecret" (empty .Values.app.secretName)
  "host" (include "[[ prefix ]].host" (list . $name))
  "port" (int .Values.service.port)
  "readHost" (include "[[ prefix ]].host" (list . (printf "%s-readonly" $name)))
  | toJson -}}
{{- end }}

{{/* What is wrong with `app`, as a list of sentences. */}}
{{- define "[[ prefix ]].appProblems" -}}
{{- $wrong := list -}}
{{- with .Values.app -}}
{{- if .database -}}
{{- range $key, $name := dict "database" .database "owner" (include "[[ prefix ]].appOwner" $) -}}
[% for pattern, why in restrictions.APP_RESERVED.items() %]
{{- [[ "else " if not loop.first ]]if regexMatch `[[ pattern ]]` $name -}}
{{- $wrong = append $wrong (printf "app.%s: can't be %s, because [[ why ]]" $key $name) -}}
[% endfor %]
{{- else if or (gt (len $name) 63) (not (regexMatch `[[ restrictions.APP_NAME ]]` $name)) -}}
{{- $wrong = append $wrong (printf "app.%s: %q is not a name that is allowed here; at most 63 letters, digits, hyphens, dots and underscores, a letter or underscore first" $key $name) -}}
{{- end -}}
{{- end -}}
{{- if and (include "[[ prefix ]].importsLogically" $) (or (empty $.Values.import.databases) (has .database $.Values.import.databases)) -}}
{{- $wrong = append $wrong (printf "app.database: import.method logical gives the name %s to a database of its own, so it must not exist; set app when the import is finished and its values are removed" .database) -}}
{{- end -}}
{{- else if or .owner .secretName -}}
{{- $wrong = append $wrong "app: owner and secretName have no effect without app.database; set it" -}}
{{- end -}}
{{- end -}}
{{- $wrong | toJson -}}
{{- end }}
