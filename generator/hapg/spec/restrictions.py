"""What the user can't set of PostgreSQL, and why: parameters and arguments of initdb, in every major."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_FILES = "the supervisor and the failover container look for files and sockets of the server where the chart has them"
_LOG = "the log of a server is that of its container"
_TITLES = "the failover container reads positions from the titles of processes"
_UPSTREAM = "the failover container alone decides whom a standby follows, how far, and when that ends"
_DISK = "a member is promoted for what it has on its disk, and that has to be there after a crash"
_SENDERS = "the chart has 99, enough for all members, their clones, and some 60 other clients of replication"

RESERVED: Mapping[str, str] = {
    "archive_cleanup_command": _UPSTREAM,
    "cluster_name": _TITLES,
    "config_file": _FILES,
    "data_directory": _FILES,
    "data_sync_retry": _DISK,
    "external_pid_file": _FILES,
    "fsync": _DISK,
    "full_page_writes": _DISK + ", also for pg_rewind",
    "hba_file": _FILES,
    "hot_standby": "the value standbyMode sets it",
    "ident_file": _FILES,
    "ignore_invalid_pages": _DISK,
    "include": _FILES,
    "include_dir": _FILES,
    "include_if_exists": _FILES,
    "listen_addresses": "the members reach each other at the addresses of their pods",
    "log_destination": _LOG,
    "logging_collector": _LOG,
    "max_replication_slots": _SENDERS,
    "max_slot_wal_keep_size": "the value replication.maxSlotWalKeepSize sets it",
    "max_wal_senders": _SENDERS,
    "password_encryption": "the password of the members and pg_hba.conf go by it",
    "port": "the members reach each other at the port of the chart",
    "primary_conninfo": _UPSTREAM,
    "primary_slot_name": _UPSTREAM,
    "promote_trigger_file": _UPSTREAM,
    "recovery_end_command": _UPSTREAM,
    "recovery_min_apply_delay": "a standby that replays late keeps clients waiting for as long when it is promoted",
    "restart_after_crash": "a server that recovers in place from the crash of one process writes a shutdown checkpoint, which "
    "replicas take for the end of their primary; it has to end, and is started again sealed",
    "restore_command": _UPSTREAM,
    "synchronous_standby_names": "the failover container sets it, in step with the Lease",
    "unix_socket_directories": _FILES,
    "unix_socket_group": _FILES,
    "unix_socket_permissions": _FILES,
    "update_process_title": _TITLES,
    "wal_log_hints": "pg_rewind needs the hints",
}
"""Parameters that aren't the user's, in lower case, with why."""

RESERVED_PREFIX = "recovery_target"
RESERVED_PREFIX_WHY = _UPSTREAM
"""All that begin so aren't the user's either."""


@dataclass(frozen=True)
class Bound:
    """What a parameter that is the user's may be.

    pattern: of its whole text; least: of a number, None if no number will do; words: both in words; why: what another value would do.
    """

    pattern: str
    least: int | None
    words: str
    why: str


_TIME = "[1-9][0-9]*(ms|s|min|h|d)?"

BOUNDS: Mapping[str, Bound] = {
    "superuser_reserved_connections": Bound(
        "([3-9]|[1-9][0-9]+)", 3, "at least 3", "the failover container has to get in when clients have all other connections"
    ),
    "wal_level": Bound("(replica|logical)", None, "replica or logical", "with less no replica could follow"),
    "wal_receiver_status_interval": Bound(
        "[1-9][0-9]*(s|min|h|d)?", 1, "at least 1s, in whole numbers", "with 0 a primary does not hear what its replicas have"
    ),
    "wal_receiver_timeout": Bound(
        _TIME, 1, "at least 1ms, in whole numbers", "with 0 a replica waits for ever for a primary that has gone silent"
    ),
    "wal_sender_timeout": Bound(
        _TIME, 1, "at least 1ms, in whole numbers", "with 0 a primary goes on counting a replica that has gone silent as one that streams"
    ),
}
"""Parameters that the user may set to some values only. Of a fraction the server might make 0, so times are whole numbers."""

SYNCHRONOUS_COMMIT = Bound(
    "(on|true|yes|1|remote_apply)",
    None,
    "on or remote_apply",
    "with anything else a commit is acknowledged before a standby has it on its disk, and a failover may lose it",
)
"""What synchronous_commit may be while replication.mode is synchronous; true and 1 are on."""

_IN_FILE = "initdb only writes it to {}, and the servers read the one of the chart; set {} instead"
_PARAMETER = _IN_FILE.format("postgresql.conf", "postgresql.parameters.{}")

INITDB_REFUSED: Mapping[str, str] = {
    "^-[dgknN]*[DXU]|^--(pgdata|waldir|xlogdir|username)(=|$)": "the directory and its owner are those of the chart",
    "^-[dgknN]*W|^--(pwfile|pwprompt)(=|$)": "the password is that of the Secret",
    "^-[dgknN]*A|^--auth(-host|-local)?(=|$)": _IN_FILE.format("pg_hba.conf", "postgresql.pgHba"),
    "^-[dgknN]*c|^--set(=|$)": _IN_FILE.format("postgresql.conf", "postgresql.parameters"),
    "^-[dgknN]*T|^--text-search-config(=|$)": _PARAMETER.format("default_text_search_config"),
    "^--lc-messages(=|$)": _PARAMETER.format("lc_messages"),
    "^--lc-monetary(=|$)": _PARAMETER.format("lc_monetary"),
    "^--lc-numeric(=|$)": _PARAMETER.format("lc_numeric"),
    "^--lc-time(=|$)": _PARAMETER.format("lc_time"),
    "^-[dgknN]*[sSV?]|^--(show|sync-only|version|help)(=|$)": "initdb would end without having made a database",
}
"""Arguments of initdb that would have no effect or a wrong one, by a regular expression, with why."""

INITDB_OPTIONS = (
    "allow-group-access",
    "builtin-locale",
    "data-checksums",
    "debug",
    "discard-caches",
    "encoding",
    "icu-locale",
    "icu-rules",
    "lc-collate",
    "lc-ctype",
    "locale",
    "locale-provider",
    "no-clean",
    "no-data-checksums",
    "no-instructions",
    "no-locale",
    "no-sync",
    "sync-method",
    "wal-segsize",
)
"""Those that take effect; initdb itself says which of them a major doesn't have."""

INITDB_TAKEN = rf"^([^-\s]\S*|-[dgknN]+|-[dgknN]*[EL]\S*|--({'|'.join(INITDB_OPTIONS)})(=\S*)?)$"
"""What an argument may be: a word that belongs to the one before, short options, or long ones in full."""
