# shellcheck shell=bash
# The job seed: creates a release's first server directory as a clone of a live server that belongs to nobody here.

# A kind of initdb, like a restore: the directory counts once it is renamed, and nothing of it remains if anything fails. The failover
# container has left the source's password and, for verify-ca and verify-full, its CA; both are removed at the end. The copy leaves recovery
# on a timeline of its own.
job_seed() { # HOST PORT USER SSLMODE
    local new=$VOLUME/pgdata.new own=$RUN/seed whole=() rc info
    if [[ $WAL == pg_xlog ]]; then whole=(-f); fi # as for a clone
    info="host=$1 port=$2 user=$3 sslmode=$4 application_name=seed.$NAME connect_timeout=10"
    info+=' keepalives_idle=5 keepalives_interval=2 keepalives_count=3'
    if [[ $4 == verify-* ]]; then info+=" sslrootcert=$RUN/source.crt"; fi
    await_killed
    rm -rf "$new" "$own" && mkdir -m 0700 "$own" && name_wal pg_basebackup &&
        PGPASSFILE=$RUN/source.pgpass "$BIN/pg_basebackup" -D "$new" "${APART[@]}" -X stream -c fast -w -d "$info" &&
        leave_source "$new" && recover_restored "$new" "$own" && forget_recovery "$new" &&
        sync "${whole[@]}" "$new" ${WAL_VOLUME:+"$WAL_VOLUME"} && mv "$new" "$DATA" && sync "$VOLUME" &&
        rm -rf "$own" "$RUN"/source.{pgpass,crt} && return
    rc=$?
    rm -rf "$new" "$own" "$RUN"/source.{pgpass,crt}
    remove_unlinked_wal
    return "$rc"
}

# Drop what the source was told in its directory: the settings of ALTER SYSTEM, for example an archive_command, are another release's. Then
# have the copy end its recovery where its WAL ends, on a new timeline.
leave_source() { # DIRECTORY
    local command="restore_command = 'false'"
    rm -f "$1"/{standby.signal,recovery.conf,postgresql.auto.conf,backup_manifest,promote} && : >"$1/pg_ident.conf" || return
    if has recoveryParameters; then
        : >"$1/recovery.signal" && printf '%s\n' "$command" >"$1/postgresql.auto.conf"
    else
        printf '%s\n' "$command" >"$1/recovery.conf" && : >"$1/postgresql.auto.conf"
    fi
}

WHOLE+=' child_seed'
