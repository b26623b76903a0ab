"""Archive, backups and verified restores in `hapg status`: lines, a document, warnings. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hapg.spec import cron
from hapg_protocol.archive_report import KINDS, ArchiveReport, Verified

GRACE_SECONDS = 7200.0
"""How much later than its schedule says a backup may end: its Job starts within an hour, and takes its time."""

_AS_GOOD = {"full": ("full",), "diff": ("full", "diff"), "incr": KINDS}
"""The kinds of backups that serve a schedule."""
_VERIFY = "verify"


@dataclass(frozen=True)
class ArchiveState:
    """What is known of a release's archive. report: of the primary's pod, None if there is none; now, created: of the release, in seconds
    since the epoch; schedules: of backups, by kind, and of the verification.
    """

    report: ArchiveReport | None
    now: float
    created: float = 0.0
    schedules: Mapping[str, str] = field(default_factory=dict)


def summary(state: ArchiveState) -> list[str]:
    """Return the lines of `hapg status`."""
    report, now = state.report, state.now
    if report is None:
        return ["archive   not known: no primary has reported on it"]
    archived = f"{report.archived} archived {_ago(report.archived_at, now)}" if report.archived else "nothing archived yet"
    if (rpo := _rpo(state)) is not None:
        archived += f"; the loss of all volumes would lose at most {_span(rpo)}"
    ended = [f"{kind} {_ago(report.backups[kind], now)}" for kind in KINDS if report.backups.get(kind)]
    backups = ", ".join(ended) or ("none" if report.read_at else "not known: the repository has not been read yet")
    return [f"archive   {archived}", f"backup    {backups}", f"verified  {_verified(report.verified, now)}"]


def _rpo(state: ArchiveState) -> int | None:
    """Return how many seconds of WAL a loss of all volumes would lose at most; None without a limit."""
    report = state.report
    if report is None or not report.archived or report.timeout is None:
        return None
    return round(report.timeout + (max(0.0, state.now - report.waiting_since) if report.waiting_since else 0.0))


def _verified(found: Verified | None, now: float) -> str:
    if found is None:
        return "no restore yet"
    return f"restore of {found.backup} {_ago(found.at, now)}, which took {_span(found.seconds)} ({found.rate / 1e6:.0f} MB/s)"


def document(state: ArchiveState) -> dict[str, Any]:
    """Return the same for programs. Times are seconds since the epoch, None for never or not known."""
    report = state.report or ArchiveReport()
    return {
        "known": state.report is not None,
        "lastArchived": report.archived or None,
        "lastArchivedAt": report.archived_at or None,
        "rpoSeconds": _rpo(state),
        "trouble": report.trouble or None,
        "holes": list(report.holes),
        "lastBackupAt": {kind: report.backups.get(kind) or None for kind in KINDS},
        "verifiedRestore": _outcome(report.verified),
        "failedRestore": _outcome(report.failed),
        "schedules": dict(state.schedules),
    }


def _outcome(found: Verified | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "at": found.at,
        "backup": found.backup or None,
        "failure": found.why or None,
        "seconds": found.seconds,
        "bytesPerSecond": found.rate,
    }


def warnings(state: ArchiveState) -> list[str]:
    """Return a sentence for each trouble."""
    report = state.report
    if report is None:
        return []
    found = []
    if report.trouble:
        found.append(f"WAL is not archived: {report.trouble}")
    if report.holes:
        found.append(f"the archive has holes: {', '.join(report.holes)}; take a full backup now, because no restore gets past them")
    if report.read_at and not any(report.backups.values()):
        found.append("there is no backup, so nothing can be restored; `hapg backup now` takes one")
    elif report.read_at:
        found += _late_backups(state, report)
    if (failed := report.failed) is not None:
        restore = f"the restore of {failed.backup or 'the latest backup'} {_ago(failed.at, state.now)}"
        found.append(f"{restore} is not verified: {failed.why}")
    elif report.read_at and any(report.backups.values()):
        found += _late_verification(state, report)
    return found


def _late_backups(state: ArchiveState, report: ArchiveReport) -> list[str]:
    found = []
    for kind, schedule in state.schedules.items():
        if kind in _AS_GOOD:
            last = max(report.backups.get(each, 0.0) for each in _AS_GOOD[kind])
            if _is_late(state, schedule, last):
                when = f"ended {_ago(last, state.now)}" if last else "was never made"
                words = {"full": "full backup", "diff": "differential or full backup", "incr": "backup"}[kind]
                found.append(f"the last {words} {when}, but its schedule is {schedule}: see the Jobs of its CronJob")
    return found


def _late_verification(state: ArchiveState, report: ArchiveReport) -> list[str]:
    schedule = state.schedules.get(_VERIFY, "")
    last = 0.0 if report.verified is None else report.verified.at
    if not schedule or not _is_late(state, schedule, last):
        return []
    when = f"since {_span(state.now - last)}" if last else "yet"
    return [f"no restore has been verified {when}, but its schedule is {schedule}: see the Jobs of its CronJob"]


def _is_late(state: ArchiveState, schedule: str, last: float) -> bool:
    """True if something ended longer ago than its schedule allows, or never since the release was created."""
    try:
        allowed = cron.longest_gap(schedule, datetime.fromtimestamp(state.now, UTC)) + GRACE_SECONDS
    except ValueError:  # of a newer chart
        return False
    return state.now - (last or state.created) > allowed


def _ago(at: float, now: float) -> str:
    return f"{_span(now - at)} ago"


def _span(seconds: float) -> str:
    """Return a duration in its two largest units."""
    left = max(0, round(seconds))
    for unit, size, smaller, rest in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if left >= size:
            more = left % size // rest
            return f"{left // size} {unit}" + (f" {more} {smaller}" if more else "")
    return f"{left} s"
