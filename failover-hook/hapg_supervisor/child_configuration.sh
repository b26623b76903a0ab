# shellcheck shell=bash
# The jobs configure and checkconfig: they make sure that the server's configuration is one that a server starts with.
#
# The server doesn't read the ConfigMap's files, which kubelet may change at any time, but copies that were tested with a server. So an
# error in them never keeps the server from restarting, or from getting an upstream or standbys: PostgreSQL reloads nothing at all if a file
# has a syntax error or an unknown parameter, and instance.conf is part of the same configuration.

readonly ACCEPTED=$VOLUME/config TRIAL=$RUN/trial # the accepted files, which the server reads; directory of the test server
readonly TRIAL_PATIENCE=60                        # time limit for testing a configuration, in seconds

# Set IN_FORCE to the directory of the files that the server reads: the ConfigMap's own if none was ever accepted on this volume.
find_configuration() {
    IN_FORCE=$CONFIG
    if [[ -f $ACCEPTED/postgresql.conf && -f $ACCEPTED/pg_hba.conf ]]; then IN_FORCE=$ACCEPTED; fi
}

# Accept the ConfigMap's files if a server starts with them. Exit codes: as of try_configuration.
job_configure() {
    local new=$ACCEPTED.new file
    rm -rf "$new" && mkdir "$new" && cp "$CONFIG/postgresql.conf" "$CONFIG/pg_hba.conf" "$new" || return 2
    if [[ ! -d $TLS && $(<"$new/postgresql.conf") == *"'$TLS/"* ]]; then
        echo 'error: the configuration has TLS, but this pod was created without it: it applies to the pod that replaces this one'
        return 2
    fi
    find_configuration
    if [[ $STATE == down && $IN_FORCE == "$ACCEPTED" ]] && same_file postgresql.conf && same_file pg_hba.conf; then return 0; fi
    try_configuration "$new" || return
    mkdir -p "$ACCEPTED" || return 2
    for file in postgresql.conf pg_hba.conf; do
        same_file "$file" || { sync "$new/$file" && mv -f "$new/$file" "$ACCEPTED/$file"; } || return 2
    done
    sync "$ACCEPTED" || return 2
}

same_file() { # NAME
    [[ -f $ACCEPTED/$1 && $(<"$ACCEPTED/$1") == "$(<"$ACCEPTED.new/$1")" ]]
}

job_checkconfig() {
    find_configuration
    try_configuration "$IN_FORCE"
}

# Start a server with the files of DIRECTORY on a copy of our server directory without data. It reads all settings, loads the libraries and
# the certificate, allocates shared memory and reads the access rules; then it looks for its WAL and finds none. Print its output and, if
# the configuration is rejected, the access rules. Exit codes: 1 if the server fails before it looks for WAL, 2 if the test isn't possible.
try_configuration() { # DIRECTORY
    local file said rc memory=()
    rm -rf "$TRIAL" && mkdir -p "$TRIAL" || return 2
    set +f
    for file in "$DATA"/*/; do
        file=${file%/}
        if [[ ${file##*/} != "$WAL" ]]; then mkdir "$TRIAL/${file##*/}" || return 2; fi
    done
    for file in PG_VERSION postgresql.auto.conf pg_ident.conf global/pg_control; do
        if [[ -f $DATA/$file ]]; then cp "$DATA/$file" "$TRIAL/$file" || return 2; fi
    done
    # A running server already has its memory; there may be too little for a second one.
    if [[ $STATE != down && $(memory "$1") == "$(memory "$IN_FORCE")" ]]; then memory=(-c shared_buffers=16MB -c huge_pages=off); fi
    said=$(ulimit -S -v "$(most_memory)" && timeout --foreground -s KILL "$TRIAL_PATIENCE" "$BIN/postgres" -D "$TRIAL" \
        -c config_file="$1/postgresql.conf" -c hba_file="$1/pg_hba.conf" "${memory[@]}" \
        -c listen_addresses= -c unix_socket_directories="$TRIAL" -c port=5432 -c external_pid_file="$TRIAL/external.pid" \
        -c logging_collector=off -c log_destination=stderr -c log_line_prefix= -c log_error_verbosity=default -c log_min_messages=warning \
        -c lc_messages=C -c dynamic_shared_memory_type=mmap 2>&1)
    rc=$?
    rm -rf "$TRIAL"
    printf '%s\n' "$said"
    if [[ $said == *"required WAL directory \"$WAL\""* ]]; then return 0; fi
    if ((rc == 137)); then return 2; fi # killed: it ran out of time or memory
    printf '%s\n' 'pg_hba.conf:' "$(<"$1/pg_hba.conf")"
    return 1
}

# Print the address space limit of a test server in KiB: the memory of the machine, or what this container may use, plus huge pages, plus 1
# GiB for libraries. Kubernetes nodes overcommit without limit (vm.overcommit_memory 1), so an unlimited test could use up a running
# server's memory.
most_memory() {
    local name value all=0 pages=0 size=0 file
    while read -r name value _; do
        case $name in
            MemTotal:) all=$value ;;
            HugePages_Total:) pages=$value ;;
            Hugepagesize:) size=$value ;;
        esac
    done </proc/meminfo
    for file in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
        value=
        if [[ -r $file ]]; then read -r value <"$file"; fi
        if [[ $value =~ ^[0-9]{1,18}$ ]] && ((value / 1024 < all)); then all=$((value / 1024)); fi
    done
    echo "$((all + pages * size + 1048576))"
}

# Print the shared memory settings in the files of DIRECTORY.
memory() { # DIRECTORY
    local name
    for name in shared_buffers huge_pages; do "$BIN/postgres" -D "$TRIAL" -c config_file="$1/postgresql.conf" -C "$name"; done 2>/dev/null
}

WHOLE+=' child_configuration'
