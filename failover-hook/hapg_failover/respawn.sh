#!/bin/sh
# Runs a command, the agent, and restarts it whenever it ends: respawn.sh COMMAND [ARGUMENT]...
#
# Kubelet's restart back-off grows with every crash; a crashing agent must not cost a healthy primary its Lease.
# A shell script, because it takes a tenth of the memory of another Python interpreter. SIGTERM ends both.
set -u

SHORTEST=2 LONGEST=10 # pauses in tenths of a second: SHORTEST after a run of more than QUICK seconds, otherwise twice the previous pause
QUICK=2

agent='' asked=''
end() {
    asked=yes
    [ -z "$agent" ] || kill -TERM "$agent" 2>/dev/null
}
trap end TERM

clock() { # sets now, in whole seconds; unaffected by changes of the system time
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
    # a signal interrupts the wait, but does not end the agent
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
