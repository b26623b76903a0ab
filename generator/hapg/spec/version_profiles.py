"""The version profile of each PostgreSQL major: all differences between majors, as data.

The chart's templates are filled from it. The part of it that a pod's programs are told is
`hapg_protocol.version_profile`, which reaches the failover container (failover.json,
`postgresMajor`) and the supervisor (its environment), so they can't disagree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from hapg_protocol.version_profile import VersionProfile

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
    "flush_lsn": "flush_location",
    "pg_wal/": "pg_xlog/",
}


@dataclass(frozen=True, kw_only=True)
class ChartProfile(VersionProfile):
    """The version profile of a supported major, and what else its chart has to know.

    chart_version: of the chart, MAJOR.minor.patch; end_of_life: the day after which PostgreSQL's
    developers release no more repairs.
    wal_keep_value: of the parameter wal_keep in postgresql.conf; password_encryption: the setting
    for the method of authentication; least: the smallest values with which a server starts that has
    the chart's other settings, by parameter; stated: those of
    hapg_protocol.version_profile.LIMITS whose default is another in this major, with that default.
    no_archive: why archives, backups and restores are not possible; empty if they are.
    """

    chart_version: str
    end_of_life: date
    wal_keep_value: str = f"'{SEGMENTS_KEPT * SEGMENT_MEGABYTES}MB'"
    password_encryption: str = "'scram-sha-256'"  # noqa: S105
    least: Mapping[str, int] = field(default_factory=dict)
    stated: Mapping[str, str] = field(default_factory=dict)
    no_archive: str = ""

    @property
    def replication_settings(self) -> dict[str, str]:
        """The replication settings of postgresql.conf, with their values as written there."""
        settings = {
            "wal_level": "replica",
            "max_wal_senders": "99",
            "max_replication_slots": "99",
            self.wal_keep: self.wal_keep_value,
            **self.stated,
        }
        return settings | ({"recovery_target_timeline": "'latest'"} if self.recovery_parameters else {})


def _by_major(*profiles: ChartProfile) -> dict[str, ChartProfile]:
    return {profile.major: profile for profile in profiles}


PROFILES = _by_major(
    ChartProfile(
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
    ChartProfile(
        major="12",
        chart_version="12.0.0",
        end_of_life=date(2024, 11, 21),
        wal_dump_quiet=False,
        wal_keep="wal_keep_segments",
        wal_keep_value=str(SEGMENTS_KEPT),
        bounds_slots=False,
        reloads_conninfo=False,
    ),
    ChartProfile(major="13", chart_version="13.0.0", end_of_life=date(2025, 11, 13)),
    ChartProfile(major="14", chart_version="14.0.0", end_of_life=date(2026, 11, 12)),
    ChartProfile(major="15", chart_version="15.0.0", end_of_life=date(2027, 11, 11)),
    ChartProfile(major="16", chart_version="16.0.0", end_of_life=date(2028, 11, 9)),
    ChartProfile(major="17", chart_version="17.0.0", end_of_life=date(2029, 11, 8)),
    ChartProfile(major="18", chart_version="18.0.0", end_of_life=date(2030, 11, 14)),
    ChartProfile(
        major="19",
        chart_version="19.0.0",
        end_of_life=date(2031, 11, 13),
        stated={"max_locks_per_transaction": "128"},
        no_archive="pgBackRest in the backup image does not support PostgreSQL 19 yet; archives, backups and restores need 18 or older",
    ),
)
"""The supported majors' profiles, by major, oldest first."""

USUAL = "18"
"""The major where nobody says which: the newest that has archives and backups (docs/majors.md)."""


def find(version: str) -> tuple[ChartProfile, str | None]:
    """Return the profile of a version, such as "16" or "16.4", and the image's tag if it names a release.

    Raises KeyError for anything else.
    """
    match = _VERSION.fullmatch(version)
    if match is None or match[1] not in PROFILES:
        raise KeyError(version)
    return PROFILES[match[1]], version if match[2] else None
