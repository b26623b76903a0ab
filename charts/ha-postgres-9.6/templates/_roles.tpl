{{/* The values roles and databases, as roles.json has them; empty if nothing is declared. */}}
{{- define "ha-postgres-9.6.0.roles.json" -}}
{{- if or .Values.roles .Values.databases -}}
{{- dict "roles" .Values.roles "databases" .Values.databases | toPrettyJson -}}
{{- end -}}
{{- end }}

{{/* The entries of Secrets that hold passwords of roles, as a JSON object of keys by Secret. Their order is that of their names. */}}
{{- define "ha-postgres-9.6.0.rolePasswords" -}}
{{- $found := dict -}}
{{- range .Values.roles -}}
{{- with .passwordSecret -}}
{{- $_ := set $found .name (append (get $found .name | default list) (.key | default "password") | uniq | sortAlpha) -}}
{{- end -}}
{{- end -}}
{{- $found | toJson -}}
{{- end }}

{{/* The volume with these entries as files SECRET/KEY for the container `failover`, which reports a missing one. */}}
{{- define "ha-postgres-9.6.0.rolesVolume" -}}
- name: roles
  projected:
    defaultMode: 0440
    sources:
      {{- range $secret, $keys := include "ha-postgres-9.6.0.rolePasswords" . | fromJson }}
      - secret:
          name: {{ $secret | quote }}
          items:
            {{- range $keys }}
            - key: {{ . | quote }}
              path: {{ printf "%s/%s" $secret . | quote }}
            {{- end }}
          optional: true
      {{- end }}
{{- end }}

{{/* What is wrong with `roles` and `databases`, as a list of sentences. */}}
{{- define "ha-postgres-9.6.0.roleProblems" -}}
{{- $wrong := list -}}
{{- $absent := list -}}
{{- $app := .Values.app -}}
{{- $owner := include "ha-postgres-9.6.0.appOwner" . -}}
{{- $names := list "" -}}
{{- range .Values.roles -}}
{{- $wrong = concat $wrong (include "ha-postgres-9.6.0.reservedName" (list "roles" .name) | fromJsonArray) -}}
{{- if has .name $names -}}
{{- $wrong = append $wrong (printf "roles: %s is listed twice; keep one entry" .name) -}}
{{- end -}}
{{- $names = append $names .name -}}
{{- if eq (.ensure | default "present") "absent" -}}
{{- $absent = append $absent .name -}}
{{- end -}}
{{- if and $app.database (eq .name $owner) (or (has .name $absent) .passwordSecret (not .login)) -}}
{{- $wrong = append $wrong (printf "roles: %s is the owner that app makes; its entry needs login: true and has no passwordSecret, because its password is that of app" .name) -}}
{{- end -}}
{{- end -}}
{{- range $role := .Values.roles -}}
{{- if eq ($role.ensure | default "present") "present" -}}
{{- range $role.memberOf -}}
{{- $wrong = concat $wrong (include "ha-postgres-9.6.0.presentRole" (list (printf "roles: %s is a member of" $role.name) . $absent) | fromJsonArray) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $names = list "" -}}
{{- range $index, $database := .Values.databases -}}
{{- $wrong = concat $wrong (include "ha-postgres-9.6.0.reservedName" (list "databases" .name) | fromJsonArray) -}}
{{- if has .name $names -}}
{{- $wrong = append $wrong (printf "databases: %s is listed twice; keep one entry" .name) -}}
{{- end -}}
{{- $names = append $names .name -}}
{{- if and $app.database (eq .name $app.database) (or (eq (.ensure | default "present") "absent") (and .owner (ne .owner $owner))) -}}
{{- $wrong = append $wrong (printf "databases: %s is the database that app makes; it can't be absent, and its owner is %s" .name $owner) -}}
{{- end -}}
{{- $wrong = concat $wrong (include "ha-postgres-9.6.0.presentRole" (list (printf "databases: the owner of %s is" .name) .owner $absent) | fromJsonArray) -}}
{{- range $key, $value := .settings -}}
{{- $why := include "ha-postgres-9.6.0.wrongSetting" (list $ $key $value) -}}
{{- if $why -}}
{{- $wrong = append $wrong (print "databases[" $index "].settings." $key ": " $why) -}}
{{- else if hasPrefix "ha_postgres." (lower $key) -}}
{{- $wrong = append $wrong (printf "databases: the setting %s of %s can't be declared, because names that begin with ha_postgres. are the chart's own" $key $database.name) -}}
{{- end -}}
{{- end -}}
{{- range .schemas -}}
{{- if or (hasPrefix "pg_" .name) (eq .name "information_schema") -}}
{{- $wrong = append $wrong (printf "databases: the schema %s of %s can't be declared, because it is PostgreSQL's own" .name $database.name) -}}
{{- end -}}
{{- $wrong = concat $wrong (include "ha-postgres-9.6.0.presentRole" (list (printf "databases: the owner of the schema %s of %s is" .name $database.name) .owner $absent) | fromJsonArray) -}}
{{- end -}}
{{- end -}}
{{- $wrong | toJson -}}
{{- end }}

{{/* Why a role or database can't have this name, as a list of at most one sentence. Takes a list: the value, the name. */}}
{{- define "ha-postgres-9.6.0.reservedName" -}}
{{- $value := index . 0 -}}
{{- $name := index . 1 -}}
{{- $wrong := list -}}
{{- if hasPrefix "pg_" $name -}}
{{- $wrong = append $wrong (printf "%s: %s can't be declared, because names that begin with pg_ are PostgreSQL's own" $value $name) -}}
{{- else if hasPrefix "ha_postgres_" $name -}}
{{- $wrong = append $wrong (printf "%s: %s can't be declared, because names that begin with ha_postgres_ are the chart's own" $value $name) -}}
{{- else if has $name (list "postgres" "template0" "template1" "public" "none" ) -}}
{{- $wrong = append $wrong (printf "%s: %s can't be declared, because it is reserved; choose another name" $value $name) -}}
{{- end -}}
{{- $wrong | toJson -}}
{{- end }}

{{/* Why a role can't be referred to, as a list of at most one sentence. Takes a list: the beginning of the sentence, the role, the absent roles. */}}
{{- define "ha-postgres-9.6.0.presentRole" -}}
{{- $name := index . 1 | default "" -}}
{{- $wrong := list -}}
{{- if has $name (index . 2) -}}
{{- $wrong = append $wrong (printf "%s %s, which roles declares absent" (index . 0) $name) -}}
{{- end -}}
{{- $wrong | toJson -}}
{{- end }}
