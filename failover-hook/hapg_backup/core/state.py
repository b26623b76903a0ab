"""What the container knows about archive and backups, for the agent, for metrics and for `info`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from .verification import Record

PREFIX = "ha_postgres_"
KINDS = ("full", "diff", "incr")


@dataclass(frozen=True)
class State:
    """What is known at one moment.

    at: CLOCK_BOOTTIME in seconds; role: of the server: primary, standby or down; stanza: '' while not known; misconfigured,
    failing: why nothing can be archived, or the last push failed, '' if all is well; failing_since, archived_at: seconds since the epoch,
    0 if not; archived: the last segment that is known to be archived; waiting: how many files wait, the oldest for `oldest_s` seconds;
    holes: in words; missing: number of missing segments; checked_at: of the continuity check; backups: the end of the last backup of each
    kind; running: the kind of the running backup, '' for none; failed_backups: since the container's start; timeout_s: how
    long a segment stays unfinished at most, None: without a limit; record: of verified restores.
    """

    at: float = 0.0
    role: str = "down"
    stanza: str = ""
    misconfigured: str = ""
    failing: str = ""
    failing_since: float = 0.0
    archived: str = ""
    archived_at: float = 0.0
    waiting: int = 0
    oldest_s: float = 0.0
    holes: tuple[str, ...] = ()
    missing: int = 0
    checked_at: float = 0.0
    backups: Mapping[str, int] = field(default_factory=dict)
    running: str = ""
    failed_backups: int = 0
    timeout_s: float | None = None
    record: Record = field(default_factory=Record)

    @property
    def rpo_s(self) -> float:
        """How old the oldest WAL is at most, in seconds, that a loss of all volumes would lose; infinite while nothing limits it."""
        return self.oldest_s + self.timeout_s if self.archived and self.timeout_s is not None else float("inf")


def encode(state: State) -> bytes:
    """Return the state as the agent reads it."""
    return json.dumps(asdict(state)).encode() + b"\n"


@dataclass(frozen=True)
class Metric:
    """A metric. name: without PREFIX; help: a sentence; kind: of the Prometheus types."""

    name: str
    help: str
    kind: str = "gauge"


METRICS = (
    Metric("archive_last_archived_timestamp_seconds", "When the last segment was archived, if this pod knows; else 0."),
    Metric("archive_failing", "1 while the primary's WAL cannot be archived."),
    Metric("archive_waiting_files", "WAL files of this pod that are not known to be archived."),
    Metric("archive_oldest_waiting_seconds", "How long the oldest of them has been waiting."),
    Metric("archive_rpo_seconds", "How much a loss of all volumes would lose now at most; +Inf without a limit. Known to the primary."),
    Metric("archive_missing_segments", "Segments that a restore to the archive's end needs and that are missing, at the last check."),
    Metric("backup_last_timestamp_seconds", "When the last backup of each type ended; 0 if there is none. Known to the primary."),
    Metric("backup_running", "1 while a backup is made."),
    Metric("backup_failures_total", "Backups that failed since the container's start.", "counter"),
    Metric("backup_verified_timestamp_seconds", "When a restore was last verified; 0 if never. Known to the primary."),
    Metric("backup_verification_failed", "1 if the last restore that was to be verified failed."),
    Metric("backup_verified_restore_seconds", "How long the last verified restore took, without its checks."),
    Metric("backup_verified_restore_bytes_per_second", "Bytes of the database that it restored per second."),
)


def render(state: State) -> str:
    """Return the metrics in the Prometheus text format."""
    verified = state.record.verified
    values: dict[str, object] = {
        "archive_last_archived_timestamp_seconds": f"{state.archived_at:.0f}",
        "archive_failing": int(bool(state.failing or state.misconfigured) and state.role == "primary"),
        "archive_waiting_files": state.waiting,
        "archive_oldest_waiting_seconds": f"{state.oldest_s:.0f}",
        "archive_rpo_seconds": _number(state.rpo_s if state.role == "primary" else 0.0),
        "archive_missing_segments": state.missing,
        "backup_last_timestamp_seconds": {kind: state.backups.get(kind, 0) for kind in KINDS},
        "backup_running": int(bool(state.running)),
        "backup_failures_total": state.failed_backups,
        "backup_verified_timestamp_seconds": f"{verified.ended:.0f}" if verified is not None else 0,
        "backup_verification_failed": int(state.record.failed is not None),
        "backup_verified_restore_seconds": f"{verified.rto_s:.1f}" if verified is not None else 0,
        "backup_verified_restore_bytes_per_second": f"{verified.rate:.0f}" if verified is not None else 0,
    }
    return "".join(_text(metric, values[metric.name]) for metric in METRICS)


def _number(value: float) -> str:
    return "+Inf" if value == float("inf") else f"{value:.0f}"


def _text(metric: Metric, value: object) -> str:
    name = PREFIX + metric.name
    values = value.items() if isinstance(value, Mapping) else [("", value)]
    lines = [f'{name}{{type="{label}"}} {each}' if label else f"{name} {each}" for label, each in values]
    return "\n".join([f"# HELP {name} {metric.help}", f"# TYPE {name} {metric.kind}", *lines]) + "\n"
