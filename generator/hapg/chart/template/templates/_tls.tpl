{{/* How the members connect to each other: libpq's sslmode, nothing without TLS. */}}
{{- define "[[ chart ]].sslMode" -}}
{{- if eq (toString .Values.tls.mode) "allow" -}}
prefer
{{- else if eq (toString .Values.tls.mode) "require" -}}
{{ .Values.tls.verifyCa | ternary "verify-ca" "require" }}
{{- end -}}
{{- end }}

{{- define "[[ chart ]].tlsSecret" -}}
{{- .Values.tls.secretName | default (printf "%s-tls" (include "[[ chart ]].fullname" .)) -}}
{{- end }}

{{- define "[[ chart ]].tlsMount" -}}
{{- if include "[[ chart ]].sslMode" . -}}
- name: tls
  mountPath: /etc/hapg/tls
  readOnly: true
{{- end -}}
{{- end }}

{{/* For postgresql.conf. The files are read again at each reload. */}}
{{- define "[[ chart ]].tlsSettings" -}}
{{- if include "[[ chart ]].sslMode" . }}

ssl = on
ssl_cert_file = '/etc/hapg/tls/tls.crt'
ssl_key_file = '/etc/hapg/tls/tls.key'
{{- end -}}
{{- end }}
