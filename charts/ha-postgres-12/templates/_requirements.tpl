{{/* What values.schema.json can't say. All that is wrong is told at once. */}}
{{- define "ha-postgres.requirements" -}}
{{- $wrong := list -}}

{{- with .Values.failover -}}
{{- $fenced := addf (mulf .leaseSeconds (addf 1 .clockRatio)) .fenceSeconds -}}
{{- if ge $fenced (float64 .ttlSeconds) -}}
{{- $wrong = append $wrong (printf "failover: leaseSeconds * (1 + clockRatio) + fenceSeconds must be less than ttlSeconds, or two servers could write: %v * %v + %v = %v is not less than %v" .leaseSeconds (addf 1 .clockRatio) .fenceSeconds $fenced .ttlSeconds) -}}
{{- end -}}
{{- $renewed := addf .renewSeconds (mulf 2 .callTimeoutSeconds) -}}
{{- if gt $renewed (float64 .leaseSeconds) -}}
{{- $wrong = append $wrong (printf "failover: renewSeconds + 2 * callTimeoutSeconds must not exceed leaseSeconds, so that one lost call is survived: %v + 2 * %v = %v exceeds %v" .renewSeconds .callTimeoutSeconds $renewed .leaseSeconds) -}}
{{- end -}}
{{- if or (ge (float64 .renewSeconds) (float64 .overdueSeconds)) (ge (float64 .overdueSeconds) (float64 .ttlSeconds)) -}}
{{- $wrong = append $wrong (printf "failover: overdueSeconds must lie between renewSeconds and ttlSeconds: %v is not between %v and %v" .overdueSeconds .renewSeconds .ttlSeconds) -}}
{{- end -}}
{{- $granted := addf .overdueSeconds (mulf .grantSeconds (addf 1 .clockRatio)) .fenceSeconds -}}
{{- if gt $granted (float64 .ttlSeconds) -}}
{{- $wrong = append $wrong (printf "failover: overdueSeconds + grantSeconds * (1 + clockRatio) + fenceSeconds must not exceed ttlSeconds, so that a promise delays no failover: %v + %v * %v + %v = %v exceeds %v" .overdueSeconds .grantSeconds (addf 1 .clockRatio) .fenceSeconds $granted .ttlSeconds) -}}
{{- end -}}
{{- end -}}

{{- $reserved := list "archive_cleanup_command" "cluster_name" "config_file" "data_directory" "external_pid_file" "fsync" "full_page_writes" "hba_file" "hot_standby" "ident_file" "include" "include_dir" "include_if_exists" "listen_addresses" "log_destination" "logging_collector" "max_slot_wal_keep_size" "password_encryption" "port" "primary_conninfo" "primary_slot_name" "promote_trigger_file" "recovery_end_command" "restore_command" "synchronous_standby_names" "unix_socket_directories" "unix_socket_group" "unix_socket_permissions" "update_process_title" "wal_level" "wal_log_hints"  -}}
{{- range $name, $_ := .Values.postgresql.parameters -}}
{{- if not (regexMatch "^[a-z_][a-z0-9_]*([.][a-z_][a-z0-9_]*)?$" $name) -}}
{{- $wrong = append $wrong (printf "postgresql.parameters: %q is not the name of a parameter in lower case" $name) -}}
{{- else if or (has $name $reserved) (hasPrefix "recovery_target" $name) -}}
{{- $wrong = append $wrong (printf "postgresql.parameters.%s: can't be set, because failover depends on the chart's own" $name) -}}
{{- end -}}
{{- end -}}

{{- $role := printf "%s/role" .Values.labelDomain -}}
{{- if hasKey .Values.podLabels $role -}}
{{- $wrong = append $wrong (printf "podLabels: %s can't be set; the failover container does" $role) -}}
{{- end -}}

{{- if $wrong -}}
{{- fail (printf "\n%s" (join "\n" $wrong)) -}}
{{- end -}}
{{- end }}
