#!/bin/bash
# Appends rows, one per statement, and prints each outcome. No id is tried twice. Runs after session.sh.
#   writer.sh NAME PER_SECOND PAUSE ANSWER FIRST
# FIRST is its first id. Its output, in addition to session.sh's:
#   ok ID BEGIN END SERVER TIMELINE   acknowledged, by this server on this timeline
#   no ID BEGIN END SQLSTATE          refused: the row doesn't exist
#   maybe ID BEGIN END                no answer
#   maybe ID BEGIN END warned         acknowledged with a WARNING: the wait for the synchronous replicas was cancelled
id=$5

operation() {
    ask "INSERT INTO appends VALUES ('$NAME', $id) RETURNING host(inet_server_addr()) AS server,
        left(pg_walfile_name(pg_current_wal_lsn()), 8) AS timeline \\gset" ':server :timeline'
    if [[ $OUTCOME == ok ]]; then
        echo "ok $id $BEGIN $END $ANSWER"
    else
        echo "$OUTCOME $id $BEGIN $END${WHY:+ $WHY}"
    fi
    id=$((id + 1))
}

run
