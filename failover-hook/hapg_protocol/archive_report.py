"""What the primary's pod says of its archive and backups: an annotation, one JSON object (docs/contract.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .json_fields import Fields, dump

ANNOTATION = "ha-postgres/archive"
KINDS = ("full", "diff", "incr")


@dataclass(frozen=True)
class Verified:
    """A restore that was verified or failed. at: when it ended; why: it failed, '' if it did not; backup: its label, '' if not known;
    seconds: it took without its checks; rate: bytes of the database that it restored per second.
    """

    at: float
    why: str = ""
    backup: str = ""
    seconds: float = 0.0
    rate: float = 0.0


@dataclass(frozen=True)
class ArchiveReport:
    """The state of an archive. All times are seconds since the epoch, 0 for never or not known.

    archived: the last archived segment, at archived_at; waiting_since: when the oldest finished segment began to wait, 0 if none waits;
    timeout: seconds that a segment stays unfinished at most, None: without a limit; trouble: why nothing is archived, '' if all is well;
    holes: missing segments, in words; read_at: when the repository was last read; backups: the end of the last backup of each of KINDS;
    verified: the last verified restore; failed: a failure after it.
    """

    archived: str = ""
    archived_at: float = 0.0
    waiting_since: float = 0.0
    timeout: float | None = None
    trouble: str = ""
    holes: tuple[str, ...] = ()
    read_at: float = 0.0
    backups: Mapping[str, float] = field(default_factory=dict)
    verified: Verified | None = None
    failed: Verified | None = None


def encode(report: ArchiveReport) -> str:
    """Return the annotation's value."""
    return dump(
        {
            "archived": report.archived,
            "archivedAt": round(report.archived_at),
            "waitingSince": round(report.waiting_since),
            "timeout": report.timeout,
            "trouble": report.trouble,
            "holes": list(report.holes),
            "readAt": round(report.read_at),
            "backups": {kind: round(at) for kind, at in report.backups.items()},
            "verified": _encode(report.verified),
            "failed": _encode(report.failed),
        }
    )


def _encode(found: Verified | None) -> Mapping[str, object] | None:
    if found is None:
        return None
    numbers = {"at": round(found.at), "seconds": round(found.seconds, 1), "bytesPerSecond": round(found.rate)}
    return {**numbers, "why": found.why, "backup": found.backup}


def decode(text: str) -> ArchiveReport:
    """Return the report in the annotation's value. Raise ValueError, naming the field, if it is unreadable."""
    fields = Fields.parse(text, ANNOTATION)
    ended = fields.object("backups")
    return ArchiveReport(
        archived=fields.text("archived"),
        archived_at=fields.seconds("archivedAt"),
        waiting_since=fields.seconds("waitingSince"),
        timeout=fields.optional_seconds("timeout"),
        trouble=fields.text("trouble"),
        holes=fields.texts("holes"),
        read_at=fields.seconds("readAt"),
        backups={} if ended is None else {kind: ended.seconds(kind, 0.0) for kind in KINDS},
        verified=_decode(fields.object("verified")),
        failed=_decode(fields.object("failed")),
    )


def _decode(fields: Fields | None) -> Verified | None:
    if fields is None:
        return None
    return Verified(
        fields.seconds("at"), fields.text("why"), fields.text("backup"), fields.seconds("seconds"), fields.seconds("bytesPerSecond")
    )
