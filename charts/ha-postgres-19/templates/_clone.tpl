{{/* Whether the first server of a new release is a clone of a live server. */}}
{{- define "ha-postgres-19.0.0.clones" -}}
{{- if or .Values.clone.from.release .Values.clone.from.host -}}
true
{{- end -}}
{{- end }}

{{/* The live server as failover.json has it. Without a Secret of its own its login is the one that another release's pods use. */}}
{{- define "ha-postgres-19.0.0.source.json" -}}
{{- with .Values.clone.from -}}
{{- $found := dict "host" (.host | default .release) "port" (int .port) "sslMode" .sslMode -}}
{{- if not .secretName -}}
{{- $_ := set $found "user" "ha_postgres_replication" -}}
{{- end -}}
{{- $found | toJson -}}
{{- end -}}
{{- end }}

{{/* The Secret with its login, as files for the container `failover`, which reports a missing one. */}}
{{- define "ha-postgres-19.0.0.sourceVolume" -}}
- name: source
  secret:
    {{- with .Values.clone.from }}
    {{- if .secretName }}
    secretName: {{ .secretName | quote }}
    {{- else }}
    secretName: {{ .release }}-replication
    items:
      - key: REPLICATION_PASSWORD
        path: password
    {{- end }}
    {{- end }}
    optional: true
    defaultMode: 0440
{{- end }}

{{/* What is wrong with `clone`, as a list of sentences. */}}
{{- define "ha-postgres-19.0.0.cloneProblems" -}}
{{- $wrong := list -}}
{{- with .Values.clone.from -}}
{{- if include "ha-postgres-19.0.0.clones" $ -}}
{{- if $.Values.restore.enabled -}}
{{- $wrong = append $wrong "clone.from: restore.enabled is true too, but there is one way to make the first server; keep one of them" -}}
{{- end -}}
{{- if and .release (eq .release (include "ha-postgres-19.0.0.fullname" $)) -}}
{{- $wrong = append $wrong (printf "clone.from.release: %s is this release itself; name the one to clone" .release) -}}
{{- end -}}
{{- if not (or .secretName .release) -}}
{{- $wrong = append $wrong "clone.from.secretName: missing; a host needs a Secret with username and password" -}}
{{- end -}}
{{- if and (hasPrefix "verify-" .sslMode) (not .secretName) -}}
{{- $wrong = append $wrong (printf "clone.from.sslMode: %s needs secretName, a Secret with username, password and ca.crt" .sslMode) -}}
{{- end -}}
{{- else if .secretName -}}
{{- $wrong = append $wrong "clone.from.secretName: has no effect without clone.from.host or clone.from.release; set one of them" -}}
{{- end -}}
{{- end -}}
{{- $wrong | toJson -}}
{{- end }}
