{{/*
NAME: the name of the StatefulSet, the primary's Service, the Lease and so on. Other names are made of it.
A pod's label controller-revision-hash is NAME plus eleven characters, and labels end at 63.
*/}}
{{- define "[[ chart ]].fullname" -}}
{{- $chart := .Values.nameOverride | default .Chart.Name -}}
{{- $release := .Release.Name -}}
{{- $default := contains $chart $release | ternary $release (printf "%s-%s" $release $chart) -}}
{{- $name := .Values.fullnameOverride | default $default -}}
{{- if gt (len $name) 52 -}}
{{- fail (printf "the name %q has %d characters; at most 52 are possible: choose a shorter release name or set fullnameOverride" $name (len $name)) -}}
{{- end -}}
{{- $words := list "true" "false" "yes" "no" "on" "off" "null" "y" "n" -}}
{{- if or (has $name $words) (not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name)) -}}
{{- fail (printf "the name %q is not possible: lower case letters, digits and hyphens, a letter first, and not a word such as on or null; set fullnameOverride" $name) -}}
{{- end -}}
{{- $name -}}
{{- end }}

{{/* The labels by which the pods are selected. They never change in the life of a release. */}}
{{- define "[[ chart ]].selector" -}}
{{ .Values.labelDomain }}/kind: Postgres
{{ .Values.labelDomain }}/name: {{ include "[[ chart ]].fullname" . }}
{{- end }}

{{/* The recommended labels that stay the same from one chart release to the next. */}}
{{- define "[[ chart ]].standardLabels" -}}
app.kubernetes.io/name: {{ .Values.nameOverride | default .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* Labels of every object; not of pods and claims, because a new chart release changes them. */}}
{{- define "[[ chart ]].objectLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "[[ chart ]].standardLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Annotations of an object: a list of the root context and those that are its own, which win. */}}
{{- define "[[ chart ]].annotations" -}}
{{- $root := index . 0 -}}
{{- with merge (dict) (index . 1) $root.Values.commonAnnotations }}{{ toYaml . }}{{ end -}}
{{- end }}

{{/* Labels of the objects that belong to the database as its users see it. */}}
{{- define "[[ chart ]].labels" -}}
{{ include "[[ chart ]].selector" . }}
{{ include "[[ chart ]].objectLabels" . }}
app.kubernetes.io/component: database
{{- end }}

{{/* Labels of the pods. */}}
{{- define "[[ chart ]].podLabels" -}}
{{- $own := include "[[ chart ]].selector" . | fromYaml -}}
{{- $standard := include "[[ chart ]].standardLabels" . | fromYaml -}}
{{- $component := dict "app.kubernetes.io/component" "database" -}}
{{- merge $own $standard $component .Values.podLabels | toYaml -}}
{{- end }}

{{/* An image: a list of the root context, the image's values and the tag for want of one. */}}
{{- define "[[ chart ]].image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- $tag := $image.tag | default (index . 2) -}}
{{- with $root.Values.global.imageRegistry | default $image.registry }}{{ . }}/{{ end -}}
{{- $image.repository -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $tag }}{{ end -}}
{{- end }}

{{- define "[[ chart ]].postgresImage" -}}
{{- include "[[ chart ]].image" (list . .Values.image .Values.version) -}}
{{- end }}

{{- define "[[ chart ]].failoverImage" -}}
{{- include "[[ chart ]].image" (list . .Values.failoverImage "") -}}
{{- end }}

{{- define "[[ chart ]].secretName" -}}
{{- .Values.databaseSecret.secretName | default (printf "%s-auth" (include "[[ chart ]].fullname" .)) -}}
{{- end }}

{{/* Where the scripts of the first server come from: sources of a projected volume. */}}
{{- define "[[ chart ]].scripts" -}}
{{- with .Values.initdb -}}
{{- if .scripts }}
- configMap:
    name: {{ include "[[ chart ]].fullname" $ }}-initdb
{{- end }}
{{- with .scriptsConfigMap }}
- configMap:
    name: {{ . | quote }}
{{- end }}
{{- with .scriptsSecret }}
- secret:
    name: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- define "[[ chart ]].serviceAccountName" -}}
{{- $made := .Values.serviceAccount.create | ternary (include "[[ chart ]].fullname" .) "default" -}}
{{- .Values.serviceAccount.name | default $made -}}
{{- end }}

{{/* What every container may: nothing. */}}
{{- define "[[ chart ]].containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "[[ chart ]].podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ int64 .Values.securityContext.uid }}
runAsGroup: {{ int64 .Values.securityContext.uid }}
fsGroup: {{ int64 .Values.securityContext.uid }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}
