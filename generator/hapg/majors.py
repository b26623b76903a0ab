"""The majors of PostgreSQL: what differs between them, as data."""

from __future__ import annotations

from dataclasses import dataclass

SEGMENTS_KEPT = 32
SEGMENT_MEGABYTES = 16


@dataclass(frozen=True)
class Major:
    """One supported major and its chart.

    name: as in a spec, "15"; chart_version: of the chart, MAJOR.minor.patch; bin_directory: of the programs in the stock image;
    wal_directory: below PGDATA; standby_signal: a standby is marked by standby.signal (12 and later); wal_keep: the name of the
    parameter that keeps past WAL for replicas; wal_keep_value: its value in postgresql.conf.
    """

    name: str
    chart_version: str
    bin_directory: str
    wal_directory: str
    standby_signal: bool
    wal_keep: str
    wal_keep_value: str

    @property
    def bounds_slots(self) -> bool:
        """Whether the WAL that replication slots hold back can be bounded (13 and later); otherwise none are used."""
        return int(self.name.split(".")[0]) >= 13

    @property
    def facts(self) -> dict[str, str | bool]:
        """What the failover container is told about the major: `postgresMajor` of failover.json."""
        return {
            "major": self.name,
            "walDirectory": self.wal_directory,
            "binDirectory": self.bin_directory,
            "standbySignal": self.standby_signal,
            "walKeep": self.wal_keep,
        }

    @property
    def replication_settings(self) -> dict[str, str]:
        """Settings of replication for postgresql.conf, as they are written there."""
        return {
            "wal_level": "replica",
            "max_wal_senders": "99",
            "max_replication_slots": "99",
            self.wal_keep: self.wal_keep_value,
            "recovery_target_timeline": "'latest'",
        }


MAJORS = {
    "15": Major(
        name="15",
        chart_version="15.0.0",
        bin_directory="/usr/lib/postgresql/15/bin",
        wal_directory="pg_wal",
        standby_signal=True,
        wal_keep="wal_keep_size",
        wal_keep_value=f"'{SEGMENTS_KEPT * SEGMENT_MEGABYTES}MB'",
    ),
}
"""The supported majors by name."""

PLANNED = ("9.6", "12", "13", "14", "16", "17", "18")
"""Majors that are going to be supported."""
