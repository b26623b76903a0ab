# shellcheck shell=bash
# The job upgrade: turns the server directory into one of this major with pg_upgrade, and what puts an interrupted or unwanted upgrade right.

readonly FORMER=${HAPG_FORMER:-/opt/hapg-former} # the programs of the former major, as former_programs.sh copies them

# Until the last two renames `pgdata` is the former major's directory. pg_upgrade writes to it only as a server does that starts and shuts
# down, and sets its control file aside before it links the files of relations; we put that back. So up to the first promotion of the new
# server the former major's directory can be started again: as `pgdata` before the renames, as `pgdata.MAJOR` after them.
#
# The new directory keeps the system identifier, and its WAL continues on TIMELINE, after the end of the former WAL: it is the same database.
job_upgrade() { # MAJOR TIMELINE SYSTEM_IDENTIFIER
    local former=$FORMER/usr/lib/postgresql/$1/bin new=$VOLUME/pgdata.new own=$RUN/upgrade rc
    if [[ ! -x $former/postgres || ! -x $BIN/pg_upgrade ]]; then
        echo "error: the pod lacks the programs of PostgreSQL $1, or the image lacks pg_upgrade"
        return 1
    fi
    await_killed
    rm -rf "$new" "$own" && mkdir -m 0700 "$own" && has_its_wal && settle_upgrade && can_be_carried_over && name_user &&
        shut_former_down "$former" && create_new "$former" "$new" && run_pg_upgrade "$former" "$new" "$own" &&
        continue_wal "$new" "$2" "$3" && record_settings "$new" &&
        put_control_back && sync "$new" "$DATA" ${WAL_VOLUME:+"$WAL_VOLUME"} &&
        mv "$DATA" "$VOLUME/pgdata.$1" && mv "$new" "$DATA" && sync "$VOLUME" && rm -rf "$own" && return
    rc=$?
    settle_upgrade
    rm -rf "$new" "$own"
    remove_unlinked_wal
    return "$rc"
}

# Is there nothing that the new directory would lack, and that pg_upgrade does not refuse?
can_be_carried_over() {
    local path
    set +f
    for path in "$DATA"/pg_tblspc/* "$DATA"/pg_replslot/*; do
        set -f
        if [[ $path == "$DATA/pg_tblspc/"[0-9]* ]]; then
            echo 'error: there are tablespaces, which an upgrade in place does not support'
            return 1
        elif [[ -e $path && ! ${path##*/} =~ ^${SLOTS}_[0-9]+$ ]]; then
            echo "error: the replication slot ${path##*/} would be lost: go back to the former chart and drop it"
            return 1
        fi
    done
    set -f
}

# Set CONTROL to what a major's pg_controldata says of a directory.
read_control() { # PROGRAMS DIRECTORY
    CONTROL=$("$1/pg_controldata" -D "$2")
}

