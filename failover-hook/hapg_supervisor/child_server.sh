# shellcheck shell=bash
# The child that prepares the server directory, starts the postmaster and waits for it to end.

readonly UNWANTED='^[[:space:]]*(primary_conninfo|primary_slot_name|restore_command|promote_trigger_file|synchronous_standby_names|recovery_target[a-z_]*)([[:space:]=]|$)'

# In the child: prepare, start the server, wait for it to end. The lines it sends wake the loop.
wrapper() {
    local problem
    trap - TERM
    await_killed
    if ! problem=$(prepare 2>&1 6>&- 7>&-); then
        printf '%s unprepared %s %s%s\n' "$TOKEN" "$GENERATION" "${problem:0:900}" "$END" >&6
        return
    fi
    find_configuration
    note_configuration 2>/dev/null 6>&- 7>&-
    # A crash must not end in recovery in place, even by ALTER SYSTEM: replicas would take its shutdown checkpoint for the primary's end.
    "$BIN/postgres" -D "$DATA" -c config_file="$IN_FORCE/postgresql.conf" -c hba_file="$IN_FORCE/pg_hba.conf" -c restart_after_crash=off \
        </dev/null >&5 2>&5 5>&- 6>&- 7>&- &
    printf '%s running %s %s%s\n' "$TOKEN" "$GENERATION" "$!" "$END" >&6
    wait "$!"
    printf '%s gone %s %s%s\n' "$TOKEN" "$GENERATION" "$?" "$END" >&6
}

# Keep the configuration that the server starts with: the agent compares it with what is accepted later.
note_configuration() {
    if ! cp "$IN_FORCE/postgresql.conf" "$STARTED.new" || ! mv -f "$STARTED.new" "$STARTED"; then rm -f "$STARTED"; fi
}

# A killed process stuck in the kernel, for example on a hanging disk, may still finish its current write: wait until it is gone.
await_killed() {
    local file line
    set +f
    for file in /proc/[0-9]*/stat; do
        while IFS= read -r line <"$file" && [[ $line == *' (postgres) '[!ZX]' '* ]]; do
            sleep 0.1 6>&- 7>&-
        done
    done
}

# Make sure that the server starts as a standby, of UPSTREAM or of nobody. The locks prove that no other server runs here. So a
# postmaster.pid is stale, even if its PID is in use again in this PID namespace. So is shared memory, which PostgreSQL itself cleans up
# only if a killed server is restarted on the very same directory.
prepare() {
    local file
    set +f
    of_this_major && has_its_wal || return
    chmod 0700 "$DATA" &&
        rm -f "$DATA"/{postmaster.pid,promote,recovery.signal,recovery.done} "$RUN"/socket/.s.PGSQL.* "$RUN"/backup/stopping "$SHM"/PostgreSQL.* || return
    for file in "$DATA/$WAL"/*.history; do
        [[ -s $file ]] || rm -f "$file" || return 1
    done
    # Slots that a former primary had for the replicas: nobody uses them here, and they would retain WAL forever.
    for file in "$DATA"/pg_replslot/*; do
        if [[ ${file##*/} =~ ^${SLOTS}_[0-9]+$ ]]; then rm -rf "$file" || return 1; fi
    done
    strip_auto_conf && write_instance && sync "$DATA" "$STANDBY_FILE" "$DATA/$WAL"
}

# Remove from postgresql.auto.conf whatever would override instance.conf or end recovery early.
strip_auto_conf() {
    local file=$DATA/postgresql.auto.conf line found=0
    [[ -e $file ]] || return 0
    shopt -s nocasematch
    while IFS= read -r line || [[ $line ]]; do
        if [[ $line =~ $UNWANTED ]]; then found=1; else printf '%s\n' "$line"; fi
    done <"$file" >"$file.hapg" || return 1
    if ((found)); then
        sync "$file.hapg" && mv -f "$file.hapg" "$file"
    else
        rm -f "$file.hapg"
    fi
}

WHOLE+=' child_server'
