"""What a primary says about its archive, from what its backup container has found."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hapg_protocol.archive_report import KINDS, ArchiveReport, Verified
from hapg_protocol.json_fields import Fields

from .state.actions import Announce
from .timing import ARCHIVE_FAILING_S, ARCHIVE_SHOWN_S, ARCHIVE_SILENT_S

SILENCE = "the backup container does not answer"


@dataclass(frozen=True)
class Archiving:
    """The state of archiving. failing: why WAL is not archived, '' if it is; misconfigured: why the settings can't be used, '' if they can;
    holes: what is missing in the archive; report: for the annotation, without these three.
    """

    failing: str = ""
    misconfigured: str = ""
    holes: tuple[str, ...] = ()
    report: ArchiveReport = field(default_factory=ArchiveReport)


def parse(text: str, now: float, wall: float) -> Archiving:
    """Return the state in `text`, what the container has written. now: CLOCK_BOOTTIME; wall: seconds since the epoch.

    Raise ValueError if it is malformed.
    """
    fields = Fields.parse(text, "state.json")
    failing, since = fields.text("failing"), fields.seconds("failing_since")
    if now - fields.seconds("at") > ARCHIVE_SILENT_S:
        failing = SILENCE
    elif wall - since < ARCHIVE_FAILING_S:
        failing = ""
    return Archiving(failing, fields.text("misconfigured"), fields.texts("holes"), _report(fields, wall))


def _report(fields: Fields, wall: float) -> ArchiveReport:
    """Return what the annotation says. A backup container of an earlier version tells less."""
    ended, record = fields.object("backups"), fields.object("record")
    return ArchiveReport(
        archived=fields.optional_text("archived") or "",
        archived_at=fields.seconds("archived_at", 0.0),
        waiting_since=wall - fields.seconds("oldest_s") if fields.integer("waiting", 0) else 0.0,
        timeout=fields.optional_seconds("timeout_s"),
        read_at=fields.seconds("checked_at", 0.0),
        backups={} if ended is None else {kind: ended.seconds(kind, 0.0) for kind in KINDS},
        verified=_verified(record, "verified"),
        failed=_verified(record, "failed"),
    )


def _verified(record: Fields | None, key: str) -> Verified | None:
    found = record.object(key) if record is not None else None
    if found is None:
        return None
    size, restore_s = found.seconds("size"), found.seconds("restore_s")
    return Verified(
        at=found.seconds("ended"),
        why=found.text("failure"),
        backup=found.text("backup"),
        seconds=restore_s + found.seconds("replay_s"),
        rate=size / restore_s if restore_s else 0.0,
    )


def news(told: Archiving, found: Archiving) -> tuple[Announce, ...]:
    """Return the Events for what has changed since the last ones. told: the state that they were about."""
    events = []
    if found.misconfigured and found.misconfigured != told.misconfigured:
        events.append(Announce("Warning", "ArchiveMisconfigured", found.misconfigured))
    if found.failing and not told.failing:
        events.append(Announce("Warning", "ArchivingFailed", f"WAL is kept and not archived: {found.failing}"))
    elif told.failing and not found.failing:
        events.append(Announce("Normal", "ArchivingResumed", "WAL is archived again"))
    if found.holes and found.holes != told.holes:
        missing = ", ".join(found.holes)
        events.append(Announce("Warning", "ArchiveHole", f"missing in the archive: {missing}; no restore gets past it: make a full backup"))
    failed, verified = found.report.failed, found.report.verified
    if failed is not None and failed != told.report.failed:
        events.append(Announce("Warning", "BackupNotVerified", _unverified(failed)))
    elif failed is None and told.report.failed is not None and verified is not None:
        events.append(
            Announce("Normal", "BackupVerified", f"the restore of {verified.backup} is verified, it took {verified.seconds:.0f} s")
        )
    return tuple(events)


def _unverified(failed: Verified) -> str:
    return f"the restore of {failed.backup or 'the latest backup'} is not verified: {failed.why}"


def annotation(found: Archiving) -> ArchiveReport:
    """Return the report with what is wrong."""
    return replace(found.report, trouble=found.misconfigured or found.failing, holes=found.holes)


def is_due(told: ArchiveReport | None, found: ArchiveReport, since_s: float) -> bool:
    """True if the annotation is to be written. told: what it says, None if nothing; since_s: seconds since it was written."""
    if told is None:
        return True
    steady = replace(told, archived=found.archived, archived_at=found.archived_at, waiting_since=found.waiting_since, read_at=found.read_at)
    return steady != found or (told != found and since_s > ARCHIVE_SHOWN_S)
