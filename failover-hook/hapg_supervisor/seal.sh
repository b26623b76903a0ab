# shellcheck shell=bash
# Sealing, in PID 1: a standby's WAL receiver is stopped, and confirmed to have stopped.

# In hundredths of a second.
readonly SLOW_SEAL=25     # between the two checks of a slow seal
readonly SEAL_PATIENCE=50 # until we stop a WAL receiver that the startup process doesn't stop, for example while replay is paused
# Also of one that has no title yet, or that waits for the startup process to tell it where to go on (WalRcvWaitForStartPosition).
readonly RECEIVER_TITLE='^postgres: (.*: )?(walreceiver|wal receiver process)( +(streaming ([0-9A-F]+/[0-9A-F]+)|idle|restarting at [0-9A-F]+/[0-9A-F]+))? *$'

command_seal() { # ID SPEED
    steerable "$1" || return
    end_trial # its test server would be mistaken for a WAL receiver about to start
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

# Set RECEIVER to the PID of the WAL receiver, 0 if there is none, and TITLE_LSN to the LSN in its process title. A server process that has
# no title yet may become one, so it counts as one.
look_for_receiver() {
    local directory title
    if ((RECEIVER)); then
        directory=/proc/$RECEIVER title=''
        IFS= read -r -d '' title <"$directory/cmdline"
        if [[ $title =~ $RECEIVER_TITLE ]]; then
            TITLE_LSN=${BASH_REMATCH[5]:-$TITLE_LSN}
            return
        fi
    fi
    RECEIVER=0
    set +f
    for directory in /proc/[0-9]*; do
        title=''
        IFS= read -r -d '' title <"$directory/cmdline"
        if [[ $title =~ $RECEIVER_TITLE ]]; then
            TITLE_LSN=${BASH_REMATCH[5]:-$TITLE_LSN} RECEIVER=${directory#/proc/}
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

# The startup process stops its WAL receiver when it next needs WAL, which doesn't happen while replay is paused. The WAL receiver flushes
# what it received when it exits, and no new one starts without an upstream.
end_receiver() {
    local title=''
    SEAL_AT=$NOW
    IFS= read -r -d '' title <"/proc/$RECEIVER/cmdline"
    if [[ $title =~ $RECEIVER_TITLE ]]; then kill -TERM "$RECEIVER"; fi
}

WHOLE+=' seal'
