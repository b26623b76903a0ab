#!/bin/bash
# Writes a value to one row and reads the row, in turn, and prints each outcome. No value is tried twice. Runs after session.sh.
#   register.sh NAME PER_SECOND PAUSE ANSWER FIRST
# FIRST is the first value. Its output, in addition to session.sh's:
#   write VALUE BEGIN END ok          acknowledged
#   write VALUE BEGIN END no SQLSTATE refused: the value isn't written
#   write VALUE BEGIN END maybe       no answer
#   write VALUE BEGIN END maybe warned   acknowledged with a WARNING: the wait for the synchronous replicas was cancelled
#   read VALUE BEGIN END ok           -1 if the row doesn't exist
#   read - BEGIN END no SQLSTATE      refused
#   read - BEGIN END maybe            no answer
value=$5 kind='read'

operation() {
    local said=$value
    if [[ $kind == read ]]; then
        kind='write'
        ask "UPDATE register SET value = $value WHERE id = 1;" ''
        value=$((value + 1))
    else
        kind='read'
        ask "SELECT coalesce((SELECT value FROM register WHERE id = 1), -1) AS value \\gset" :value
        said=-
        [[ $OUTCOME != ok ]] || said=$ANSWER
    fi
    echo "$kind $said $BEGIN $END $OUTCOME${WHY:+ $WHY}"
}

run
