#!/bin/bash
# pgbackrest.sh push NAME | get NAME PATH | restore MAJOR | ended
#
# archive_command (push) and restore_command (get): hands the request over to the backup container, which runs pgBackRest, and waits for the
# answer. The other two are part of the job `restore`. The name has to contain `pgbackrest`, or pgBackRest refuses the archive_command.
#
# Exit codes: 0 done. A push that failed ends with 1, and the archiver tries again; with 255 while the server is being stopped, which ends the
# archiver at once (what is not archived stays marked), so that a container that hangs does not delay the shutdown. A get ends with 1 only if
# the archive is known to end before that file, and otherwise with 255: PostgreSQL takes any code up to 125 for the end of the archive, and
# would promote the server there (xlogarchive.c, RestoreArchivedFile).
LC_ALL=C
folder=${HAPG_RUN:-/run/hapg}/backup
patience=60 # seconds without a line from the container
failed=1
if [[ $1 == get ]]; then failed=255; fi
stopping() { [[ $verb == push && -e $folder/stopping ]]; }
verb=$1 name=${2-} destination=${3##*/}

# A container that is being restarted listens again within seconds.
connected='' until=$((SECONDS + 10))
until [[ $connected ]]; do
    if stopping; then exit 255; fi
    if { read -r port token <"$folder/listener"; } 2>/dev/null && { exec 3<>"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null; then
        connected=1
    elif ((SECONDS >= until)); then
        echo 'error: the backup container does not listen' >&2
        exit "$failed"
    else
        sleep 0.5
    fi
done
printf '%s %s %s %s\n' "$token" "$verb" "$name" "$destination" >&3 || exit "$failed"

answer='' half='' until=$((SECONDS + patience))
while :; do
    if read -r -t 1 -u 3 answer; then
        answer=$half$answer half=''
        if [[ $answer != wait* ]]; then break; fi
        until=$((SECONDS + patience))
    elif (($? <= 128 || SECONDS >= until)); then # above 128: the second is over, the connection is still there
        echo "error: the backup container gives no answer: $verb $name" >&2
        exit "$failed"
    else
        half+=$answer
        if stopping; then exit 255; fi
    fi
done
case $answer in
    ok) exit 0 ;;
    'ok '*)
        echo "${answer#ok }"
        exit 0
        ;;
    missing) if [[ $verb == get ]]; then exit 1; fi ;;
esac
if [[ $verb == restore ]]; then name=; fi
echo "error: ${name:+$name: }${answer#error }" >&2
exit "$failed"
