{{/* What is wrong with `postgresql.parameters`, as a list with at most one sentence for each. */}}
{{- define "ha-postgres-17.0.0.parameterProblems" -}}
{{- $wrong := list -}}
{{- $known := .Files.Get "files/parameters.json" | fromJson -}}
{{- range $name, $value := .Values.postgresql.parameters -}}
{{- if not (regexMatch "^[a-z_][a-z0-9_]*([.][a-z_][a-z0-9_]*)?$" $name) -}}
{{- $wrong = append $wrong (printf "postgresql.parameters: %q is not a parameter name in lower case" $name) -}}
{{- else -}}
{{- $text := include "ha-postgres-17.0.0.parameterText" $value -}}
{{- $why := include "ha-postgres-17.0.0.forbiddenParameter" (list $ $name $text) -}}
{{- if not (or $why (contains "." $name)) -}}
{{- if not (hasKey $known $name) -}}
{{- $why = "unknown parameter of PostgreSQL 17; allowed are those in the chart's files/parameters.json, and extensions' parameters, with a dot in the name" -}}
{{- else -}}
{{- $why = include "ha-postgres-17.0.0.wrongParameter" (list (get $known $name) $text) -}}
{{- end -}}
{{- end -}}
{{- if $why -}}
{{- $wrong = append $wrong (printf "postgresql.parameters.%s: %s" $name $why) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $wrong | toJson -}}
{{- end }}

{{/* A value as PostgreSQL reads it, without quotes. */}}
{{- define "ha-postgres-17.0.0.parameterText" -}}
{{- kindIs "string" . | ternary . (include "ha-postgres-17.0.0.parameter" . | trimAll "'") -}}
{{- end }}

{{/* Why failover does not allow a parameter or its value; empty if it does. Takes a list: the root context, name, text. */}}
{{- define "ha-postgres-17.0.0.forbiddenParameter" -}}
{{- $name := index . 1 -}}
{{- $text := index . 2 -}}
{{- $reserved := dict -}}
{{- range list "recovery_min_apply_delay" -}}
{{- $_ := set $reserved . "a promotion would keep clients waiting until all that was delayed is replayed" -}}
{{- end -}}
{{- range list "data_sync_retry" "fsync" "ignore_invalid_pages" -}}
{{- $_ := set $reserved . "a replica is promoted for the WAL on its disk, which must survive a crash" -}}
{{- end -}}
{{- range list "full_page_writes" -}}
{{- $_ := set $reserved . "a replica is promoted for the WAL on its disk, which must survive a crash, also for pg_rewind" -}}
{{- end -}}
{{- range list "restart_after_crash" -}}
{{- $_ := set $reserved . "a server that recovers in place after a process crash writes a shutdown checkpoint, which replicas take for the end of their primary; it must stop, and is started again sealed" -}}
{{- end -}}
{{- range list "wal_sender_shutdown_timeout" -}}
{{- $_ := set $reserved . "a switchover loses nothing because the shutdown of a primary waits until its replicas have all WAL" -}}
{{- end -}}
{{- range list "archive_cleanup_command" "primary_conninfo" "primary_slot_name" "promote_trigger_file" "recovery_end_command" "restore_command" -}}
{{- $_ := set $reserved . "only the failover container decides which server a standby follows, how far, and until when" -}}
{{- end -}}
{{- range list "wal_log_hints" -}}
{{- $_ := set $reserved . "pg_rewind needs the hints" -}}
{{- end -}}
{{- range list "max_replication_slots" "max_wal_senders" -}}
{{- $_ := set $reserved . "the chart sets 99, enough for all replicas, their clones, and about 60 other replication clients" -}}
{{- end -}}
{{- range list "cluster_name" "update_process_title" -}}
{{- $_ := set $reserved . "the failover container reads positions from process titles" -}}
{{- end -}}
{{- range list "synchronous_standby_names" -}}
{{- $_ := set $reserved . "the failover container sets it, in step with the Lease" -}}
{{- end -}}
{{- range list "log_destination" "logging_collector" -}}
{{- $_ := set $reserved . "the log of the server is the log of its container" -}}
{{- end -}}
{{- range list "password_encryption" -}}
{{- $_ := set $reserved . "the passwords of the servers and pg_hba.conf depend on it" -}}
{{- end -}}
{{- range list "db_user_namespace" -}}
{{- $_ := set $reserved . "the servers could not log in to each other, because every role would be called NAME@DATABASE" -}}
{{- end -}}
{{- range list "listen_addresses" -}}
{{- $_ := set $reserved . "the servers reach each other at the addresses of their pods" -}}
{{- end -}}
{{- range list "port" -}}
{{- $_ := set $reserved . "the servers reach each other at the port of the chart" -}}
{{- end -}}
{{- range list "config_file" "data_directory" "external_pid_file" "hba_file" "hosts_file" "ident_file" "include" "include_dir" "include_if_exists" "unix_socket_directories" "unix_socket_group" "unix_socket_permissions" -}}
{{- $_ := set $reserved . "the supervisor and the failover container expect the files and sockets of the server in the directories of the chart" -}}
{{- end -}}
{{- range list "max_slot_wal_keep_size" -}}
{{- $_ := set $reserved . "the value replication.maxSlotWalKeepSize sets it" -}}
{{- end -}}
{{- range list "hot_standby" -}}
{{- $_ := set $reserved . "the value standbyMode sets it" -}}
{{- end -}}
{{- if hasPrefix "recovery_target" $name -}}
{{- $_ := set $reserved $name "only the failover container decides which server a standby follows, how far, and until when" -}}
{{- end -}}
{{- $root := index . 0 -}}
{{- if and (include "ha-postgres-17.0.0.sslMode" $root) (has $name (list "ssl" "ssl_cert_file" "ssl_key_file")) -}}
{{- $_ := set $reserved $name (printf "tls.mode %s sets it" $root.Values.tls.mode) -}}
{{- end -}}
{{- if and $root.Values.archiver.type (has $name (list "archive_command" "archive_library" "archive_mode" )) -}}
{{- $_ := set $reserved $name "archiver.type sets how WAL is archived; remove one of them" -}}
{{- end -}}
{{- if hasKey $reserved $name -}}
can't be set, because {{ get $reserved $name }}
{{- else if and (eq $name "superuser_reserved_connections") (not (regexMatch "^([3-9]|[1-9][0-9]+)$" $text)) -}}
{{ $text | quote }} is not allowed; at least 3: the failover container must be able to connect when clients use all other connections
{{- else if and (eq $name "wal_level") (not (regexMatch "^(replica|logical)$" $text)) -}}
{{ $text | quote }} is not allowed; replica or logical: with less, no replica could follow
{{- else if and (eq $name "wal_receiver_status_interval") (not (regexMatch "^[1-9][0-9]*(s|min|h|d)?$" $text)) -}}
{{ $text | quote }} is not allowed; at least 1s, in whole numbers: with 0, replicas do not report their positions to the primary
{{- else if and (eq $name "wal_receiver_timeout") (not (regexMatch "^[1-9][0-9]*(ms|s|min|h|d)?$" $text)) -}}
{{ $text | quote }} is not allowed; at least 1ms, in whole numbers: with 0, a replica waits forever for a primary that no longer answers
{{- else if and (eq $name "wal_sender_timeout") (not (regexMatch "^[1-9][0-9]*(ms|s|min|h|d)?$" $text)) -}}
{{ $text | quote }} is not allowed; at least 1ms, in whole numbers: with 0, the primary still counts a replica that no longer answers as streaming
{{- else if and (eq $name "synchronous_commit") (eq $root.Values.replication.mode "synchronous") (not (regexMatch "^(on|true|yes|1|remote_apply)$" $text)) -}}
{{ $text | quote }} is not allowed with replication.mode synchronous; on or remote_apply: with any other value a commit is acknowledged before it is on the disk of a standby, and a failover may lose it
{{- end -}}
{{- end }}

