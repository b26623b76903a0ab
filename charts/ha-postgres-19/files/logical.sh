# shellcheck shell=bash
# import.method: logical. Databases are copied by logical replication, and follow their source until the user says to finish. Sourced by
# import.sh.
#
# A database follows under the name that only the import uses: it has the source's schema, and a subscription of the release. Its publication
# and its slot on the source have one name. Finishing locks the source's tables against writers, so that both sides can be compared. The
# transaction that drops the subscription also sets ha_postgres.verified: until then everything can be tried again, from then on the database
# only lacks its name. Slot and publication go last when it is finished, and first when it is aborted, so that nothing on the source is
# forgotten.

readonly STEP=$HAPG_STEP VERIFIED=ha_postgres.verified TIMELINE=ha_postgres.timeline
readonly FINISH_PAUSE=$((EVERY < 3 ? EVERY : 3)) LINE_EVERY=$((6 * EVERY))
# Both servers print values alike, and nothing ends a session that waits.
readonly ALIKE='-c search_path= -c extra_float_digits=0 -c DateStyle=ISO -c IntervalStyle=postgres -c TimeZone=UTC -c bytea_output=hex
  -c lc_monetary=C -c statement_timeout=0 -c idle_in_transaction_session_timeout=0'
# The tables that have rows: partitions, but not the tables that they are partitions of.
readonly TABLES="SELECT c.oid, c.relowner, c.relpersistence, c.relreplident, c.relforcerowsecurity,
  format('%I.%I', n.nspname, c.relname) AS name FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
  WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND $USERS"
readonly SEQUENCES="SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name FROM pg_class AS c JOIN pg_namespace AS n
  ON n.oid = c.relnamespace WHERE c.relkind = 'S' AND $USERS"
# What logical replication would not carry over, or could not: a line for each kind, with names.
readonly OBSTACLES="WITH t AS ($TABLES), found AS (
    SELECT 'tables without a primary key or another replica identity (ALTER TABLE … REPLICA IDENTITY FULL)' AS kind, name FROM t
      WHERE relpersistence = 'p' AND NOT CASE relreplident WHEN 'f' THEN true WHEN 'n' THEN false ELSE EXISTS (SELECT FROM pg_index
        WHERE indrelid = t.oid AND indisvalid AND indimmediate AND CASE t.relreplident WHEN 'd' THEN indisprimary ELSE indisreplident END) END
    UNION ALL SELECT 'unlogged tables, which are not replicated (ALTER TABLE … SET LOGGED)', name FROM t WHERE relpersistence = 'u'
    UNION ALL SELECT 'tables that do not belong to the import''s role, which only their owner can publish', name FROM t
      WHERE NOT pg_has_role(relowner, 'USAGE')
    UNION ALL SELECT 'tables whose row security hides rows from the import''s role', name FROM t JOIN pg_roles ON rolname = current_user
      WHERE relforcerowsecurity AND NOT rolsuper AND NOT rolbypassrls
    UNION ALL SELECT 'triggers that are enabled always or for replicas, and would fire again in the release', format('%I on %s', tgname, name)
      FROM pg_trigger JOIN t ON t.oid = tgrelid WHERE tgenabled IN ('A', 'R') AND NOT tgisinternal
    UNION ALL SELECT 'sequences that the import''s role may not read', name FROM ($SEQUENCES) AS s WHERE NOT has_table_privilege(oid, 'SELECT')
    UNION ALL SELECT 'tables whose names have tabs, line breaks or other control characters', to_json(name)::text FROM t
      WHERE name ~ '[[:cntrl:]]'
    UNION ALL SELECT format('%s of %s, which would end the copy of a large table (ALTER ROLE … SET %s = 0)', name, reset_val || unit, name),
      current_user::text FROM pg_settings WHERE name IN ('statement_timeout', 'transaction_timeout') AND reset_val <> '0'
    UNION ALL SELECT 'large objects, which are not replicated', count(*)::text FROM pg_largeobject_metadata HAVING count(*) > 0
    UNION ALL SELECT 'no right to create a publication (GRANT CREATE ON DATABASE)', current_user::text
      WHERE NOT has_database_privilege(current_database(), 'CREATE'))
  $LISTED"
