# shellcheck shell=bash
# The job initdb: creates a release's first server directory and runs its scripts.

readonly SCRIPTS=${HAPG_SCRIPTS:-/etc/hapg/initdb}
readonly SCRIPTS_TRIES=600 # how often to check, every 0.1 s, whether the server that runs the scripts is up

# The directory counts once it is renamed. The scripts are part of its creation: either all have run once, or nothing they did remains.
job_initdb() {
    local new=$VOLUME/pgdata.new more=() rc
    read -r -a more <<<"${HAPG_INITDB_ARGS-}"
    list_scripts || return
    name_user
    rm -rf "$new" && name_wal initdb &&
        "$BIN/initdb" -D "$new" "${APART[@]}" -U postgres --pwfile="$RUN/pwfile" -A "${PROFILE[authentication]}" --data-checksums -E UTF8 --locale=C.UTF-8 "${more[@]}" &&
        # A hot standby refuses to start with, for example, a lower max_connections than in the control file: record ours there.
        "$BIN/postgres" --single -D "$new" -c config_file="$CONFIG/postgresql.conf" template1 &&
        run_scripts "$new" &&
        sync "$new" ${WAL_VOLUME:+"$WAL_VOLUME"} && mv "$new" "$DATA" && sync "$VOLUME" && return
    rc=$?
    rm -rf "$new"
    remove_unlinked_wal
    return "$rc"
}

# Set FILES to what the agent asks for, and then the scripts, sorted by the bytes of their names.
list_scripts() {
    local file
    FILES=()
    if [[ -e $RUN/app.sql ]]; then FILES+=("$RUN/app.sql"); fi
    set +f
    for file in "$SCRIPTS"/*; do
        if [[ ! -e $file ]]; then continue; fi
        if [[ $file != *.sql ]]; then
            echo "error: ${file##*/} is among the scripts of the first server, where only .sql files are allowed"
            return 1
        fi
        FILES+=("$file")
    done
    set -f
}

# Run FILES as the superuser. Their server accepts connections only on a socket of its own. It archives nothing, because its directory may
# still be discarded; it waits for no standby; and it logs no statements, because scripts may contain passwords.
run_scripts() { # DIRECTORY
    local own=$RUN/initdb server said file tries=0 client
    if ((!${#FILES[@]})); then return; fi
    rm -rf "$own" && mkdir -m 0700 "$own" || return
    client=("$BIN/psql" -X -q -w -h "$own" -p 5432 -U postgres -d postgres -v ON_ERROR_STOP=1 -v VERBOSITY=terse)
    "$BIN/postgres" -D "$1" -c config_file="$CONFIG/postgresql.conf" -c hba_file="$CONFIG/pg_hba.conf" \
        -c listen_addresses= -c unix_socket_directories="$own" -c port=5432 \
        -c synchronous_standby_names= -c archive_mode=off -c client_min_messages=error -c log_min_messages=fatal \
        -c log_min_error_statement=panic -c log_statement=none -c log_min_duration_statement=-1 >"$own/log" 2>&1 &
    server=$!
    until said=$("${client[@]}" -c '' 2>&1); do
        if ((++tries > SCRIPTS_TRIES)) || ! kill -0 "$server"; then
            kill -9 "$server"
            wait "$server"
            cat "$own/log"
            echo "$said"
            return 1
        fi
        sleep 0.1
    done
    for file in "${FILES[@]}"; do
        if ! said=$("${client[@]}" -f "$file" 2>&1 >/dev/null); then
            kill -QUIT "$server"
            wait "$server"
            said=${said##*$'\n'}
            said=${said#"psql:${file%/*}/"}
            # a syntax error quotes a word of the script
            printf 'error: script %s: %s\n' "${file##*/}" "${said%% at or near *}"
            return 1
        fi
    done
    kill -INT "$server" && wait "$server" && rm -rf "$own"
}

WHOLE+=' child_initdb'
