#!/bin/bash
# shellcheck source-path=SCRIPTDIR
# The supervisor: PID 1 of the postgres container. It decides nothing. It carries out commands from a FIFO, kills every process of the
# container when the failover container's deadline passes or the postmaster dies, and holds a lock that every process of the container
# inherits. docs/contract.md is its specification.
#
# The loop uses only bash builtins: a fork or exec could block on a full process table or a hanging disk just when the deadline must be
# enforced. Whatever needs a program, or long writes to the data volume, runs in a child. The exception is the mv in write_instance; the
# watchdog doesn't wait for it.
#
# This file starts the loop and contains it. The files beside it hold what the loop does, and child_*.sh what its children do.
#
# Descriptors: 3 the watchdog's clock, 4 the lock of the WAL volume, 5 the container's log, 6 commands, 7 events, 8 the lock of this
# container, 9 the lock of the data volume.

if [[ $$ -ne 1 ]]; then
    echo 'supervisor.sh: must be PID 1 of its own PID namespace: it ends everything in it by kill -9 -1' >&2
    exit 64
fi

readonly RUN=${HAPG_RUN:-/run/hapg} VOLUME=${HAPG_VOLUME:-/var/lib/postgresql/data} CONFIG=${HAPG_CONFIG:-/etc/hapg/config}
readonly WAL_VOLUME=${HAPG_WAL_VOLUME-} # empty: WAL is in DATA
readonly SHM=${HAPG_SHM:-/dev/shm} TLS=${HAPG_TLS:-/etc/hapg/tls} SSLMODE=${HAPG_SSLMODE-}
readonly DATA=$VOLUME/pgdata
# In hundredths of a second of CLOCK_BOOTTIME, like /proc/uptime and all times in the loop.
readonly TURN=20    # longest turn of the loop
readonly SELDOM=100 # between checks of the WAL receiver while no seal is pending

# The state of the loop. Children inherit it as of their start.
STATE=down    # down, standby or primary
PM=0          # PID of the postmaster
WRAPPER=0     # PID of the child that prepares and starts the postmaster and waits for it
GENERATION=0 SERVER_GENERATION=0 JOB_GENERATION=0 # counts wrappers and jobs, so that a late report of a dead one is ignored
WATCHDOG=0    # PID of the watchdog
HOT=off       # hot_standby of the server started last
GUARDED=0     # whether it was started with a setting under which it can't acknowledge any commit
STANDBYS=''   # its synchronous_standby_names
MAX_TERM=0    # highest term accepted
TERM_OF_WRITES=0 # the term of the promotion
MISSED=0      # number of turns for which a process has been gone without reporting its exit code
START_ID='' START_AT=0 START_ANSWER='' UPSTREAM='' SLOT=''
RESTART_ID=''
STOP_IDS=() STOPPING=0
SEAL_ID='' SEAL_GAP=0 SEAL_AT=0 DRAIN=0 CLEAR_SINCE='' TITLE_LSN=- RECEIVER=0 LOOK_AT=0
JOB_ID='' JOB=0 JOB_VERB='' KEPT=()
SIGTERM=0 TERMINATING=0 TERMINATING_SINCE=0 AGENT_SEEN=0
LISTED='' NOW=0 UPTIME=0 LEFT=0 DEADLINE=missing DEADLINE_TERM=0 INFO=''
STOPPED=0 HALF='' given=0 words=()

problem() {
    echo "supervisor.sh: $*" >&2
    exit 1
}

# Is this true of our PostgreSQL major? PROFILE is the version profile from the chart.
has() { # NAME
    [[ ${PROFILE[$1]} == true ]]
}

# ---- the other files ----

