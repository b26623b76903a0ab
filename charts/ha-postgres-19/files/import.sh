#!/bin/bash
# Copies databases from any reachable PostgreSQL into this release's primary, with pg_dump and pg_restore: the program of the Job `import`.
# With import.method: logical, logical.sh does the copying.
#
# A database appears under its name once it is whole: it is restored into one with a name that only this script uses, which is renamed in
# the transaction that also marks it as imported. So an interrupted import leaves only databases of that name, and the next attempt drops
# them. A database that exists and is empty is filled in one transaction. Anything else is refused before the first change.
#
# It tries again until it succeeds. Passwords are read from files at each attempt; they are in no command line and no log.

set -uo pipefail
shopt -s extglob
export LC_ALL=C
unset PGHOST PGHOSTADDR PGPORT PGUSER PGPASSWORD PGDATABASE PGSERVICE PGSSLMODE PGSSLROOTCERT PGOPTIONS

readonly BIN=$HAPG_BIN MAJOR=$HAPG_MAJOR SCRATCH=${HAPG_SCRATCH:-/scratch} OWN=${HAPG_OWN:-/run/hapg}
readonly SOURCE_SECRET=${HAPG_SOURCE_SECRET:-/etc/hapg/source} TARGET_SECRET=${HAPG_TARGET_SECRET:-/etc/hapg/secret}
SOURCE=$HAPG_SOURCE_HOST:$HAPG_SOURCE_PORT
if [[ $HAPG_SOURCE_HOST == *:* ]]; then SOURCE="[$HAPG_SOURCE_HOST]:$HAPG_SOURCE_PORT"; fi # an IPv6 address
readonly SOURCE LOG=${HAPG_TERMINATION_LOG:-/dev/termination-log}
readonly MARK=ha_postgres.imported PREFIX=ha_postgres_import_ LOCK=7310478820126523
readonly EVERY=${HAPG_PROGRESS_SECONDS:-10} FIRST_PAUSE=${HAPG_PAUSE_SECONDS:-10} LONGEST_PAUSE=300
readonly METHOD=${HAPG_METHOD:-dump}
readonly LEAST=90600 # server_version_num of the oldest source
readonly USERS="c.oid >= 16384 AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND NOT EXISTS (SELECT FROM pg_depend
  WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')"
readonly NAMES_SHOWN=20
# Of the rows (kind, name) of `found`, a line for each kind.
readonly LISTED="SELECT kind || ': ' || array_to_string((array_agg(name ORDER BY name))[1:$NAMES_SHOWN], ', ')
  || CASE WHEN count(*) > $NAMES_SHOWN THEN format(' and %s more', count(*) - $NAMES_SHOWN) ELSE '' END FROM found GROUP BY kind ORDER BY kind"
OWNERS=() # what pg_restore leaves out
if [[ $HAPG_ROLES != true ]]; then OWNERS=(--no-owner --no-privileges); fi
readonly OWNERS
readonly QUIET='-c log_statement=none -c log_min_error_statement=panic -c log_min_duration_statement=-1 -c pg_stat_statements.track_utility=off'
# Event triggers that come with the source's schema do not fire for what the import does.
readonly SILENT='-c session_replication_role=replica'
# What a dump could not read: a line for each kind, with names.
readonly UNREADABLE="WITH c AS (SELECT c.oid, c.relkind, format('%I.%I', n.nspname, c.relname) AS name,
      has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS readable
      FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relpersistence <> 't' AND $USERS),
    found AS (SELECT 'tables that it may not read' AS kind, name FROM c WHERE relkind IN ('r', 'p') AND NOT readable
      UNION ALL SELECT 'sequences that it may not read', name FROM c WHERE relkind = 'S' AND NOT readable
      UNION ALL SELECT 'tables whose row security hides rows from it', name FROM c WHERE relkind IN ('r', 'p') AND row_security_active(oid)
      UNION ALL SELECT 'large objects that it may not read', oid::text FROM pg_largeobject_metadata
        WHERE NOT pg_has_role(lomowner, 'USAGE') AND NOT EXISTS (SELECT FROM aclexplode(lomacl) AS a
          WHERE a.privilege_type = 'SELECT' AND CASE a.grantee WHEN 0 THEN true ELSE pg_has_role(a.grantee, 'USAGE') END))
  $LISTED"
