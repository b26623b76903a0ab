{{/* Whether the pods have the container `backup`: it archives, takes backups and restores. */}}
{{- define "ha-postgres-19.0.0.backup" -}}
{{- if or .Values.archiver.type .Values.restore.enabled -}}
true
{{- end -}}
{{- end }}

{{- define "ha-postgres-19.0.0.backupImage" -}}
{{- include "ha-postgres-19.0.0.image" (list . .Values.backupImage "") -}}
{{- end }}

{{/* Name of the Secret and the Service of the container `backup`. */}}
{{- define "ha-postgres-19.0.0.backupName" -}}
{{ include "ha-postgres-19.0.0.fullname" . }}-backup
{{- end }}

{{/*
Name of an object that a suffix tells from the release's others; a long NAME is cut and told by a hash.
Takes a list: NAME, the suffix, and the limit (CronJobs: 52, as a Job's name has 11 characters more; Services: 63).
*/}}
{{- define "ha-postgres-19.0.0.shortened" -}}
{{- $name := index . 0 -}}
{{- $suffix := index . 1 -}}
{{- $limit := index . 2 -}}
{{- if gt (add (len $name) (len $suffix)) $limit -}}
{{- $room := sub $limit (add (len $suffix) 6) | int -}}
{{- $name = printf "%s-%s" ($name | trunc $room | trimSuffix "-") (sha256sum $name | trunc 5) -}}
{{- end -}}
{{ $name }}{{ $suffix }}
{{- end }}

{{/* Folder of a repository in its bucket or volume. Takes a list: the root context and the repository's values. */}}
{{- define "ha-postgres-19.0.0.repositoryPath" -}}
{{- $root := index . 0 -}}
{{- (index . 1).path | default (printf "/ha-postgres/%s" $root.Release.Namespace) -}}
{{- end }}

{{/* A repository for backup.json. Takes a list: the root context, the repository's values, and where the pods mount its volume. */}}
{{- define "ha-postgres-19.0.0.repository" -}}
{{- $given := index . 1 -}}
{{- $path := include "ha-postgres-19.0.0.repositoryPath" (list (index . 0) $given) -}}
{{- $encryption := not (empty $given.cipherSecretName) -}}
{{- if eq $given.type "posix" -}}
{{- dict "type" "local" "path" (printf "%s%s" (index . 2) $path) "encryption" $encryption | toJson -}}
{{- else -}}
{{- $found := dict "type" $given.type "path" $path "bucket" $given.bucket "verifyTls" $given.verifyTls "encryption" $encryption -}}
{{- with $given.endpoint -}}
{{- $_ := set $found "endpoint" . -}}
{{- end -}}
{{- if eq $given.type "s3" -}}
{{- $_ := set $found "region" $given.region -}}
{{- end -}}
{{- if ne $given.type "gcs" -}}
{{- $_ := set $found "uriStyle" $given.uriStyle -}}
{{- end -}}
{{- $found | toJson -}}
{{- end -}}
{{- end }}

{{/* The settings of the container `backup`. They are not part of the pods: a change restarts nothing. */}}
{{- define "ha-postgres-19.0.0.backup.json" -}}
{{- $found := dict "name" (include "ha-postgres-19.0.0.fullname" .) "repository" nil "restore" nil -}}
{{- if .Values.archiver.type -}}
{{- $_ := set $found "repository" (include "ha-postgres-19.0.0.repository" (list . .Values.archiver "/repository") | fromJson) -}}
{{- end -}}
{{- with .Values.backup -}}
{{- $_ := set $found "retention" (dict "full" (int .retention.full) "diff" (int .retention.differential) "days" (int .retention.days)) -}}
{{- $_ := set $found "processMax" (int .processMax) -}}
{{- end -}}
{{- $_ := set $found "compression" (dict "type" .Values.archiver.compression) -}}
{{- with .Values.restore -}}
{{- if .enabled -}}
{{- $restore := dict "stanza" .stanza "type" .target.type "repository" nil -}}
{{- if .source.type -}}
{{- $_ := set $restore "repository" (include "ha-postgres-19.0.0.repository" (list $ .source "/source-repository") | fromJson) -}}
{{- end -}}
{{- if eq .target.type "backup" -}}
{{- $_ := set $restore "type" "immediate" -}}
{{- $_ := set $restore "backup" .target.value -}}
{{- else if ne .target.type "latest" -}}
{{- $_ := set $restore "target" .target.value -}}
{{- end -}}
{{- if has .target.type (list "time" "lsn" "xid") -}}
{{- $_ := set $restore "inclusive" .target.inclusive -}}
{{- end -}}
{{- with int64 .target.timeline -}}
{{- $_ := set $restore "timeline" . -}}
{{- end -}}
{{- $_ := set $found "restore" $restore -}}
{{- end -}}
{{- end -}}
{{- $found | toPrettyJson -}}
{{- end }}

