# shellcheck shell=bash
# The seal, in PID 1: a standby stops receiving WAL, and that it has stopped is seen.

# In hundredths of a second.
readonly SLOW_SEAL=25     # between the two looks of a slow seal
readonly SEAL_PATIENCE=50 # until a walreceiver is ended that the startup process doesn't stop, as while replay is paused
readonly RECEIVER_TITLE='^postgres: (.*: )?(walreceiver|wal receiver process)( +streaming ([0-9A-F]+/[0-9A-F]+))? *$'

command_seal() { # ID SPEED
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

WHOLE+=' seal'
