{{/* The checks that values.schema.json can't express. All problems are reported at once. */}}
{{- define "[[ prefix ]].requirements" -}}
{{- $wrong := list -}}

{{- if eq (toString .Values.enabled) "false" -}}
{{- $wrong = append $wrong "enabled: false takes effect only as the condition of a dependency, condition: NAME.enabled; to remove a release, uninstall it" -}}
{{- end -}}

{{- with .Values.failover -}}
{{- $fenced := addf (mulf .leaseSeconds (addf 1 .clockRatio)) .fenceSeconds -}}
{{- if ge $fenced (float64 .ttlSeconds) -}}
{{- $wrong = append $wrong (printf "failover: leaseSeconds * (1 + clockRatio) + fenceSeconds must be less than ttlSeconds, or two servers could write: %v * %v + %v = %v is not less than %v" .leaseSeconds (addf 1 .clockRatio) .fenceSeconds $fenced .ttlSeconds) -}}
{{- end -}}
{{- $renewed := addf .renewSeconds (mulf 2 .callTimeoutSeconds) -}}
{{- if gt $renewed (float64 .leaseSeconds) -}}
{{- $wrong = append $wrong (printf "failover: renewSeconds + 2 * callTimeoutSeconds must not exceed leaseSeconds, so that one lost call does no harm: %v + 2 * %v = %v exceeds %v" .renewSeconds .callTimeoutSeconds $renewed .leaseSeconds) -}}
{{- end -}}
{{- if or (ge (float64 .renewSeconds) (float64 .overdueSeconds)) (ge (float64 .overdueSeconds) (float64 .ttlSeconds)) -}}
{{- $wrong = append $wrong (printf "failover: overdueSeconds must lie between renewSeconds and ttlSeconds: %v is not between %v and %v" .overdueSeconds .renewSeconds .ttlSeconds) -}}
{{- end -}}
{{- $granted := addf .overdueSeconds (mulf .extensionSeconds (addf 1 .clockRatio)) .fenceSeconds -}}
{{- if gt $granted (float64 .ttlSeconds) -}}
{{- $wrong = append $wrong (printf "failover: overdueSeconds + extensionSeconds * (1 + clockRatio) + fenceSeconds must not exceed ttlSeconds, so that a lease extension delays no failover: %v + %v * %v + %v = %v exceeds %v" .overdueSeconds .extensionSeconds (addf 1 .clockRatio) .fenceSeconds $granted .ttlSeconds) -}}
{{- end -}}
{{- end -}}

{{- if eq .Values.replication.mode "synchronous" -}}
{{- if ge (int .Values.replication.minSyncReplicas) (int .Values.replicas) -}}
{{- $wrong = append $wrong (printf "replication: minSyncReplicas must be less than replicas, because the primary is not a standby: %d is not less than %d" (int .Values.replication.minSyncReplicas) (int .Values.replicas)) -}}
{{- end -}}
{{- end -}}

{{- $role := printf "%s/role" .Values.labelDomain -}}
{{- if hasKey .Values.podLabels $role -}}
{{- $wrong = append $wrong (printf "podLabels: %s can't be set; the failover container sets it" $role) -}}
{{- end -}}

{{- if hasKey .Values.podLabels "ha-postgres/hot-standby" -}}
{{- $wrong = append $wrong "podLabels: ha-postgres/hot-standby can't be set; the failover container sets it" -}}
{{- end -}}
{{- if and (eq .Values.service.ipFamilyPolicy "SingleStack") (gt (len .Values.service.ipFamilies) 1) -}}
{{- $wrong = append $wrong (printf "service.ipFamilies: %s are two families, and service.ipFamilyPolicy is SingleStack; name one, or choose PreferDualStack or RequireDualStack" (join " and " .Values.service.ipFamilies)) -}}
{{- end -}}

{{- range list "kubectl.kubernetes.io/default-container" -}}
{{- if hasKey $.Values.podAnnotations . -}}
{{- $wrong = append $wrong (printf "podAnnotations: %s can't be set, because it is the chart's own" .) -}}
{{- end -}}
{{- end -}}

