{{/*
NAME: the name of the StatefulSet, the primary's Service, the Lease and so on. Other names are derived from it.
At most 52 characters: a pod's label controller-revision-hash is NAME plus 11 characters, and the limit for labels is 63.
*/}}
{{- define "ha-postgres-14.0.0.fullname" -}}
{{- $chart := .Values.nameOverride | default .Chart.Name -}}
{{- $release := .Release.Name -}}
{{- $default := contains $chart $release | ternary $release (printf "%s-%s" $release $chart) -}}
{{- $name := .Values.fullnameOverride | default $default -}}
{{- if gt (len $name) 52 -}}
{{- fail (printf "the name %q has %d characters; at most 52 are allowed: choose a shorter release name or set fullnameOverride" $name (len $name)) -}}
{{- end -}}
{{- $words := list "true" "false" "yes" "no" "on" "off" "null" "y" "n" -}}
{{- if or (has $name $words) (not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name)) -}}
{{- fail (printf "the name %q is not allowed: lower case letters, digits and hyphens, a letter first, and not a word such as on or null; set fullnameOverride" $name) -}}
{{- end -}}
{{- $name -}}
{{- end }}

{{/* The host name of a Service, for clients in the cluster. Takes a list: the root context, the Service's name. */}}
{{- define "ha-postgres-14.0.0.host" -}}
{{- $root := index . 0 -}}
{{- index . 1 }}.{{ $root.Release.Namespace }}{{ with $root.Values.clusterDomain }}.svc.{{ . }}{{ end -}}
{{- end }}

{{/* The address families of a Service, as lines of its spec. */}}
{{- define "ha-postgres-14.0.0.families" -}}
{{- with .Values.service.ipFamilyPolicy }}
ipFamilyPolicy: {{ . }}
{{- end }}
{{- with .Values.service.ipFamilies }}
ipFamilies:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The labels that select the pods. They never change during the life of a release. */}}
{{- define "ha-postgres-14.0.0.selector" -}}
{{ .Values.labelDomain }}/kind: Postgres
{{ .Values.labelDomain }}/name: {{ include "ha-postgres-14.0.0.fullname" . }}
{{- end }}

