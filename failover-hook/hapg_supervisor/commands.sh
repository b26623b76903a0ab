# shellcheck shell=bash
# Lines from the FIFO, in PID 1: commands of the agent, and reports of children.

readonly END=$'\x1e' # the last byte of a line, before its newline
readonly EARLIER=500 # how far a command's clock may be behind ours, in hundredths of a second
readonly TIMELINE='^[1-9][0-9]{0,8}$' LSN='^[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}$'
readonly NUMBER='^[1-9][0-9]?$' STANDBY_NAME='^[A-Za-z0-9][A-Za-z0-9.-]{0,62}$'

# Wait for a line for up to `pause`. If one comes, set given to 1 and words to its words, else set given to 0. Lines are written atomically,
# with at most PIPE_BUF bytes.
#
# bash reads them byte by byte, and a timeout may expire in the middle of a line, or just after its newline has been read and before bash
# takes it for the end. So the end is known by the byte before the newline.
listen() {
    local part wait=$pause ended=0
    # The rest of a line is already in the FIFO, but a short timeout may expire before it is read.
    if [[ $HALF ]]; then wait=0.$TURN; fi
    if IFS='' read -r -t "$wait" -n 4096 -u 6 part; then ended=1; fi
    HALF+=$part given=0
    if ((ended)) || [[ $HALF == *"$END" ]]; then
        # shellcheck disable=SC2206 # word splitting is intended; globbing is off
        words=(${HALF%"$END"})
        HALF='' given=$((${#words[@]} > 0)) # what follows a known end is the newline alone
    fi
}

handle() { # NONCE TERM CLOCK ID VERB [ARG…]
    local nonce=${1-} term=${2-} sent=${3-} id=${4-} command=${5-} difference
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
    case $command:$#:$* in
        hello:0:) event "$id" ok ;;
        progress:0:) command_progress "$id" ;;
        initdb:0: | restore:0: | controldata:0: | checkconfig:0: | configure:0:) start_job "$id" "$command" ;;
        clone:3:* | rewind:3:*)
            if valid_address "$id" "$@"; then start_job "$id" "$command" "$@"; fi
            ;;
        seed:4:*)
            if [[ ! $3 =~ ^[A-Za-z0-9_.@+-]{1,63}$ || ! $4 =~ ^(disable|prefer|require|verify-ca|verify-full)$ ]]; then
                refuse "$id" 'malformed user or sslmode'
            elif valid_address "$id" "$1" "$2" postgres; then
                start_job "$id" "$command" "$@"
            fi
            ;;
        upgrade:3:*)
            if [[ $1 =~ ^[0-9]{1,2}(\.[0-9])?$ && $2 =~ $TIMELINE && $3 =~ ^[1-9][0-9]{0,18}$ ]]; then
                start_job "$id" "$command" "$@"
            else
                refuse "$id" 'malformed major, timeline or system identifier'
            fi
            ;;
        waldump:4:* | lastrecord:4:*)
            if [[ $1$3 =~ ^[0-9A-F]{48}$ && $2 =~ $LSN && $4 =~ $LSN ]]; then
                start_job "$id" "$command" "$@"
            else
                refuse "$id" 'malformed segment or LSN'
            fi
            ;;
        start:1:hot | start:1:warm | start:2:hot\ * | start:2:warm\ *)
            if valid_standbys "${@:2}"; then command_start "$id" "$@"; else refuse "$id" 'malformed guard'; fi
            ;;
        follow:3:* | follow:4:*)
            if [[ ! ${4-} =~ ^[a-z0-9_]{0,63}$ ]]; then
                refuse "$id" 'malformed slot'
            elif valid_address "$id" "${@:1:3}"; then
                command_follow "$id" "$@"
            fi
            ;;
        seal:1:fast | seal:1:slow | seal:1:drain) command_seal "$id" "$1" ;;
        promote:*:*\ *)
            if [[ $1 =~ $TIMELINE && $2 =~ $TIMELINE ]] && valid_standbys "${@:3}"; then
                command_promote "$id" "$term" "$@"
            else
                refuse "$id" 'malformed timeline or standbys'
            fi
            ;;
        standbys:[!0]*:*)
            if valid_standbys "$@"; then command_standbys "$id" "$@"; else refuse "$id" 'malformed standbys'; fi
            ;;
        stop:1:fast | stop:1:immediate) command_stop "$id" "$1" ;;
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
        *) refuse "$id" 'unknown command, or its arguments are malformed' ;;
    esac
}

# Handle a line from one of our children.
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

WHOLE+=' commands'
