# shellcheck shell=bash
# The child that prepares the server directory, starts the postmaster and waits for its end.

readonly UNWANTED='^[[:space:]]*(primary_conninfo|primary_slot_name|restore_command|promote_trigger_file|synchronous_standby_names|recovery_target[a-z_]*)([[:space:]=]|$)'

# In the child: prepare, start the server, wait for its end. Its lines wake the loop.
wrapper() {
    local problem
    trap - TERM
    await_killed
    if ! problem=$(prepare 2>&1 6>&- 7>&-); then
        printf '%s unprepared %s %s\n' "$TOKEN" "$GENERATION" "${problem:0:900}" >&6
        return
    fi
    # Not even ALTER SYSTEM may have a crash end in a recovery in place, whose shutdown checkpoint replicas take for the primary's end.
    find_configuration
    "$BIN/postgres" -D "$DATA" -c config_file="$IN_FORCE/postgresql.conf" -c hba_file="$IN_FORCE/pg_hba.conf" -c restart_after_crash=off \
        </dev/null >&5 2>&5 5>&- 6>&- 7>&- &
    printf '%s running %s %s\n' "$TOKEN" "$GENERATION" "$!" >&6
    wait "$!"
    printf '%s gone %s %s\n' "$TOKEN" "$GENERATION" "$?" >&6
}

# A killed process that is stuck in the kernel, as on a hanging disk, may still finish the write it is in: wait for its end.
await_killed() {
    local file line
    set +f
    for file in /proc/[0-9]*/stat; do
        while IFS= read -r line <"$file" && [[ $line == *' (postgres) '[!ZX]' '* ]]; do
            sleep 0.1 6>&- 7>&-
        done
    done
}

# Make sure that what starts is a standby, of UPSTREAM or of nobody. The locks say that no other server runs here, so a
# postmaster.pid is a dead one's, though its number may live again in this PID namespace; and so is shared memory, which
# PostgreSQL itself finds again only if a server was killed and started again on the very same directory.
prepare() {
    local file
    set +f
    of_this_major && has_its_wal || return
    chmod 0700 "$DATA" &&
        rm -f "$DATA"/{postmaster.pid,promote,recovery.signal,recovery.done} "$RUN"/socket/.s.PGSQL.* "$SHM"/PostgreSQL.* || return
    for file in "$DATA/$WAL"/*.history; do
        [[ -s $file ]] || rm -f "$file" || return 1
    done
    # The slots that a former primary had for the members: nobody will ask for them here, and they would keep WAL for ever.
    for file in "$DATA"/pg_replslot/*; do
        if [[ ${file##*/} =~ ^${SLOTS}_[0-9]+$ ]]; then rm -rf "$file" || return 1; fi
    done
    strip_auto_conf && write_instance && sync "$DATA" "$STANDBY_FILE" "$DATA/$WAL"
}

# Drop what would override instance.conf or end recovery early from postgresql.auto.conf.
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