{{- if eq .Values.labelDomain "app.kubernetes.io" -}}
{{- $wrong = append $wrong "labelDomain: app.kubernetes.io is taken, because the chart sets app.kubernetes.io/name too; choose a domain of your own" -}}
{{- end -}}
{{- range $value, $labels := dict "commonLabels" .Values.commonLabels "monitor.prometheus.labels" .Values.monitor.prometheus.labels -}}
{{- range $key, $_ := $labels -}}
{{- $own := list (printf "%s/" $.Values.labelDomain) "app.kubernetes.io/" "ha-postgres/" -}}
{{- range $own -}}
{{- if hasPrefix . $key -}}
{{- $own = list -}}
{{- end -}}
{{- end -}}
{{- if or (not $own) (eq "helm.sh/chart" $key) -}}
{{- $wrong = append $wrong (printf "%s: %s can't be set, because it is the chart's own" $value $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- if include "[[ prefix ]].sslMode" . -}}
{{- if not (or .Values.tls.secretName .Values.tls.certManager.issuerRef.name) -}}
{{- $wrong = append $wrong (printf "tls: mode %s needs a certificate; set secretName or certManager.issuerRef.name" .Values.tls.mode) -}}
{{- else if and .Values.tls.secretName .Values.tls.certManager.issuerRef.name -}}
{{- $wrong = append $wrong "tls: secretName and certManager.issuerRef.name exclude each other" -}}
{{- end -}}
{{- end -}}

{{- range .Values.initdb.args -}}
[% for pattern, why in restrictions.INITDB_REFUSED.items() %]
{{- [[ "else " if not loop.first ]]if regexMatch `[[ pattern ]]` . -}}
{{- $wrong = append $wrong (printf "initdb.args: %s can't be set, because [[ why ]]" .) -}}
[% endfor %]
{{- else if not (regexMatch `[[ restrictions.INITDB_TAKEN ]]` .) -}}
{{- $wrong = append $wrong (printf "initdb.args: %s is not allowed; an option that the chart allows, with long names in full" .) -}}
{{- end -}}
{{- end -}}
{{- range $name, $_ := .Values.initdb.scripts -}}
{{- if not (regexMatch "^[A-Za-z0-9][-_.A-Za-z0-9]*[.]sql$" $name) -}}
{{- $wrong = append $wrong (printf "initdb.scripts: %q is not a valid script name; letters, digits and -_. with .sql at the end" $name) -}}
{{- end -}}
{{- end -}}

{{- $claims := list (list "storage" .Values.storage) (list "walVolume" .Values.walVolume) -}}
{{- range $claims -}}
{{- $claim := index . 0 -}}
{{- range dig "accessModes" list (index . 1 | default dict) -}}
{{- if not (has . (list "ReadWriteOnce" "ReadWriteOncePod")) -}}
{{- $wrong = append $wrong (printf "%s.accessModes: %s is not allowed; ReadWriteOncePod or ReadWriteOnce: with any other mode, servers on several nodes could open one volume, or none could write to it" $claim .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with .Values.majorUpgrade -}}
{{- if .allowed -}}
{{- if not .from -}}
{{- $wrong = append $wrong "majorUpgrade.from: missing; the major of the data, for example 15" -}}
{{- else if not (regexMatch "^([1-9][0-9]?|9[.][0-9])$" (toString .from)) -}}
{{- $wrong = append $wrong (printf "majorUpgrade.from: %v is not a major of PostgreSQL, such as 15 or 9.6" .from) -}}
{{- else if not (semverCompare "< [[ profile.major ]]" (toString .from)) -}}
{{- $wrong = append $wrong (printf "majorUpgrade.from: %v is not older than this chart's PostgreSQL [[ profile.major ]]" .from) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.walVolume.enabled (not .Values.storage) -}}
{{- $wrong = append $wrong "walVolume: enabled requires storage, because WAL on a volume is useless if the data is lost with its pod" -}}
{{- end -}}
{{- $wrong = concat $wrong (include "[[ prefix ]].quantityProblems" . | fromJsonArray) -}}
{{- $wrong = concat $wrong (include "[[ prefix ]].serviceProblems" . | fromJsonArray) -}}
{{- $wrong = concat $wrong (include "[[ prefix ]].podProblems" . | fromJsonArray) -}}
{{- $wrong = concat $wrong (include "[[ prefix ]].parameterProblems" . | fromJsonArray) -}}
{{- $wrong = concat $wrong (include "[[ prefix ]].backupProblems" . | fromJsonArray) -}}
{{- $wrong = concat $wrong (include "[[ prefix ]].cloneProblems" . | fromJsonArray) -}}
{{- $wrong = concat $wrong (include "[[ prefix ]].importProblems" . | fromJsonArray) -}}
{{- $wrong = concat $wrong (include "[[ prefix ]].roleProblems" . | fromJsonArray) -}}
{{- $wrong = concat $wrong (include "[[ prefix ]].appProblems" . | fromJsonArray) -}}

{{- if $wrong -}}
{{- fail (printf "\n%s" (join "\n" $wrong)) -}}
{{- end -}}
{{- end }}

{{/* What is wrong with archiver, backup and restore, as a list of sentences. */}}
{{- define "[[ prefix ]].backupProblems" -}}
{{- $wrong := list -}}
[% if profile.no_archive %]
{{- $useless := list -}}
{{- if .Values.archiver.type -}}
{{- $useless = append $useless "archiver.type" -}}
{{- end -}}
{{- range $kind, $schedule := .Values.backup.schedules -}}
{{- if $schedule -}}
{{- $useless = append $useless (printf "backup.schedules.%s" $kind) -}}
{{- end -}}
{{- end -}}
{{- if .Values.backup.verify.schedule -}}
{{- $useless = append $useless "backup.verify.schedule" -}}
{{- end -}}
{{- if .Values.restore.enabled -}}
{{- $useless = append $useless "restore.enabled" -}}
{{- end -}}
{{- range $useless -}}
{{- $wrong = append $wrong (printf "%s: must be left out, because [[ profile.no_archive ]]" .) -}}
{{- end -}}
[% else %]
{{- $name := include "[[ prefix ]].fullname" . -}}
{{- $repositories := list (list "archiver" .Values.archiver) -}}
{{- if .Values.restore.enabled -}}
{{- $repositories = append $repositories (list "restore.source" .Values.restore.source) -}}
{{- end -}}
{{- range $repositories -}}
{{- $where := index . 0 -}}
{{- $given := index . 1 -}}
{{- if has $given.type (list "s3" "gcs" "azure") -}}
{{- range $key := list "bucket" "secretName" -}}
{{- if not (get $given $key) -}}
{{- $wrong = append $wrong (printf "%s: type %s needs %s" $where $given.type $key) -}}
{{- end -}}
{{- end -}}
{{- if $given.claimName -}}
{{- $wrong = append $wrong (printf "%s.claimName: only type posix has a claim, and type is %s" $where $given.type) -}}
{{- end -}}
{{- else if eq $given.type "posix" -}}
{{- if not $given.claimName -}}
{{- $wrong = append $wrong (printf "%s: type posix needs claimName, a claim that all pods share (ReadWriteMany)" $where) -}}
{{- end -}}
{{- range $key := list "bucket" "endpoint" "secretName" -}}
{{- if get $given $key -}}
{{- $wrong = append $wrong (printf "%s.%s: type posix has none; remove it" $where $key) -}}
{{- end -}}
{{- end -}}
{{- else -}}
{{- $useless := list -}}
{{- range $key := list "bucket" "endpoint" "path" "secretName" "cipherSecretName" "claimName" -}}
{{- if get $given $key -}}
{{- $useless = append $useless (printf "%s.%s" $where $key) -}}
{{- end -}}
{{- end -}}
{{- if eq $where "archiver" -}}
{{- range $kind, $schedule := $.Values.backup.schedules -}}
{{- if $schedule -}}
{{- $useless = append $useless (printf "backup.schedules.%s" $kind) -}}
{{- end -}}
{{- end -}}
{{- if $.Values.backup.verify.schedule -}}
{{- $useless = append $useless "backup.verify.schedule" -}}
{{- end -}}
{{- end -}}
{{- if $useless -}}
{{- $wrong = append $wrong (printf "%s.type: missing for %s; s3, gcs, azure or posix" $where (join ", " $useless)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- with .Values.backup.verify -}}
{{- if and .schedule (kindIs "invalid" .scratch.size) (not $.Values.storage) -}}
{{- $wrong = append $wrong "backup.verify.scratch.size: missing; without storage it has no default" -}}
{{- end -}}
{{- if and .query (not .schedule) -}}
{{- $wrong = append $wrong "backup.verify.query: has no effect without backup.verify.schedule" -}}
{{- end -}}
{{- end -}}

{{- with .Values.restore -}}
{{- if .enabled -}}
{{- if not .stanza -}}
{{- $wrong = append $wrong "restore.stanza: missing; the stanza of the release to restore, as `hapg backup list` prints it" -}}
{{- end -}}
{{- $own := list $.Values.archiver.type $.Values.archiver.bucket $.Values.archiver.endpoint $.Values.archiver.claimName (include "[[ prefix ]].repositoryPath" (list $ $.Values.archiver)) -}}
{{- $source := list .source.type .source.bucket .source.endpoint .source.claimName (include "[[ prefix ]].repositoryPath" (list $ .source)) -}}
{{- if not (or .source.type $.Values.archiver.type) -}}
{{- $wrong = append $wrong "restore: there is no repository to restore from; set restore.source, or archiver if it is the same" -}}
{{- else if and (eq .stanza $name) $.Values.archiver.type (or (not .source.type) (deepEqual $own $source)) -}}
{{- $wrong = append $wrong (printf "restore.stanza: %s is the name of this release itself, which archives to the same path; a release is never restored from its own archive: give the stanza in full, with the id that `hapg backup list` prints" .stanza) -}}
{{- end -}}
{{- if and (eq .target.type "latest") .target.value -}}
{{- $wrong = append $wrong (printf "restore.target.value: %q has no effect with type latest; set restore.target.type, or remove it" .target.value) -}}
{{- else if and (ne .target.type "latest") (not .target.value) -}}
{{- $wrong = append $wrong (printf "restore.target.value: missing; type %s needs %s" .target.type (get (dict [% for type, form in restrictions.TARGETS.items() %]"[[ type ]]" "[[ form.words ]]" [% endfor %]) .target.type)) -}}
[% for type, form in restrictions.TARGETS.items() %]
{{- else if and (eq .target.type "[[ type ]]") (not (regexMatch `[[ form.pattern ]]` .target.value)) -}}
{{- $wrong = append $wrong (printf "restore.target.value: %q is not [[ form.words ]]" .target.value) -}}
[% endfor %]
{{- end -}}
{{- end -}}
{{- end -}}
[% endif %]
{{- $wrong | toJson -}}
{{- end }}
