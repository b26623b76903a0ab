{{/* How the members connect to each other: libpq's sslmode, nothing without TLS. */}}
{{- define "ha-postgres.sslMode" -}}
{{- if eq (toString .Values.tls.mode) "allow" -}}
prefer
{{- else if eq (toString .Values.tls.mode) "require" -}}
{{ .Values.tls.verifyCa | ternary "verify-ca" "require" }}
{{- end -}}
{{- end }}

{{- define "ha-postgres.tlsSecret" -}}
{{- .Values.tls.secretName | default (printf "%s-tls" (include "ha-postgres.fullname" .)) -}}
{{- end }}

{{- define "ha-postgres.tlsMount" -}}
{{- if include "ha-postgres.sslMode" . -}}
- name: tls
  mountPath: /etc/hapg/tls
  readOnly: true
{{- end -}}
{{- end }}

{{/* For postgresql.conf. The files are read again at each reload. */}}
{{- define "ha-postgres.tlsSettings" -}}
{{- if include "ha-postgres.sslMode" . }}

ssl = on
ssl_cert_file = '/etc/hapg/tls/tls.crt'
ssl_key_file = '/etc/hapg/tls/tls.key'
{{- end -}}
{{- end }}
