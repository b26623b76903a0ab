# shellcheck shell=bash
# The child of a job: runs one job_VERB function and reports to the loop. The read-only jobs are in this file.

# In the child: run the job, then send its exit code and message to the loop.
run_job() { # ID VERB [ARG…] -- [FILE TO REMOVE…]
    local id=$1 command=$2 args=() rc line said=''
    trap - TERM
    shift 2
    while [[ $1 != -- ]]; do
        args+=("$1")
        shift
    done
    shift
    if (($#)); then rm -f "$@" 6>&- 7>&-; fi
    "job_$command" "${args[@]}" 5>&- 6>&- 7>&-
    rc=$?
    if ((rc)) && [[ $command != waldump ]]; then
        # the first error message, or else the last line
        while IFS= read -r line; do
            if [[ $line ]]; then said=$line; fi
            if [[ $line =~ (error|fatal|FATAL|PANIC): ]]; then break; fi
        done <"$RUN/out/$id"
    fi
    printf '%s job %s %s %s%s\n' "$TOKEN" "$GENERATION" "$rc" "${said:0:900}" "$END" >&6
}

# initdb and a single-user server need a user name for their user ID. If the image has none, libnss_wrapper provides it, as in the image's
# own entry point.
name_user() {
    local id library
    while IFS=: read -r _ _ id _; do
        if [[ $id == "$EUID" ]]; then return; fi
    done </etc/passwd
    set +f
    for library in {/usr,}/lib{/*,}/libnss_wrapper.so; do
        if [[ -s $library ]]; then
            printf 'postgres:x:%s:%s::/:/bin/false\n' "$EUID" "$(id -g)" >"$RUN/conf/passwd"
            printf 'postgres:x:%s:\n' "$(id -g)" >"$RUN/conf/group"
            export LD_PRELOAD=$library NSS_WRAPPER_PASSWD=$RUN/conf/passwd NSS_WRAPPER_GROUP=$RUN/conf/group
            break
        fi
    done
    set -f
}

job_controldata() {
    "$BIN/pg_controldata" -D "$DATA"
}

# END is the end of the second segment, the last file: without it, pg_waldump waits five seconds for the next file. pg_waldump reads the
# segment size from the named file. Without a name, it would use the first file that it finds in the directory, which may be preallocated
# and never written to (src/bin/pg_waldump/pg_waldump.c, search_directory).
job_waldump() { # SEGMENT LSN SEGMENT END
    local quiet=()
    if has walDumpQuiet; then quiet=(-q); fi
    "$BIN/${PROFILE[walDump]}" "${quiet[@]}" -s "$2" -e "$4" -p "$DATA/$WAL" "$1" "$3" >/dev/null
}

job_lastrecord() { # SEGMENT LSN SEGMENT END
    "$BIN/${PROFILE[walDump]}" -n 1 -s "$2" -e "$4" -p "$DATA/$WAL" "$1" "$3"
}

WHOLE+=' child_job'
