{{/* The volumes of the pods that the chart makes, as a list of names. */}}
{{- define "ha-postgres-12.0.0.ownVolumes" -}}
{{- $volumes := list "data" "run" "config" "secret" "supervisor" "shm" "tmp" "token" -}}
{{- if .Values.walVolume.enabled -}}
{{- $volumes = append $volumes "wal" -}}
{{- end -}}
{{- if include "ha-postgres-12.0.0.scripts" . -}}
{{- $volumes = append $volumes "initdb" -}}
{{- end -}}
{{- if .Values.majorUpgrade.allowed -}}
{{- $volumes = append $volumes "former-major" -}}
{{- end -}}
{{- if include "ha-postgres-12.0.0.sslMode" . -}}
{{- $volumes = append $volumes "tls" -}}
{{- end -}}
{{- if include "ha-postgres-12.0.0.backup" . -}}
{{- $volumes = concat $volumes (list "backup-key" "repository" "repository-credentials" "source-repository" "source-repository-credentials") -}}
{{- end -}}
{{- if include "ha-postgres-12.0.0.clones" . -}}
{{- $volumes = append $volumes "source" -}}
{{- end -}}
{{- if include "ha-postgres-12.0.0.rolePasswords" . | fromJson -}}
{{- $volumes = append $volumes "roles" -}}
{{- end -}}
{{- if include "ha-postgres-12.0.0.verifiesImport" . -}}
{{- $volumes = append $volumes "import-ca" -}}
{{- end -}}
{{- $volumes | toJson -}}
{{- end }}

{{/* What is wrong with the volumes, mounts, variables and containers that the values add to the pods, as a list of sentences. */}}
{{- define "ha-postgres-12.0.0.podProblems" -}}
{{- $wrong := list -}}
{{- $own := concat (include "ha-postgres-12.0.0.ownVolumes" . | fromJsonArray) (list "initdb" "former-major" "tls") | uniq -}}
{{- $volumes := list -}}
{{- range .Values.extraVolumes -}}
{{- if has .name $own -}}
{{- $wrong = append $wrong (printf "extraVolumes: the name %s is the chart's own" .name) -}}
{{- else if has .name $volumes -}}
{{- $wrong = append $wrong (printf "extraVolumes: %s is listed twice; keep one entry" .name) -}}
{{- end -}}
{{- $volumes = append $volumes .name -}}
{{- end -}}
{{- $volumes = concat $volumes (include "ha-postgres-12.0.0.ownVolumes" . | fromJsonArray) -}}
{{- $wrong = concat $wrong (include "ha-postgres-12.0.0.overlappingMounts" . | fromJsonArray) -}}
{{- $wrong = concat $wrong (include "ha-postgres-12.0.0.mountProblems" (list "extraVolumeMounts" .Values.extraVolumeMounts $volumes) | fromJsonArray) -}}
{{- $wrong = concat $wrong (include "ha-postgres-12.0.0.envProblems" (list "extraEnv" .Values.extraEnv) | fromJsonArray) -}}
{{- range .Values.extraEnv -}}
{{- if or (hasPrefix "POD_" .name) (hasPrefix "HAPG_" .name) -}}
{{- $wrong = append $wrong (printf "extraEnv: %s can't be set, because it is the chart's own" .name) -}}
{{- end -}}
{{- end -}}
{{- $names := list "prepare" "failover" "postgres" "former-major" -}}
{{- if include "ha-postgres-12.0.0.backup" . -}}
{{- $names = append $names "backup" -}}
{{- end -}}
{{- $given := list -}}
{{- range $value := list "initContainers" "extraContainers" -}}
{{- range $index, $container := get $.Values $value -}}
{{- if has .name $names -}}
{{- $wrong = append $wrong (printf "%s: the name %s is the chart's own" $value .name) -}}
{{- else if has .name $given -}}
{{- $wrong = append $wrong (printf "%s: %s is listed twice; containers of a pod have different names" $value .name) -}}
{{- end -}}
{{- $given = append $given .name -}}
{{- $path := print $value "[" $index "]" -}}
{{- $wrong = concat $wrong (include "ha-postgres-12.0.0.mountProblems" (list (printf "%s.volumeMounts" $path) .volumeMounts $volumes) | fromJsonArray) -}}
{{- $wrong = concat $wrong (include "ha-postgres-12.0.0.envProblems" (list (printf "%s.env" $path) .env) | fromJsonArray) -}}
{{- end -}}
{{- end -}}
{{- $wrong | toJson -}}
{{- end }}

