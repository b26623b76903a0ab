#!/bin/bash
# The supervisor: PID 1 of the postgres container. It decides nothing. It carries out verbs that arrive on a FIFO, kills
# every process of the container when the failover container's deadline passes or the postmaster dies, and holds a lock
# that every process of the container inherits. docs/contract.md is its specification.
#
# The loop uses bash builtins only: a fork or an exec could block on a full process table or a hanging disk just when the
# deadline has to be enforced. Whatever needs a program, or writes to the data volume at length, runs in a child.
#
# Descriptors: 3 the watchdog's clock, 4 the lock of the WAL volume, 5 the container's log, 6 verbs, 7 events, 8 the lock of this container,
# 9 the lock of the data volume.

if [[ $$ -ne 1 ]]; then
    echo 'supervisor.sh: must be PID 1 of its own PID namespace: it ends everything in it by kill -9 -1' >&2
    exit 64
fi

readonly RUN=${HAPG_RUN:-/run/hapg} VOLUME=${HAPG_VOLUME:-/var/lib/postgresql/data} CONFIG=${HAPG_CONFIG:-/etc/hapg/config}
readonly WAL_VOLUME=${HAPG_WAL_VOLUME-} # empty: WAL is in DATA
readonly SHM=${HAPG_SHM:-/dev/shm} TLS=${HAPG_TLS:-/etc/hapg/tls} SSLMODE=${HAPG_SSLMODE-} SCRIPTS=${HAPG_SCRIPTS:-/etc/hapg/initdb}
readonly DATA=$VOLUME/pgdata
readonly INSTANCE=$RUN/conf/instance.conf
readonly ACCEPTED=$VOLUME/config TRIAL=$RUN/trial # what the server reads; the directory of a server that only tries its configuration

# Times are in hundredths of a second of boot time, as /proc/uptime has them.
readonly TURN=20            # longest turn of the loop
readonly WATCHDOG_TURN=0.15 # of the watchdog, in seconds; it acts at the second turn that finds the deadline passed
readonly LATER=50 EARLIER=500
readonly SELDOM=100        # between the looks at the walreceiver while nobody asks
readonly SLOW_SEAL=25      # between the two looks of a slow seal
readonly SEAL_PATIENCE=50  # until a walreceiver is ended that the startup process doesn't stop, as while replay is paused
readonly START_PATIENCE=50 # a hot standby that isn't consistent yet stays 'starting' until it may follow
readonly AGENT_PATIENCE=300 # with the server down, how long a SIGTERM waits for the failover container to show up
readonly OUTPUTS=8          # how many outputs of jobs are kept
readonly SCRIPTS_TRIES=600  # how often, every 0.1 s, the server of the scripts is asked whether it has come up
readonly TRIAL_PATIENCE=60  # how many seconds the trial of a configuration may take

readonly RECEIVER_TITLE='^postgres: (.*: )?(walreceiver|wal receiver process)( +streaming ([0-9A-F]+/[0-9A-F]+))? *$'
readonly REPLAY_TITLE='^postgres: (.*: )?startup( process)?( +(recovering|waiting for) ([0-9A-F]{24}))? *$'
readonly STARTUP_TITLE='^postgres: (.*: )?startup process +(recovering|waiting for) '
readonly TIMELINE='^[1-9][0-9]{0,8}$' LSN='^[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}$'
readonly NUMBER='^[1-9][0-9]?$' STANDBY_NAME='^[A-Za-z0-9][A-Za-z0-9.-]{0,62}$'
readonly UNWANTED='^[[:space:]]*(primary_conninfo|primary_slot_name|restore_command|promote_trigger_file|synchronous_standby_names|recovery_target[a-z_]*)([[:space:]=]|$)'

STATE=down    # down, standby or primary
PM=0          # pid of the postmaster
WRAPPER=0     # pid of the child that prepares, starts and awaits the postmaster
GENERATION=0 SERVER_GENERATION=0 JOB_GENERATION=0 # counts wrappers and jobs, so that a dead one's last words aren't taken for a living one's
WATCHDOG=0    # pid of the watchdog
HOT=off       # hot_standby of the server that was started last
GUARDED=0     # whether it was started with a setting by which it can acknowledge nothing
STANDBYS=''   # its synchronous_standby_names
MAX_TERM=0    # highest term accepted
TERM_OF_WRITES=0 # the term of the promotion
MISSED=0      # for how many turns a process has been missing that hasn't told its exit code
START_ID='' START_AT=0 START_ANSWER='' UPSTREAM='' SLOT=''
RESTART_ID=''
STOP_IDS=() STOPPING=0
SEAL_ID='' SEAL_GAP=0 SEAL_AT=0 DRAIN=0 CLEAR_SINCE='' TITLE_LSN=- RECEIVER=0 LOOK_AT=0
JOB_ID='' JOB=0 JOB_VERB='' KEPT=()
SIGTERM=0 TERMINATING=0 TERMINATING_SINCE=0 AGENT_SEEN=0
LISTED='' NOW=0 UPTIME=0 LEFT=0 DEADLINE=missing DEADLINE_TERM=0 INFO=''
STOPPED=0 HALF='' given=0 words=()

# Does this hold of our major of PostgreSQL? PROFILE is what the chart says of it.
has() { # NAME
    [[ ${PROFILE[$1]} == true ]]
}

# ---- clock, deadline, heartbeat, events ----

