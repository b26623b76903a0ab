# shellcheck shell=bash
# The server, in PID 1: its start, its upstream, its shutdown, and pod termination.

readonly INSTANCE=$RUN/conf/instance.conf STARTED=$RUN/conf/started.conf
# In hundredths of a second.
readonly START_PATIENCE=50  # a hot standby that isn't consistent yet stays 'starting' until it may follow
readonly AGENT_PATIENCE=300 # how long SIGTERM waits for the failover container to appear while the server is down
readonly REPLAY_TITLE='^postgres: (.*: )?startup( process)?( +(recovering|waiting for) ([0-9A-F]{24}))?( waiting)? *$'
readonly STARTUP_TITLE='^postgres: (.*: )?startup process +(recovering|waiting for) '

command_start() { # ID MODE [K]
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

# Start the server according to HOT and UPSTREAM. Once it is up, answer with START_ANSWER or, without one, its status.
start_server() { # ID
    START_ID=$1 START_AT=$NOW STOPPING=0
    ((GENERATION++))
    SERVER_GENERATION=$GENERATION
    set -m
    wrapper &
    set +m
    WRAPPER=$!
}

# Is the starting server up? Line 8 of postmaster.pid tells. In majors without it, recovery has started once the startup process's title
# shows what it reads; whether a hot standby accepts connections yet can't be seen.
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

# Find a process with a matching title; set FOUND to its directory in /proc, and BASH_REMATCH.
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

# Is the server a standby that can be reconfigured?
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

# Write what makes this server a standby, of UPSTREAM with SLOT or of nobody: our parameters in instance.conf, and the signal file in the
# server directory, which holds the recovery parameters in earlier majors.
write_instance() {
    local parameters=("hot_standby = $HOT") recovery=('standby_mode = on' "recovery_target_timeline = 'latest'")
    parameters+=("synchronous_standby_names = '$STANDBYS'")
    if has recoveryParameters; then
        parameters+=("primary_conninfo = '$UPSTREAM'" "primary_slot_name = '$SLOT'")
        [[ $STATE == primary || -e $STANDBY_FILE ]] || : >"$STANDBY_FILE" || return
    elif [[ $STATE != primary ]]; then
        # an empty one would mean a server behind a socket of this host
        if [[ $UPSTREAM ]]; then recovery+=("primary_conninfo = '$UPSTREAM'"); fi
        if [[ $SLOT ]]; then recovery+=("primary_slot_name = '$SLOT'"); fi
        printf '%s\n' "${recovery[@]}" >"$STANDBY_FILE.new" && mv -f "$STANDBY_FILE.new" "$STANDBY_FILE" || return
    fi
    printf '%s\n' "${parameters[@]}" >"$INSTANCE.new" && mv -f "$INSTANCE.new" "$INSTANCE"
}

# Make the standby follow UPSTREAM, or nobody; fail if the configuration could not be written.
reconfigure() { # ID
    supersede
    if write_instance && kill -HUP "$PM"; then return 0; fi
    event "$1" error 'the configuration could not be written'
    return 1
}

# The same for majors whose standbys can't change the upstream while running: shut down and start again.
restart() { # ID ANSWER
    supersede
    RESTART_ID=$1 START_ANSWER=$2 TITLE_LSN=-
    stop_server fast
}

# Set INFO to the connection string; no character of its values needs quoting.
conninfo() { # HOST PORT USER [DATABASE]
    INFO="host=$1 port=$2 user=$3${4:+ dbname=$4} application_name=$NAME connect_timeout=5"
    INFO+=' keepalives_idle=5 keepalives_interval=2 keepalives_count=3'
    if [[ $SSLMODE ]]; then INFO+=" sslmode=$SSLMODE"; fi
    if [[ $SSLMODE == verify-ca ]]; then INFO+=" sslrootcert=$TLS/ca.crt"; fi
}

command_follow() { # ID HOST PORT USER [SLOT]
    steerable "$1" || return
    conninfo "$2" "$3" "$4"
    UPSTREAM=$INFO SLOT=${5-} TITLE_LSN=-
    if ! has reloadsConninfo; then
        restart "$1" following
    elif reconfigure "$1"; then
        event "$1" ok
    fi
}

# Answer with the progress of a server that starts or recovers: the segment that its startup process reads, and the CPU time in clock ticks
# used by that process, by the processes that start the server, and by a running job. The postmaster doesn't count, because it forks for
# every connection attempt. Then follows what the startup process is doing, if there is one. A process that waits for a disk uses no CPU
# time, but each of its waits is a voluntary context switch.
command_progress() { # ID
    local file line title segment=- work=0 fields=() doing='' place receiver=- key value switches
    set +f
    for file in /proc/[0-9]*; do
        line='' title=''
        IFS= read -r line <"$file/stat"
        IFS= read -r -d '' title <"$file/cmdline"
        set -f
        # shellcheck disable=SC2206 # word splitting is intended
        fields=(${line##*) }) # starting with the state: proc(5)
        set +f
        if [[ $title =~ $REPLAY_TITLE ]]; then
            segment=${BASH_REMATCH[5]:-$segment} place='' switches=0
            IFS= read -r place <"$file/wchan" # without a newline; 0 if it runs, or may not be seen
            while IFS=$'\t ' read -r key value; do
                if [[ $key == voluntary_ctxt_switches: ]]; then switches=$value; fi
            done <"$file/status"
            doing=" ${fields[0]} $switches ${place:-0} ${title#postgres: }"
        elif [[ $title =~ $RECEIVER_TITLE ]]; then
            receiver=receiver
            continue
        elif [[ ! $line || $file == "/proc/$PM" ]] || ! { ((WRAPPER && fields[2] == WRAPPER)) || ((JOB && fields[2] == JOB)); }; then
            continue
        fi
        ((work += fields[11] + fields[12]))
    done
    set -f
    event "$1" ok "$segment $work${doing:+ $receiver$doing}"
}

command_stop() { # ID MODE
    local id
    if ((!PM)); then
        # nothing to shut down except, perhaps, a job or a server about to start
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
    : >"$RUN/backup/stopping" # an archive_command that waits ends, and does not delay the shutdown
    if [[ $1 == fast ]]; then kill -INT "$PM"; else kill -QUIT "$PM"; fi
}

# The failover container stops the server and sends `exit`. If it doesn't, the server is shut down in the last ten seconds.
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

WHOLE+=' server'
