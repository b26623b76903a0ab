"""The archive and the backups of a release, as the container `backup` describes them: a table, warnings. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hapg.operate.release import OperateError

CONTAINER = "backup"
PROGRAM = ("hapg-backup", "request")
AGAIN, MISCONFIGURED = 75, 78
"""Exit codes of a request: it may succeed later; the configuration is wrong. Others are a failure's."""

TYPES = ("full", "diff", "incr")
OLD_SECONDS = 300.0
"""WAL that has waited for so long to be archived is worth a warning."""

HEAD = ("LABEL", "TYPE", "STARTED", "SECONDS", "SIZE", "STORED", "TIMELINE", "END")


@dataclass(frozen=True)
class Backup:
    """One backup. begun, ended: seconds since the epoch; size, stored: bytes of the database, and in the repository; major: of PostgreSQL,
    "" if not known.
    """

    label: str
    type: str
    begun: float
    ended: float
    size: int
    stored: int
    timeline: int
    stop: str
    error: bool
    major: str = ""


@dataclass(frozen=True)
class Archive:
    """What the container `backup` of one pod says of the archive.

    last: the last archived segment, "" if none; last_at: when, None if unknown; failing: why archiving fails, "" if it does not;
    waiting: segments; oldest: seconds that the oldest of them has waited; holes: segments that are missing; backups: oldest first, None
    if the repository can't be read; verified: the last verified restore; not_verified: one that failed after it; major: of the server's
    data, "" if not known.
    """

    stanza: str
    role: str
    problem: str
    last: str
    last_at: float | None
    failing: str
    waiting: int
    oldest: float
    holes: tuple[str, ...]
    backups: tuple[Backup, ...] | None
    verified: Mapping[str, Any] | None
    not_verified: Mapping[str, Any] | None
    document: Mapping[str, Any]
    major: str = ""

    @property
    def restorable(self) -> tuple[Backup, ...]:
        """The backups that can be restored, each with the chart of its major."""
        return tuple(backup for backup in self.backups or () if not backup.error)

    @property
    def sound(self) -> tuple[Backup, ...]:
        """The backups that the release's own chart can restore."""
        return tuple(backup for backup in self.restorable if backup.major == self.major)


def read(lines: Sequence[str]) -> Archive:
    """Return the archive from the output of the request `info`: one JSON document. Raise OperateError if it is none."""
    for line in reversed(lines):
        try:
            found = json.loads(line)
            return _archive(found)
        except (ValueError, KeyError, TypeError):
            continue
    raise OperateError("the container `backup` gave no description of the archive: " + (lines[-1] if lines else "no output"))


def _archive(found: Mapping[str, Any]) -> Archive:
    archiving = found["archiving"]
    return Archive(
        stanza=found["stanza"],
        role=found["role"],
        problem=found["problem"],
        last=archiving["lastArchived"] or (found["archive"] or {}).get("last") or "",
        last_at=archiving["lastArchivedAt"],
        failing=archiving["failing"],
        waiting=archiving["waiting"],
        oldest=archiving["oldestWaitingSeconds"],
        holes=tuple((found.get("continuity") or {}).get("holes") or ()),
        backups=None if found["backups"] is None else tuple(_backup(each) for each in found["backups"]),
        verified=(found.get("verification") or {}).get("verified"),
        not_verified=(found.get("verification") or {}).get("failed"),
        document=found,
        major=found.get("major", ""),
    )


def _backup(found: Mapping[str, Any]) -> Backup:
    return Backup(
        label=found["label"],
        type=found["type"],
        begun=found["startedAt"],
        ended=found["endedAt"],
        size=found["bytes"],
        stored=found["repositoryBytes"],
        timeline=found["timeline"],
        stop=found["stopLsn"],
        error=found["error"],
        major=found.get("version", ""),
    )


def failure(code: int, last: str) -> str:
    """Return a sentence for the exit code of a request that failed. last: its last line of output."""
    why = f": {last}" if last else ""
    if code == AGAIN:
        return f"not possible now{why}; try again once the release has a primary and no other backup runs"
    if code == MISCONFIGURED:
        return f"the archiver's configuration is wrong{why}; correct its values or its Secret"
    return f"failed with exit code {code}{why}"


def table(archive: Archive, pod: str, now: float) -> str:
    """Return the output of `hapg backup list`. now: seconds since the epoch."""
    rows = [HEAD, *(_row(backup, archive.major) for backup in archive.backups or ())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*_summary(archive, pod, now), "", *lines, *(f"warning: {text}" for text in warnings(archive))])


def _summary(archive: Archive, pod: str, now: float) -> list[str]:
    archived = archive.last or "nothing"
    if archive.last_at is not None:
        archived += f", {max(0.0, now - archive.last_at):.0f} s ago"
    unknown = "no backup yet" if archive.backups is not None else "unknown, because the repository can't be read"
    since = min((backup.ended for backup in archive.sound), default=None)
    return [
        f"stanza    {archive.stanza or 'none yet'}, seen by {pod} ({archive.role})",
        f"archived  {archived}; {archive.waiting} segments wait",
        f"restore   {unknown if since is None else f'any point from {shown_time(since)} on'}",
        f"verified  {_verified(archive.verified)}",
    ]


def _verified(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "no restore yet"
    seconds = found["restoreSeconds"] + found["replaySeconds"]
    checks = ", ".join(found["checks"])
    return f"restore of {found['backup']} up to {found['lsn']}, {shown_time(found['endedAt'])}, in {seconds:.0f} s; checked: {checks}"


def _row(backup: Backup, major: str) -> tuple[str, ...]:
    seconds = f"{backup.ended - backup.begun:.0f}"
    size, stored = _bytes(backup.size), _bytes(backup.stored)
    kind = f"{backup.type} (damaged)" if backup.error else backup.type
    if backup.major != major:
        kind += f" of PostgreSQL {backup.major}"
    return backup.label, kind, shown_time(backup.begun), seconds, size, stored, str(backup.timeline), backup.stop


def shown_time(seconds: float) -> str:
    """Return a time as a restore's target takes it: UTC, with its offset, in whole seconds."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}+00"


def _bytes(number: int) -> str:
    size = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def warnings(archive: Archive) -> list[str]:
    """Return a sentence for each trouble."""
    found = []
    if archive.problem:
        found.append(archive.problem)
    if archive.failing:
        found.append(f"archiving fails: {archive.failing}")
    if archive.waiting and archive.oldest > OLD_SECONDS:
        found.append(f"{archive.waiting} segments wait to be archived, the oldest for {archive.oldest:.0f} s")
    if archive.holes:
        found.append(f"the archive has holes: {', '.join(archive.holes)}; take a full backup now, because no restore gets past them")
    if archive.backups is not None and not archive.sound:
        of_major = f" of PostgreSQL {archive.major}" if archive.restorable else ""
        found.append(f"there is no backup{of_major}, so nothing can be restored; `hapg backup now` takes one")
    if archive.not_verified is not None:
        found.append(f"a restore was not verified, {shown_time(archive.not_verified['endedAt'])}: {archive.not_verified['failure']}")
    return found
