# shellcheck shell=bash
# The fence, in PID 1: the clock, the deadline, the heartbeat, and the killing of all processes when the deadline passes or the postmaster
# dies.

readonly WATCHDOG_TURN=0.15 # in seconds; the watchdog kills at the second turn that finds the deadline passed
readonly LATER=50           # how far the agent's clock may be ahead of ours, in hundredths of a second

clock() {
    read -r UPTIME _ </proc/uptime
    NOW=$((10#${UPTIME/./}))
}

# Set LEFT to the time until the deadline (at most an hour, also if it is 'none') and DEADLINE to the value in the file. Fail unless the
# deadline is of this boot, this supervisor and a term of at least $1.
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

# Written in place with constant length: a reader never sees an empty file, and no memory needs to be allocated when there is none.
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

# Kill every process, then answer all pending commands. $1: the answer to stop commands, $2: the error for all others.
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

# Is the report of a vanished process overdue? Its last line may still be in the FIFO: false while there may be something to read.
silent() {
    ((MISSED++))
    ((MISSED > 1 && !given || MISSED > 3))
}

# Checks at every turn, before any command is handled.
enforce() {
    if [[ $STATE == primary ]] && ! { read_deadline "$TERM_OF_WRITES" && ((LEFT > 0)); }; then
        end_all 'error fenced' fenced
        event - fenced "$DEADLINE"
    elif [[ $STATE == standby && ! -e $STANDBY_FILE ]]; then
        # Someone else promoted it (pg_promote() in SQL): no lease backs its writes, and its WAL position must not be relied on.
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

WHOLE+=' fence'
