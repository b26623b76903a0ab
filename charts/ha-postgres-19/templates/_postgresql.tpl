{{/* A value of postgresql.conf, quoted. A number is an integer from `--set`, but floating point from a file or from an
     earlier release's values. Both are written alike; otherwise the same value would restart the servers. */}}
{{- define "ha-postgres-19.0.0.parameter" -}}
{{- if kindIs "bool" . -}}
{{- . | ternary "on" "off" -}}
{{- else if or (kindIs "int64" .) (kindIs "int" .) (and (kindIs "float64" .) (eq . (floor .)) (lt . 1e15) (gt . -1e15)) -}}
{{- int64 . -}}
{{- else -}}
'{{ . | toString | replace "\\" "\\\\" | replace "'" "''" }}'
{{- end -}}
{{- end }}

{{/* The most WAL that slots may hold back, so that they never fill the volume. Default: a fifth of the data volume, half of a WAL volume. */}}
{{- define "ha-postgres-19.0.0.slotWal" -}}
{{- if .Values.replication.maxSlotWalKeepSize -}}
{{- .Values.replication.maxSlotWalKeepSize -}}
{{- else if .Values.storage -}}
{{- $quantity := .Values.storage.resources.requests.storage -}}
{{- $part := 5.0 -}}
{{- if .Values.walVolume.enabled -}}
{{- $quantity = .Values.walVolume.size -}}
{{- $part = 2.0 -}}
{{- end -}}
{{- $megabytes := divf (include "ha-postgres-19.0.0.quantity" $quantity | float64) (mulf $part 1048576.0) -}}
{{- max 1 (int64 (floor $megabytes)) }}MB
{{- else -}}
1GB
{{- end -}}
{{- end }}

{{/* min_wal_size and max_wal_size for segments above 16 MB, with which a server does not start by default. The values are
     initdb's own, whose file is not read. */}}
{{- define "ha-postgres-19.0.0.segments" -}}
{{- $megabytes := join " " .Values.initdb.args | regexFind "--wal-segsize[= ][0-9]+" | regexFind "[0-9]+$" | int -}}
{{- if gt $megabytes 16 }}
min_wal_size = '{{ mul 5 $megabytes }}MB'
max_wal_size = '{{ mul 64 $megabytes }}MB'
{{- end -}}
{{- end }}

{{/* postgresql.conf. While the part above the line about reloads does not change, no server has to restart: every pod compares
     it with what its server was started with. If a parameter is set twice, the server uses the last. */}}
{{- define "ha-postgres-19.0.0.postgresql.conf" -}}
{{- $known := .Files.Get "files/parameters.json" | fromJson -}}
{{- $start := dict -}}
{{- $reloaded := dict -}}
{{- range $name, $value := .Values.postgresql.parameters -}}
{{- if eq (dig $name "context" "postmaster" $known) "postmaster" -}}
{{- $_ := set $start $name $value -}}
{{- else -}}
{{- $_ := set $reloaded $name $value -}}
{{- end -}}
{{- end -}}
listen_addresses = '*'
port = 5432
unix_socket_directories = '/run/hapg/socket'
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
max_locks_per_transaction = 128
recovery_target_timeline = 'latest'

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
{{- include "ha-postgres-19.0.0.segments" . }}
{{- include "ha-postgres-19.0.0.tlsSettings" . }}
{{- include "ha-postgres-19.0.0.archiveSettings" . }}

# postgresql.parameters
{{- range $name, $value := $start }}
{{ $name }} = {{ include "ha-postgres-19.0.0.parameter" $value }}
{{- end }}

# From here on a reload is enough.
max_slot_wal_keep_size = '{{ include "ha-postgres-19.0.0.slotWal" . }}'
{{- range $name, $value := $reloaded }}
{{ $name }} = {{ include "ha-postgres-19.0.0.parameter" $value }}
{{- end }}

# hot_standby and primary_conninfo of this server
include_if_exists = '/run/hapg/conf/instance.conf'
{{- end }}

{{- define "ha-postgres-19.0.0.pg_hba.conf" -}}
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
