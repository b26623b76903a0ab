{{/* A value of postgresql.conf, quoted. A number is an integer from `--set`, but floating point from a file or from an
     earlier release's values. Both are written alike; otherwise the same value would restart the pods. */}}
{{- define "ha-postgres-14.0.0.parameter" -}}
{{- if kindIs "bool" . -}}
{{- . | ternary "on" "off" -}}
{{- else if or (kindIs "int64" .) (kindIs "int" .) (and (kindIs "float64" .) (eq . (floor .)) (lt . 1e15) (gt . -1e15)) -}}
{{- int64 . -}}
{{- else -}}
'{{ . | toString | replace "\\" "\\\\" | replace "'" "''" }}'
{{- end -}}
{{- end }}

{{/* The most WAL that slots may hold back, so that they never fill the volume. Default: a fifth of the data volume, half of a WAL volume. */}}
{{- define "ha-postgres-14.0.0.slotWal" -}}
{{- if .Values.replication.maxSlotWalKeepSize -}}
{{- .Values.replication.maxSlotWalKeepSize -}}
{{- else if .Values.storage -}}
{{- $quantity := toString .Values.storage.resources.requests.storage -}}
{{- $part := 5.0 -}}
{{- if .Values.walVolume.enabled -}}
{{- $quantity = toString .Values.walVolume.size -}}
{{- $part = 2.0 -}}
{{- end -}}
{{- $number := regexFind "^[0-9.]+([eE][-+]?[0-9]+)?" $quantity -}}
{{- $binary := dict "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0 "Ei" 1152921504606846976.0 -}}
{{- $decimal := dict "" 1.0 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18 "m" 1e-3 "u" 1e-6 "n" 1e-9 -}}
{{- $megabytes := divf (mulf (float64 $number) (get (merge $binary $decimal) (trimPrefix $number $quantity))) (mulf $part 1048576.0) -}}
{{- max 1 (int64 (floor $megabytes)) }}MB
{{- else -}}
1GB
{{- end -}}
{{- end }}

{{/* min_wal_size and max_wal_size for segments above 16 MB, with which a server does not start by default. The values are
     initdb's own, whose file is not read. */}}
{{- define "ha-postgres-14.0.0.segments" -}}
{{- $megabytes := join " " .Values.initdb.args | regexFind "--wal-segsize[= ][0-9]+" | regexFind "[0-9]+$" | int -}}
{{- if gt $megabytes 16 }}
min_wal_size = '{{ mul 5 $megabytes }}MB'
max_wal_size = '{{ mul 64 $megabytes }}MB'
{{- end -}}
{{- end }}

{{/* The whole postgresql.conf. */}}
{{- define "ha-postgres-14.0.0.postgresql.conf" -}}
{{- include "ha-postgres-14.0.0.settings" (dict "root" . "parameters" .Values.postgresql.parameters "reloadable" true) -}}
{{- end }}

{{/* postgresql.conf without what needs only a reload, as the size of the volumes does. While this does not change, no server has to restart. */}}
{{- define "ha-postgres-14.0.0.settingsOfStart" -}}
{{- $known := .Files.Get "files/parameters.json" | fromJson -}}
{{- $kept := dict -}}
{{- range $name, $value := .Values.postgresql.parameters -}}
{{- if eq (dig $name "context" "postmaster" $known) "postmaster" -}}
{{- $_ := set $kept $name $value -}}
{{- end -}}
{{- end -}}
{{- include "ha-postgres-14.0.0.settings" (dict "root" . "parameters" $kept) -}}
{{- end }}

{{/* postgresql.conf with the given `parameters`, and with our own settings that need only a reload if `reloadable`. If a parameter is
     set twice, the server uses the last. */}}
{{- define "ha-postgres-14.0.0.settings" -}}
listen_addresses = '*'
port = 5432
unix_socket_directories = '/run/hapg/socket'
hba_file = '/etc/hapg/config/pg_hba.conf'
password_encryption = 'scram-sha-256'
logging_collector = off
log_destination = 'stderr'
log_line_prefix = '%m [%p] '
update_process_title = on

# replication
wal_level = replica
max_wal_senders = 99
max_replication_slots = 99
wal_keep_size = '512MB'
recovery_target_timeline = 'latest'
{{- if .reloadable }}
max_slot_wal_keep_size = '{{ include "ha-postgres-14.0.0.slotWal" .root }}'
{{- end }}

# a failed upstream is noticed within seconds, a new one found at once
wal_retrieve_retry_interval = 100ms
wal_receiver_timeout = 5s
wal_receiver_status_interval = 1s
wal_sender_timeout = 5s

# durability; pg_rewind needs the hints; a server whose process has crashed ends, and writes no checkpoint that replicas take for its shutdown
fsync = on
full_page_writes = on
wal_log_hints = on
restart_after_crash = off
{{- include "ha-postgres-14.0.0.segments" .root }}
{{- include "ha-postgres-14.0.0.tlsSettings" .root }}
{{- include "ha-postgres-14.0.0.archiveSettings" .root }}

# postgresql.parameters
{{- range $name, $value := .parameters }}
{{ $name }} = {{ include "ha-postgres-14.0.0.parameter" $value }}
{{- end }}

# hot_standby and primary_conninfo of this server
include_if_exists = '/run/hapg/conf/instance.conf'
{{- end }}

{{- define "ha-postgres-14.0.0.pg_hba.conf" -}}
# The socket's directory belongs to the pod's two containers alone.
local all         all                trust
{{- $host := "host " -}}
{{- if eq (toString .Values.tls.mode) "require" }}
hostnossl all,replication all all reject
{{- $host = "hostssl" -}}
{{- end }}
{{- with .Values.postgresql.pgHba }}
# The members connect to each other under these roles.
{{ $host }} postgres,replication ha_postgres_replication,postgres 0.0.0.0/0 scram-sha-256
{{ $host }} postgres,replication ha_postgres_replication,postgres ::/0      scram-sha-256
# postgresql.pgHba
{{- range . }}
{{ . }}
{{- end }}
# the chart's own
{{- end }}
{{ $host }} all         all      0.0.0.0/0 scram-sha-256
{{ $host }} all         all      ::/0      scram-sha-256
{{ $host }} replication all      0.0.0.0/0 scram-sha-256
{{ $host }} replication all      ::/0      scram-sha-256
{{- end }}