{{/* Why PostgreSQL would refuse a value; empty if it takes it. Takes a list: what files/parameters.json says of the parameter, text. */}}
{{- define "ha-postgres-17.0.0.wrongParameter" -}}
{{- $about := index . 0 -}}
{{- $text := index . 1 -}}
{{- $allowed := "" -}}
{{- if eq $about.context "internal" -}}
can't be set in a file; it is read-only
{{- else if eq $about.type "bool" -}}
{{- if not (regexMatch "(?i)^(t|tr|tru|true|f|fa|fal|fals|false|y|ye|yes|n|no|on|of|off|1|0)$" $text) -}}
{{- $allowed = "on or off" -}}
{{- end -}}
{{- else if eq $about.type "enum" -}}
{{- $given := dict "text" (lower $text) "found" false -}}
{{- range concat $about.values $about.also -}}
{{- if eq (lower .) $given.text -}}
{{- $_ := set $given "found" true -}}
{{- end -}}
{{- end -}}
{{- if not $given.found -}}
{{- $allowed = include "ha-postgres-17.0.0.orList" $about.values -}}
{{- end -}}
{{- else if ne $about.type "string" -}}
{{- $number := include "ha-postgres-17.0.0.parameterNumber" . -}}
{{- if or (not $number) (lt (float64 $number) (float64 $about.least)) (gt (float64 $number) (float64 $about.most)) -}}
{{- $allowed = include "ha-postgres-17.0.0.parameterRange" $about -}}
{{- end -}}
{{- end -}}
{{- with $allowed -}}
{{ $text | quote }} is not allowed; {{ . }}
{{- end -}}
{{- end }}

