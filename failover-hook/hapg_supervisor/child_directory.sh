# shellcheck shell=bash
# The server directory, and the directories of a WAL volume: what is whose. For children, and for the start, before
# the loop.

of_this_major() {
    local found=''
    if [[ -f $DATA/PG_VERSION ]]; then read -r found <"$DATA/PG_VERSION"; fi
    if [[ ! $found ]]; then
        echo "no server directory at $DATA"
        return 1
    elif [[ $found != "$MAJOR" ]]; then
        echo "the server directory is of PostgreSQL $found, this is PostgreSQL $MAJOR: nothing has been touched"
        return 1
    fi
}

# Is the directory's WAL where this release has it? Whether the WAL volume is that of this data volume, the failover container has judged.
has_its_wal() {
    if [[ ! $WAL_VOLUME && -L $DATA/$WAL ]]; then
        echo "$DATA/$WAL is a link, and there is no WAL volume: nothing has been touched"
        return 1
    elif [[ $WAL_VOLUME && ! (-L $DATA/$WAL && -d $DATA/$WAL) ]]; then
        echo "$DATA/$WAL is not a link to a directory on the WAL volume: nothing has been touched"
        return 1
    fi
}

# Set UNLINKED to the directories of WAL that no server directory links to: they were begun and not finished, or replaced.
find_unlinked_wal() {
    local directory=$DATA linked
    UNLINKED=()
    if [[ ! $WAL_VOLUME ]]; then return; fi
    if [[ ! -e $DATA ]]; then directory=$VOLUME/pgdata.old; fi
    linked=$(readlink "$directory/$WAL")
    set +f
    for directory in "$WAL_VOLUME"/wal.*; do
        if [[ -d $directory && $directory != "$linked" ]]; then UNLINKED+=("$directory"); fi
    done
    set -f
}

remove_unlinked_wal() {
    find_unlinked_wal
    if ((${#UNLINKED[@]})); then rm -rf "${UNLINKED[@]}"; fi
}

# Set APART to the option by which PROGRAM puts the WAL of a new server directory onto the WAL volume, into a directory that never was there
# before: so it is the rename of the server directory by which both come to count.
name_wal() { # PROGRAM
    local id option=--waldir
    APART=()
    if [[ ! $WAL_VOLUME ]]; then return; fi
    remove_unlinked_wal || return
    if [[ $("$BIN/$1" --help) == *--xlogdir=* ]]; then option=--xlogdir; fi # before PostgreSQL 10
    read -r id </proc/sys/kernel/random/uuid
    APART=("$option=$WAL_VOLUME/wal.$id")
}

WHOLE+=' child_directory'
