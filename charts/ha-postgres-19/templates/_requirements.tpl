{{/* The checks that values.schema.json can't express. All problems are reported at once. */}}
{{- define "ha-postgres-19.0.0.requirements" -}}
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

{{- if include "ha-postgres-19.0.0.sslMode" . -}}
{{- if not (or .Values.tls.secretName .Values.tls.certManager.issuerRef.name) -}}
{{- $wrong = append $wrong (printf "tls: mode %s needs a certificate; set secretName or certManager.issuerRef.name" .Values.tls.mode) -}}
{{- else if and .Values.tls.secretName .Values.tls.certManager.issuerRef.name -}}
{{- $wrong = append $wrong "tls: secretName and certManager.issuerRef.name exclude each other" -}}
{{- end -}}
{{- end -}}

{{- range .Values.initdb.args -}}
{{- if regexMatch `^-[dgknN]*[DXU]|^--(pgdata|waldir|xlogdir|username)(=|$)` . -}}
{{- $wrong = append $wrong (printf "initdb.args: %s can't be set, because the chart sets the directory and its owner" .) -}}
{{- else if regexMatch `^-[dgknN]*W|^--(pwfile|pwprompt)(=|$)` . -}}
{{- $wrong = append $wrong (printf "initdb.args: %s can't be set, because the password comes from the Secret" .) -}}
{{- else if regexMatch `^-[dgknN]*A|^--auth(-host|-local)?(=|$)` . -}}
{{- $wrong = append $wrong (printf "initdb.args: %s can't be set, because initdb only writes it to pg_hba.conf, but the servers read the file of the chart; set postgresql.pgHba instead" .) -}}
{{- else if regexMatch `^-[dgknN]*c|^--set(=|$)` . -}}
{{- $wrong = append $wrong (printf "initdb.args: %s can't be set, because initdb only writes it to postgresql.conf, but the servers read the file of the chart; set postgresql.parameters instead" .) -}}
{{- else if regexMatch `^-[dgknN]*T|^--text-search-config(=|$)` . -}}
{{- $wrong = append $wrong (printf "initdb.args: %s can't be set, because initdb only writes it to postgresql.conf, but the servers read the file of the chart; set postgresql.parameters.default_text_search_config instead" .) -}}
{{- else if regexMatch `^--lc-messages(=|$)` . -}}
{{- $wrong = append $wrong (printf "initdb.args: %s can't be set, because initdb only writes it to postgresql.conf, but the servers read the file of the chart; set postgresql.parameters.lc_messages instead" .) -}}
{{- else if regexMatch `^--lc-monetary(=|$)` . -}}
{{- $wrong = append $wrong (printf "initdb.args: %s can't be set, because initdb only writes it to postgresql.conf, but the servers read the file of the chart; set postgresql.parameters.lc_monetary instead" .) -}}
{{- else if regexMatch `^--lc-numeric(=|$)` . -}}
{{- $wrong = append $wrong (printf "initdb.args: %s can't be set, because initdb only writes it to postgresql.conf, but the servers read the file of the chart; set postgresql.parameters.lc_numeric instead" .) -}}
{{- else if regexMatch `^--lc-time(=|$)` . -}}
{{- $wrong = append $wrong (printf "initdb.args: %s can't be set, because initdb only writes it to postgresql.conf, but the servers read the file of the chart; set postgresql.parameters.lc_time instead" .) -}}
{{- else if regexMatch `^-[dgknN]*[sSV?]|^--(show|sync-only|version|help)(=|$)` . -}}
{{- $wrong = append $wrong (printf "initdb.args: %s can't be set, because initdb would exit without creating a database" .) -}}
{{- else if not (regexMatch `^([^-\s]\S*|-[dgknN]+|-[dgknN]*[EL]\S*|--(allow-group-access|builtin-locale|data-checksums|debug|discard-caches|encoding|icu-locale|icu-rules|lc-collate|lc-ctype|locale|locale-provider|no-clean|no-data-checksums|no-instructions|no-locale|no-sync|sync-method|wal-segsize)(=\S*)?)$` .) -}}
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
{{- else if not (semverCompare "< 19" (toString .from)) -}}
{{- $wrong = append $wrong (printf "majorUpgrade.from: %v is not older than this chart's PostgreSQL 19" .from) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.walVolume.enabled (not .Values.storage) -}}
{{- $wrong = append $wrong "walVolume: enabled requires storage, because WAL on a volume is useless if the data is lost with its pod" -}}
{{- end -}}
{{- $wrong = concat $wrong (include "ha-postgres-19.0.0.quantityProblems" . | fromJsonArray) -}}
{{- $wrong = concat $wrong (include "ha-postgres-19.0.0.serviceProblems" . | fromJsonArray) -}}
{{- $wrong = concat $wrong (include "ha-postgres-19.0.0.podProblems" . | fromJsonArray) -}}
{{- $wrong = concat $wrong (include "ha-postgres-19.0.0.parameterProblems" . | fromJsonArray) -}}
{{- $wrong = concat $wrong (include "ha-postgres-19.0.0.backupProblems" . | fromJsonArray) -}}
{{- $wrong = concat $wrong (include "ha-postgres-19.0.0.cloneProblems" . | fromJsonArray) -}}
{{- $wrong = concat $wrong (include "ha-postgres-19.0.0.importProblems" . | fromJsonArray) -}}
{{- $wrong = concat $wrong (include "ha-postgres-19.0.0.roleProblems" . | fromJsonArray) -}}
{{- $wrong = concat $wrong (include "ha-postgres-19.0.0.appProblems" . | fromJsonArray) -}}

{{- if $wrong -}}
{{- fail (printf "\n%s" (join "\n" $wrong)) -}}
{{- end -}}
{{- end }}

{{/* What is wrong with archiver, backup and restore, as a list of sentences. */}}
{{- define "ha-postgres-19.0.0.backupProblems" -}}
{{- $wrong := list -}}
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
{{- $wrong = append $wrong (printf "%s: must be left out, because pgBackRest in the backup image does not support PostgreSQL 19 yet; archives, backups and restores need 18 or older" .) -}}
{{- end -}}
{{- $wrong | toJson -}}
{{- end }}