# Prints a query that names the tables of extensions in which users have put rows, '' if there are no such tables.
readonly EXTENSION_ROWS="SELECT string_agg(format('SELECT %L WHERE EXISTS (SELECT FROM ONLY %s %s)', r, r, condition), ' UNION ALL ')
  FROM pg_extension, LATERAL unnest(extconfig::regclass[], extcondition) AS u (r, condition) JOIN pg_class ON oid = r WHERE relkind = 'r'"
# Print a query for each table, to be run: its name, and what both servers have to agree on.
readonly COLUMNS_OF="SELECT format('SELECT %L, %L', name, (SELECT string_agg(format('%I %s', attname, format_type(atttypid, atttypmod)), ', '
  ORDER BY attname::text COLLATE \"C\") FROM pg_attribute WHERE attrelid = t.oid AND attnum > 0 AND NOT attisdropped)) FROM ($TABLES) AS t"
readonly COUNT_OF="SELECT format('SELECT %L, count(*) FROM ONLY %s', name, name) FROM ($TABLES) AS t"
readonly CONTENT_OF="SELECT format('SELECT %L, count(*) || '' '' || coalesce(sum((''x'' || substr(md5(ROW(%s)::text), 1, 8))::bit(32)::bigint), 0)
  FROM ONLY %s AS ha_postgres_row', name, (SELECT string_agg(format('ha_postgres_row.%I', attname), ', ' ORDER BY attname::text COLLATE \"C\")
  FROM pg_attribute WHERE attrelid = t.oid AND attnum > 0 AND NOT attisdropped), name) FROM ($TABLES) AS t"
readonly SEQUENCE_OF="SELECT format('SELECT format(''SELECT pg_catalog.setval(%%L, %%s, %%L);'', %L, last_value, is_called) FROM %s', name, name)
  FROM ($SEQUENCES) AS s"
readonly SESSIONS="SELECT string_agg(DISTINCT format('%s from %s', usename, coalesce(host(client_addr), 'its own host')), ', ')
  FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND coalesce(application_name, '') <> 'ha-postgres-import'
  AND coalesce(backend_type, 'client backend') = 'client backend' AND pid NOT IN (SELECT pid FROM pg_stat_replication)"

# Print the name of a database's publication, slot and subscription. Only this database server has it: a release of another cluster may have
# the same name.
key_of() { # NAME
    printf '%s%s' "$PREFIX" "$(md5_of "$HAPG_RELEASE $SYSTEM $1")"
}

# Run the statements of the standard input: they are in no command line, and in no log of the release. Print as psql_of does, with tabs
# between columns.
piped() { # source|target DATABASE
    local options=$ALIKE
    if [[ $1 == target ]]; then options+=" $QUIET $SILENT"; fi # for superusers
    PGOPTIONS=$options psql_of "$1" "$2" -F $'\t'
}

# Query a database of the source; end the attempt if it fails.
ask() { # NAME STATEMENT
    local said
    said=$(sql source "$1" "$2") || fail "the source $SOURCE: $said"
    printf '%s' "$said"
}