# All of them are read now, including those of the children: later, nothing depends on our files. The last line of each file adds its name
# to WHOLE, so that a truncated file causes an error here, and not in the middle of a fence.
WHOLE='' PARTS=${BASH_SOURCE[0]%/*}
source "$PARTS/fence.sh"
source "$PARTS/server.sh"
source "$PARTS/seal.sh"
source "$PARTS/primary.sh"
source "$PARTS/jobs.sh"
source "$PARTS/commands.sh"
source "$PARTS/child_server.sh"
source "$PARTS/child_directory.sh"
source "$PARTS/child_job.sh"
source "$PARTS/child_initdb.sh"
source "$PARTS/child_restore.sh"
source "$PARTS/child_seed.sh"
source "$PARTS/child_clone.sh"
source "$PARTS/child_upgrade.sh"
source "$PARTS/child_configuration.sh"
for part in fence server seal primary jobs commands \
    child_server child_directory child_job child_initdb child_restore child_seed child_clone child_upgrade child_configuration; do
    [[ " $WHOLE " == *" $part "* ]] || problem "$PARTS/$part.sh is missing or incomplete"
done

# ---- start ----

trap 'SIGTERM=1' TERM
trap : HUP INT QUIT PIPE USR1 USR2 # bash would exit on them
umask 077
set -f # words of a line are split, never expanded; code that looks for files uses set +f
IFS=' '
unset PGDATA PGHOST PGHOSTADDR PGPORT PGUSER PGDATABASE PGPASSWORD PGSERVICE PGOPTIONS
export LC_ALL=C PGPASSFILE=$RUN/pgpass
NAME=${POD_NAME-}
[[ $NAME =~ ^[A-Za-z0-9.-]{1,63}$ ]] || NAME=standby
SLOTS=${NAME%-*} # prefix of the names of the replicas' slots
SLOTS=${SLOTS,,}
SLOTS=${SLOTS//[!a-z0-9]/_}
GRACE=${HAPG_GRACE:-60}
[[ $SSLMODE =~ ^(prefer|require|verify-ca)?$ ]] || problem "HAPG_SSLMODE is not prefer, require or verify-ca: $SSLMODE"
[[ $GRACE =~ ^[0-9]{1,6}$ ]] || problem "HAPG_GRACE is not a number: $GRACE"
readonly NAME GRACE SLOTS
declare -A PROFILE=()
for word in ${HAPG_VERSION_PROFILE-}; do PROFILE[${word%%=*}]=${word#*=}; done
for word in major binDirectory walDirectory walDump walDumpQuiet walKeep standbyFile recoveryParameters reloadsConninfo statusLine quorum authentication; do
    [[ ${PROFILE[$word]-} ]] || problem "HAPG_VERSION_PROFILE has no $word"
done
readonly PROFILE MAJOR=${PROFILE[major]} BIN=${PROFILE[binDirectory]} WAL=${PROFILE[walDirectory]} STANDBY_FILE=$DATA/${PROFILE[standbyFile]}
readonly FAST_AT=$((GRACE > 10 ? (GRACE - 10) * 100 : 0)) IMMEDIATE_AT=$((GRACE > 5 ? (GRACE - 5) * 100 : 0)) KILL_AT=$((GRACE > 2 ? (GRACE - 2) * 100 : 0))

read -r -a self </proc/self/stat
[[ ${self[0]} == 1 ]] || problem '/proc is not that of this PID namespace'
# proc(5), field 22: start time of this process in hundredths of a second since boot.
clock
((NOW + 100 >= self[21])) || problem '/proc/uptime is not the time since the boot of the node (LXCFS shows that of the container): no deadline can be compared with it'

# Take all locks, or wait for them. A lock belongs to the open file, so this process and all its children keep what the child acquires.
exec 8<>"$RUN/lock" || problem "can't open $RUN/lock"
exec 9<>"$VOLUME/lock" || problem "can't open $VOLUME/lock"
if [[ $WAL_VOLUME ]]; then exec 4<>"$WAL_VOLUME/lock" || problem "can't open $WAL_VOLUME/lock"; fi
# A signal between the fork and the wait doesn't interrupt the wait, so limit it to one second.
for descriptor in 8 9 ${WAL_VOLUME:+4}; do
    locked=75
    while ((locked == 75)); do
        flock -E 75 -w 1 "$descriptor" &
        wait "$!"
        locked=$?
        if ((SIGTERM)); then exit 0; fi
    done
    ((locked == 0)) || problem "can't lock descriptor $descriptor"
done

rm -f "$RUN/deadline"
rm -rf "$RUN/out"
mkdir -p "$RUN/out" "$RUN/conf" "$RUN/socket" "$RUN/backup" || problem "can't write to $RUN"
chmod 0700 "$RUN/socket" "$RUN/backup"
for fifo in commands events; do
    [[ -p $RUN/$fifo ]] || mkfifo -m 0600 "$RUN/$fifo" || [[ -p $RUN/$fifo ]] || problem "can't create $RUN/$fifo"
done
version=$("$BIN/postgres" -V) || problem "can't run $BIN/postgres"
[[ $version =~ \ ${MAJOR/./\\.}([^0-9]|$) ]] || problem "the image has $version, this is the chart of PostgreSQL $MAJOR"
MISSING=
for program in pg_basebackup pg_controldata pg_rewind "${PROFILE[walDump]}"; do
    [[ -x $BIN/$program ]] || MISSING+=${MISSING:+,}$program
done
readonly MISSING

settle_upgrade || problem "can't put an interrupted major upgrade right"
# Undo a clone that was interrupted between its two renames; if it got further, remove what it replaced.
if [[ ! -e $DATA && -d $VOLUME/pgdata.old ]]; then
    { mv "$VOLUME/pgdata.old" "$DATA" && sync "$VOLUME"; } || problem "can't restore $DATA"
elif [[ -d $VOLUME/pgdata.old ]]; then
    rm -rf "$VOLUME/pgdata.old" &
fi
# Also remove what is left of the replaced WAL, and of a clone's, if the data directory shows that the WAL volume belongs to it.
if [[ $WAL_VOLUME && -L $DATA/$WAL && -d $DATA/$WAL ]]; then
    find_unlinked_wal
    if ((${#UNLINKED[@]})); then rm -rf "${UNLINKED[@]}" & fi
fi

read -r NONCE </proc/sys/kernel/random/uuid
read -r TOKEN </proc/sys/kernel/random/uuid
read -r BOOT_ID </proc/sys/kernel/random/boot_id
readonly NONCE TOKEN BOOT_ID
exec 6<>"$RUN/commands" 7<>"$RUN/events" || problem "can't open the FIFOs in $RUN"
# From here on, write nothing to the container's log, which can block; bash would report killed children there.
exec 5>&2 </dev/null >/dev/null 2>&1
clock
beat
start_watchdog
printf '%s\n' "$NONCE $BOOT_ID $UPTIME ${MISSING:--}" >"$RUN/hello.new"
mv -f "$RUN/hello.new" "$RUN/hello"
event - hello

# ---- the loop ----

while :; do
    pause=$TURN
    if [[ $STATE == primary ]] && ((LEFT < pause)); then pause=$((LEFT > 0 ? LEFT : 1)); fi
    if [[ $START_ID ]]; then pause=1; fi
    printf -v pause '0.%02d' "$pause"
    if [[ $SEAL_ID ]] || ((MISSED)); then pause=0.005; fi
    listen
    clock
    enforce
    if ((given == 1)); then
        handle "${words[@]}"
    fi
    if [[ $START_ID ]]; then look_at_start; fi
    if [[ $SEAL_ID ]]; then
        look_at_seal
    elif [[ $UPSTREAM && $STATE == standby ]] && ((NOW >= LOOK_AT)); then
        look_for_receiver # a receiver ends with its primary, and its last LSN is lost with it
        LOOK_AT=$((NOW + SELDOM))
    fi
    if ((SIGTERM)); then terminate; fi
    beat
done
