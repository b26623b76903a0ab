#!/bin/sh
# Runs a command, the agent, and starts it again whenever it ends: respawn.sh COMMAND [ARGUMENT]...
#
# Kubelet waits longer and longer before it restarts a container; a crashing agent must not cost a healthy primary its Lease.
# A shell, because it takes a tenth of the memory that another interpreter of Python would. SIGTERM ends both.
set -u

SHORTEST=2 LONGEST=10 # pauses, in tenths of a second: the shortest after a run of QUICK seconds, else twice the one before
QUICK=2

agent='' asked=''
end() {
    asked=yes
    [ -z "$agent" ] || kill -TERM "$agent" 2>/dev/null
}
trap end TERM

clock() { # sets now, in whole seconds; one that no change of the date moves
    read -r now _ </proc/uptime
    now=${now%%.*}
}

pause=$SHORTEST
while [ -z "$asked" ]; do
    clock
    begun=$now
    "$@" &
    agent=$!
    [ -z "$asked" ] || end
    # a signal ends the wait, not the agent
    while kill -0 "$agent" 2>/dev/null; do wait "$agent"; done
    agent=''
    clock
    if [ $((now - begun)) -gt $QUICK ]; then
        pause=$SHORTEST
    elif [ $((pause *= 2)) -gt $LONGEST ]; then
        pause=$LONGEST
    fi
    [ -n "$asked" ] || sleep "$((pause / 10)).$((pause % 10))"
done
exit 0