{{/* The recommended labels that do not change from one chart version to the next. */}}
{{- define "ha-postgres-14.0.0.standardLabels" -}}
app.kubernetes.io/name: {{ .Values.nameOverride | default .Chart.Name | toYaml }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/*
What tells a release's Services of metrics and the pods of its Jobs from another's. app.kubernetes.io/instance does not: Argo CD may
replace it by the name of the Application, and two of an umbrella's dependencies share it. Takes a list: the root context, the component.
*/}}
{{- define "ha-postgres-14.0.0.part" -}}
ha-postgres/name: {{ include "ha-postgres-14.0.0.fullname" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Labels of every object except pods and claims, because a new chart version changes them. */}}
{{- define "ha-postgres-14.0.0.objectLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "ha-postgres-14.0.0.standardLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Annotations of an object. Takes a list: the root context and the object's own annotations, which take precedence. */}}
{{- define "ha-postgres-14.0.0.annotations" -}}
{{- $root := index . 0 -}}
{{- with merge (dict) (index . 1) $root.Values.commonAnnotations }}{{ toYaml . }}{{ end -}}
{{- end }}

{{/* With doNotPause: the annotation by which Argo CD asks before it deletes the release. One object that has it holds all of them. */}}
{{- define "ha-postgres-14.0.0.protection" -}}
{{- if .Values.doNotPause -}}
{{- $key := "argocd.argoproj.io/sync-options" -}}
{{ $key }}: {{ list (get .Values.commonAnnotations $key) "Delete=confirm,Prune=confirm" | compact | join "," | quote }}
{{- end -}}
{{- end }}

{{/* Labels of the objects that users of the database see. */}}
{{- define "ha-postgres-14.0.0.labels" -}}
{{ include "ha-postgres-14.0.0.selector" . }}
{{ include "ha-postgres-14.0.0.objectLabels" . }}
app.kubernetes.io/component: database
{{- end }}

{{/* Labels of the pods. */}}
{{- define "ha-postgres-14.0.0.podLabels" -}}
{{- $own := include "ha-postgres-14.0.0.selector" . | fromYaml -}}
{{- $standard := include "ha-postgres-14.0.0.standardLabels" . | fromYaml -}}
{{- $component := dict "app.kubernetes.io/component" "database" -}}
{{- merge $own $standard $component .Values.podLabels | toYaml -}}
{{- end }}

{{/*
Labels of a Job's pods, without those by which Services and policies select others. Takes a list: the root context, the Job's own
labels as YAML.
*/}}
{{- define "ha-postgres-14.0.0.jobPodLabels" -}}
{{- $root := index . 0 -}}
{{- $own := index . 1 | fromYaml -}}
{{- $standard := include "ha-postgres-14.0.0.standardLabels" $root | fromYaml -}}
{{- $selecting := keys (include "ha-postgres-14.0.0.selector" $root | fromYaml) | concat (list "ha-postgres/name") -}}
{{- $given := dict -}}
{{- range $key, $value := $root.Values.podLabels -}}
{{- if not (has $key $selecting) -}}
{{- $_ := set $given $key $value -}}
{{- end -}}
{{- end -}}
{{- merge $own $standard $given | toYaml -}}
{{- end }}

{{/* The reference of an image, with its digest if there is one, which decides. Takes a list: the root context, the image's values and the default tag. */}}
{{- define "ha-postgres-14.0.0.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- $tag := $image.tag | default (index . 2) -}}
{{- with $root.Values.global.imageRegistry | default $image.registry }}{{ . }}/{{ end -}}
{{- $image.repository -}}
{{- with $tag }}:{{ . }}{{ end -}}
{{- with $image.digest }}@{{ . }}{{ end -}}
{{- end }}

{{- define "ha-postgres-14.0.0.postgresImage" -}}
{{- include "ha-postgres-14.0.0.image" (list . .Values.image .Values.version) -}}
{{- end }}

{{/* The Secrets for pulling images, the global ones first: a value may hold names as well as objects with a name. */}}
{{- define "ha-postgres-14.0.0.pullSecrets" -}}
{{- $found := list -}}
{{- range concat .Values.global.imagePullSecrets .Values.imagePullSecrets -}}
{{- $found = append $found (kindIs "string" . | ternary (dict "name" .) .) -}}
{{- end -}}
{{- with uniq $found }}{{ toYaml . }}{{ end -}}
{{- end }}

{{/* The value `affinity`. A term about pods without a labelSelector, which would select none, applies to the release's. */}}
{{- define "ha-postgres-14.0.0.affinity" -}}
{{- $affinity := deepCopy .Values.affinity -}}
{{- $pods := dict "matchLabels" (include "ha-postgres-14.0.0.selector" . | fromYaml) -}}
{{- range list "podAffinity" "podAntiAffinity" -}}
{{- with get $affinity . -}}
{{- $terms := .requiredDuringSchedulingIgnoredDuringExecution | default list -}}
{{- range .preferredDuringSchedulingIgnoredDuringExecution -}}
{{- $terms = append $terms .podAffinityTerm -}}
{{- end -}}
{{- range $terms -}}
{{- if not (hasKey . "labelSelector") -}}
{{- $_ := set . "labelSelector" $pods -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $affinity -}}
{{- end }}

{{/*
The line of a claim with its StorageClass. Takes a list: the root context, the claim's own (null: the global one, or else the cluster's
default).
*/}}
{{- define "ha-postgres-14.0.0.storageClass" -}}
{{- $root := index . 0 -}}
{{- $own := index . 1 -}}
{{- if not (kindIs "invalid" $own) -}}
storageClassName: {{ $own | quote }}
{{- else -}}
{{- with $root.Values.global.storageClass -}}
storageClassName: {{ eq . "-" | ternary "" . | quote }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The claim of a volume that lives as long as its pod. Takes a list: the root context, StorageClass or null, size. */}}
{{- define "ha-postgres-14.0.0.ephemeralVolume" -}}
ephemeral:
  volumeClaimTemplate:
    spec:
      {{- with include "ha-postgres-14.0.0.storageClass" (list (index . 0) (index . 1)) }}
      {{- . | nindent 6 }}
      {{- end }}
      accessModes: [ReadWriteOnce]
      resources:
        requests:
          storage: {{ index . 2 }}
{{- end }}

{{/* The image of the major whose data may be upgraded. */}}
{{- define "ha-postgres-14.0.0.formerImage" -}}
{{- $image := dict "registry" .Values.image.registry "repository" .Values.image.repository "digest" "" "tag" (toString .Values.majorUpgrade.from) -}}
{{- .Values.majorUpgrade.image | default (include "ha-postgres-14.0.0.image" (list . $image "")) -}}
{{- end }}

{{- define "ha-postgres-14.0.0.failoverImage" -}}
{{- include "ha-postgres-14.0.0.image" (list . .Values.failoverImage "") -}}
{{- end }}

{{- define "ha-postgres-14.0.0.secretName" -}}
{{- .Values.databaseSecret.secretName | default (printf "%s-auth" (include "ha-postgres-14.0.0.fullname" .)) -}}
{{- end }}

{{/* The sources of the initdb scripts, for a projected volume. */}}
{{- define "ha-postgres-14.0.0.scripts" -}}
{{- with .Values.initdb -}}
{{- if .scripts }}
- configMap:
    name: {{ include "ha-postgres-14.0.0.fullname" $ }}-initdb
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

{{- define "ha-postgres-14.0.0.serviceAccountName" -}}
{{- $made := .Values.serviceAccount.create | ternary (include "ha-postgres-14.0.0.fullname" .) "default" -}}
{{- .Values.serviceAccount.name | default $made -}}
{{- end }}

{{/* The security context of every container: no privileges. */}}
{{- define "ha-postgres-14.0.0.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "ha-postgres-14.0.0.podSecurity" -}}
runAsNonRoot: true
{{- $uid := .Values.securityContext.uid }}
{{- if not (has $uid (list nil "platform")) }}
runAsUser: {{ int64 $uid }}
runAsGroup: {{ int64 $uid }}
fsGroup: {{ int64 $uid }}
{{- end }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}