{{/* Archiving in postgresql.conf. The server's archive_command hands each file over to the container `backup`. */}}
{{- define "ha-postgres-19.0.0.archiveSettings" -}}
{{- if .Values.archiver.type }}

# archiver: standbys keep WAL until it is archived
archive_mode = always
archive_command = 'bash /etc/hapg/supervisor/pgbackrest.sh push %f'
archive_timeout = '60s'
{{- end -}}
{{- end }}

{{/* The repositories that the pods reach, as a list: name of the volumes, Secrets, claim and its mount. */}}
{{- define "ha-postgres-19.0.0.repositories" -}}
{{- $found := list -}}
{{- with .Values.archiver -}}
{{- if .type -}}
{{- $given := dict "name" "repository" "mountPath" "/repository" "readOnly" false "values" . -}}
{{- $found = append $found $given -}}
{{- end -}}
{{- end -}}
{{- if .Values.restore.enabled -}}
{{- with .Values.restore.source -}}
{{- if .type -}}
{{- $given := dict "name" "source-repository" "mountPath" "/source-repository" "readOnly" true "values" . -}}
{{- $found = append $found $given -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $made := list -}}
{{- range $found -}}
{{- $values := .values -}}
{{- $secrets := list -}}
{{- with $values.secretName -}}
{{- $secrets = append $secrets (dict "name" . "optional" true) -}}
{{- end -}}
{{- with $values.cipherSecretName -}}
{{- $items := list (dict "key" "CIPHER_PASS" "path" "CIPHER_PASS") -}}
{{- $secrets = append $secrets (dict "name" . "optional" true "items" $items) -}}
{{- end -}}
{{- $claim := eq $values.type "posix" | ternary $values.claimName "" -}}
{{- $made = append $made (dict "name" .name "mountPath" .mountPath "readOnly" .readOnly "secrets" $secrets "claimName" $claim) -}}
{{- end -}}
{{- $made | toJson -}}
{{- end }}

{{/* The volumes of the container `backup`. A missing Secret stops no pod: the container reports it. */}}
{{- define "ha-postgres-19.0.0.backupVolumes" -}}
- name: backup-key
  secret:
    secretName: {{ include "ha-postgres-19.0.0.backupName" . }}
    optional: true
    defaultMode: 0440
{{- range include "ha-postgres-19.0.0.repositories" . | fromJsonArray }}
{{- include "ha-postgres-19.0.0.repositoryVolumes" . }}
{{- end }}
{{- end }}

{{/* The volumes of one repository. Takes an entry of `repositories`. */}}
{{- define "ha-postgres-19.0.0.repositoryVolumes" -}}
{{- if .secrets }}
- name: {{ .name }}-credentials
  projected:
    defaultMode: 0440
    sources:
      {{- range .secrets }}
      - secret:
          {{- toYaml . | nindent 10 }}
      {{- end }}
{{- end }}
{{- if .claimName }}
- name: {{ .name }}
  persistentVolumeClaim:
    claimName: {{ .claimName | quote }}
    {{- if .readOnly }}
    readOnly: true
    {{- end }}
{{- end }}
{{- end }}

{{/* Where the container `backup` mounts one repository. Takes an entry of `repositories`. */}}
{{- define "ha-postgres-19.0.0.repositoryMounts" -}}
{{- if .secrets }}
- name: {{ .name }}-credentials
  mountPath: /etc/hapg/{{ .name }}
  readOnly: true
{{- end }}
{{- if .claimName }}
- name: {{ .name }}
  mountPath: {{ .mountPath }}
  {{- if .readOnly }}
  readOnly: true
  {{- end }}
{{- end }}
{{- end }}

{{/* The schedules that `hapg status` measures backups by, as an annotation. */}}
{{- define "ha-postgres-19.0.0.schedules" -}}
{{- $found := dict -}}
{{- with .Values.backup -}}
{{- $all := dict "full" .schedules.full "diff" .schedules.differential "incr" .schedules.incremental "verify" .verify.schedule -}}
{{- range $kind, $schedule := $all -}}
{{- if $schedule -}}
{{- $_ := set $found $kind $schedule -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $found -}}
ha-postgres/schedules: {{ $found | toJson | quote }}
{{- end -}}
{{- end }}

{{/* The ports of the repositories' endpoints other than 443, as a list. */}}
{{- define "ha-postgres-19.0.0.repositoryPorts" -}}
{{- $found := list -}}
{{- if .Values.archiver.type -}}
{{- $found = append $found (regexFind "[0-9]+$" (regexFind ":[0-9]+$" .Values.archiver.endpoint)) -}}
{{- end -}}
{{- if .Values.restore.enabled -}}
{{- $found = append $found (regexFind "[0-9]+$" (regexFind ":[0-9]+$" .Values.restore.source.endpoint)) -}}
{{- end -}}
{{- without (uniq $found) "" "443" | toJson -}}
{{- end }}
