#!/bin/bash
# Reads the number of a writer's rows, and the highest id. Runs after session.sh.
#   reader.sh NAME PER_SECOND PAUSE ANSWER WRITER
# Its output, in addition to session.sh's:
#   ok BEGIN END COUNT MAX TIMELINE   0 0 without a row; TIMELINE: the primary's timeline, - on a standby
#   no BEGIN END SQLSTATE             refused
#   maybe BEGIN END                   no answer
readonly WRITER=$5

operation() {
    ask "SELECT count(*) AS count, coalesce(max(id), 0) AS max,
        CASE WHEN pg_is_in_recovery() THEN '-' ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END AS timeline
        FROM appends WHERE writer = '$WRITER' \\gset" ':count :max :timeline'
    if [[ $OUTCOME == ok ]]; then
        echo "ok $BEGIN $END $ANSWER"
    else
        echo "$OUTCOME $BEGIN $END${WHY:+ $WHY}"
    fi
}

run
