{{/* Whether databases are imported from another server. */}}
{{- define "ha-postgres-19.0.0.imports" -}}
{{- if .Values.import.from.host -}}
true
{{- end -}}
{{- end }}

{{/* Whether they are by logical replication. */}}
{{- define "ha-postgres-19.0.0.importsLogically" -}}
{{- if and .Values.import.from.host (eq .Values.import.method "logical") -}}
true
{{- end -}}
{{- end }}

{{/* Whether the servers themselves need the source's CA, because they subscribe to it. */}}
{{- define "ha-postgres-19.0.0.verifiesImport" -}}
{{- if and (include "ha-postgres-19.0.0.importsLogically" .) (hasPrefix "verify-" .Values.import.from.sslMode) -}}
true
{{- end -}}
{{- end }}

{{/* That CA, as a volume. It is optional, so that a missing Secret keeps no server from starting. */}}
{{- define "ha-postgres-19.0.0.importCaVolume" -}}
- name: import-ca
  secret:
    secretName: {{ .Values.import.from.secretName | quote }}
    items:
      - key: ca.crt
        path: ca.crt
    optional: true
    defaultMode: 0440
{{- end }}

{{/* The pod of the import's Job. */}}
{{- define "ha-postgres-19.0.0.importPod" -}}
{{- $name := include "ha-postgres-19.0.0.fullname" . -}}
{{- $import := .Values.import -}}
metadata:
  labels:
    {{- include "ha-postgres-19.0.0.standardLabels" . | nindent 4 }}
    app.kubernetes.io/component: import
    ha-postgres/import: {{ $name }}
  annotations:
    checksum/import.sh: {{ .Files.Get "files/import.sh" | sha256sum }}
    {{- if include "ha-postgres-19.0.0.importsLogically" . }}
    checksum/logical.sh: {{ .Files.Get "files/logical.sh" | sha256sum }}
    {{- end }}
spec:
  restartPolicy: OnFailure
  automountServiceAccountToken: false
  enableServiceLinks: false
  securityContext:
    {{- include "ha-postgres-19.0.0.podSecurity" . | nindent 4 }}
  {{- with include "ha-postgres-19.0.0.pullSecrets" . }}
  imagePullSecrets:
    {{- . | nindent 4 }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: import
      image: {{ include "ha-postgres-19.0.0.postgresImage" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      command: [/bin/bash, /etc/hapg/import/import.sh]
      env:
        - name: HAPG_BIN
          value: /usr/lib/postgresql/19/bin
        - name: HAPG_MAJOR
          value: "19"
        - name: HAPG_SOURCE_HOST
          value: {{ $import.from.host | quote }}
        - name: HAPG_SOURCE_PORT
          value: {{ int $import.from.port | quote }}
        - name: HAPG_SOURCE_DATABASE
          value: {{ $import.from.database | quote }}
        - name: HAPG_SOURCE_SSLMODE
          value: {{ $import.from.sslMode }}
        - name: HAPG_TARGET_HOST
          value: {{ $name }}
        - name: HAPG_TARGET_PORT
          value: {{ int .Values.service.port | quote }}
        - name: HAPG_DATABASES
          value: {{ join "\n" $import.databases | quote }}
        - name: HAPG_ROLES
          value: {{ $import.roles | quote }}
        - name: HAPG_JOBS
          value: {{ int $import.jobs | quote }}
        {{- if include "ha-postgres-19.0.0.importsLogically" . }}
        - name: HAPG_METHOD
          value: logical
        - name: HAPG_STEP
          value: {{ $import.step }}
        - name: HAPG_RELEASE
          value: {{ printf "%s/%s" .Release.Namespace $name }}
        - name: HAPG_SERVER_CA
          value: /etc/hapg/import-ca/ca.crt
        {{- end }}
      terminationMessagePolicy: FallbackToLogsOnError
      securityContext:
        {{- include "ha-postgres-19.0.0.containerSecurity" . | nindent 8 }}
      resources:
        {{- toYaml $import.resources | nindent 8 }}
      volumeMounts:
        - name: import
          mountPath: /etc/hapg/import
          readOnly: true
        - name: source
          mountPath: /etc/hapg/source
          readOnly: true
        - name: secret
          mountPath: /etc/hapg/secret
          readOnly: true
        - name: run
          mountPath: /run/hapg
        - name: scratch
          mountPath: /scratch
        - name: tmp
          mountPath: /tmp
  volumes:
    - name: import
      configMap:
        name: {{ $name }}-import
    # Optional, so that the Job says what is missing.
    - name: source
      secret:
        secretName: {{ $import.from.secretName | quote }}
        optional: true
        defaultMode: 0440
    - name: secret
      secret:
        secretName: {{ include "ha-postgres-19.0.0.secretName" . | quote }}
        items:
          - key: POSTGRES_PASSWORD
            path: POSTGRES_PASSWORD
        optional: true
        defaultMode: 0440
    - name: run
      emptyDir:
        medium: Memory
        sizeLimit: 16Mi
    - name: tmp
      emptyDir: {}
    - name: scratch
      {{- if $import.scratch.size }}
      {{- include "ha-postgres-19.0.0.ephemeralVolume" (list . $import.scratch.storageClassName $import.scratch.size) | nindent 6 }}
      {{- else }}
      emptyDir: {}
      {{- end }}
{{- end }}

{{/* What is wrong with `import`, as a list of sentences. */}}
{{- define "ha-postgres-19.0.0.importProblems" -}}
{{- $wrong := list -}}
{{- with .Values.import -}}
{{- if .from.host -}}
{{- if not .from.secretName -}}
{{- $wrong = append $wrong "import.from.secretName: missing; a Secret with username and password of the source" -}}
{{- end -}}
{{- else if or .from.secretName .databases -}}
{{- $wrong = append $wrong "import: from.secretName and databases have no effect without import.from.host; set it" -}}
{{- end -}}
{{- if and (ne .step "follow") (ne .method "logical") -}}
{{- $wrong = append $wrong (printf "import.step: %s has no effect with import.method: %s; only logical has steps" .step .method) -}}
{{- end -}}
{{- end -}}
{{- $wrong | toJson -}}
{{- end }}
