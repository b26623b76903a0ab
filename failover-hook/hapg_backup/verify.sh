#!/bin/bash
# verify.sh: restores the latest backup into a scratch volume, replays the archive to its end, checks the result and has it reported.
#
# Runs on the release's own image, in a pod of its own. The container beside it has the files and WAL (pgbackrest.sh). The server listens only
# on a socket in a private directory, archives nothing, waits for no standby and starts no background worker.
#
# HAPG_QUERY is SQL that has to return `true`, HAPG_DATABASE where it runs. Exit codes: 0 verified, and the primary knows; 1 otherwise.
LC_ALL=C
set -f
export PGOPTIONS='-c client_min_messages=error'
RUN=${HAPG_RUN:-/run/hapg} NEW=${HAPG_VOLUME:-/var/lib/postgresql/data}/pgdata.new CONFIG=${HAPG_CONFIG:-/etc/hapg/config}
BIN=${HAPG_BIN:?} MAJOR=${HAPG_MAJOR:?} OWN=$RUN/restore HERE=${BASH_SOURCE%/*}
CHECKED=() SERVER=''

main() {
    trap 'exit 143' TERM
    rm -rf "$NEW" "$OWN" && mkdir -m 0700 "$OWN" || return
    say "restoring"
    local said
    said=$(bash "$HERE/pgbackrest.sh" restore "$MAJOR" 2>&1) || fail "the restore failed: ${said#error: }"
    say "replaying"
    recover
    said=$(bash "$HERE/pgbackrest.sh" ended 2>&1) || fail "the archive was not replayed to its end: ${said#error: }"
    say "$said; checking"
    check_tables
    check_query
    stop || fail "the restored server did not shut down: $(tail -n 1 "$OWN/log")"
    check_pages
    report ''
}

say() { printf '%(%F %T)T %s\n' -1 "$*"; }

# Report a failure and end.
fail() { # REASON
    say "not verified: $*"
    if [[ $SERVER ]]; then kill -QUIT "$SERVER"; fi 2>/dev/null
    report "$*"
    exit 1
}

report() { # REASON, empty if there is none
    local said
    printf '%s\n' "${1//$'\n'/ }" "${CHECKED[@]}" >"$OWN/outcome"
    if ! said=$(bash "$HERE/pgbackrest.sh" report 2>&1); then
        say "the primary could not be told: ${said#error: }"
        exit 1
    fi
    say "$said"
}

client() { # DATABASE ARGUMENT...
    "$BIN/psql" -X -q -w -At -h "$OWN" -p 5432 -U postgres -v ON_ERROR_STOP=1 -v VERBOSITY=terse -d "$@" 2>&1
}

# Run the server until it has left recovery. hot_standby is off because a hot standby would refuse, for example, a lower max_connections than
# the source had. Without background workers, no job of an extension runs on the copy, and no subscription takes changes meant for the source.
recover() {
    local said cause own=$OWN
    "$BIN/postgres" -D "$NEW" -c config_file="$CONFIG/postgresql.conf" -c hba_file="$CONFIG/pg_hba.conf" -c listen_addresses= \
        -c unix_socket_directories="$own" -c port=5432 -c hot_standby=off -c synchronous_standby_names= -c archive_mode=off -c ssl=off \
        -c max_worker_processes=0 -c autovacuum=off -c shared_buffers=64MB -c huge_pages=off \
        -c lc_messages=C -c log_min_messages=log -c log_min_error_statement=panic -c log_statement=none -c log_min_duration_statement=-1 \
        > >(exec grep --line-buffered -v 'restored log file' >"$own/log") 2>&1 &
    SERVER=$!
    until said=$(client postgres -c 'select pg_is_in_recovery()'); do
        if ! kill -0 "$SERVER" 2>/dev/null; then
            SERVER=''
            sleep 0.1 # for the last lines of its log
            said=$(grep -E 'FATAL|PANIC' "$own/log" | grep -v 'the database system is' | tail -n 1)
            cause=$(grep -E '^error: ' "$own/log" | tail -n 1) # of restore_command
            fail "the recovery failed: ${cause:+${cause#error: }: }${said#*: }"
        fi
        sleep 0.1
    done
    [[ $said == f ]] || fail "the restored server can't be asked: $said"
}

stop() {
    kill -INT "$SERVER" && wait "$SERVER" && SERVER=''
}

# From 14 on, pg_amcheck reads each table, and each index against its table. Before, each table is read as a query would.
check_tables() {
    local said database databases
    if [[ -x $BIN/pg_amcheck ]]; then
        said=$("$BIN/pg_amcheck" -w -h "$OWN" -p 5432 -U postgres --all --install-missing --heapallindexed 2>&1) ||
            fail "pg_amcheck found damage: $(head -n 3 <<<"$said" | tr -s ' \n' ' ')"
        CHECKED+=(pg_amcheck)
        return
    fi
    databases=$(client postgres -c 'select datname from pg_database where datallowconn') || fail "the databases can't be listed: $databases"
    while IFS= read -r database; do
        said=$(client "dbname='${database//\'/\\\'}'" 2>&1 <<<"select format('copy (select * from %s) to ''/dev/null''', oid::regclass)
            from pg_class where relkind in ('r', 'm') and relpersistence = 'p' \\gexec") ||
            fail "a table of the database $database can't be read: $(tail -n 1 <<<"$said")"
    done <<<"$databases"
    CHECKED+=('tables read')
}

check_query() {
    local said
    if [[ ! ${HAPG_QUERY-} ]]; then return; fi
    said=$(client "dbname='${HAPG_DATABASE//\'/\\\'}'" -c "$HAPG_QUERY") || fail "the query failed: $said"
    [[ $said == t ]] || fail "the query returned ${said:-nothing} instead of true"
    CHECKED+=(query)
}

# The checksums of all pages, of a server that was shut down; 11 has the program under another name, and earlier ones have none.
check_pages() {
    local said program
    for program in "$BIN/pg_checksums" "$BIN/pg_verify_checksums"; do
        if [[ -x $program ]]; then
            if said=$("$program" -D "$NEW" 2>&1); then
                CHECKED+=(checksums)
            elif [[ $said != *'not enabled'* ]]; then
                fail "$(grep -c 'checksum verification failed' <<<"$said") pages have a wrong checksum: $(head -n 1 <<<"$said")"
            fi
            return
        fi
    done
}

main
