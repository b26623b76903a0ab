{{/* libpq's sslmode for connections between the servers; empty without TLS. */}}
{{- define "ha-postgres-19.0.0.sslMode" -}}
{{- if eq (toString .Values.tls.mode) "allow" -}}
prefer
{{- else if eq (toString .Values.tls.mode) "require" -}}
{{ .Values.tls.verifyCa | ternary "verify-ca" "require" }}
{{- end -}}
{{- end }}

{{- define "ha-postgres-19.0.0.tlsSecret" -}}
{{- .Values.tls.secretName | default (printf "%s-tls" (include "ha-postgres-19.0.0.fullname" .)) -}}
{{- end }}

{{- define "ha-postgres-19.0.0.tlsMount" -}}
{{- if include "ha-postgres-19.0.0.sslMode" . -}}
- name: tls
  mountPath: /etc/hapg/tls
  readOnly: true
{{- end -}}
{{- end }}

{{/* TLS settings of postgresql.conf. The server reads the files again at each reload. */}}
{{- define "ha-postgres-19.0.0.tlsSettings" -}}
{{- if include "ha-postgres-19.0.0.sslMode" . }}

ssl = on
ssl_cert_file = '/etc/hapg/tls/tls.crt'
ssl_key_file = '/etc/hapg/tls/tls.key'
{{- end -}}
{{- end }}
