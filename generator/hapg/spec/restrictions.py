"""The parameters and initdb arguments that the user can't set, and why. They are the same for every major."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_FILES = "the supervisor and the failover container expect the files and sockets of the server in the directories of the chart"
_LOG = "the log of the server is the log of its container"
_TITLES = "the failover container reads positions from process titles"
_UPSTREAM = "only the failover container decides which server a standby follows, how far, and until when"
_DISK = "a replica is promoted for the WAL on its disk, which must survive a crash"
_SENDERS = "the chart sets 99, enough for all replicas, their clones, and about 60 other replication clients"

RESERVED: Mapping[str, str] = {
    "archive_cleanup_command": _UPSTREAM,
    "cluster_name": _TITLES,
    "config_file": _FILES,
    "data_directory": _FILES,
    "data_sync_retry": _DISK,
    "db_user_namespace": "the servers could not log in to each other, because every role would be called NAME@DATABASE",
    "external_pid_file": _FILES,
    "fsync": _DISK,
    "full_page_writes": _DISK + ", also for pg_rewind",
    "hba_file": _FILES,
    "hosts_file": _FILES,
    "hot_standby": "the value standbyMode sets it",
    "ident_file": _FILES,
    "ignore_invalid_pages": _DISK,
    "include": _FILES,
    "include_dir": _FILES,
    "include_if_exists": _FILES,
    "listen_addresses": "the servers reach each other at the addresses of their pods",
    "log_destination": _LOG,
    "logging_collector": _LOG,
    "max_replication_slots": _SENDERS,
    "max_slot_wal_keep_size": "the value replication.maxSlotWalKeepSize sets it",
    "max_wal_senders": _SENDERS,
    "password_encryption": "the passwords of the servers and pg_hba.conf depend on it",
    "port": "the servers reach each other at the port of the chart",
    "primary_conninfo": _UPSTREAM,
    "primary_slot_name": _UPSTREAM,
    "promote_trigger_file": _UPSTREAM,
    "recovery_end_command": _UPSTREAM,
    "recovery_min_apply_delay": "a promotion would keep clients waiting until all that was delayed is replayed",
    "restart_after_crash": "a server that recovers in place after a process crash writes a shutdown checkpoint, which replicas "
    "take for the end of their primary; it must stop, and is started again sealed",
    "restore_command": _UPSTREAM,
    "synchronous_standby_names": "the failover container sets it, in step with the Lease",
    "unix_socket_directories": _FILES,
    "unix_socket_group": _FILES,
    "unix_socket_permissions": _FILES,
    "update_process_title": _TITLES,
    "wal_log_hints": "pg_rewind needs the hints",
    "wal_sender_shutdown_timeout": "a switchover loses nothing because the shutdown of a primary waits until its replicas have all WAL",
}
"""Parameters that the user can't set, in lower case, with the reason."""

RESERVED_NAMES = ("postgres", "template0", "template1", "public", "none")
"""Roles and databases that the values can't declare."""

RESERVED_PREFIX = "recovery_target"
RESERVED_PREFIX_WHY = _UPSTREAM
"""No parameter with this prefix can be set either."""


@dataclass(frozen=True)
class Bound:
    """The allowed values of a parameter that the user may set.

    pattern: for the whole text; least: the minimum for a number, None if numbers are not allowed; words: both in words;
    why: what another value would cause.
    """

    pattern: str
    least: int | None
    words: str
    why: str


_TIME = "[1-9][0-9]*(ms|s|min|h|d)?"

BOUNDS: Mapping[str, Bound] = {
    "superuser_reserved_connections": Bound(
        "([3-9]|[1-9][0-9]+)", 3, "at least 3", "the failover container must be able to connect when clients use all other connections"
    ),
    "wal_level": Bound("(replica|logical)", None, "replica or logical", "with less, no replica could follow"),
    "wal_receiver_status_interval": Bound(
        "[1-9][0-9]*(s|min|h|d)?", 1, "at least 1s, in whole numbers", "with 0, replicas do not report their positions to the primary"
    ),
    "wal_receiver_timeout": Bound(
        _TIME, 1, "at least 1ms, in whole numbers", "with 0, a replica waits forever for a primary that no longer answers"
    ),
    "wal_sender_timeout": Bound(
        _TIME, 1, "at least 1ms, in whole numbers", "with 0, the primary still counts a replica that no longer answers as streaming"
    ),
}
"""Parameters that the user may set to some values only. Times are whole numbers, because the server might round a fraction to 0."""