{{/* Why a database can't have a setting; empty if it can. Takes a list: the root context, name, value. */}}
{{- define "ha-postgres-17.0.0.wrongSetting" -}}
{{- $name := lower (index . 1) -}}
{{- $value := index . 2 -}}
{{- if not (or (kindIs "invalid" $value) (contains "." $name)) -}}
{{- $root := index . 0 -}}
{{- $text := include "ha-postgres-17.0.0.parameterText" $value -}}
{{- $known := $root.Files.Get "files/parameters.json" | fromJson -}}
{{- if not (hasKey $known $name) -}}
unknown parameter of PostgreSQL 17; allowed are those in the chart's files/parameters.json, and extensions' parameters, with a dot in the name
{{- else if not (has (get $known $name).context (list "user" "superuser" )) -}}
can't be set for one database; the whole server has one value
{{- else if and (eq $name "synchronous_commit") (eq $root.Values.replication.mode "synchronous") (not (regexMatch "^(on|true|yes|1|remote_apply)$" $text)) -}}
{{ $text | quote }} is not allowed with replication.mode synchronous; on or remote_apply: with any other value a commit is acknowledged before it is on the disk of a standby, and a failover may lose it
{{- else -}}
{{- include "ha-postgres-17.0.0.wrongParameter" (list (get $known $name) $text) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The units that a parameter takes, as a list. Takes what files/parameters.json says of it. */}}
{{- define "ha-postgres-17.0.0.parameterUnits" -}}
{{- $found := list -}}
{{- if .unit -}}
{{- if eq .type "integer" -}}
{{- $found = hasSuffix "B" .unit | ternary (list "B" "kB" "MB" "GB" "TB" ) (list "us" "ms" "s" "min" "h" "d" ) -}}
{{- else if eq .type "real" -}}
{{- $found = hasSuffix "B" .unit | ternary (list "B" "kB" "MB" "GB" "TB" ) (list "us" "ms" "s" "min" "h" "d" ) -}}
{{- end -}}
{{- end -}}
{{- $found | toJson -}}
{{- end }}

{{/* A text as a number in its parameter's unit; empty if it is none. Takes a list as wrongParameter does. */}}
{{- define "ha-postgres-17.0.0.parameterNumber" -}}
{{- $about := index . 0 -}}
{{- $integer := eq $about.type "integer" -}}
{{- $units := include "ha-postgres-17.0.0.parameterUnits" $about | fromJsonArray -}}
{{- $form := printf ($integer | ternary `^\s*([-+]?)(0[xX][0-9A-Fa-f]+|(?:0[0-7]*|[1-9][0-9]*)(?:[.][0-9]*)?(?:[eE][-+]?[0-9]+)?|[.][0-9]+(?:[eE][-+]?[0-9]+)?)\s*(|%s)\s*$` `^\s*([-+]?)(0[xX][0-9A-Fa-f]+|[0-9]+(?:[.][0-9]*)?(?:[eE][-+]?[0-9]+)?|[.][0-9]+(?:[eE][-+]?[0-9]+)?)\s*(|%s)\s*$`) (join "|" $units) -}}
{{- if regexMatch $form (index . 1) -}}
{{- $digits := regexReplaceAll $form (index . 1) "${2}" | lower -}}
{{- $base := hasPrefix "0x" $digits | ternary 16 (and $integer (regexMatch "^0[0-7]+$" $digits) | ternary 8 0) -}}
{{- $value := 0.0 -}}
{{- if $base -}}
{{- range trimPrefix "0x" $digits | splitList "" -}}
{{- $value = addf (mulf $value $base) (dict "a" 10 "b" 11 "c" 12 "d" 13 "e" 14 "f" 15 | dig . (int .)) -}}
{{- end -}}
{{- else -}}
{{- $value = float64 $digits -}}
{{- end -}}
{{- with regexReplaceAll $form (index . 1) "${3}" -}}
{{- $factors := dict "B" 1 "kB" 1024 "MB" 1048576 "GB" 1073741824 "TB" 1099511627776 "us" 0.001 "ms" 1 "s" 1000 "min" 60000 "h" 3600000 "d" 86400000  -}}
{{- $bare := mulf (regexFind "^[0-9]+" $about.unit | default "1" | float64) (regexFind "[A-Za-z]+$" $about.unit | get $factors) -}}
{{- $value = divf (mulf $value (get $factors .)) $bare -}}
{{- end -}}
{{- if $integer -}}
{{- $value = round $value 0 -}}
{{- end -}}
{{- eq (regexReplaceAll $form (index . 1) "${1}") "-" | ternary (mulf $value -1) $value -}}
{{- end -}}
{{- end }}

{{/* In words, which numbers a parameter takes. */}}
{{- define "ha-postgres-17.0.0.parameterRange" -}}
{{- eq .type "integer" | ternary "a whole number" "a number" }} from {{ .least }} to {{ .most -}}
{{- with .unit }} in {{ regexMatch "^[0-9]" . | ternary "units of " "" }}{{ . }}{{ end -}}
{{- with include "ha-postgres-17.0.0.parameterUnits" . | fromJsonArray }}, or one with {{ include "ha-postgres-17.0.0.orList" . }}{{ end -}}
{{- end }}

{{/* A list in words: a, b or c. */}}
{{- define "ha-postgres-17.0.0.orList" -}}
{{- $words := list -}}
{{- range . -}}
{{- $words = append $words (. | default "\"\"") -}}
{{- end -}}
{{- gt (len $words) 1 | ternary (printf "%s or %s" (initial $words | join ", ") (last $words)) (first $words) -}}
{{- end }}