# Print the state of a database: imported, full, empty, verified, following, unfinished or nothing. To abort it, what is imported counts, not
# another database of its name.
logical_state_of() { # NAME
    local found own
    found=$(state_of "$1") || exit 1
    if [[ $found == nothing || ($STEP == abort && $found != imported) ]]; then
        own=$(own_of "$1")
        own=$(target postgres "SELECT CASE WHEN EXISTS (SELECT FROM pg_subscription WHERE subdbid = d.oid AND subname = '$(key_of "$1")')
            THEN 'following' WHEN EXISTS (SELECT FROM pg_db_role_setting WHERE setdatabase = d.oid
            AND array_to_string(setconfig, E'\\n') LIKE '%$VERIFIED=%') THEN 'verified' ELSE 'unfinished' END
            FROM pg_database AS d WHERE datname = '$own'") || exit 1
        found=${own:-$found}
    fi
    printf '%s' "$found"
}

# ---- before anything is changed ----

# Print what the source lacks, a line each. NAMES: the databases that are not followed yet.
lacking() { # NAME…
    local found recovery level slots senders name query
    found=$(ask "$HAPG_SOURCE_DATABASE" "SELECT pg_is_in_recovery(), current_setting('wal_level'),
        current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_replication_slots),
        current_setting('max_wal_senders')::int - (SELECT count(*) FROM pg_stat_replication)") || exit 1
    IFS='|' read -r recovery level slots senders <<<"$found"
    if [[ $recovery == t ]]; then
        echo "it is a standby, so name its primary"
        return
    fi
    [[ $level == logical ]] || echo "its wal_level is $level and has to be logical, which takes a restart"
    (($# < slots)) || echo "it has $slots free replication slots and needs $(($# + 1)) (max_replication_slots)"
    (($# < senders)) || echo "it has $senders free WAL senders and needs $(($# + 1)) (max_wal_senders)"
    found=$("$BIN/psql" -XAtw -d "$(server source "$HAPG_SOURCE_DATABASE") replication=database" -c IDENTIFY_SYSTEM 2>&1) ||
        echo "$SOURCE_USER may not replicate (ALTER ROLE … REPLICATION): ${found##*$'\n'}"
    for name; do
        missing_extensions "$name" || exit 1
        found=$(ask "$name" "$OBSTACLES") || exit 1
        if [[ $found ]]; then printf '%s\n' "$name: ${found//$'\n'/$'\n'$name: }"; fi
        query=$(ask "$name" "$EXTENSION_ROWS") || exit 1
        if [[ $query ]]; then
            found=$(ask "$name" "$query") || exit 1
            if [[ $found ]]; then echo "$name: tables of extensions with rows of users, which are not replicated: ${found//$'\n'/, }"; fi
        fi
    done
}

check_ready() { # NAME…
    local found
    found=$(lacking "$@") || exit 1
    [[ ! $found ]] || fail "the source $SOURCE is not ready for logical replication: ${found//$'\n'/; }"
}

check_workers() { # DATABASES
    local found
    found=$(target postgres "SELECT current_setting('max_logical_replication_workers')") || exit 1
    ((found > $1)) || fail "the release's max_logical_replication_workers is $found, and $1 databases need at least $(($1 + 1)): set it in \
postgresql.parameters, and max_worker_processes above it"
}

# Databases that were being imported, but are not any more.
warn_of_others() {
    local known=() name found
    for name in "${NAMES[@]}"; do known+=("'$(key_of "$name")'"); done
    found=$(target postgres "SELECT string_agg(coalesce(shobj_description(d.oid, 'pg_database'), datname), '; ') FROM pg_subscription
        JOIN pg_database AS d ON d.oid = subdbid WHERE subname LIKE '${PREFIX//_/\\_}%'
        AND NOT subname = ANY (ARRAY[$(IFS=, && printf '%s' "${known[*]}")]::text[])") || exit 1
    if [[ $found ]]; then say "WARNING: not in import.databases any more, but still followed, and the source keeps WAL: $found"; fi
}

# ---- begin ----

# The subscription's connection string, as an SQL literal. It is in the release's catalog, readable for superusers alone.
connection() { # NAME
    local text password
    password=$(entry "$SOURCE_SECRET" password "source's") || exit 1
    text="host=$(quoted "$HAPG_SOURCE_HOST") port=$HAPG_SOURCE_PORT user=$(quoted "$SOURCE_USER") dbname=$(quoted "$1")"
    text+=" sslmode=$HAPG_SOURCE_SSLMODE connect_timeout=10 keepalives_idle=10 keepalives_interval=5 keepalives_count=3"
    if [[ $HAPG_SOURCE_SSLMODE == verify-* ]]; then text+=" sslrootcert=$HAPG_SERVER_CA"; fi
    literal_with_backslashes "$text password=$(quoted "$password")"
}

# Remove slots and publication from the source; nothing happens if they are gone.
free_source() { # NAME [SUBSCRIPTION'S OID]
    local key slots active
    key=$(key_of "$1")
    slots="database = current_database() AND (slot_name = '$key'"
    if [[ ${2-} ]]; then # those of tables that are being copied
        slots+=" OR slot_name ~ '^pg_$2_sync_[0-9]+_$SYSTEM\$'"
    fi
    slots+=')'
    for _ in {1..30}; do
        active=$(ask "$1" "SELECT count(*) FROM pg_replication_slots WHERE active AND $slots") || exit 1
        if [[ $active == 0 ]]; then break; fi
        sleep 1
    done
    ask "$1" "SELECT count(pg_drop_replication_slot(slot_name)) FROM pg_replication_slots WHERE $slots" >/dev/null || exit 1
    ask "$1" "DROP PUBLICATION IF EXISTS $key" >/dev/null || exit 1
}

dump_schema() { # NAME
    rm -rf "$SCRATCH/dump"
    "$BIN/pg_dump" -Fd --schema-only --no-publications --no-subscriptions --no-tablespaces --no-sync -w -f "$SCRATCH/dump" \
        -d "$(server source "$1")" 2>"$SCRATCH/log" || fail "$1: $(cause "$(<"$SCRATCH/log")")"
}

# Create the database with the source's schema, and subscribe it.
begin_database() { # NAME
    local name=$1 own key total tables problem
    own=$(own_of "$name") key=$(key_of "$name")
    drop_own "$own" || exit 1
    free_source "$name" || exit 1
    say "$name: copying the schema"
    dump_schema "$name" || exit 1
    read_properties "$name" "$SCRATCH/dump"
    create_own "$name"
    target postgres "COMMENT ON DATABASE $own IS $(literal "$name, which is being imported from $SOURCE")" >/dev/null || exit 1
    total=$(grep -c '^[0-9]' "$SCRATCH/list")
    PGOPTIONS=$SILENT watched "$name" 'created objects' "$total" ': (creating|executing) ' \
        "$BIN/pg_restore" --exit-on-error --no-tablespaces "${OWNERS[@]}" -j "$HAPG_JOBS" -v -w -d "$(server target "$own")" "$SCRATCH/dump" ||
        exit 1
    rm -rf "$SCRATCH/dump"
    close_functions "$name" "$own"
    check_ready "$name" || exit 1 # what was created meanwhile must not become read-only by being published
    tables=$(target "$own" "SELECT string_agg('ONLY ' || name, ', ') FROM ($TABLES) AS t") || exit 1
    problem=$(printf 'CREATE PUBLICATION %s %s;\n' "$key" "${tables:+FOR TABLE $tables}" | piped source "$name") ||
        fail "$name: the source can't publish it: $problem"
    say "$name: creating the slot, which waits for the source's open transactions"
    ask "$name" "SELECT pg_create_logical_replication_slot('$key', 'pgoutput')" >/dev/null || exit 1
    problem=$(connection "$name") || exit 1
    problem=$(printf "BEGIN;\nCREATE SUBSCRIPTION %s CONNECTION %s PUBLICATION %s WITH (create_slot = false, synchronous_commit = 'on');
        SELECT format('ALTER DATABASE %%I SET $TIMELINE = %%L', current_database(), $CURRENT_TIMELINE) \\\\gexec
        COMMIT;\n" "$key" "$problem" "$key" | piped target "$own") || fail "$name: the release's primary can't subscribe to $SOURCE: $problem"
    say "$name: copying"
}
readonly CURRENT_TIMELINE='left(pg_walfile_name(pg_current_wal_lsn()), 8)'

# After a change of the Secret.
renew_connection() { # NAME
    local info problem
    info=$(connection "$1") || exit 1
    problem=$(printf "SELECT 'ALTER SUBSCRIPTION %s CONNECTION ' || quote_literal(%s) FROM pg_subscription
        WHERE subname = '%s' AND subconninfo <> %s \\\\gexec\n" "$(key_of "$1")" "$info" "$(key_of "$1")" "$info" |
        piped target "$(own_of "$1")") || fail "the release: $problem"
}

# ---- follow ----

# Set LINE to how a database is getting on, and READY if all its tables follow.
look() { # NAME
    local name=$1 key found enabled ready total bytes all lost confirmed written behind kept before=()
    key=$(key_of "$name")
    found=$(target "$(own_of "$name")" "SELECT (SELECT subenabled FROM pg_subscription WHERE subname = '$key'),
        count(*) FILTER (WHERE srsubstate = 'r'), count(*), pg_size_pretty(coalesce(sum(pg_table_size(srrelid)), 0))
        FROM pg_subscription_rel JOIN pg_subscription AS s ON s.oid = srsubid WHERE subname = '$key'") || exit 1
    IFS='|' read -r enabled ready total bytes <<<"$found"
    if [[ $enabled != t ]]; then
        fail "$name: its subscription is disabled, as in a restored or upgraded release, so changes may be missing: set import.step: abort, \
then follow"
    fi
    found=$(ask "$name" "SELECT to_jsonb(s) ->> 'wal_status' = 'lost' IS TRUE,
        pg_wal_lsn_diff(confirmed_flush_lsn, '0/0'), pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0'),
        pg_size_pretty(greatest(pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn), 0)),
        pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)) FROM pg_replication_slots AS s WHERE slot_name = '$key'") || exit 1
    IFS='|' read -r lost confirmed written behind kept <<<"$found"
    if [[ ! $found || $lost == t ]]; then
        fail "$name: the source has dropped the slot $key, or WAL that it needed, so changes are missing: set import.step: abort, then follow"
    fi
    READY=''
    if ((ready < total)); then
        all=$(ask "$name" "SELECT pg_size_pretty(coalesce(sum(pg_table_size(oid)), 0)) FROM ($TABLES) AS t") || exit 1
        LINE="$name: copied $ready of $total tables, $bytes of about $all"
    else
        READY=true
        LINE="$name: following, $behind behind; the source keeps $kept of WAL for it"
    fi
    read -r -a before <<<"${SEEN[$name]-}"
    if [[ $READY && ${before[0]-} == "$confirmed" ]] && ((confirmed < before[1])); then
        LINE+=". WARNING: nothing is taken over now; if that lasts, the log of the release's primary says why"
    fi
    SEEN[$name]="$confirmed $written"
}

# Follow until all are finished, and show it: at once when something changes, otherwise now and then.
follow() { # NAME…
    local name lines open phase last='' next=0 pause=$EVERY
    declare -A SEEN=() WRITTEN=() COPIED=()
    if [[ $STEP == finish ]]; then pause=$FINISH_PAUSE; fi
    while (($#)); do
        lines=() open=() phase=''
        for name; do
            WHY=''
            look "$name" || exit 1
            if [[ $READY && ${COPIED[$name]-} == no ]]; then target "$(own_of "$name")" 'ANALYZE' >/dev/null || exit 1; fi
            COPIED[$name]=${READY:-no}
            if [[ $READY && $STEP == finish ]] && finish_database "$name"; then continue; fi
            if [[ $WHY ]]; then LINE="$name: not finished: $WHY"; fi
            open+=("$name") lines+=("$LINE") phase+="$READY $WHY."
            if [[ $LINE == *WARNING* ]]; then phase+="!"; fi
        done
        set -- "${open[@]}"
        for name; do key_of "$name" && echo; done >"$OWN/slots"
        if [[ $phase != "$last" ]] || ((SECONDS >= next)); then
            for name in "${lines[@]}"; do say "$name"; done
            last=$phase next=$((SECONDS + EVERY))
            if [[ ${COPIED[*]} != *no* ]]; then next=$((SECONDS + LINE_EVERY)); fi
        fi
        if (($#)); then sleep "$pause"; fi
    done
}

# ---- finish ----

# Print how many rows have been written to a database's tables, as its server counts them.
written() { # NAME
    ask "$1" "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_all_tables JOIN ($TABLES) AS t ON t.oid = relid"
}

# Set DIFFERENT to the tables in which source and release differ, and COMPARED to what the release has of each. A query prints those to run.
compare() { # NAME QUERY
    local name=$1 query=$2 table value found
    declare -A there=() all=()
    declare -gA COMPARED=()
    DIFFERENT=()
    printf '%s \\gexec\n' "$query" | piped source "$name" >"$OWN/source.rows" &
    printf '%s \\gexec\n' "$query" | piped target "$(own_of "$name")" >"$OWN/target.rows"
    found=$?
    wait "$!" || fail "the source $SOURCE: $(<"$OWN/source.rows")"
    ((found == 0)) || fail "the release: $(<"$OWN/target.rows")"
    while IFS=$'\t' read -r table value; do if [[ $table ]]; then there[$table]=$value all[$table]=1; fi; done <"$OWN/source.rows"
    while IFS=$'\t' read -r table value; do if [[ $table ]]; then COMPARED[$table]=$value all[$table]=1; fi; done <"$OWN/target.rows"
    for table in "${!all[@]}"; do
        if [[ ${there[$table]-none} != "${COMPARED[$table]-none}" ]]; then
            DIFFERENT+=("$table ($SOURCE: ${there[$table]-none}; release: ${COMPARED[$table]-none})")
        fi
    done
    found=$((${#DIFFERENT[@]} - NAMES_SHOWN))
    if ((found > 0)); then DIFFERENT=("${DIFFERENT[@]:0:NAMES_SHOWN}" "and $found more"); fi
    rm -f "$OWN"/{source,target}.rows
}

# Keep all writers from the tables of a database of the source; at once, or not at all, so that nobody waits behind it. Autovacuum gives way
# only to those who wait, so the lock waits for a moment if nobody else is in the way.
lock_source() { # NAME
    local writers
    if take_source "$1" NOWAIT; then return; fi
    unlock_source
    writers=$(ask "$1" "SELECT count(*) FROM pg_locks JOIN ($TABLES) AS t ON t.oid = relation WHERE granted AND mode IN ('RowExclusiveLock',
        'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())") || exit 1
    if [[ $writers == 0 ]] && take_source "$1"; then return; fi
    unlock_source
    return 1
}

take_source() { # NAME [NOWAIT]
    local tables options='-c statement_timeout=0 -c idle_in_transaction_session_timeout=0 -c lock_timeout=5s'
    tables=$(ask "$1" "SELECT string_agg('ONLY ' || name, ', ') FROM ($TABLES) AS t") || exit 1
    : >"$OWN/locked"
    exec {LOCKING}> >(PGOPTIONS=$options exec "$BIN/psql" -XqAtw -v ON_ERROR_STOP=1 -d "$(server source "$1")" >"$OWN/locked" 2>/dev/null)
    LOCKER=$!
    printf 'BEGIN;\n%s\n' "${tables:+LOCK TABLE $tables IN SHARE MODE ${2-};}" >&"$LOCKING"
    is_locked
}

# Is the session of the lock alive, and does it have the lock?
is_locked() {
    local before
    before=$(wc -l <"$OWN/locked")
    echo 'SELECT 1;' >&"$LOCKING"
    while kill -0 "$LOCKER" 2>/dev/null; do
        if (($(wc -l <"$OWN/locked") > before)); then return; fi
        sleep 0.1
    done
    return 1
}

unlock_source() {
    if [[ $LOCKING ]]; then exec {LOCKING}>&-; fi
    LOCKING=''
}

# Wait until a database of the release has everything that the source has written so far.
await_caught_up() { # NAME
    local position
    ask "$1" "SELECT pg_logical_emit_message(true, 'ha_postgres', '')" >/dev/null || exit 1 # flushes what commits without waiting
    position=$(ask "$1" 'SELECT pg_current_wal_flush_lsn()') || exit 1
    for _ in {1..150}; do
        if [[ $(ask "$1" "SELECT confirmed_flush_lsn >= '$position' FROM pg_replication_slots WHERE slot_name = '$(key_of "$1")'") == t ]]; then
            return
        fi
        sleep 0.2
    done
    return 1
}

# Wait until the release's standbys have what was committed, so that it survives a failover.
await_standbys() {
    local position
    position=$(target postgres 'SELECT pg_current_wal_flush_lsn()') || exit 1
    for _ in {1..100}; do
        if [[ $(target postgres "SELECT coalesce(bool_and(flush_lsn >= '$position'), true) FROM pg_stat_replication
            WHERE state = 'streaming' AND application_name ~ '^${HAPG_RELEASE#*/}-[0-9]+\$'") == t ]]; then return; fi
        sleep 0.2
    done
    fail "a standby of the release does not confirm what it gets, see hapg status"
}

# Finish a database, or set WHY to what is in the way and return 1.
finish_database() { # NAME
    local name=$1 own query=$COUNT_OF now before=${WRITTEN[$1]-} sequences problem
    own=$(own_of "$name")
    now=$(written "$name") || exit 1
    WRITTEN[$name]=$now
    if [[ $now != "$before" ]]; then
        if [[ $before ]]; then WHY="it is still written to, so stop its clients: $(ask "$name" "$SESSIONS")"; fi
        return 1
    fi
    compare "$name" "$COLUMNS_OF"
    if ((${#DIFFERENT[@]})); then
        WHY="tables were changed meanwhile; make them alike, or abort: ${DIFFERENT[*]}"
        return 1
    fi
    if ! lock_source "$name"; then
        WHY="it has open transactions that write, so stop its clients: $(ask "$name" "$SESSIONS")"
        return 1
    fi
    say "$name: nobody writes to it now, comparing"
    if ! await_caught_up "$name"; then
        unlock_source
        WHY="the release does not catch up; the log of its primary may say why"
        return 1
    fi
    sequences=$(printf '%s \\gexec\n' "$SEQUENCE_OF" | piped source "$name") || fail "the source $SOURCE: $sequences"
    problem=$(piped target "$own" <<<"$sequences") || fail "the release: $problem"
    # A release that fails over may lose what it has confirmed to the source; the number of rows would not tell that one was changed.
    if [[ $(target "$own" "SELECT current_setting('$TIMELINE') <> $CURRENT_TIMELINE") == t ]]; then query=$CONTENT_OF; fi
    compare "$name" "$query"
    if ((${#DIFFERENT[@]})); then
        unlock_source
        WHY="rows are missing or differ, so abort it and begin again: ${DIFFERENT[*]}"
        return 1
    fi
    problem=$(printf '%s \\gexec\n' "SELECT 'REFRESH MATERIALIZED VIEW ' || oid::regclass FROM pg_class WHERE relkind = 'm' AND NOT relispopulated
        ORDER BY oid" | piped target "$own") || fail "$name: $problem"
    is_locked || fail "$name: the source has ended the session that kept writers away"
    problem=$(printf '%s;\n' BEGIN "ALTER SUBSCRIPTION $(key_of "$name") DISABLE" "ALTER SUBSCRIPTION $(key_of "$name") SET (slot_name = NONE)" \
        "DROP SUBSCRIPTION $(key_of "$name")" "ALTER DATABASE $own SET $VERIFIED = 'true'" COMMIT | piped target "$own") ||
        fail "the release: $problem"
    complete "$name"
    unlock_source
    say "$name: imported: $(summary), set $(grep -c . <<<"$sequences") sequences"
    leave_source "$name"
}

# Remove what is left on the source of a database that is imported, and name those who still use it there.
leave_source() { # NAME
    local found
    free_source "$1" || exit 1
    found=$(ask "$1" "$SESSIONS") || exit 1
    if [[ $found ]]; then say "WARNING: $1: the source still has sessions, and what they write now is not in the release: $found"; fi
}

# Print what the last comparison has compared.
summary() {
    local table rows=0
    for table in "${!COMPARED[@]}"; do if [[ ${COMPARED[$table]} =~ ^[0-9]+ ]]; then rows=$((rows + BASH_REMATCH)); fi; done
    printf 'verified %s rows in %s tables' "$rows" "${#COMPARED[@]}"
}

# Give a database its name and properties.
complete() { # NAME
    local name=$1 own
    own=$(own_of "$name")
    dump_schema "$name" || exit 1
    read_properties "$name" "$SCRATCH/dump"
    rm -rf "$SCRATCH/dump"
    await_standbys
    rename "$name" "$own"
    await_standbys
}

# ---- abort ----

# Undo the import of a database. The release's part goes last, because it is what tells that something is left on the source.
abort_database() { # NAME STATE
    local name=$1 own key subscription='' problem
    own=$(own_of "$name") key=$(key_of "$name")
    if [[ $2 == following ]]; then
        target "$own" "ALTER SUBSCRIPTION $key DISABLE" >/dev/null || exit 1
        subscription=$(target "$own" "SELECT oid FROM pg_subscription WHERE subname = '$key'") || exit 1
    fi
    free_source "$name" "$subscription" || exit 1
    if [[ $2 == following ]]; then
        problem=$(printf '%s;\n' BEGIN "ALTER SUBSCRIPTION $key SET (slot_name = NONE)" "DROP SUBSCRIPTION $key" COMMIT | piped target "$own") ||
            fail "the release: $problem"
    fi
    drop_own "$own" || exit 1
    say "$name: aborted; nothing is left on the source"
}

# ---- all of it ----

import_logically() {
    local name begin=() going=()
    declare -A states=()
    SYSTEM=$(target postgres 'SELECT system_identifier FROM pg_control_system()') || exit 1
    warn_of_others || exit 1
    for name in "${NAMES[@]}"; do
        states[$name]=$(logical_state_of "$name") || exit 1
        case ${states[$name]} in
            full | empty) if [[ $STEP != abort ]]; then
                fail "database $name of the release exists, and nothing is overwritten: drop it, or leave it out of import.databases"
            fi ;;
            nothing | unfinished) begin+=("$name") going+=("$name") ;;
            following) going+=("$name") ;;
        esac
    done
    for name in "${NAMES[@]}"; do
        case $STEP-${states[$name]} in
            *-imported)
                free_source "$name" || exit 1
                say "$name: was imported before"
                ;;
            abort-*) abort_database "$name" "${states[$name]}" || exit 1 ;;
        esac
    done
    if [[ $STEP == abort ]]; then return; fi
    if ((${#begin[@]})); then
        check_workers "${#going[@]}" || exit 1
        check_ready "${begin[@]}" || exit 1
        if [[ $HAPG_ROLES == true ]]; then import_roles; fi
    fi
    for name in "${NAMES[@]}"; do
        case ${states[$name]} in
            verified)
                complete "$name"
                say "$name: imported"
                leave_source "$name"
                ;;
            following) renew_connection "$name" || exit 1 ;;
            nothing | unfinished) begin_database "$name" || exit 1 ;;
        esac
    done
    follow "${going[@]}"
}
