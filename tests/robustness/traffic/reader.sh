#!/bin/bash
# Reads how many rows of a writer there are, and the highest id. It goes on from session.sh.
#   reader.sh NAME PER_SECOND PAUSE ANSWER WRITER
# Its lines, beside those of session.sh:
#   ok BEGIN END COUNT MAX TIMELINE   0 0 without a row; TIMELINE is the one on which the server writes, - if it is a standby
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