clock() {
    read -r UPTIME _ </proc/uptime
    NOW=$((10#${UPTIME/./}))
}

# Set LEFT to the time until the deadline (at most an hour, also when it is 'none') and DEADLINE to what the file says.
# Fails if there is no deadline of this boot, this supervisor and, at least, term $1.
read_deadline() {
    local deadline written boot nonce term
    DEADLINE=missing LEFT=0
    read -r deadline written boot nonce term <"$RUN/deadline" || return 1
    DEADLINE=unreadable
    [[ $boot == "$BOOT_ID" && $nonce == "$NONCE" && $term =~ ^[0-9]{1,18}$ && $written =~ ^[0-9]{1,12}\.[0-9]{2}$ ]] || return 1
    DEADLINE_TERM=$((10#$term))
    ((DEADLINE_TERM >= $1 && 10#${written/./} <= NOW + LATER)) || return 1
    if [[ $deadline == none ]]; then
        LEFT=360000
    elif [[ $deadline =~ ^[0-9]{1,12}\.[0-9]{2}$ ]]; then
        LEFT=$((10#${deadline/./} - NOW))
        ((LEFT < 360000)) || LEFT=360000
    else
        return 1
    fi
    DEADLINE=$deadline
}

# In place and of constant length: a reader never sees an empty file, and no memory is needed when there is none.
beat() {
    printf '%-110s\n' "$UPTIME $STATE $PM $TERMINATING ${JOB_ID:--}" 1<>"$RUN/heartbeat"
}

event() { # ID RESULT [TEXT…]
    local line="$*"
    line=${line//[[:cntrl:]]/ }
    printf '%s %s\n' "$NONCE" "${line:0:1000}" >&7
}

refuse() { # ID REASON…
    local id=$1
    shift
    event "$id" refused "$@"
}

# ---- the end of all processes ----

kill_everything() {
    if [[ $$ -ne 1 ]]; then exit 70; fi
    kill -9 -1
}

start_watchdog() {
    watchdog &
    WATCHDOG=$!
}

watchdog() {
    local state passed=0
    trap - TERM
    exec 3<> <(:) 5>&- 6>&- 7>&-
    while :; do
        read -r -t "$WATCHDOG_TURN" -u 3 _
        clock
        state=
        read -r _ state _ <"$RUN/heartbeat"
        if [[ $state == down || $state == standby ]] || { read_deadline 0 && ((LEFT > 0)); }; then
            passed=0
        elif ((++passed > 1)); then
            kill_everything
        fi
    done
}

# Kill every process, then answer whoever is waiting. $1: what stops are answered, $2: what everything else is told.
end_all() {
    local id
    kill_everything
    STATE=down PM=0 WRAPPER=0 MISSED=0 STOPPING=0
    start_watchdog
    beat
    for id in $START_ID $RESTART_ID $SEAL_ID $JOB_ID; do event "$id" error "$2"; done
    for id in "${STOP_IDS[@]}"; do event "$id" "$1"; done
    START_ID='' RESTART_ID='' SEAL_ID='' JOB_ID='' JOB=0 STOP_IDS=()
}

postmaster_gone() { # RC
    local asked=$STOPPING$START_ID again=$RESTART_ID
    RESTART_ID=
    end_all "ok $1" "the postmaster ended with code $1"
    if [[ $again ]]; then
        start_server "$again"
    elif [[ $asked == 0 ]]; then
        event - died "$1"
    fi
}

# A process is gone. Its last words, if it had any, are in the FIFO: false while there may be some to read.
silent() {
    ((MISSED++))
    ((MISSED > 1 && !given || MISSED > 3))
}

# What must hold at every turn, before any verb is looked at.
enforce() {
    if [[ $STATE == primary ]] && ! { read_deadline "$TERM_OF_WRITES" && ((LEFT > 0)); }; then
        end_all 'error fenced' fenced
        event - fenced "$DEADLINE"
    elif [[ $STATE == standby && ! -e $STANDBY_FILE ]]; then
        # Somebody else has promoted it (pg_promote() in SQL): nobody counts on that right to write, nor may anybody count on its position.
        end_all 'error promoted by another' 'promoted by another'
        [[ -e $VOLUME/foreign || -L $VOLUME/foreign ]] || : >"$VOLUME/foreign"
        sync "$VOLUME/foreign" "$VOLUME" 6>&- 7>&- &
        event - died promoted by another
    elif ((PM)) && ! kill -0 "$PM" || { ((WRAPPER && !PM)) && ! kill -0 "$WRAPPER"; }; then
        if silent; then postmaster_gone unknown; fi
    elif ((JOB)) && ! kill -0 "$JOB"; then
        if silent; then job_done unknown; fi
    else
        MISSED=0
    fi
    if ! kill -0 "$WATCHDOG"; then start_watchdog; fi
}

# ---- the server ----

# What makes this server a standby, of UPSTREAM with SLOT or of nobody: parameters of its own in instance.conf, and the file in its
# directory, which in earlier majors holds the parameters of recovery.
write_instance() {
    local parameters=("hot_standby = $HOT") recovery=('standby_mode = on' "recovery_target_timeline = 'latest'")
    parameters+=("synchronous_standby_names = '$STANDBYS'")
    if has recoveryParameters; then
        parameters+=("primary_conninfo = '$UPSTREAM'" "primary_slot_name = '$SLOT'")
        [[ $STATE == primary || -e $STANDBY_FILE ]] || : >"$STANDBY_FILE" || return
    elif [[ $STATE != primary ]]; then
        # an empty one would be that of a server behind a socket of this host
        if [[ $UPSTREAM ]]; then recovery+=("primary_conninfo = '$UPSTREAM'"); fi
        if [[ $SLOT ]]; then recovery+=("primary_slot_name = '$SLOT'"); fi
        printf '%s\n' "${recovery[@]}" >"$STANDBY_FILE.new" && mv -f "$STANDBY_FILE.new" "$STANDBY_FILE" || return
    fi
    printf '%s\n' "${parameters[@]}" >"$INSTANCE.new" && mv -f "$INSTANCE.new" "$INSTANCE"
}

# Set LISTED to the value of synchronous_standby_names: empty without K or with 0; a name that nobody has if there are none.
list_standbys() { # [K [NAME…]]
    local name names=''
    LISTED=''
    if ((${1-0} == 0)); then return; fi
    for name in "${@:2}"; do names+="${names:+, }\"$name\""; done
    LISTED="$1 (${names:-\"-\"})"
    if has quorum; then LISTED="ANY $LISTED"; fi
}

# Of a server without an upstream: sealed, or the primary.
set_standbys() { # [K [NAME…]]
    local former=$STANDBYS
    list_standbys "$@"
    if [[ $LISTED == "$former" ]]; then return 0; fi
    STANDBYS=$LISTED
    if write_instance && kill -HUP "$PM"; then return 0; fi
    STANDBYS=$former
    return 1
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

of_this_major() {
    local found=''
    if [[ -f $DATA/PG_VERSION ]]; then read -r found <"$DATA/PG_VERSION"; fi
    if [[ ! $found ]]; then
        echo "there is no server directory at $DATA"
        return 1
    elif [[ $found != "$MAJOR" ]]; then
        echo "the server directory is of PostgreSQL $found, this is PostgreSQL $MAJOR: nothing has been touched"
        return 1
    fi
}

# Is the directory's WAL where this release has it? Whether the WAL volume is that of this data volume, the failover container has judged.
has_its_wal() {
    if [[ ! $WAL_VOLUME && -L $DATA/$WAL ]]; then
        echo "$DATA/$WAL is a link, and there is no WAL volume: nothing has been touched"
        return 1
    elif [[ $WAL_VOLUME && ! (-L $DATA/$WAL && -d $DATA/$WAL) ]]; then
        echo "$DATA/$WAL is no link to a directory on the WAL volume: nothing has been touched"
        return 1
    fi
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

verb_start() { # ID MODE [K]
    end_trial
    if [[ $STATE != down ]] || ((WRAPPER)); then
        refuse "$1" 'the server is not down'
    elif [[ $JOB_ID ]]; then
        refuse "$1" busy
    else
        if [[ $2 == hot ]]; then HOT=on; else HOT=off; fi
        list_standbys "${3-0}"
        STANDBYS=$LISTED GUARDED=$((${3-0} > 0))
        UPSTREAM='' SLOT='' START_ANSWER='' TITLE_LSN=-
        start_server "$1"
    fi
}

# Start the server as HOT and UPSTREAM say; answer START_ANSWER once it has come up, or else how far it is.
start_server() { # ID
    START_ID=$1 START_AT=$NOW STOPPING=0
    ((GENERATION++))
    SERVER_GENERATION=$GENERATION
    set -m
    wrapper &
    set +m
    WRAPPER=$!
}

# Has the server that is being started come up? Line 8 of postmaster.pid says so. Where there is none, recovery has begun
# when its process says what it reads; whether a hot standby answers already can't be seen.
look_at_start() {
    local lines=() line status
    ((PM)) || return
    while IFS= read -r line; do lines+=("$line"); done <"$DATA/postmaster.pid"
    [[ ${lines[0]-} == "$PM" ]] || return
    status=${lines[7]-}
    status=${status%% *}
    if ! has statusLine && find_process "$STARTUP_TITLE"; then
        status=starting
        if [[ $HOT == off || $START_ANSWER ]]; then status=standby; fi
    fi
    if [[ $status == standby || $status == ready ]] || { [[ $status == starting ]] && ((NOW - START_AT > START_PATIENCE)); }; then
        event "$START_ID" ok "${START_ANSWER:-$status}"
        START_ID=
    fi
}

# Find the process whose title matches; set FOUND to its directory in /proc and BASH_REMATCH.
find_process() { # EXPRESSION
    local title
    set +f
    for FOUND in /proc/[0-9]*; do
        title=''
        IFS= read -r -d '' title <"$FOUND/cmdline"
        if [[ $title =~ $1 ]]; then
            set -f
            return
        fi
    done
    set -f
    return 1
}

# Is this a standby that a configuration can be given to?
steerable() { # ID
    if [[ $STATE != standby || $START_ID ]]; then
        refuse "$1" "the server is not a standby that has come up but ${START_ID:+starting, }$STATE"
    elif ((STOPPING)); then
        refuse "$1" 'the server is being stopped'
    else
        return 0
    fi
    return 1
}

supersede() {
    if [[ $SEAL_ID ]]; then event "$SEAL_ID" error superseded; fi
    SEAL_ID=
}

# Let the standby follow UPSTREAM, or nobody; fails if that couldn't be written.
reconfigure() { # ID
    supersede
    if write_instance && kill -HUP "$PM"; then return 0; fi
    event "$1" error 'the configuration could not be written'
    return 1
}

# The same where a running standby takes no other upstream: it is shut down and started again.
restart() { # ID ANSWER
    supersede
    RESTART_ID=$1 START_ANSWER=$2 TITLE_LSN=-
    stop_server fast
}

# Set INFO to the connection string; the characters of its values need no quotes.
conninfo() { # HOST PORT USER [DATABASE]
    INFO="host=$1 port=$2 user=$3${4:+ dbname=$4} application_name=$NAME connect_timeout=5"
    INFO+=' keepalives_idle=5 keepalives_interval=2 keepalives_count=3'
    if [[ $SSLMODE ]]; then INFO+=" sslmode=$SSLMODE"; fi
    if [[ $SSLMODE == verify-ca ]]; then INFO+=" sslrootcert=$TLS/ca.crt"; fi
}

verb_follow() { # ID HOST PORT USER [SLOT]
    steerable "$1" || return
    conninfo "$2" "$3" "$4"
    UPSTREAM=$INFO SLOT=${5-} TITLE_LSN=-
    if ! has reloadsConninfo; then
        restart "$1" following
    elif reconfigure "$1"; then
        event "$1" ok
    fi
}

verb_seal() { # ID SPEED
    steerable "$1" || return
    end_trial # its server would be taken for a walreceiver in the making
    RECEIVER=0 CLEAR_SINCE=''
    look_for_receiver
    UPSTREAM='' SLOT='' DRAIN=0
    if [[ $2 == drain ]] && ((RECEIVER)); then
        supersede
        DRAIN=1
    elif ! has reloadsConninfo; then
        restart "$1" "$TITLE_LSN"
        return
    else
        reconfigure "$1" || return
    fi
    SEAL_ID=$1 SEAL_GAP=0 SEAL_AT=$NOW
    if [[ $2 == slow ]]; then SEAL_GAP=$SLOW_SEAL; fi
}

# Set RECEIVER to the pid of the walreceiver, 0 if there is none, and TITLE_LSN to what its title says. A server process
# without a title yet may become one, and counts as one.
look_for_receiver() {
    local directory title
    if ((RECEIVER)); then
        directory=/proc/$RECEIVER title=''
        IFS= read -r -d '' title <"$directory/cmdline"
        if [[ $title =~ $RECEIVER_TITLE ]]; then
            TITLE_LSN=${BASH_REMATCH[4]:-$TITLE_LSN}
            return
        fi
    fi
    RECEIVER=0
    set +f
    for directory in /proc/[0-9]*; do
        title=''
        IFS= read -r -d '' title <"$directory/cmdline"
        if [[ $title =~ $RECEIVER_TITLE ]]; then
            TITLE_LSN=${BASH_REMATCH[4]:-$TITLE_LSN} RECEIVER=${directory#/proc/}
            break
        elif [[ $title == "$BIN/postgres" && $directory != "/proc/$PM" ]]; then
            RECEIVER=${directory#/proc/}
        fi
    done
    set -f
}

look_at_seal() {
    local id=$SEAL_ID
    look_for_receiver
    if ((DRAIN && !RECEIVER)); then
        DRAIN=0 SEAL_ID=''
        if ! has reloadsConninfo; then
            restart "$id" "$TITLE_LSN"
            return
        fi
        reconfigure "$id" || return
        SEAL_ID=$id SEAL_AT=$NOW
    fi
    if ((RECEIVER)); then
        CLEAR_SINCE=''
        if ((!DRAIN && NOW - SEAL_AT > SEAL_PATIENCE)); then end_receiver; fi
    elif [[ ! $CLEAR_SINCE ]]; then
        CLEAR_SINCE=$NOW
    elif ((NOW - CLEAR_SINCE >= SEAL_GAP)); then
        event "$SEAL_ID" ok "$TITLE_LSN"
        SEAL_ID='' TITLE_LSN=-
    fi
}

# The startup process stops its walreceiver when it next wants WAL, which it doesn't while its replay is paused. What has been received is flushed
# at the end of the process, and none is started without an upstream.
end_receiver() {
    local title=''
    SEAL_AT=$NOW
    IFS= read -r -d '' title <"/proc/$RECEIVER/cmdline"
    if [[ $title =~ $RECEIVER_TITLE ]]; then kill -TERM "$RECEIVER"; fi
}

verb_standbys() { # ID [K [NAME…]]
    if [[ $STATE != primary ]] || ((STOPPING)); then
        refuse "$1" "the server is not a primary but $STATE, or is being stopped"
    elif set_standbys "${@:2}"; then
        event "$1" ok
    else
        event "$1" error 'the configuration could not be written'
    fi
}

verb_promote() { # ID TERM TIMELINE OWN_TIMELINE [K [NAME…]]
    local id=$1 term=$2 timeline=$3 own=$4 number file
    steerable "$id" || return
    printf -v file '%s/%08X.history' "$DATA/$WAL" "$timeline"
    if ((timeline <= own)); then
        refuse "$id" "timeline $timeline can't follow on timeline $own"
    elif [[ -e $file ]]; then
        refuse "$id" "timeline $timeline exists"
    elif ! read_deadline "$term"; then
        refuse "$id" "the deadline is $DEADLINE"
    elif ((DEADLINE_TERM != term)); then
        refuse "$id" "the deadline is of term $DEADLINE_TERM"
    elif ((LEFT <= 0)); then
        refuse "$id" "the deadline $DEADLINE has passed"
    elif [[ $SEAL_ID ]]; then
        refuse "$id" 'a seal is not finished'
    elif ((${5-0} && !GUARDED)); then
        # its checkpointer may read the setting only after a first commit, and nobody would wait for that one
        refuse "$id" 'the server was started without a guard'
    elif ! set_standbys "${@:5}"; then
        refuse "$id" 'the configuration could not be written'
    else
        STATE=primary TERM_OF_WRITES=$term
        beat
        # PostgreSQL takes the first number without a history file. Lower ones are needed too: a standby that follows
        # asks for the file of every timeline between its own and its primary's.
        for ((number = 2; number < timeline; number++)); do
            printf -v file '%s/%08X.history' "$DATA/$WAL" "$number"
            if ((number != own)) && [[ ! -e $file ]]; then : >"$file"; fi
        done
        : >"$DATA/promote"
        clock
        if read_deadline "$term" && ((LEFT > 0)) && kill -USR1 "$PM"; then
            event "$id" ok
        else
            end_all 'error fenced' fenced
            event "$id" refused "the deadline $DEADLINE has passed, or the postmaster is gone"
        fi
    fi
}

# How far a server is that starts or recovers: the segment that its startup process reads, and the processor time, in ticks, that this process,
# what starts the server, and a running job have used. A process that waits for a disk uses none; the postmaster, which forks for whoever
# asks whether it writes already, doesn't count.
verb_progress() { # ID
    local file line title segment=- work=0 fields=()
    set +f
    for file in /proc/[0-9]*; do
        line='' title=''
        IFS= read -r line <"$file/stat"
        IFS= read -r -d '' title <"$file/cmdline"
        set -f
        # shellcheck disable=SC2206 # splitting is what is wanted
        fields=(${line##*) }) # from the state on: proc(5)
        set +f
        if [[ $title =~ $REPLAY_TITLE ]]; then
            segment=${BASH_REMATCH[5]:-$segment}
        elif [[ ! $line || $file == "/proc/$PM" ]] || ! { ((WRAPPER && fields[2] == WRAPPER)) || ((JOB && fields[2] == JOB)); }; then
            continue
        fi
        ((work += fields[11] + fields[12]))
    done
    set -f
    event "$1" ok "$segment $work"
}

verb_stop() { # ID MODE
    local id
    if ((!PM)); then
        # nothing to shut down but, perhaps, a job or a server that is about to be started
        if ((WRAPPER || JOB)); then end_all ok stopped; fi
        event "$1" ok down
        return
    fi
    end_job stopped
    for id in $START_ID $RESTART_ID $SEAL_ID; do event "$id" error stopped; done
    START_ID='' RESTART_ID='' SEAL_ID='' STOPPING=1
    STOP_IDS+=("$1")
    stop_server "$2"
}

stop_server() { # MODE
    STOPPING=1
    if [[ $1 == fast ]]; then kill -INT "$PM"; else kill -QUIT "$PM"; fi
}

# ---- jobs ----

start_job() { # ID VERB [ARG…]
    local old=()
    if [[ $2 == configure && ($START_ID || $SEAL_ID) ]]; then
        refuse "$1" busy
        return
    fi
    end_trial
    if [[ $JOB_ID ]]; then
        refuse "$1" busy
        return
    elif ((WRAPPER && !PM)); then
        refuse "$1" 'the server is about to be started'
        return
    fi
    case $2 in
        initdb) if [[ -e $DATA ]]; then
            refuse "$1" 'there is a server directory'
            return
        fi ;;
        clone | rewind) if [[ $STATE != down ]]; then
            refuse "$1" 'the server is not down'
            return
        fi ;;
    esac
    JOB_ID=$1 JOB_VERB=$2
    KEPT+=("$RUN/out/$1")
    if ((${#KEPT[@]} > OUTPUTS)); then old=("${KEPT[@]:0:${#KEPT[@]}-OUTPUTS}") KEPT=("${KEPT[@]: -OUTPUTS}"); fi
    ((GENERATION++))
    JOB_GENERATION=$GENERATION
    set -m
    run_job "$@" -- "${old[@]}" </dev/null >"$RUN/out/$1" 2>&1 &
    set +m
    JOB=$!
}

# In the child: do the job, tell the loop its exit code and what it said.
run_job() { # ID VERB [ARG…] -- [FILE TO REMOVE…]
    local id=$1 verb=$2 args=() rc line said=''
    trap - TERM
    shift 2
    while [[ $1 != -- ]]; do
        args+=("$1")
        shift
    done
    shift
    if (($#)); then rm -f "$@" 6>&- 7>&-; fi
    "job_$verb" "${args[@]}" 5>&- 6>&- 7>&-
    rc=$?
    if ((rc)) && [[ $verb != waldump ]]; then
        # the first complaint, or else the last words
        while IFS= read -r line; do
            if [[ $line ]]; then said=$line; fi
            if [[ $line =~ (error|fatal|FATAL|PANIC): ]]; then break; fi
        done <"$RUN/out/$id"
    fi
    printf '%s job %s %s %s\n' "$TOKEN" "$GENERATION" "$rc" "${said:0:900}" >&6
}

job_done() { # RC [TEXT…]
    local id=$JOB_ID rc=$1
    shift
    JOB_ID='' JOB=0
    # A server that is being started may have no handler of the signal yet; it has read the files, or will.
    if [[ $rc == 0 && $JOB_VERB == configure && ! $START_ID ]] && ((PM)); then kill -HUP "$PM"; fi
    if [[ $rc == 0 || $JOB_VERB == waldump ]]; then event "$id" ok "$rc"; else event "$id" error "exit code $rc: $*"; fi
}

end_job() { # WHY
    if [[ $JOB_ID ]]; then
        kill -9 -- "-$JOB"
        event "$JOB_ID" error "$1"
        JOB_ID='' JOB=0
    fi
}

# The trial of a new configuration gives way to whatever else there is to do: it can be made again.
end_trial() {
    if [[ $JOB_VERB == configure ]]; then end_job superseded; fi
}

# initdb and a single-user server want a name for their user id. Where the image has none, libnss_wrapper gives one, as in
# the image's own entry point.
name_user() {
    local id library
    while IFS=: read -r _ _ id _; do
        if [[ $id == "$EUID" ]]; then return; fi
    done </etc/passwd
    set +f
    for library in {/usr,}/lib{/*,}/libnss_wrapper.so; do
        if [[ -s $library ]]; then
            printf 'postgres:x:%s:%s::/:/bin/false\n' "$EUID" "$(id -g)" >"$RUN/conf/passwd"
            printf 'postgres:x:%s:\n' "$(id -g)" >"$RUN/conf/group"
            export LD_PRELOAD=$library NSS_WRAPPER_PASSWD=$RUN/conf/passwd NSS_WRAPPER_GROUP=$RUN/conf/group
            break
        fi
    done
    set -f
}

# Set UNLINKED to the directories of WAL that no server directory links to: they were begun and not finished, or replaced.
find_unlinked_wal() {
    local directory=$DATA linked
    UNLINKED=()
    if [[ ! $WAL_VOLUME ]]; then return; fi
    if [[ ! -e $DATA ]]; then directory=$VOLUME/pgdata.old; fi
    linked=$(readlink "$directory/$WAL")
    set +f
    for directory in "$WAL_VOLUME"/wal.*; do
        if [[ -d $directory && $directory != "$linked" ]]; then UNLINKED+=("$directory"); fi
    done
    set -f
}

remove_unlinked_wal() {
    find_unlinked_wal
    if ((${#UNLINKED[@]})); then rm -rf "${UNLINKED[@]}"; fi
}

# Set APART to the option by which PROGRAM puts the WAL of a new server directory onto the WAL volume, into a directory that never was there
# before: so it is the rename of the server directory by which both come to count.
name_wal() { # PROGRAM
    local id option=--waldir
    APART=()
    if [[ ! $WAL_VOLUME ]]; then return; fi
    remove_unlinked_wal || return
    if [[ $("$BIN/$1" --help) == *--xlogdir=* ]]; then option=--xlogdir; fi # before PostgreSQL 10
    read -r id </proc/sys/kernel/random/uuid
    APART=("$option=$WAL_VOLUME/wal.$id")
}

# A directory counts once it is renamed. The scripts belong to its making: they have run once, or nothing of what they did is left.
job_initdb() {
    local new=$VOLUME/pgdata.new more=() rc
    read -r -a more <<<"${HAPG_INITDB_ARGS-}"
    list_scripts || return
    name_user
    rm -rf "$new" && name_wal initdb &&
        "$BIN/initdb" -D "$new" "${APART[@]}" -U postgres --pwfile="$RUN/pwfile" -A "${PROFILE[authentication]}" --data-checksums -E UTF8 --locale=C.UTF-8 "${more[@]}" &&
        # A hot standby refuses to start with, say, a lower max_connections than the control file has: record ours.
        "$BIN/postgres" --single -D "$new" -c config_file="$CONFIG/postgresql.conf" template1 &&
        run_scripts "$new" &&
        sync "$new" ${WAL_VOLUME:+"$WAL_VOLUME"} && mv "$new" "$DATA" && sync "$VOLUME" && return
    rc=$?
    rm -rf "$new"
    remove_unlinked_wal
    return "$rc"
}

# Set FILES to the scripts in order of name, which is that of their bytes.
list_scripts() {
    local file
    FILES=()
    set +f
    for file in "$SCRIPTS"/*; do
        if [[ ! -e $file ]]; then continue; fi
        if [[ $file != *.sql ]]; then
            echo "error: ${file##*/} is among the scripts of the first server, and only .sql files are"
            return 1
        fi
        FILES+=("$file")
    done
    set -f
}

# Run FILES as the superuser. The server that does it takes no connection but by a socket of its own. It archives nothing, as its directory may
# yet be thrown away, waits for no standby, and logs no statement, as scripts may hold passwords.
run_scripts() { # DIRECTORY
    local own=$RUN/initdb server said file tries=0 client
    if ((!${#FILES[@]})); then return; fi
    rm -rf "$own" && mkdir -m 0700 "$own" || return
    client=("$BIN/psql" -X -q -w -h "$own" -p 5432 -U postgres -d postgres -v ON_ERROR_STOP=1 -v VERBOSITY=terse)
    "$BIN/postgres" -D "$1" -c config_file="$CONFIG/postgresql.conf" -c listen_addresses= -c unix_socket_directories="$own" -c port=5432 \
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
            said=${said#"psql:$SCRIPTS/"}
            # a syntax error repeats a word of the script
            printf 'error: script %s: %s\n' "${file##*/}" "${said%% at or near *}"
            return 1
        fi
    done
    kill -INT "$server" && wait "$server" && rm -rf "$own"
}

job_clone() { # HOST PORT USER
    local new=$VOLUME/pgdata.new former=$VOLUME/pgdata.old whole=()
    # before 10 pg_basebackup leaves it to the kernel when the files are written
    if [[ $WAL == pg_xlog ]]; then whole=(-f); fi
    conninfo "$1" "$2" "$3"
    INFO=${INFO/ application_name=/ application_name=clone.} # a copy that streams is no standby
    if [[ -e $DATA ]]; then rm -rf "$former" || return; fi
    rm -rf "$new" && name_wal pg_basebackup || return
    if ! "$BIN/pg_basebackup" -D "$new" "${APART[@]}" -X stream -c fast -w -d "$INFO"; then
        rm -rf "$new"
        remove_unlinked_wal
        return 1
    fi
    sync "${whole[@]}" "$new" ${WAL_VOLUME:+"$WAL_VOLUME"} || return
    if [[ -e $DATA ]]; then mv "$DATA" "$former" || return; fi
    mv "$new" "$DATA" && sync "$VOLUME" && rm -rf "$former" && remove_unlinked_wal
}

job_rewind() { # HOST PORT USER
    local state recovered=''
    of_this_major && has_its_wal || return
    conninfo "$1" "$2" "$3" postgres
    INFO=${INFO/ application_name=/ application_name=rewind.}
    state=$("$BIN/pg_controldata" -D "$DATA") || return
    if [[ ! $state =~ 'Database cluster state:'\ +'shut down'( in recovery)?$'\n' ]]; then
        # pg_rewind would run crash recovery by itself, but without our configuration, and the checkpoint at its end would
        # remove the log that the rewind needs.
        recover_alone || return
        recovered=1
    fi
    rewind_once || return
    # It takes the end of replay for the end of WAL: a standby that was stopped before it had replayed as far as the fork has nothing to rewind
    # for it, though a primary had written its data files before (src/bin/pg_rewind/pg_rewind.c, main).
    if [[ $REWOUND == nothing && ! $recovered ]]; then
        recover_alone && rewind_once || return
    fi
    # It goes by the last checkpoint's timeline as well, which may be the one before a promotion.
    if [[ $REWOUND == nothing ]]; then
        echo 'error: pg_rewind finds nothing to rewind, and crash recovery has written to the directory'
        return 1
    fi
}

# Replay all local WAL, as after a crash. A single-user server refuses to be a standby.
recover_alone() {
    name_user
    find_configuration
    rm -f "$DATA/postmaster.pid" "$STANDBY_FILE" "$DATA/recovery.signal" &&
        "$BIN/postgres" --single -F -D "$DATA" -c config_file="$IN_FORCE/postgresql.conf" -c "${PROFILE[walKeep]}=1000000" template1
}

# Run pg_rewind from INFO. Set REWOUND to `nothing` if it found nothing to do.
rewind_once() {
    local out rc
    REWOUND=''
    out=$("$BIN/pg_rewind" --target-pgdata="$DATA" --source-server="$INFO" 2>&1)
    rc=$?
    printf '%s\n' "$out"
    if [[ $out == *'no rewind required'* ]]; then REWOUND=nothing; fi
    return "$rc"
}

# ---- the configuration ----

# The server doesn't read the ConfigMap's files, which change whenever kubelet likes, but copies that a server has been tried with. So a
# mistake in them never keeps it from starting again, nor from taking an upstream or standbys: of a file with a syntax error or an unknown
# parameter PostgreSQL reloads nothing at all, and what is in instance.conf belongs to it.

# Set IN_FORCE to the directory of the files that the server reads: the ConfigMap's own if none were ever accepted on this volume.
find_configuration() {
    IN_FORCE=$CONFIG
    if [[ -f $ACCEPTED/postgresql.conf && -f $ACCEPTED/pg_hba.conf ]]; then IN_FORCE=$ACCEPTED; fi
}

# Accept the ConfigMap's files if a server starts with them. Exit codes as of try_configuration.
job_configure() {
    local new=$ACCEPTED.new file
    rm -rf "$new" && mkdir "$new" && cp "$CONFIG/postgresql.conf" "$CONFIG/pg_hba.conf" "$new" || return 2
    if [[ ! -d $TLS && $(<"$new/postgresql.conf") == *"'$TLS/"* ]]; then
        echo 'error: the configuration has TLS, but this pod was made without: it is for the pod that replaces it'
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

# Start a server with the files of DIRECTORY on a directory that has what ours has but data. It reads all settings, loads the libraries and the
# certificate, allocates the shared memory and reads the access rules; then it looks for its WAL, and there is none. What it says is printed, and if
# it is refused the access rules. Exit codes: 1 if it gets less far, 2 if that can't be tried.
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
    # A running server has its memory; there may be too little for a second one.
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
    if ((rc == 137)); then return 2; fi # it was killed, for want of time or memory
    printf '%s\n' 'pg_hba.conf:' "$(<"$1/pg_hba.conf")"
    return 1
}

# How many KiB a server can have, and 1 GiB of addresses more for its libraries: what the machine has, or this container may use, and huge pages.
# The nodes of Kubernetes promise any amount (vm.overcommit_memory 1), and a trial that used it would take a running server's.
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

# What the files of DIRECTORY ask for as shared memory.
memory() { # DIRECTORY
    local name
    for name in shared_buffers huge_pages; do "$BIN/postgres" -D "$TRIAL" -c config_file="$1/postgresql.conf" -C "$name"; done 2>/dev/null
}

# ---- what the failover container wants to know ----

job_controldata() {
    "$BIN/pg_controldata" -D "$DATA"
}

# END is the end of the second segment, the last file: without it pg_waldump waits five seconds for the file after that.
# The size of segments is read from the file that is named: without one, from whichever file of the directory is met first, which may
# be one that was made in advance and never written to (src/bin/pg_waldump/pg_waldump.c, search_directory).
job_waldump() { # SEGMENT LSN SEGMENT END
    local quiet=()
    if has walDumpQuiet; then quiet=(-q); fi
    "$BIN/${PROFILE[walDump]}" "${quiet[@]}" -s "$2" -e "$4" -p "$DATA/$WAL" "$1" "$3" >/dev/null
}

job_lastrecord() { # SEGMENT LSN SEGMENT END
    "$BIN/${PROFILE[walDump]}" -n 1 -s "$2" -e "$4" -p "$DATA/$WAL" "$1" "$3"
}

# ---- verbs ----

# A line of a child of ours.
internal() { # WHAT GENERATION [ARG…]
    local what=$1 generation=$2
    shift 2
    if [[ $what == job ]]; then
        if ((JOB && generation == JOB_GENERATION)); then job_done "$@"; fi
    elif ((WRAPPER && generation == SERVER_GENERATION)); then
        case $what in
            running) PM=$1 STATE=standby ;;
            gone) postmaster_gone "$1" ;;
            unprepared)
                WRAPPER=0
                event "$START_ID" error "$*"
                START_ID=
                ;;
        esac
    fi
}

# Wait for a line for `pause`. Set given to 1 and words to its words, or given to 0. Lines are written in one piece, of at most PIPE_BUF bytes.
listen() {
    local part wait=$pause
    given=0
    # The rest of a line is there already, but a short wait may be over before it is read.
    if [[ $HALF ]]; then wait=0.$TURN; fi
    if IFS='' read -r -t "$wait" -n 4096 -u 6 part; then
        # shellcheck disable=SC2206 # splitting is what is wanted; there is no globbing here
        words=($HALF$part)
        given=1 HALF=''
    elif [[ $part ]]; then
        # the time was over while a line was being read, byte by byte
        HALF+=$part
    elif [[ $HALF ]] && ! read -r -t 0 -u 6; then
        # nothing more is there: the time was over when the line's end had just been read
        # shellcheck disable=SC2206
        words=($HALF)
        given=1 HALF=''
    fi
}

handle() { # NONCE TERM CLOCK ID VERB [ARG…]
    local nonce=${1-} term=${2-} sent=${3-} id=${4-} verb=${5-} difference
    if [[ $nonce == "$TOKEN" ]]; then
        internal "${@:2}"
        return
    fi
    if [[ ! $id =~ ^[a-z0-9][a-z0-9-]{0,39}$ ]]; then
        refuse - 'malformed line'
        return
    elif [[ $nonce != "$NONCE" ]]; then
        refuse "$id" 'another nonce'
        return
    elif [[ ! $term =~ ^[0-9]{1,18}$ ]]; then
        refuse "$id" 'malformed term'
        return
    elif [[ ! $sent =~ ^[0-9]{1,12}\.[0-9]{2}$ ]]; then
        refuse "$id" 'malformed clock'
        return
    fi
    term=$((10#$term)) difference=$((10#${sent/./} - NOW))
    if ((term < MAX_TERM)); then
        refuse "$id" "term $term is below $MAX_TERM"
        return
    elif ((difference > LATER || difference < -EARLIER)); then
        refuse "$id" "the clock differs by $difference hundredths of a second"
        return
    fi
    MAX_TERM=$term
    if ((TERMINATING)); then AGENT_SEEN=1; fi
    shift 5
    case $verb:$#:$* in
        hello:0:) event "$id" ok ;;
        progress:0:) verb_progress "$id" ;;
        initdb:0: | controldata:0: | checkconfig:0: | configure:0:) start_job "$id" "$verb" ;;
        clone:3:* | rewind:3:*)
            if valid_address "$id" "$@"; then start_job "$id" "$verb" "$@"; fi
            ;;
        waldump:4:* | lastrecord:4:*)
            if [[ $1$3 =~ ^[0-9A-F]{48}$ && $2 =~ $LSN && $4 =~ $LSN ]]; then
                start_job "$id" "$verb" "$@"
            else
                refuse "$id" 'malformed segment or LSN'
            fi
            ;;
        start:1:hot | start:1:warm | start:2:hot\ * | start:2:warm\ *)
            if valid_standbys "${@:2}"; then verb_start "$id" "$@"; else refuse "$id" 'malformed guard'; fi
            ;;
        follow:3:* | follow:4:*)
            if [[ ! ${4-} =~ ^[a-z0-9_]{0,63}$ ]]; then
                refuse "$id" 'malformed slot'
            elif valid_address "$id" "${@:1:3}"; then
                verb_follow "$id" "$@"
            fi
            ;;
        seal:1:fast | seal:1:slow | seal:1:drain) verb_seal "$id" "$1" ;;
        promote:*:*\ *)
            if [[ $1 =~ $TIMELINE && $2 =~ $TIMELINE ]] && valid_standbys "${@:3}"; then
                verb_promote "$id" "$term" "$@"
            else
                refuse "$id" 'malformed timeline or standbys'
            fi
            ;;
        standbys:[!0]*:*)
            if valid_standbys "$@"; then verb_standbys "$id" "$@"; else refuse "$id" 'malformed standbys'; fi
            ;;
        stop:1:fast | stop:1:immediate) verb_stop "$id" "$1" ;;
        kill:0:)
            end_all 'ok killed' killed
            event "$id" ok
            ;;
        exit:0:)
            if ((TERMINATING)) && [[ $STATE == down ]] && ((!WRAPPER)); then
                event "$id" ok
                exit 0
            fi
            refuse "$id" 'not terminating, or the server is not down'
            ;;
        *) refuse "$id" 'unknown verb, or its arguments are malformed' ;;
    esac
}

valid_standbys() { # [K [NAME…]]
    local name
    if (($# == 0)) || [[ $# -eq 1 && $1 == 0 ]]; then return 0; fi
    [[ $1 =~ $NUMBER ]] || return 1
    for name in "${@:2}"; do
        [[ $name =~ $STANDBY_NAME ]] || return 1
    done
}

valid_address() { # ID HOST PORT USER
    if [[ $2 =~ ^[A-Za-z0-9.:-]{1,253}$ && $3 =~ ^[1-9][0-9]{0,4}$ && $4 =~ ^[a-z_]{1,63}$ ]]; then return 0; fi
    refuse "$1" 'malformed host, port or user'
    return 1
}

# ---- the end of the pod ----

# The failover container stops the server and says `exit`. If it doesn't, the server is shut down in the last ten seconds.
terminate() {
    local age
    if ((!TERMINATING)); then
        TERMINATING=1 TERMINATING_SINCE=$NOW
        event - terminating
    fi
    age=$((NOW - TERMINATING_SINCE))
    if [[ $STATE == down ]] && ((!WRAPPER)); then
        if ((age >= FAST_AT || (age >= AGENT_PATIENCE && !AGENT_SEEN))); then exit 0; fi
    elif ((age >= KILL_AT)); then
        end_all 'error killed' killed
    elif ((age >= IMMEDIATE_AT && STOPPED < 2)); then
        STOPPED=2
        if ((PM)); then stop_server immediate; fi
    elif ((age >= FAST_AT && STOPPED < 1)); then
        STOPPED=1
        if ((PM)); then stop_server fast; fi
    fi
}

# ---- start ----

problem() {
    echo "supervisor.sh: $*" >&2
    exit 1
}

trap 'SIGTERM=1' TERM
trap : HUP INT QUIT PIPE USR1 USR2 # bash would end on them
umask 077
set -f # words of a line are split, never expanded; whoever looks for files says set +f
IFS=' '
unset PGDATA PGHOST PGHOSTADDR PGPORT PGUSER PGDATABASE PGPASSWORD PGSERVICE PGOPTIONS
export LC_ALL=C PGPASSFILE=$RUN/pgpass
NAME=${POD_NAME-}
[[ $NAME =~ ^[A-Za-z0-9.-]{1,63}$ ]] || NAME=standby
SLOTS=${NAME%-*} # what the names of the members' slots begin with
SLOTS=${SLOTS,,}
SLOTS=${SLOTS//[!a-z0-9]/_}
GRACE=${HAPG_GRACE:-60}
[[ $SSLMODE =~ ^(prefer|require|verify-ca)?$ ]] || problem "HAPG_SSLMODE is none of prefer, require, verify-ca: $SSLMODE"
[[ $GRACE =~ ^[0-9]{1,6}$ ]] || problem "HAPG_GRACE is no number: $GRACE"
readonly NAME GRACE SLOTS
declare -A PROFILE=()
for word in ${HAPG_VERSION_PROFILE-}; do PROFILE[${word%%=*}]=${word#*=}; done
for word in major binDirectory walDirectory walDump walDumpQuiet walKeep standbyFile recoveryParameters reloadsConninfo statusLine quorum authentication; do
    [[ ${PROFILE[$word]-} ]] || problem "HAPG_VERSION_PROFILE doesn't say $word"
done
readonly PROFILE MAJOR=${PROFILE[major]} BIN=${PROFILE[binDirectory]} WAL=${PROFILE[walDirectory]} STANDBY_FILE=$DATA/${PROFILE[standbyFile]}
readonly FAST_AT=$((GRACE > 10 ? (GRACE - 10) * 100 : 0)) IMMEDIATE_AT=$((GRACE > 5 ? (GRACE - 5) * 100 : 0)) KILL_AT=$((GRACE > 2 ? (GRACE - 2) * 100 : 0))

read -r -a self </proc/self/stat
[[ ${self[0]} == 1 ]] || problem '/proc is not that of this PID namespace'
# proc(5), field 22: this process was started so many hundredths of a second after the boot.
clock
((NOW + 100 >= self[21])) || problem '/proc/uptime is not the time since the boot of the node (LXCFS shows that of the container): no deadline can be compared with it'

# All locks, or wait. A lock belongs to the open file, so this process and all it starts keep what the child obtains.
exec 8<>"$RUN/lock" || problem "can't open $RUN/lock"
exec 9<>"$VOLUME/lock" || problem "can't open $VOLUME/lock"
if [[ $WAL_VOLUME ]]; then exec 4<>"$WAL_VOLUME/lock" || problem "can't open $WAL_VOLUME/lock"; fi
# A signal that comes between the fork and the wait doesn't end the wait: so it lasts a second at most.
for descriptor in 8 9 ${WAL_VOLUME:+4}; do
    locked=75
    while ((locked == 75)); do
        flock -E 75 -w 1 "$descriptor" &
        wait "$!"
        locked=$?
        if ((SIGTERM)); then exit 0; fi
    done
    ((locked == 0)) || problem "can't lock descriptor $descriptor"
done

rm -f "$RUN/deadline"
rm -rf "$RUN/out"
mkdir -p "$RUN/out" "$RUN/conf" "$RUN/socket" || problem "can't write to $RUN"
chmod 0700 "$RUN/socket"
for fifo in verbs events; do
    [[ -p $RUN/$fifo ]] || mkfifo -m 0600 "$RUN/$fifo" || [[ -p $RUN/$fifo ]] || problem "can't make $RUN/$fifo"
done
version=$("$BIN/postgres" -V) || problem "can't run $BIN/postgres"
[[ $version =~ \ ${MAJOR/./\\.}([^0-9]|$) ]] || problem "the image has $version, this is the chart of PostgreSQL $MAJOR"
MISSING=
for program in pg_basebackup pg_controldata pg_rewind "${PROFILE[walDump]}"; do
    [[ -x $BIN/$program ]] || MISSING+=${MISSING:+,}$program
done
readonly MISSING

# A clone that was cut off between its two renames is undone; what it replaced is removed if it wasn't.
if [[ ! -e $DATA && -d $VOLUME/pgdata.old ]]; then
    { mv "$VOLUME/pgdata.old" "$DATA" && sync "$VOLUME"; } || problem "can't restore $DATA"
elif [[ -d $VOLUME/pgdata.old ]]; then
    rm -rf "$VOLUME/pgdata.old" &
fi
# So is what is left of its WAL, and of a clone's, if the data directory shows that the WAL volume is its own.
if [[ $WAL_VOLUME && -L $DATA/$WAL && -d $DATA/$WAL ]]; then
    find_unlinked_wal
    if ((${#UNLINKED[@]})); then rm -rf "${UNLINKED[@]}" & fi
fi

read -r NONCE </proc/sys/kernel/random/uuid
read -r TOKEN </proc/sys/kernel/random/uuid
read -r BOOT_ID </proc/sys/kernel/random/boot_id
readonly NONCE TOKEN BOOT_ID
exec 6<>"$RUN/verbs" 7<>"$RUN/events" || problem "can't open the FIFOs in $RUN"
# From here on nothing is written to the container's log, which can block; bash would report killed children there.
exec 5>&2 </dev/null >/dev/null 2>&1
clock
beat
start_watchdog
printf '%s\n' "$NONCE $BOOT_ID $UPTIME ${MISSING:--}" >"$RUN/hello.new"
mv -f "$RUN/hello.new" "$RUN/hello"
event - hello

while :; do
    pause=$TURN
    if [[ $STATE == primary ]] && ((LEFT < pause)); then pause=$((LEFT > 0 ? LEFT : 1)); fi
    if [[ $START_ID ]]; then pause=1; fi
    printf -v pause '0.%02d' "$pause"
    if [[ $SEAL_ID ]] || ((MISSED)); then pause=0.005; fi
    listen
    clock
    enforce
    if ((given == 1)); then
        handle "${words[@]}"
    fi
    if [[ $START_ID ]]; then look_at_start; fi
    if [[ $SEAL_ID ]]; then
        look_at_seal
    elif [[ $UPSTREAM && $STATE == standby ]] && ((NOW >= LOOK_AT)); then
        look_for_receiver # it ends with its primary, and takes along what it has last said
        LOOK_AT=$((NOW + SELDOM))
    fi
    if ((SIGTERM)); then terminate; fi
    beat
done
