# shellcheck shell=bash
# The jobs clone and rewind: they turn the server directory into that of a standby of another server.

job_clone() { # HOST PORT USER
    local new=$VOLUME/pgdata.new former=$VOLUME/pgdata.old whole=()
    # before PostgreSQL 10, pg_basebackup leaves it to the kernel when to write the files to disk
    if [[ $WAL == pg_xlog ]]; then whole=(-f); fi
    conninfo "$1" "$2" "$3"
    INFO=${INFO/ application_name=/ application_name=clone.} # a backup that streams WAL must not count as a standby
    is_source_of_this_major || return
    if [[ -e $DATA ]]; then rm -rf "$former" || return; fi
    rm -rf "$new" && name_wal pg_basebackup || return
    if ! { "$BIN/pg_basebackup" -D "$new" "${APART[@]}" -X stream -c fast -w -d "$INFO" && is_major "$(<"$new/PG_VERSION")"; }; then
        rm -rf "$new"
        remove_unlinked_wal
        return 1
    fi
    sync "${whole[@]}" "$new" ${WAL_VOLUME:+"$WAL_VOLUME"} || return
    if [[ -e $DATA ]]; then mv "$DATA" "$former" || return; fi
    mv "$new" "$DATA" && sync "$VOLUME" && rm -rf "$former" && remove_unlinked_wal
}

# pg_basebackup also copies older majors. Ask before it copies; if there is no answer, it says why, and what it has copied is looked at.
is_source_of_this_major() {
    local number
    if [[ $WAL == pg_xlog ]]; then return; fi # a walsender of 9.6 can't be asked, and there is no upgrade to it
    number=$("$BIN/psql" -XAtw -d "$INFO replication=true" -c 'SHOW server_version_num' 2>/dev/null) || return 0
    is_major "${number%????}"
}

is_major() { # MAJOR
    if [[ $1 != "$MAJOR" ]]; then
        echo "error: the server at this address is of PostgreSQL $1, this is PostgreSQL $MAJOR"
        return 1
    fi
}

job_rewind() { # HOST PORT USER
    local state recovered=''
    of_this_major && has_its_wal || return
    conninfo "$1" "$2" "$3" postgres
    INFO=${INFO/ application_name=/ application_name=rewind.}
    state=$("$BIN/pg_controldata" -D "$DATA") || return
    if [[ ! $state =~ 'Database cluster state:'\ +'shut down'( in recovery)?$'\n' ]]; then
        # pg_rewind would run crash recovery itself, but without our configuration, and the checkpoint at its end would remove the WAL that
        # the rewind needs.
        recover_alone || return
        recovered=1
    fi
    rewind_once || return
    # pg_rewind takes the end of replay for the end of WAL: for a standby that was stopped before it replayed up to the fork, it finds
    # nothing to rewind, even if the data files were written earlier, as a primary (src/bin/pg_rewind/pg_rewind.c, main).
    if [[ $REWOUND == nothing && ! $recovered ]]; then
        recover_alone && rewind_once || return
    fi
    # It also relies on the last checkpoint's timeline, which may be the one from before a promotion.
    if [[ $REWOUND == nothing ]]; then
        echo 'error: pg_rewind finds nothing to rewind, and crash recovery has written to the directory'
        return 1
    fi
}

# Replay all local WAL, as after a crash. A single-user server refuses to run as a standby.
recover_alone() {
    name_user
    find_configuration
    rm -f "$DATA/postmaster.pid" "$STANDBY_FILE" "$DATA/recovery.signal" &&
        "$BIN/postgres" --single -F -D "$DATA" -c config_file="$IN_FORCE/postgresql.conf" -c "${PROFILE[walKeep]}=1000000" template1
}

# Run pg_rewind against INFO. Set REWOUND to `nothing` if there was nothing to rewind.
rewind_once() {
    local out rc
    REWOUND=''
    out=$("$BIN/pg_rewind" --target-pgdata="$DATA" --source-server="$INFO" 2>&1)
    rc=$?
    printf '%s\n' "$out"
    if [[ $out == *'no rewind required'* ]]; then REWOUND=nothing; fi
    return "$rc"
}

WHOLE+=' child_clone'
