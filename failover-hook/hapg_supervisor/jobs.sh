# shellcheck shell=bash
# Jobs as PID 1 sees them: they start one at a time, end, or are superseded. The jobs themselves are in child_job.sh and the other
# child_*.sh files.

readonly OUTPUTS=8 # number of job outputs to keep

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
        initdb | restore | seed) if [[ -e $DATA ]]; then
            refuse "$1" 'a server directory exists'
            return
        fi ;;
        clone | rewind | upgrade) if [[ $STATE != down ]]; then
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

job_done() { # RC [TEXT…]
    local id=$JOB_ID rc=$1
    shift
    JOB_ID='' JOB=0
    # A server that is just starting may have no signal handler yet; it has read the files already, or will.
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

# The test of a new configuration gives way to any other work, because it can be repeated.
end_trial() {
    if [[ $JOB_VERB == configure ]]; then end_job superseded; fi
}

WHOLE+=' jobs'