SYNCHRONOUS_COMMIT = Bound(
    "(on|true|yes|1|remote_apply)",
    None,
    "on or remote_apply",
    "with any other value a commit is acknowledged before it is on the disk of a standby, and a failover may lose it",
)
"""The allowed values of synchronous_commit while replication.mode is synchronous; true and 1 mean on."""

ARCHIVER_SETS = ("archive_command", "archive_library", "archive_mode")
"""Parameters that the user can't set while archiver.type is set."""


APP_NAME = "^([A-Za-z_][-._A-Za-z0-9]*)?$"
"""An allowed name of an application's database or owner, or none."""

APP_RESERVED: Mapping[str, str] = {
    f"^({'|'.join(RESERVED_NAMES)})$": "PostgreSQL has this name for itself",
    "^pg_": "names that begin with pg_ are those of PostgreSQL itself",
    "^ha_postgres_": "names that begin with ha_postgres_ are those of the pods and of imports",
}
"""Names that such a database or owner can't have: regular expression to reason."""


@dataclass(frozen=True)
class Target:
    """The form of a restore target's value. pattern: for the whole text; words: what is expected."""

    pattern: str
    words: str


TARGETS: Mapping[str, Target] = {
    "time": Target(
        r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?(Z|[-+][0-9]{2}(:[0-9]{2})?)$",
        "a time with its offset from UTC, such as 2026-12-01 10:00:00+00",
    ),
    "lsn": Target("^[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}$", "a WAL position, such as 0/3000148"),
    "name": Target(r"^[^\s]([^\t\r\n]*[^\s])?$", "the name of a restore point, as pg_create_restore_point was given it"),
    "xid": Target("^[1-9][0-9]{0,9}$", "a transaction's number, such as 1234"),
    "backup": Target(
        "^[0-9]{8}-[0-9]{6}F(_[0-9]{8}-[0-9]{6}[DI])?$", "the label of a backup, such as 20261201-010000F, as `hapg backup list` prints it"
    ),
}
"""The forms of restore.target.value by restore.target.type."""

_IN_FILE = "initdb only writes it to {}, but the servers read the file of the chart; set {} instead"
_PARAMETER = _IN_FILE.format("postgresql.conf", "postgresql.parameters.{}")

INITDB_REFUSED: Mapping[str, str] = {
    "^-[dgknN]*[DXU]|^--(pgdata|waldir|xlogdir|username)(=|$)": "the chart sets the directory and its owner",
    "^-[dgknN]*W|^--(pwfile|pwprompt)(=|$)": "the password comes from the Secret",
    "^-[dgknN]*A|^--auth(-host|-local)?(=|$)": _IN_FILE.format("pg_hba.conf", "postgresql.pgHba"),
    "^-[dgknN]*c|^--set(=|$)": _IN_FILE.format("postgresql.conf", "postgresql.parameters"),
    "^-[dgknN]*T|^--text-search-config(=|$)": _PARAMETER.format("default_text_search_config"),
    "^--lc-messages(=|$)": _PARAMETER.format("lc_messages"),
    "^--lc-monetary(=|$)": _PARAMETER.format("lc_monetary"),
    "^--lc-numeric(=|$)": _PARAMETER.format("lc_numeric"),
    "^--lc-time(=|$)": _PARAMETER.format("lc_time"),
    "^-[dgknN]*[sSV?]|^--(show|sync-only|version|help)(=|$)": "initdb would exit without creating a database",
}
"""Arguments of initdb that would have no effect or a wrong one: regular expression to reason."""

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
"""Options that take effect. initdb itself refuses those that its major doesn't have."""

INITDB_TAKEN = rf"^([^-\s]\S*|-[dgknN]+|-[dgknN]*[EL]\S*|--({'|'.join(INITDB_OPTIONS)})(=\S*)?)$"
"""An allowed argument: the value of the option before it, short options, or a long option in full."""