# Functions that run with the rights of their owner, who is postgres now.
readonly OF_OWNER="FROM pg_proc AS p WHERE p.oid >= 16384 AND p.prosecdef AND NOT EXISTS (SELECT FROM pg_depend
  WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e')"
readonly OBJECTS="SELECT EXISTS (SELECT FROM pg_class WHERE oid >= 16384) OR EXISTS (SELECT FROM pg_proc WHERE oid >= 16384)
  OR EXISTS (SELECT FROM pg_type WHERE oid >= 16384) OR EXISTS (SELECT FROM pg_extension WHERE oid >= 16384)
  OR EXISTS (SELECT FROM pg_largeobject_metadata)
  OR EXISTS (SELECT FROM pg_namespace WHERE oid >= 16384 AND nspname !~ '^pg_(toast_)?temp_')"

say() {
    echo "import: $*" >&2
}

# End this attempt with a sentence, which the caller of all prints.
fail() {
    printf '%s\n' "$*" >"$OWN/problem"
    exit 1
}

# Quote a value of a connection string.
quoted() {
    local text=${1//\\/\\\\}
    printf "'%s'" "${text//\'/\\\'}"
}

# Quote a literal, or an identifier, of SQL.
literal() {
    printf "'%s'" "${1//\'/\'\'}"
}
identifier() {
    printf '"%s"' "${1//\"/\"\"}"
}

literal_with_backslashes() { # whatever standard_conforming_strings is
    local text=${1//\\/\\\\}
    printf "E'%s'" "${text//\'/\'\'}"
}

# Quote a field of a password file.
field() {
    local text=${1//\\/\\\\}
    printf '%s' "${text//:/\\:}"
}

# Print an entry of a Secret without trailing line breaks.
entry() { # DIRECTORY KEY WHOSE
    local text
    text=$(cat "$1/$2" 2>/dev/null) || fail "the $3 Secret, or its entry $2, does not exist (yet): create it"
    [[ $text ]] || fail "the $3 Secret has an empty entry $2"
    printf '%s' "${text%%+([$'\r\n'])}"
}

# Write the files with which libpq finds both servers.
write_logins() {
    local user password target
    user=$(entry "$SOURCE_SECRET" username "source's") || exit 1
    password=$(entry "$SOURCE_SECRET" password "source's") || exit 1
    target=$(entry "$TARGET_SECRET" POSTGRES_PASSWORD "release's") || exit 1
    SOURCE_USER=$user
    {
        printf '[source]\nhost=%s\nport=%s\nuser=%s\nsslmode=%s\n' "$HAPG_SOURCE_HOST" "$HAPG_SOURCE_PORT" "$user" "$HAPG_SOURCE_SSLMODE"
        if [[ $HAPG_SOURCE_SSLMODE == verify-* ]]; then printf 'sslrootcert=%s\n' "$SOURCE_SECRET/ca.crt"; fi
        printf '[target]\nhost=%s\nport=%s\nuser=postgres\n' "$HAPG_TARGET_HOST" "$HAPG_TARGET_PORT"
    } >"$OWN/services"
    printf '%s:%s:*:%s:%s\n' "$(field "$HAPG_SOURCE_HOST")" "$HAPG_SOURCE_PORT" "$(field "$user")" "$(field "$password")" >"$OWN/pgpass"
    printf '%s:%s:*:postgres:%s\n' "$(field "$HAPG_TARGET_HOST")" "$HAPG_TARGET_PORT" "$(field "$target")" >>"$OWN/pgpass"
    chmod 0600 "$OWN/pgpass" "$OWN/services"
    export PGSERVICEFILE=$OWN/services PGPASSFILE=$OWN/pgpass PGAPPNAME=ha-postgres-import PGCONNECT_TIMEOUT=10
}

# Print a connection string.
server() { # source|target DATABASE
    printf 'service=%s dbname=%s keepalives_idle=10 keepalives_interval=5 keepalives_count=3' "$1" "$(quoted "$2")"
}

# Run psql; print the result, or on failure the server's message on one line.
psql_of() { # source|target DATABASE [OPTION…]
    local said
    if said=$(PGCLIENTENCODING=UTF8 "$BIN/psql" -XqAtw -v ON_ERROR_STOP=1 -v VERBOSITY=terse -d "$(server "$1" "$2")" "${@:3}" 2>&1); then
        printf '%s\n' "$said"
    else
        said=${said//$'\n'/ }
        printf '%s\n' "${said#psql: }"
        return 1
    fi
}

# Run SQL; print as psql_of does. Functions that users have named like the server's are not found, and no setting of a role or database ends
# it early.
sql() { # source|target DATABASE STATEMENT
    psql_of "$1" "$2" -c "SET search_path = ''" -c 'SET statement_timeout = 0' -c "$3"
}

# Run SQL on the release; end the attempt if it fails.
target() { # DATABASE STATEMENT
    local said
    said=$(sql target "$1" "$2") || fail "the release: $said"
    printf '%s' "$said"
}

major_of() { # server_version_num
    if (($1 >= 100000)); then echo $(($1 / 10000)); else echo "$(($1 / 10000)).$(($1 / 100 % 100))"; fi
}

# Only one import at a time: the session of this lock lives as long as the attempt.
take_lock() {
    local answer='' told=''
    coproc LOCKED { "$BIN/psql" -XqAtw -v ON_ERROR_STOP=1 -d "$(server target postgres)" 2>/dev/null; }
    while [[ $answer != t ]]; do
        if [[ $answer == f && ! $told ]]; then say "waiting: another import into this release is running"; fi
        if [[ $answer ]]; then told=1 && sleep 1; fi
        printf 'SELECT pg_try_advisory_lock(%s);\n' "$LOCK" >&"${LOCKED[1]}"
        read -r -t 30 answer <&"${LOCKED[0]}" || fail "the release has ended the session that makes an import the only one"
    done
}

# Is there a primary?
await_primary() {
    local said told=''
    until said=$(sql target postgres 'SELECT pg_is_in_recovery()') && [[ $said == f ]]; do
        if [[ $said == *'password authentication failed'* ]]; then fail "the release: $said"; fi
        if [[ ! $told ]]; then say "waiting for the primary of $HAPG_TARGET_HOST"; fi
        told=1
        sleep 2
    done
}

check_source() {
    local said
    said=$(sql source "$HAPG_SOURCE_DATABASE" 'SHOW server_version_num') || fail "the source $SOURCE can't be queried as $SOURCE_USER: $said"
    ((said >= LEAST)) || fail "the source $SOURCE has PostgreSQL $(major_of "$said"), and 9.6 is the oldest that is imported"
    if [[ $METHOD == logical ]] && ((said < 100000)); then
        fail "the source $SOURCE has PostgreSQL $(major_of "$said"), which has no logical replication: set import.method: dump"
    fi
    if (($(major_number "$(major_of "$said")") > $(major_number "$MAJOR"))); then
        fail "the source $SOURCE has PostgreSQL $(major_of "$said"), which is newer than the release's $MAJOR: install the chart of that major"
    fi
}

# 9.6 sorts before 12.
major_number() {
    echo "${1%%.*}"
}

# Set NAMES to the databases to import. Of all databases, `postgres` counts only if there is something in it.
list_databases() {
    local found name
    found=$(sql source "$HAPG_SOURCE_DATABASE" "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate
        AND has_database_privilege(oid, 'CONNECT') ORDER BY datname") || fail "the databases of the source $SOURCE can't be listed: $found"
    mapfile -t ALL <<<"$found"
    NAMES=()
    if [[ ${HAPG_DATABASES-} ]]; then
        mapfile -t NAMES <<<"$HAPG_DATABASES"
        for name in "${NAMES[@]}"; do
            among "$name" "${ALL[@]}" || fail "the source $SOURCE has no database $name that $SOURCE_USER may connect to; it has ${ALL[*]}"
        done
        return
    fi
    for name in "${ALL[@]}"; do
        if [[ $name == postgres ]]; then
            found=$(sql source postgres "$OBJECTS") || fail "the source $SOURCE: $found"
            [[ $found == t ]] || continue
        fi
        NAMES+=("$name")
    done
}

among() { # WORD [WORD…]
    local word
    for word in "${@:2}"; do
        if [[ $word == "$1" ]]; then return; fi
    done
    return 1
}

# Print what the release has under a name: imported, full, empty or nothing.
state_of() { # DATABASE
    local found
    found=$(target postgres "SELECT EXISTS (SELECT FROM pg_db_role_setting WHERE setdatabase = d.oid AND setrole = 0
        AND array_to_string(setconfig, E'\\n') LIKE '%$MARK=%') FROM pg_database AS d WHERE datname = $(literal "$1")") || exit 1
    case $found in
        t) echo imported ;;
        f)
            found=$(target "$1" "$OBJECTS") || exit 1
            if [[ $found == t ]]; then echo full; else echo empty; fi
            ;;
        *) echo nothing ;;
    esac
}

# Drop what an interrupted attempt has left.
drop_unfinished() {
    local found name
    if [[ $MAJOR != 9.6 ]]; then
        found=$(target postgres "SELECT count(*) FROM pg_subscription WHERE subname ~ '^${PREFIX}[0-9a-f]{32}\$'") || exit 1
        [[ $found == 0 ]] || fail "databases are being imported by logical replication: set import.method: logical, and import.step finish or abort"
    fi
    found=$(target postgres "SELECT datname FROM pg_database WHERE datname ~ '^${PREFIX}[0-9a-f]{32}\$'") || exit 1
    for name in $found; do
        say "dropping what an interrupted attempt has left: $name"
        drop_own "$name" || exit 1
    done
}

# Drop a database that only this script knows, if it is there.
drop_own() { # OWN
    target postgres "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '$1'" >/dev/null || exit 1
    target postgres "DROP DATABASE IF EXISTS $1" >/dev/null || exit 1
}

# Print the extensions of a database that the release's image lacks, as a line.
missing_extensions() { # NAME
    local found known=() name missing=()
    found=$(target postgres 'SELECT name FROM pg_available_extensions') || exit 1
    mapfile -t known <<<"$found"
    found=$(sql source "$1" 'SELECT extname FROM pg_extension ORDER BY extname') || fail "database $1: $found"
    for name in $found; do among "$name" "${known[@]}" || missing+=("$name"); done
    if ((${#missing[@]})); then
        echo "$1: extensions that the release's image does not have (drop them there, or set an image with them): ${missing[*]}"
    fi
}

# Refuse databases that a dump can't read or the release can't take, before anything is changed.
check_dumps() { # NAME…
    local name found problems=() unreadable=''
    for name; do
        found=$(sql source "$name" "$UNREADABLE") || fail "database $name: $found"
        if [[ $found ]]; then unreadable=1 problems+=("$name: ${found//$'\n'/; $name: }"); fi
        found=$(missing_extensions "$name") || exit 1
        if [[ $found ]]; then problems+=("$found"); fi
    done
    if ((${#problems[@]})); then
        found=$(printf '; %s' "${problems[@]}")
        if [[ $unreadable ]]; then found+=". Grant that to $SOURCE_USER, use a superuser, or leave the database out of import.databases"; fi
        fail "the source $SOURCE can't be imported as $SOURCE_USER: ${found#; }"
    fi
}

# Create the roles that the release lacks. Those that it has, such as postgres, stay as they are. The role that the source is read as has the
# password of the Secret: also if the source does not tell, or has it as MD5.
import_roles() {
    local file=$OWN/roles known=() line found problem own password accepted="PASSWORD '(SCRAM-SHA-256\\$|md5)" given=''
    found=$(target postgres 'SELECT quote_ident(rolname) FROM pg_roles') || exit 1
    mapfile -t known <<<"$found"
    own=$(target postgres "SELECT quote_ident($(literal "$SOURCE_USER"))") || exit 1
    password=$(entry "$SOURCE_SECRET" password "source's") || exit 1
    if [[ $MAJOR != 9.6 ]]; then accepted="PASSWORD 'SCRAM-SHA-256\\$"; fi
    if ! problem=$("$BIN/pg_dumpall" --roles-only -w -l "$HAPG_SOURCE_DATABASE" -d "$(server source "$HAPG_SOURCE_DATABASE")" 2>&1 >"$file"); then
        [[ $problem == *'permission denied'* && $MAJOR != 9.6 ]] || fail "the roles of the source can't be read: ${problem//$'\n'/ }"
        say "WARNING: $SOURCE_USER may not read the passwords of the source's roles; new roles have none"
        problem=$("$BIN/pg_dumpall" --roles-only --no-role-passwords -w -l "$HAPG_SOURCE_DATABASE" \
            -d "$(server source "$HAPG_SOURCE_DATABASE")" 2>&1 >"$file") || fail "the roles of the source can't be read: ${problem//$'\n'/ }"
    fi
    while IFS= read -r line; do
        if [[ $line =~ ^(CREATE\ ROLE|ALTER\ ROLE|COMMENT\ ON\ ROLE)\ (\"([^\"]|\"\")+\"|[^\ \;]+) ]]; then
            if among "${BASH_REMATCH[2]}" "${known[@]}"; then continue; fi
            if [[ $line == 'CREATE ROLE '* ]]; then
                say "role ${BASH_REMATCH[2]}"
            elif [[ $line == "ALTER ROLE $own WITH "* && ! $line =~ $accepted ]]; then
                line+=$'\n'"ALTER ROLE $own PASSWORD $(literal_with_backslashes "$password");"
                given=1
            fi
        elif [[ $line == \\* ]]; then
            continue # \restrict
        elif [[ $line =~ ^(GRANT\ .*)\ GRANTED\ BY\ (\"([^\"]|\"\")+\"|[^\ \;]+)\;$ ]]; then
            line="${BASH_REMATCH[1]};"
        fi
        printf '%s\n' "$line"
    done <"$file" >"$file.sql"
    problem=$(PGOPTIONS=$QUIET \
        "$BIN/psql" -Xq1w -v ON_ERROR_STOP=1 -v VERBOSITY=terse -d "$(server target postgres)" -f "$file.sql" 2>&1 >/dev/null) ||
        fail "the roles can't be created: $(cause "$problem")"
    rm -f "$file" "$file.sql"
    if [[ $given ]]; then say "role $own has the password of the source's Secret"; fi
    if [[ $MAJOR != 9.6 ]]; then
        found=$(target postgres "SELECT string_agg(quote_ident(rolname), ', ') FROM pg_authid WHERE rolpassword LIKE 'md5%'") || exit 1
        if [[ $found ]]; then say "WARNING: these roles have MD5 passwords, which are refused here until they get new ones: $found"; fi
    fi
}

# Print the line of a program's messages that says why it failed.
cause() { # MESSAGES
    local line
    line=$(grep -m 1 -E 'error:|ERROR:|FATAL:' <<<"$1") || line=${1##*$'\n'}
    printf '%s' "$line"
}

# Run a program and print progress until it ends: how many lines of its output match, of how many.
watched() { # NAME WHAT TOTAL EXPRESSION PROGRAM [ARG…]
    local name=$1 what=$2 total=$3 expression=$4 log=$SCRATCH/log pid ready next=$((SECONDS + EVERY))
    shift 4
    "$@" 2>"$log" &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        if ((SECONDS >= next)); then
            next=$((SECONDS + EVERY)) ready=$(grep -cE "$expression" "$log")
            say "$name: $what $((ready < total ? ready : total)) of $total"
        fi
        sleep 0.2
    done
    wait "$pid" || fail "$name: $(cause "$(<"$log")")"
}

import_database() { # NAME STATE
    local name=$1 state=$2 dump=$SCRATCH/dump total
    local options=(--no-sync --no-subscriptions) # a database with a subscription can't be dropped
    if [[ $MAJOR == 9.6 ]]; then options=(); fi
    rm -rf "$dump"
    if [[ $state == nothing ]]; then create "$name"; fi
    total=$(sql source "$name" "SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'm') AND oid >= 16384") || fail "database $name: $total"
    say "$name: dumping $total tables"
    watched "$name" 'dumped tables' "$total" 'dumping contents of table' \
        "$BIN/pg_dump" -Fd -j "$HAPG_JOBS" -v -w --no-tablespaces "${options[@]}" -f "$dump" -d "$(server source "$name")" || exit 1
    "$BIN/pg_restore" --list "$dump" >"$SCRATCH/list" || fail "database $name: the dump can't be read"
    total=$(grep -c '^[0-9]' "$SCRATCH/list")
    if [[ $state == empty ]]; then fill "$name" "$dump"; else restore "$name" "$dump" "$total"; fi
    rm -rf "$dump"
    target "$name" 'ANALYZE' >/dev/null || exit 1
    say "$name: imported"
}

# Print the value of the mark.
mark() {
    literal "from $SOURCE at $(date -u +%FT%TZ)"
}

# Fill an existing, empty database in one transaction; its mark is part of it.
fill() { # NAME DUMP
    local name=$1 dump=$2 problem
    say "$name: filling the empty database, in one transaction"
    problem=$({
        printf 'BEGIN;\nALTER DATABASE %s SET %s = %s;\n' "$(identifier "$name")" "$MARK" "$(mark)"
        "$BIN/pg_restore" --single-transaction --no-tablespaces "${OWNERS[@]}" -f /dev/stdout "$dump"
    } 2>"$SCRATCH/log" | PGOPTIONS=$SILENT "$BIN/psql" -Xqw -v ON_ERROR_STOP=1 -v VERBOSITY=terse -d "$(server target "$name")" 2>&1 >/dev/null) ||
        fail "$name: $(cause "$problem"$'\n'"$(<"$SCRATCH/log")")"
    close_functions "$name" "$name"
}

# Create a database that only this script knows, like the source's: before the dump, because the image may lack the locale.
create() { # NAME
    local name=$1 dump=$SCRATCH/dump
    "$BIN/pg_dump" -Fd --schema-only -N '*' -w -f "$dump" -d "$(server source "$name")" 2>"$SCRATCH/log" ||
        fail "$name: $(cause "$(<"$SCRATCH/log")")"
    read_properties "$name" "$dump"
    rm -rf "$dump"
    create_own "$name"
}

# Run CREATE DATABASE with what read_properties has found.
create_own() { # NAME
    local found
    found=$(sql target postgres "CREATE DATABASE $(own_of "$1") $CREATED_WITH") && return
    if [[ $found == *locale* ]]; then
        found+=". Create an empty database $1 with a locale that the release's image has: with import.method: dump it is filled"
    fi
    fail "$1: the release: $found"
}

# Restore into that database, and give it its name at the end.
restore() { # NAME DUMP TOTAL
    local name=$1 dump=$2 total=$3 own
    own=$(own_of "$name")
    say "$name: restoring $total objects"
    PGOPTIONS=$SILENT watched "$name" 'restored objects' "$total" ': (creating|processing data for|executing) ' \
        "$BIN/pg_restore" --exit-on-error --no-tablespaces "${OWNERS[@]}" -j "$HAPG_JOBS" -v -w -d "$(server target "$own")" "$dump" || exit 1
    close_functions "$name" "$own"
    rename "$name" "$own"
}

# With import.roles: false, keep everybody but postgres from functions that now run with the rights of postgres.
close_functions() { # NAME DATABASE
    local found
    if [[ $HAPG_ROLES == true ]]; then return; fi
    found=$(target "$2" "SELECT string_agg(p.oid::regprocedure::text, ', ') $OF_OWNER") || exit 1
    if [[ ! $found ]]; then return; fi
    PGOPTIONS=$SILENT target "$2" "DO \$\$ DECLARE f text; BEGIN FOR f IN SELECT p.oid::regprocedure $OF_OWNER
        LOOP EXECUTE 'REVOKE ALL ON ' || CASE WHEN current_setting('server_version_num')::int < 110000 THEN 'FUNCTION ' ELSE 'ROUTINE ' END
        || f || ' FROM PUBLIC'; END LOOP; END \$\$" >/dev/null || exit 1
    say "WARNING: $1: these functions are SECURITY DEFINER and belong to postgres now, so only postgres may call them: $found"
}

md5_of() { # TEXT
    printf '%s' "$1" | md5sum | cut -d ' ' -f 1
}

# Print the name that a database has until it is whole.
own_of() { # NAME
    printf '%s%s' "$PREFIX" "$(md5_of "$1")"
}

# Write the statements that give a database its properties, and set CREATED_WITH to how it is created.
read_properties() { # NAME DUMP
    local name=$1 dump=$2 database
    "$BIN/pg_restore" --list -C "$dump" >"$SCRATCH/list" || fail "database $name: the dump can't be read"
    grep -E '^[0-9]+; [0-9]+ [0-9]+ (DATABASE( PROPERTIES)? - |(ACL|COMMENT|SECURITY LABEL) - DATABASE )' "$SCRATCH/list" >"$SCRATCH/properties"
    "$BIN/pg_restore" -C --no-tablespaces "${OWNERS[@]}" -L "$SCRATCH/properties" -f "$SCRATCH/database.sql" "$dump" ||
        fail "$name: the properties of the database can't be read"
    database=$(grep -m 1 '^CREATE DATABASE ' "$SCRATCH/database.sql")
    [[ $database =~ ^CREATE\ DATABASE\ (\"([^\"]|\"\")+\"|[^\ ]+)\ (.*)$ ]] || fail "$name: the dump has no properties of the database"
    CREATED_WITH=${BASH_REMATCH[3]}
}

# Give a database its name, properties and mark, in one transaction.
rename() { # NAME OWN
    local name=$1 problem
    problem=$({
        printf 'BEGIN;\nALTER DATABASE %s RESET ALL;\nCOMMENT ON DATABASE %s IS NULL;\n' "$2" "$2"
        printf 'ALTER DATABASE %s RENAME TO %s;\n' "$2" "$(identifier "$name")"
        grep -vE '^(CREATE DATABASE |\\)' "$SCRATCH/database.sql"
        printf '\nALTER DATABASE %s SET %s = %s;\nCOMMIT;\n' "$(identifier "$name")" "$MARK" "$(mark)"
    } | "$BIN/psql" -Xqw -v ON_ERROR_STOP=1 -v VERBOSITY=terse -d "$(server target postgres)" 2>&1 >/dev/null) || fail "$name: $(cause "$problem")"
}

attempt() (
    trap '' PIPE # a session that has ended is found when it does not answer
    SOURCE_USER=''
    local name new=()
    declare -A states=()
    write_logins
    await_primary
    take_lock
    check_source
    list_databases
    if [[ $METHOD == logical ]]; then
        import_logically || exit 1
        say "done: ${#NAMES[@]} databases of $SOURCE"
        exit 0
    fi
    for name in "${NAMES[@]}"; do
        states[$name]=$(state_of "$name") || exit 1
        case ${states[$name]} in
            full) fail "database $name of the release is not empty, and nothing is overwritten: drop it, or leave it out of import.databases" ;;
            imported) say "$name: was imported before" ;;
            *) new+=("$name") ;;
        esac
    done
    check_dumps "${new[@]}"
    drop_unfinished
    if [[ $HAPG_ROLES == true ]] && ((${#new[@]})); then import_roles; fi
    for name in "${new[@]}"; do import_database "$name" "${states[$name]}"; done
    say "done: ${#NAMES[@]} databases of $SOURCE"
)

# Before it is ended: what it leaves behind.
leave() {
    if [[ -s $OWN/slots ]]; then
        say "stopped while databases follow: the source keeps WAL for $(paste -sd ' ' "$OWN/slots") until import.step is finish or abort"
    fi
    exit 143
}

if [[ $METHOD == logical ]]; then
    # shellcheck source=/dev/null # is checked by itself
    . "${BASH_SOURCE[0]%/*}/logical.sh"
fi
trap leave TERM INT
umask 077
pause=$FIRST_PAUSE
while :; do
    printf 'it has ended unexpectedly\n' >"$OWN/problem"
    began=$SECONDS
    attempt & # in the background, so that a signal ends it at once
    if wait "$!"; then exit 0; fi
    if ((SECONDS - began > LONGEST_PAUSE)); then pause=$FIRST_PAUSE; fi
    say "error: $(<"$OWN/problem"); next attempt in $pause s"
    cp "$OWN/problem" "$LOG" 2>/dev/null
    sleep "$pause" &
    wait "$!"
    pause=$((2 * pause < LONGEST_PAUSE ? 2 * pause : LONGEST_PAUSE))
done
