"""The version profile of each PostgreSQL major: all differences between majors, as data.

The chart's templates, the failover container (failover.json, `postgresMajor`) and the supervisor
(its environment) all use the same profile, so they can't disagree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

SEGMENTS_KEPT = 32
SEGMENT_MEGABYTES = 16

_VERSION = re.compile(r"(9\.6|[1-9][0-9])(\.[0-9]{1,2})?")
_NAMES_OF_XLOG = {
    "pg_walfile_name": "pg_xlogfile_name",
    "pg_current_wal_lsn": "pg_current_xlog_location",
    "pg_current_wal_flush_lsn": "pg_current_xlog_flush_location",
    "pg_last_wal_receive_lsn": "pg_last_xlog_receive_location",
    "pg_is_wal_replay_paused": "pg_is_xlog_replay_paused",
    "pg_last_wal_replay_lsn": "pg_last_xlog_replay_location",
    "sent_lsn": "sent_location",
    "flush_lsn": "flush_location",
    "pg_wal/": "pg_xlog/",
}


@dataclass(frozen=True)
class VersionProfile:
    """One supported major and its chart. The defaults are common to the newest majors.

    major: as in a spec, "15"; chart_version: of the chart, MAJOR.minor.patch; end_of_life: the date
    of the last PostgreSQL release of this major.
    wal_directory: below PGDATA; wal_dump: the program that prints WAL; wal_dump_quiet: it has the
    option --quiet (13 and later); wal_keep: the parameter that keeps past WAL for replicas,
    wal_keep_value: its value in postgresql.conf; bounds_slots: the WAL kept by replication slots can
    be limited (13 and later), otherwise slots are not used; sql_names: SQL names that were different
    in this major.
    standby_file: the file in PGDATA that marks a standby; recovery_parameters: recovery settings are
    parameters of postgresql.conf (12 and later); reloads_conninfo: a running standby accepts a new
    primary_conninfo (13 and later); status_line: postmaster.pid shows the progress of the server's
    start (10 and later); quorum: synchronous_standby_names accepts ANY (10 and later).
    replication_role: the servers connect to each other with a role that is not a superuser, which
    pg_rewind allows from 11 on.
    authentication: the password method in pg_hba.conf and initdb, password_encryption: the setting
    for it; least: by parameter, the smallest value with which a server starts beside the chart's
    other settings.
    """

    major: str
    chart_version: str
    end_of_life: date
    wal_directory: str = "pg_wal"
    wal_dump: str = "pg_waldump"
    wal_dump_quiet: bool = True
    wal_keep: str = "wal_keep_size"
    wal_keep_value: str = f"'{SEGMENTS_KEPT * SEGMENT_MEGABYTES}MB'"
    bounds_slots: bool = True
    sql_names: Mapping[str, str] = field(default_factory=dict)
    standby_file: str = "standby.signal"
    recovery_parameters: bool = True
    reloads_conninfo: bool = True
    status_line: bool = True
    quorum: bool = True
    replication_role: bool = True
    authentication: str = "scram-sha-256"
    password_encryption: str = "'scram-sha-256'"  # noqa: S105
    least: Mapping[str, int] = field(default_factory=dict)

    @property
    def bin_directory(self) -> str:
        """The directory of the server's programs in the stock image."""
        return f"/usr/lib/postgresql/{self.major}/bin"

    @property
    def json_fields(self) -> dict[str, object]:
        """The profile as the programs of a pod read it: `postgresMajor` in failover.json."""
        return {
            "major": self.major,
            "binDirectory": self.bin_directory,
            "walDirectory": self.wal_directory,
            "walDump": self.wal_dump,
            "walDumpQuiet": self.wal_dump_quiet,
            "walKeep": self.wal_keep,
            "standbyFile": self.standby_file,
            "recoveryParameters": self.recovery_parameters,
            "reloadsConninfo": self.reloads_conninfo,
            "boundsSlots": self.bounds_slots,
            "statusLine": self.status_line,
            "quorum": self.quorum,
            "replicationRole": self.replication_role,
            "authentication": self.authentication,
            "sqlNames": dict(self.sql_names),
        }

    @property
    def environment_words(self) -> str:
        """The profile for the supervisor, without SQL names: `major=15 …`, the value of HAPG_FACTS."""
        return " ".join(f"{name}={_as_word(value)}" for name, value in self.json_fields.items() if name != "sqlNames")

    @property
    def replication_settings(self) -> dict[str, str]:
        """The replication settings of postgresql.conf, with their values as written there."""
        settings = {
            "wal_level": "replica",
            "max_wal_senders": "99",
            "max_replication_slots": "99",
            self.wal_keep: self.wal_keep_value,
        }
        return settings | ({"recovery_target_timeline": "'latest'"} if self.recovery_parameters else {})


def _as_word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _by_major(*profiles: VersionProfile) -> dict[str, VersionProfile]:
    return {profile.major: profile for profile in profiles}


PROFILES = _by_major(
    VersionProfile(
        major="9.6",
        chart_version="9.6.0",
        end_of_life=date(2021, 11, 11),
        wal_directory="pg_xlog",
        wal_dump="pg_xlogdump",
        wal_dump_quiet=False,
        wal_keep="wal_keep_segments",
        wal_keep_value=str(SEGMENTS_KEPT),
        bounds_slots=False,
        sql_names=_NAMES_OF_XLOG,
        standby_file="recovery.conf",
        recovery_parameters=False,
        reloads_conninfo=False,
        status_line=False,
        quorum=False,
        replication_role=False,
        authentication="md5",
        password_encryption="on",  # noqa: S106
        least={"max_connections": 100},
    ),
    VersionProfile(
        major="12",
        chart_version="12.0.0",
        end_of_life=date(2024, 11, 21),
        wal_dump_quiet=False,
        wal_keep="wal_keep_segments",
        wal_keep_value=str(SEGMENTS_KEPT),
        bounds_slots=False,
        reloads_conninfo=False,
    ),
    VersionProfile(major="13", chart_version="13.0.0", end_of_life=date(2025, 11, 13)),
    VersionProfile(major="14", chart_version="14.0.0", end_of_life=date(2026, 11, 12)),
    VersionProfile(major="15", chart_version="15.0.0", end_of_life=date(2027, 11, 11)),
    VersionProfile(major="16", chart_version="16.0.0", end_of_life=date(2028, 11, 9)),
    VersionProfile(major="17", chart_version="17.0.0", end_of_life=date(2029, 11, 8)),
    VersionProfile(major="18", chart_version="18.0.0", end_of_life=date(2030, 11, 14)),
)
"""The supported majors' profiles, by major, oldest first."""


def find(version: str) -> tuple[VersionProfile, str | None]:
    """Return the profile of a version, such as "16" or "16.4", and the image's tag if it names a release.

    Raises KeyError for anything else.
    """
    match = _VERSION.fullmatch(version)
    if match is None or match[1] not in PROFILES:
        raise KeyError(version)
    return PROFILES[match[1]], version if match[2] else None
