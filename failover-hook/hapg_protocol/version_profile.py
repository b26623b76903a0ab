"""The version profile: how PostgreSQL's majors differ, in the form that a pod's programs receive it.

The generator writes it into a chart twice: in the settings of the failover container and in the environment of the supervisor.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

VARIABLE = "HAPG_VERSION_PROFILE"
"""The name of the supervisor's environment variable."""

AUTHENTICATION = ("scram-sha-256", "md5")

LIMITS: Mapping[str, int | None] = {
    "max_connections": 100,
    "max_worker_processes": 8,
    "max_wal_senders": None,
    "max_prepared_transactions": 0,
    "max_locks_per_transaction": 64,
}
"""The settings that a hot standby must not have lower than its primary, with the default that the majors have in common; None: the chart
always sets it. The chart of a major with another default sets it, too.
"""


@dataclass(frozen=True, kw_only=True)
class VersionProfile:
    """The properties of a PostgreSQL major that a pod's programs need; the defaults are what the newest majors have in common.

    major: as in a spec, "15"; bin_directory: the server's programs in the stock image, by default derived from the major; wal_directory:
    below PGDATA; wal_dump: the program that prints WAL; wal_dump_quiet: it has the option --quiet (13 and later); wal_keep: the parameter
    that retains past WAL for replicas; standby_file: the file that marks a standby in PGDATA; recovery_parameters: recovery settings are
    parameters of postgresql.conf (12 and later); reloads_conninfo: a running standby can reload primary_conninfo (13 and later);
    bounds_slots: the WAL that replication slots retain can be bounded (13 and later), otherwise no slots are used; status_line:
    postmaster.pid shows how far the server's start has got (10 and later); quorum: synchronous_standby_names accepts ANY (10 and later);
    replication_role: pods log in to each other under a role that is not a superuser, which pg_rewind supports from 11 on; authentication:
    the password method of pg_hba.conf and initdb; sql_names: SQL names that differ in this major, keyed by today's name.
    """

    major: str
    bin_directory: str = ""
    wal_directory: str = "pg_wal"
    wal_dump: str = "pg_waldump"
    wal_dump_quiet: bool = True
    wal_keep: str = "wal_keep_size"
    standby_file: str = "standby.signal"
    recovery_parameters: bool = True
    reloads_conninfo: bool = True
    bounds_slots: bool = True
    status_line: bool = True
    quorum: bool = True
    replication_role: bool = True
    authentication: str = AUTHENTICATION[0]
    sql_names: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.bin_directory:
            object.__setattr__(self, "bin_directory", f"/usr/lib/postgresql/{self.major}/bin")

    @property
    def json_fields(self) -> dict[str, object]:
        """Return the profile in the form that the failover container reads: `postgresMajor` of failover.json."""
        values = {key: getattr(self, name) for key, name in NAMES.items()}
        return {key: dict(value) if isinstance(value, Mapping) else value for key, value in values.items()}

    @property
    def environment_words(self) -> str:
        """Return the profile in the form that the supervisor reads: `major=15 …`, the value of VARIABLE.

        The supervisor uses no SQL, so sql_names is omitted.
        """
        return " ".join(f"{key}={_as_word(value)}" for key, value in self.json_fields.items() if not isinstance(value, Mapping))


def _key(name: str) -> str:
    return re.sub(r"_(.)", lambda match: match[1].upper(), name)


NAMES: Mapping[str, str] = {_key(each.name): each.name for each in fields(VersionProfile)}
"""The field names, keyed by their names in JSON and in the supervisor's words."""


def _as_word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
