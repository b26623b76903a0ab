# shellcheck shell=bash
# The server directory and the directories on a WAL volume, and which belong together. For children, and for the startup code before the
# loop.

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

# Is the directory's WAL where this release keeps it? The failover container has already checked that the WAL volume belongs to this data
# volume.
has_its_wal() {
    if [[ ! $WAL_VOLUME && -L $DATA/$WAL ]]; then
        echo "$DATA/$WAL is a link, and there is no WAL volume: nothing has been touched"
        return 1
    elif [[ $WAL_VOLUME && ! (-L $DATA/$WAL && -d $DATA/$WAL) ]]; then
        echo "$DATA/$WAL is not a link to a directory on the WAL volume: nothing has been touched"
        return 1
    fi
}

# Set UNLINKED to the WAL directories that no server directory links to: unfinished or replaced ones. A directory that a major upgrade keeps
# has its WAL still.
find_unlinked_wal() {
    local directory=$DATA linked
    UNLINKED=()
    if [[ ! $WAL_VOLUME ]]; then return; fi
    if [[ ! -e $DATA ]]; then directory=$VOLUME/pgdata.old; fi
    set +f
    linked=$(readlink "$directory"/pg_{wal,xlog} "$VOLUME"/pgdata.[0-9]*/pg_{wal,xlog})
    for directory in "$WAL_VOLUME"/wal.*; do
        if [[ -d $directory && $'\n'$linked$'\n' != *$'\n'"$directory"$'\n'* ]]; then UNLINKED+=("$directory"); fi
    done
    set -f
}

remove_unlinked_wal() {
    find_unlinked_wal
    if ((${#UNLINKED[@]})); then rm -rf "${UNLINKED[@]}"; fi
}

# Set APART to the option that makes PROGRAM put the WAL of a new server directory on the WAL volume, in a directory with a new name. So a
# single rename, that of the server directory, puts both into use.
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
