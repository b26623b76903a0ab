{{/* libpq's sslmode for connections between the servers; empty without TLS. */}}
{{- define "[[ prefix ]].sslMode" -}}
{{- if eq (toString .Values.tls.mode) "allow" -}}
prefer
{{- else if eq (toString .Values.tls.mode) "require" -}}
{{ .Values.tls.verifyCa | ternary "verify-ca" "require" }}
{{- end -}}
{{- end }}

{{- define "[[ prefix ]].tlsSecret" -}}
{{- .Values.tls.secretName | default (printf "%s-tls" (include "[[ prefix ]].fullname" .)) -}}
{{- end }}

{{- define "[[ prefix ]].tlsMount" -}}
{{- if include "[[ prefix ]].sslMode" . -}}
- name: tls
  mountPath: /etc/hapg/tls
  readOnly: true
{{- end -}}
{{- end }}

{{/* TLS settings of postgresql.conf. The server reads the files again at each reload. */}}
{{- define "[[ prefix ]].tlsSettings" -}}
{{- if include "[[ prefix ]].sslMode" . }}

ssl = on
ssl_cert_file = '/etc/hapg/tls/tls.crt'
ssl_key_file = '/etc/hapg/tls/tls.key'
{{- end -}}
{{- end }}
