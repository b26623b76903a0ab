# shellcheck shell=bash
# The primary, in PID 1: promotion, and the standbys that a COMMIT waits for.

# Set LISTED to the value of synchronous_standby_names: empty if K is missing or 0; a name that no standby has if no names are given.
list_standbys() { # [K [NAME…]]
    local name names=''
    LISTED=''
    if ((${1-0} == 0)); then return; fi
    for name in "${@:2}"; do names+="${names:+, }\"$name\""; done
    LISTED="$1 (${names:-\"-\"})"
    if has quorum; then LISTED="ANY $LISTED"; fi
}

# For a server without an upstream: a sealed one, or the primary.
set_standbys() { # [K [NAME…]]
    local former=$STANDBYS
    list_standbys "$@"
    if [[ $LISTED == "$former" ]]; then return 0; fi
    STANDBYS=$LISTED
    if write_instance && kill -HUP "$PM"; then return 0; fi
    STANDBYS=$former
    return 1
}

command_standbys() { # ID [K [NAME…]]
    if [[ $STATE != primary ]] || ((STOPPING)); then
        refuse "$1" "the server is not a primary but $STATE, or is being stopped"
    elif set_standbys "${@:2}"; then
        event "$1" ok
    else
        event "$1" error 'the configuration could not be written'
    fi
}

command_promote() { # ID TERM TIMELINE OWN_TIMELINE [K [NAME…]]
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
        # its checkpointer may not read the setting until after the first commit, which would then wait for no standby
        refuse "$id" 'the server was started without a guard'
    elif ! set_standbys "${@:5}"; then
        refuse "$id" 'the configuration could not be written'
    else
        STATE=primary TERM_OF_WRITES=$term
        beat
        # PostgreSQL takes the first timeline number without a history file. Lower numbers need a file too: a standby that follows requests
        # the file of every timeline between its own and its primary's.
        for ((number = 2; number < timeline; number++)); do
            printf -v file '%s/%08X.history' "$DATA/$WAL" "$number"
            if ((number != own)) && [[ ! -e $file ]]; then : >"$file"; fi
        done
        : >"$DATA/promote"
        clock
        if read_deadline "$term" && ((LEFT > 0)) && kill -USR1 "$PM"; then
            event "$id" ok
            if compgen -G "$VOLUME/pgdata.[0-9]*"; then drop_former 5>&- 6>&- 7>&- & fi
        else
            end_all 'error fenced' fenced
            event "$id" refused "the deadline $DEADLINE has passed, or the postmaster is gone"
        fi
    fi
}

WHOLE+=' primary'
