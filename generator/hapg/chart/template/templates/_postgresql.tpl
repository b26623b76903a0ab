{{/* A value of postgresql.conf, quoted. A number is an integer from `--set`, but floating point from a file or from an
     earlier release's values. Both are written alike; otherwise the same value would restart the servers. */}}
{{- define "[[ prefix ]].parameter" -}}
{{- if kindIs "bool" . -}}
{{- . | ternary "on" "off" -}}
{{- else if or (kindIs "int64" .) (kindIs "int" .) (and (kindIs "float64" .) (eq . (floor .)) (lt . 1e15) (gt . -1e15)) -}}
{{- int64 . -}}
{{- else -}}
'{{ . | toString | replace "\\" "\\\\" | replace "'" "''" }}'
{{- end -}}
{{- end }}

[% if profile.bounds_slots %]
{{/* The most WAL that slots may hold back, so that they never fill the volume. Default: a fifth of the data volume, half of a WAL volume. */}}
{{- define "[[ prefix ]].slotWal" -}}
{{- if .Values.replication.maxSlotWalKeepSize -}}
{{- .Values.replication.maxSlotWalKeepSize -}}
{{- else if .Values.storage -}}
{{- $quantity := .Values.storage.resources.requests.storage -}}
{{- $part := 5.0 -}}
{{- if .Values.walVolume.enabled -}}
{{- $quantity = .Values.walVolume.size -}}
{{- $part = 2.0 -}}
{{- end -}}
{{- $megabytes := divf (include "[[ prefix ]].quantity" $quantity | float64) (mulf $part 1048576.0) -}}
{{- max 1 (int64 (floor $megabytes)) }}MB
{{- else -}}
1GB
{{- end -}}
{{- end }}

[% endif %]
{{/* min_wal_size and max_wal_size for segments above 16 MB, with which a server does not start by default. The values are
     initdb's own, whose file is not read. */}}
{{- define "[[ prefix ]].segments" -}}
{{- $megabytes := join " " .Values.initdb.args | regexFind "--wal-segsize[= ][0-9]+" | regexFind "[0-9]+$" | int -}}
{{- if gt $megabytes 16 }}
min_wal_size = '{{ mul 5 $megabytes }}MB'
max_wal_size = '{{ mul 64 $megabytes }}MB'
{{- end -}}
{{- end }}

{{/* postgresql.conf. While the part above the line about reloads does not change, no server has to restart: every pod compares
     it with what its server was started with. If a parameter is set twice, the server uses the last. */}}
{{- define "[[ prefix ]].postgresql.conf" -}}
{{- $known := .Files.Get "files/parameters.json" | fromJson -}}
{{- $start := dict -}}
{{- $reloaded := dict -}}
{{- range $name, $value := .Values.postgresql.parameters -}}
{{- if eq (dig $name "context" "[[ restart ]]" $known) "[[ restart ]]" -}}
{{- $_ := set $start $name $value -}}
{{- else -}}
{{- $_ := set $reloaded $name $value -}}
{{- end -}}
{{- end -}}
listen_addresses = '*'
port = [[ port ]]
unix_socket_directories = '/run/hapg/socket'
password_encryption = [[ profile.password_encryption ]]
logging_collector = off
log_destination = 'stderr'
log_line_prefix = '%m [[ "[%p]" ]] '
update_process_title = on

# replication
[% for name, value in profile.replication_settings.items() %]
[[ name ]] = [[ value ]]
[% endfor %]

# a failed upstream is noticed within seconds, a new one found at once
[% for name, value in settings.STREAMING_SETTINGS.items() %]
[[ name ]] = [[ value ]]
[% endfor %]

# durability; pg_rewind needs the hints; a server whose process has crashed ends, and writes no checkpoint that replicas take for its shutdown
[% for name, value in settings.DURABILITY_SETTINGS.items() %]
[[ name ]] = [[ value ]]
[% endfor %]
{{- include "[[ prefix ]].segments" . }}
{{- include "[[ prefix ]].tlsSettings" . }}
{{- include "[[ prefix ]].archiveSettings" . }}

# postgresql.parameters
{{- range $name, $value := $start }}
{{ $name }} = {{ include "[[ prefix ]].parameter" $value }}
{{- end }}

[[ reloaded ]]
[% if profile.bounds_slots %]
max_slot_wal_keep_size = '{{ include "[[ prefix ]].slotWal" . }}'
[% endif %]
{{- range $name, $value := $reloaded }}
{{ $name }} = {{ include "[[ prefix ]].parameter" $value }}
{{- end }}

# hot_standby and primary_conninfo of this server
include_if_exists = '/run/hapg/conf/instance.conf'
{{- end }}

{{- define "[[ prefix ]].pg_hba.conf" -}}
# The socket's directory belongs to the pod's two containers alone.
local all         all                trust
{{- $host := "host " -}}
{{- if eq (toString .Values.tls.mode) "require" }}
hostnossl all,replication all all reject
{{- $host = "hostssl" -}}
{{- end }}
{{- with .Values.postgresql.pgHba }}
[% set members = "ha_postgres_replication,postgres" if profile.replication_role else "postgres" %]
# The members connect to each other under these roles.
{{ $host }} postgres,replication [[ members ]] 0.0.0.0/0 [[ profile.authentication ]]
{{ $host }} postgres,replication [[ members ]] ::/0      [[ profile.authentication ]]
# postgresql.pgHba
{{- range . }}
{{ . }}
{{- end }}
# the chart's own
{{- end }}
[% for database in ["all        ", "replication"] %]
{{ $host }} [[ database ]] all      0.0.0.0/0 [[ profile.authentication ]]
{{ $host }} [[ database ]] all      ::/0      [[ profile.authentication ]]
[% endfor %]
{{- end }}
