"""The version profile: what differs between PostgreSQL's majors, as the programs of a pod are told it.

The generator writes it twice into a chart, to the settings of the failover container and to the environment of the supervisor.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

VARIABLE = "HAPG_VERSION_PROFILE"
"""The supervisor's environment variable."""

AUTHENTICATION = ("scram-sha-256", "md5")


@dataclass(frozen=True, kw_only=True)
class VersionProfile:
    """What a pod's programs are told of their major; the defaults are what the newest majors have in common.

    major: as in a spec, "15"; bin_directory: where the stock image has the programs of the server, by default for the major;
    wal_directory: below PGDATA; wal_dump: the program that prints WAL; wal_dump_quiet: it has an option --quiet (13 and later); wal_keep:
    the parameter that keeps past WAL for replicas; standby_file: what marks a standby in PGDATA; recovery_parameters: settings of recovery
    are parameters of postgresql.conf (12 and later); reloads_conninfo: a running standby takes another primary_conninfo (13 and later);
    bounds_slots: the WAL that replication slots hold back can be bounded (13 and later), otherwise none are used; status_line:
    postmaster.pid says how far the server's start has come (10 and later); quorum: synchronous_standby_names takes ANY (10 and later);
    replication_role: the members log in on each other under a role that is no superuser, which pg_rewind can do from 11 on;
    authentication: method of pg_hba.conf and initdb for passwords; sql_names: what in SQL has another name, by the name of today.
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
        """Return the profile as the failover container reads it: `postgresMajor` of failover.json."""
        values = {key: getattr(self, name) for key, name in NAMES.items()}
        return {key: dict(value) if isinstance(value, Mapping) else value for key, value in values.items()}

    @property
    def environment_words(self) -> str:
        """Return the profile as the supervisor reads it, which speaks no SQL: `major=15 …`, the value of VARIABLE."""
        return " ".join(f"{key}={_as_word(value)}" for key, value in self.json_fields.items() if not isinstance(value, Mapping))


def _key(name: str) -> str:
    return re.sub(r"_(.)", lambda match: match[1].upper(), name)


NAMES: Mapping[str, str] = {_key(each.name): each.name for each in fields(VersionProfile)}
"""The names of the fields by their keys in JSON and in the supervisor's words."""


def _as_word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
