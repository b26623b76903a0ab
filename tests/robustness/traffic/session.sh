#!/bin/bash
# shellcheck disable=SC2034 # the scripts use what is set here
# Shared start of the clients' scripts: one long-lived psql session, one statement after the other.
#   SCRIPT NAME PER_SECOND PAUSE ANSWER …
# NAME names the client, PAUSE is the minimum time in ms between two attempts to connect, ANSWER the timeout for an answer in seconds.
# Server and password come from the environment (PGHOST, PGPASSWORD); with HOSTS, a list of addresses, every attempt starts with another
# one. It ends when the file /tmp/stop-NAME exists. Its output, in addition to the script's:
#   down BEGIN END                    no session
#   end                               the last line
# BEGIN and END are seconds since the epoch. The loop forks only for the session itself.
# The script defines `operation`, which runs one statement and prints its outcome on one line, and calls `run`.
set -u
export LC_ALL=C
trap '' PIPE

readonly NAME=$1 PERIOD=$((1000000 / $2)) PAUSE=$(($3 * 1000)) ANSWER_SECONDS=$4
readonly CONNECT_SECONDS=0.5
read -r -a hosts <<<"${HOSTS-}"
session='' from='' to=''

exec {never}<> <(:)

now() { NOW=${EPOCHREALTIME/./}; }

pause_until() { # microseconds since the epoch
    now
    (($1 > NOW)) || return 0
    local left
    printf -v left '%d.%06d' $((($1 - NOW) / 1000000)) $((($1 - NOW) % 1000000))
    read -r -t "$left" -u "$never"
}

disconnect() {
    [[ -z $session ]] || kill -9 "$session" 2>/dev/null
    [[ -z $from ]] || exec {from}<&-
    [[ -z $to ]] || exec {to}>&-
    [[ -z $session ]] || wait "$session" 2>/dev/null
    session='' from='' to=''
}

next_host() {
    local IFS=,
    hosts=("${hosts[@]:1}" "${hosts[0]}")
    export PGHOST="${hosts[*]}"
}

connect() {
    local pipes
    if ((${#hosts[@]})); then next_host; fi
    coproc PSQL { exec psql -qAtX 2>&1; }
    session=$!
    pipes=("${PSQL[@]-}") # it may have exited by now
    ((${#pipes[@]} == 2)) || return 1
    exec {from}<&"${pipes[0]}" {to}>&"${pipes[1]}" || return 1
    printf '\\echo connected\n' >&"$to" || return 1
    read -r -t "$CONNECT_SECONDS" -u "$from" && [[ $REPLY == connected ]]
} 2>/dev/null

exchange() { # statement, what psql is to answer with
    printf '%s\n' "$1" "\\echo answer :SQLSTATE $2" >&"$to" || return 1
    local word
    while read -r -t "$ANSWER_SECONDS" -u "$from" word STATE ANSWER; do
        [[ $word != WARNING: ]] || WHY=warned
        [[ $word != answer ]] || return 0
    done
    return 1
} 2>/dev/null

# Sets OUTCOME, WHY, ANSWER and END:
#   ok                                done, ANSWER is psql's answer
#   no                                refused, WHY is the SQLSTATE: certainly not done
#   maybe                             no answer: the session broke, or ANSWER_SECONDS have passed
#   maybe                             WHY is 'warned': done with a WARNING, the wait for the synchronous replicas was cancelled
ask() { # statement, what psql is to answer with
    OUTCOME=maybe WHY=''
    if ! exchange "$1" "$2"; then
        END=$EPOCHREALTIME WHY=''
        disconnect
        return
    fi
    END=$EPOCHREALTIME
    if [[ $STATE != 00000 ]]; then
        OUTCOME=no WHY=$STATE
        disconnect
    elif [[ -z $WHY ]]; then
        OUTCOME=ok
    fi
}

run() {
    local due=0
    while [[ ! -e /tmp/stop-$NAME ]]; do
        pause_until "$due"
        BEGIN=$EPOCHREALTIME
        if [[ -z $session ]]; then
            due=$((${BEGIN/./} + PAUSE))
            if connect; then
                due=0
            else
                disconnect
                echo "down $BEGIN $EPOCHREALTIME"
            fi
            continue
        fi
        due=$((${BEGIN/./} + PERIOD))
        operation
    done
    disconnect
    echo end
}