# Set FIELD to the value of a field in CONTROL.
control_field() { # NAME
    local line
    while IFS= read -r line; do
        if [[ $line == "$1:"* ]]; then
            line=${line#"$1:"}
            FIELD=${line#"${line%%[! ]*}"}
            return
        fi
    done <<<"$CONTROL"
    echo "error: pg_controldata does not say: $1"
    return 1
}

# Set OPTIONS to the settings that the former server's control file records. With others, it would record those, and a rollback would find,
# for example, a higher max_connections than the release has.
name_recorded_settings() {
    local line
    OPTIONS=()
    while IFS= read -r line; do
        if [[ $line =~ ^(wal_level|wal_log_hints|max_[a-z_]+|track_commit_timestamp)' setting:'\ +([a-z0-9]+)$ ]]; then
            OPTIONS+=(-c "${BASH_REMATCH[1]/%_xact*/_transaction${BASH_REMATCH[1]#*_xact}}=${BASH_REMATCH[2]}")
        fi
    done <<<"$CONTROL"
}

# pg_upgrade wants a server that was shut down. If one of its own was killed, replay the rest of its WAL.
shut_former_down() { # PROGRAMS
    rm -f "$DATA"/postmaster.pid && read_control "$1" "$DATA" && control_field 'Database cluster state' && name_recorded_settings || return
    if [[ $FIELD != 'shut down' ]]; then
        rm -f "$DATA"/{standby,recovery}.signal "$DATA/recovery.conf" && "$1/postgres" --single -D "$DATA" "${OPTIONS[@]}" template1 </dev/null
    fi
}

# Create a directory of this major with what cannot differ: checksums and the size of WAL segments.
create_new() { # PROGRAMS DIRECTORY
    local options=() more=()
    read -r -a more <<<"${HAPG_INITDB_ARGS-}"
    read_control "$1" "$DATA" && control_field 'Bytes per WAL segment' || return
    options+=(--wal-segsize="$((FIELD / 1048576))")
    control_field 'Data page checksum version' || return
    if ((FIELD)); then
        options+=(--data-checksums)
    elif [[ $("$BIN/initdb" --help) == *--no-data-checksums* ]]; then
        options+=(--no-data-checksums)
    fi
    name_wal initdb && "$BIN/initdb" -D "$2" "${APART[@]}" -U postgres --pwfile="$RUN/pwfile" -A "${PROFILE[authentication]}" \
        -E UTF8 --locale=C.UTF-8 "${more[@]}" "${options[@]}"
}

run_pg_upgrade() { # PROGRAMS NEW OWN
    local libraries options said
    printf 'local all all trust\n' >"$3/hba.conf" || return
    libraries=$("$BIN/postgres" -C shared_preload_libraries -D "$2" -c config_file="$CONFIG/postgresql.conf") || return
    options="-c hba_file='$3/hba.conf' -c archive_mode=off -c shared_preload_libraries='$libraries' -c synchronous_standby_names=''"
    cd "$3" || return
    said=$("$BIN/pg_upgrade" --link -b "$1" -B "$BIN" -d "$DATA" -D "$2" -U postgres -s "$3" \
        -o "$options ${OPTIONS[*]}" -O "$options" 2>&1) && return
    printf '%s\n' "$said"
    explain "$said"
    return 1
}

# Say in one line what pg_upgrade objects to, with the first lines of the file that it names, or the errors in the log.
explain() { # OUTPUT
    local line reason='' lines=() file
    while IFS= read -r line; do
        line=${line#"${line%%[! ]*}"}
        if [[ $line =~ \"(/[^\"]+[.]log)\" ]]; then
            reason+=" $(grep -m 3 -h 'ERROR\|FATAL\|error:' "${BASH_REMATCH[1]}")"
        elif [[ $line == /*.txt && -r $line ]]; then
            mapfile -n 3 -t lines <"$line"
            for file in "${lines[@]}"; do reason+=" $file"; done
        elif [[ $line =~ ' '(ok|fatal|failed check.*)' '*$ || $line == 'Checking '* ]]; then
            reason='' # what follows explains this one, if it has failed
        elif [[ $line && $line != Failure* && $line != -* && $line != '*failure*' ]]; then
            reason+=" $line"
        fi
    done <<<"$1"
    reason=${reason//$'\n'/ }
    echo "error: pg_upgrade:${reason:0:800}"
}

# Give the new directory the former system identifier, and let its WAL begin on TIMELINE.
continue_wal() { # DIRECTORY TIMELINE SYSTEM_IDENTIFIER
    local timeline
    printf -v timeline %08X "$2"
    write_system_identifier "$1/global/pg_control" "$3" && read_control "$BIN" "$1" && control_field "Latest checkpoint's REDO WAL file" &&
        "$BIN/pg_resetwal" -l "$timeline${FIELD:8}" -D "$1" || return
    read_control "$BIN" "$1" && control_field 'Database system identifier' || return
    if [[ $FIELD != "$3" ]]; then
        echo "error: the new directory has the system identifier $FIELD, not $3"
        return 1
    fi
}

# As pg_createsubscriber changes it: in the control file, whose checksum follows its last field. Where that is differs between majors, so
# it is found by its value.
write_system_identifier() { # FILE SYSTEM_IDENTIFIER
    local bytes=() at=0 crc=$((0xFFFFFFFF)) fixed=$((0xFFFFFFFF)) length=0 text='' word byte i
    read -r -a bytes <<<"$(od -An -v -tu1 -N 512 "$1" | tr -s '\n ' ' ')"
    ((${#bytes[@]} == 512)) || return
    for ((at = 0; at < 508; at++)); do
        word=$((bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 | bytes[at + 3] << 24))
        if ((at > 100 && at % 4 == 0 && word == (crc ^ 0xFFFFFFFF))); then
            length=$at
            break
        fi
        byte=${bytes[at]}
        if ((at < 8)); then byte=$(($2 >> at * 8 & 255)); fi
        crc=$((crc ^ bytes[at])) fixed=$((fixed ^ byte))
        for ((i = 0; i < 8; i++)); do
            crc=$((crc >> 1 ^ (crc & 1) * 0x82F63B78)) fixed=$((fixed >> 1 ^ (fixed & 1) * 0x82F63B78))
        done
    done
    if ((!length)); then
        echo "error: $1 has no valid checksum"
        return 1
    fi
    fixed=$((fixed ^ 0xFFFFFFFF))
    for ((i = 0; i < 8; i++)); do
        printf -v byte '\\x%02x' $(($2 >> i * 8 & 255))
        text+=$byte
    done
    printf '%b' "$text" | dd of="$1" conv=notrunc bs=8 count=1 status=none || return
    text=''
    for ((i = 0; i < 4; i++)); do
        printf -v byte '\\x%02x' $((fixed >> i * 8 & 255))
        text+=$byte
    done
    printf '%b' "$text" | dd of="$1" conv=notrunc bs=1 seek="$length" status=none
}

# Keep what ALTER SYSTEM has set, if this major accepts it, and record our settings in the control file, as initdb does.
record_settings() { # DIRECTORY
    local configured=(-D "$1" -c config_file="$CONFIG/postgresql.conf")
    mv "$1/postgresql.auto.conf" "$1/postgresql.auto.conf.initdb" && cp "$DATA/postgresql.auto.conf" "$1/" || return
    if "$BIN/postgres" -C port "${configured[@]}" >/dev/null; then
        rm "$1/postgresql.auto.conf.initdb"
    else
        mv "$1/postgresql.auto.conf.initdb" "$1/postgresql.auto.conf" && echo 'the settings of ALTER SYSTEM are left out' || return
    fi
    "$BIN/postgres" --single "${configured[@]}" -c archive_mode=off template1 </dev/null
}

# Undo what pg_upgrade does before it links files: so a directory can't be started without someone knowing of the other.
put_control_back() {
    local control=$DATA/global/pg_control
    if [[ ! -e $control && -e $control.old ]]; then mv "$control.old" "$control" && sync "$DATA/global"; fi
}

# Is there a server directory of this major?
is_of() { # DIRECTORY MAJOR
    local found=''
    if [[ -f $1/PG_VERSION ]]; then read -r found <"$1/PG_VERSION"; fi
    [[ $found == "$2" ]]
}

# Was the server of a directory promoted after the upgrade? It has history files of later timelines then, and of earlier ones none.
was_promoted() { # DIRECTORY
    local file
    set +f
    for file in "$1"/pg_wal/*.history; do
        if [[ -s $file ]]; then
            set -f
            return 0
        fi
    done
    set -f
    return 1
}

# Remove the former directory as soon as the new server is promoted.
drop_former() {
    trap - TERM
    until was_promoted "$DATA"; do
        [[ -e $DATA/postmaster.pid ]] || return
        sleep 0.2
    done
    set +f
    rm -rf "$VOLUME"/pgdata.[0-9]*
    remove_unlinked_wal
}

# Put an upgrade right that was interrupted, or that is not wanted any more because the chart is that of the former major again. Once the
# new server was promoted, the former directory must never be started, because its files have changed below it: remove it.
settle_upgrade() {
    local kept directories
    set +f
    directories=("$VOLUME"/pgdata.[0-9]*)
    set -f
    for kept in "${directories[@]}"; do
        if [[ ! -d $kept ]]; then
            continue
        elif [[ ! -e $DATA ]]; then
            mv "$kept" "$DATA" && sync "$VOLUME" || return
        elif was_promoted "$DATA"; then
            rm -rf "$kept" || return
        elif is_of "$kept" "$MAJOR" && ! is_of "$DATA" "$MAJOR"; then
            rm -rf "$VOLUME/pgdata.new" && mv "$DATA" "$VOLUME/pgdata.new" && mv "$kept" "$DATA" && sync "$VOLUME" &&
                rm -rf "$VOLUME/pgdata.new" || return
        fi
    done
    put_control_back
}

WHOLE+=' child_upgrade'
