#!/bin/bash
# Appends rows through one long-lived session, one row a statement, and says what became of each. No id is tried twice.
#   writer.sh NAME FIRST PER_SECOND PAUSE ANSWER
# NAME names the writer, FIRST is its first id, PAUSE the least time in ms between two attempts to connect, ANSWER how many seconds
# an answer is waited for. Server and password come from the environment (PGHOST, PGPASSWORD); with HOSTS, some addresses, every
# attempt begins with another one of them. It ends when the file /tmp/stop-NAME is there. Its lines:
#   ok ID BEGIN END SERVER TIMELINE   acknowledged, by this server on this timeline
#   no ID BEGIN END SQLSTATE          refused: the row isn't there
#   maybe ID BEGIN END                no answer: the session broke, or ANSWER has passed
#   maybe ID BEGIN END warned         acknowledged with a WARNING: the wait for the synchronous replicas was cancelled
#   down BEGIN END                    no session
#   end                               the last line
# BEGIN and END are seconds since the epoch. The loop forks for nothing but the session itself.
set -u
export LC_ALL=C
trap '' PIPE

readonly NAME=$1 PERIOD=$((1000000 / $3)) PAUSE=$(($4 * 1000)) ANSWER_SECONDS=$5 STOP=/tmp/stop-$1
readonly CONNECT_SECONDS=0.5
read -r -a hosts <<<"${HOSTS-}"
id=$2 session='' from='' to='' due=0

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
    pipes=("${PSQL[@]-}") # it may have ended by now
    ((${#pipes[@]} == 2)) || return 1
    exec {from}<&"${pipes[0]}" {to}>&"${pipes[1]}" || return 1
    printf '\\echo connected\n' >&"$to" || return 1
    read -r -t "$CONNECT_SECONDS" -u "$from" && [[ $REPLY == connected ]]
} 2>/dev/null

append() { # id
    printf '%s\n' "INSERT INTO appends VALUES ('$NAME', $1) RETURNING host(inet_server_addr()) AS server," \
        'left(pg_walfile_name(pg_current_wal_lsn()), 8) AS timeline \gset' '\echo answer :SQLSTATE :server :timeline' >&"$to" || return 1
    warned=''
    while read -r -t "$ANSWER_SECONDS" -u "$from" word state server timeline; do
        [[ $word != WARNING: ]] || warned=warned
        [[ $word != answer ]] || return 0
    done
    return 1
} 2>/dev/null

while [[ ! -e $STOP ]]; do
    pause_until "$due"
    begin=$EPOCHREALTIME
    if [[ -z $session ]]; then
        due=$((${begin/./} + PAUSE))
        if connect; then
            due=0
        else
            disconnect
            echo "down $begin $EPOCHREALTIME"
        fi
        continue
    fi
    due=$((${begin/./} + PERIOD))
    if ! append "$id"; then
        disconnect
        echo "maybe $id $begin $EPOCHREALTIME"
    elif [[ $state == 00000 && $warned ]]; then
        echo "maybe $id $begin $EPOCHREALTIME warned"
    elif [[ $state == 00000 ]]; then
        echo "ok $id $begin $EPOCHREALTIME $server $timeline"
    else
        echo "no $id $begin $EPOCHREALTIME $state"
        disconnect
    fi
    id=$((id + 1))
done
disconnect
echo end