{{/* The additional mounts of the PostgreSQL container that hide its files, as a list of sentences. */}}
{{- define "ha-postgres-12.0.0.overlappingMounts" -}}
{{- $wrong := list -}}
{{- $own := list "/var/lib/postgresql/data" "/run/hapg" "/var/run/hapg" "/etc/hapg" "/dev/shm" "/opt/hapg-former" -}}
{{- if .Values.walVolume.enabled -}}
{{- $own = append $own "/var/lib/postgresql/wal" -}}
{{- end -}}
{{- range .Values.extraVolumeMounts -}}
{{- $given := .mountPath -}}
{{- $clean := clean $given -}}
{{- if eq $clean "/tmp" -}}
{{- $wrong = append $wrong (printf "extraVolumeMounts: %s is the chart's own; mount below it" $given) -}}
{{- else if has $clean (list "/" "/bin" "/dev" "/lib" "/lib64" "/proc" "/sbin" "/sys" "/usr" "/usr/bin" "/usr/lib") -}}
{{- $wrong = append $wrong (printf "extraVolumeMounts: %s would hide the files of the image; mount at a folder of its own" $given) -}}
{{- else -}}
{{- range $own -}}
{{- if or (hasPrefix (printf "%s/" .) (printf "%s/" $clean)) (hasPrefix (printf "%s/" $clean) .) -}}
{{- $wrong = append $wrong (printf "extraVolumeMounts: %s overlaps the chart's own %s" $given .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $wrong | toJson -}}
{{- end }}

{{/* What is wrong with a container's mounts among themselves. Takes a list: their path in the values, the mounts, the names of all volumes. */}}
{{- define "ha-postgres-12.0.0.mountProblems" -}}
{{- $wrong := list -}}
{{- $path := index . 0 -}}
{{- $volumes := index . 2 -}}
{{- $taken := list -}}
{{- range index . 1 -}}
{{- if not (has .name $volumes) -}}
{{- $wrong = append $wrong (printf "%s: there is no volume %s; declare it in extraVolumes" $path .name) -}}
{{- end -}}
{{- if has (clean .mountPath) $taken -}}
{{- $wrong = append $wrong (printf "%s: %s is mounted twice" $path .mountPath) -}}
{{- end -}}
{{- $taken = append $taken (clean .mountPath) -}}
{{- if and .subPath .subPathExpr -}}
{{- $wrong = append $wrong (printf "%s: %s has subPath and subPathExpr; keep one of them" $path .mountPath) -}}
{{- end -}}
{{- end -}}
{{- $wrong | toJson -}}
{{- end }}

{{/* What is wrong with a container's variables. Takes a list: their path in the values, the variables. */}}
{{- define "ha-postgres-12.0.0.envProblems" -}}
{{- $wrong := list -}}
{{- $path := index . 0 -}}
{{- $taken := list -}}
{{- range index . 1 -}}
{{- if has .name $taken -}}
{{- $wrong = append $wrong (printf "%s: %s is listed twice; keep one entry" $path .name) -}}
{{- end -}}
{{- $taken = append $taken .name -}}
{{- if and .value .valueFrom -}}
{{- $wrong = append $wrong (printf "%s: %s has value and valueFrom; keep one of them" $path .name) -}}
{{- end -}}
{{- if not (or (hasKey . "value" | ternary (kindIs "string" .value) true) (not .value)) -}}
{{- $wrong = append $wrong (printf "%s: %s has the value %v, which is not text; put it in quotes" $path .name .value) -}}
{{- end -}}
{{- end -}}
{{- $wrong | toJson -}}
{{- end }}
