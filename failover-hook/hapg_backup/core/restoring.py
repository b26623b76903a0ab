"""A restore: which backup it begins with, how pgBackRest is called, and whether recovery has ended where it should."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from hapg_protocol.lsn import format_lsn, parse_lsn

from .backups import Backup
from .errors import Misconfigured
from .lineage import Lineage
from .settings import Restore
from .wal_names import Segment

STOPPED = re.compile(r"recovery stopping ")
"""The server's line when it has reached a target (xlogrecovery.c)."""


@dataclass(frozen=True)
class Plan:
    """A restore that is under way. stanza: the source's; backup: the label to begin with; lineage: of the target timeline."""

    stanza: str
    backup: str
    lineage: Lineage


def of_major(backups: Iterable[Backup], major: str, stanza: str, label: str) -> list[Backup]:
    """Return the backups that a server of this major can use. label: the one that was named, '' for none.

    Raise Misconfigured if that one is of another major, or all are.
    """
    there = list(backups)
    found = [each for each in there if each.version in ("", major)]
    named = [each.version for each in there if each.label == label and each not in found]
    if named or (there and not found):
        what = f"the backup {label} is" if named else f"the backups of {stanza} are"
        raise Misconfigured(f"{what} of PostgreSQL {(named or [there[-1].version])[0]}, this is the chart of PostgreSQL {major}")
    return found


def choose(restore: Restore, backups: Iterable[Backup], lineage: Lineage) -> Backup:
    """Return the newest backup from which the target can be reached. Raise Misconfigured if there is none, saying what is there.

    lineage: of the target timeline. A backup whose end isn't on it was made by a primary that was lost; it leads nowhere.
    """
    there = list(backups)
    if restore.backup:
        named = next((each for each in there if each.label == restore.backup), None)
        if named is None:
            raise Misconfigured(f"there is no backup {restore.backup}; there are {', '.join(each.label for each in there) or 'none'}")
        if not lineage.has_position(named.timeline, named.stop):
            raise Misconfigured(f"the backup {named.label} is not on the history of timeline {lineage.timeline}")
        return named
    usable = [each for each in there if lineage.has_position(each.timeline, each.stop)]
    if not usable:
        raise Misconfigured(f"there is no backup from which timeline {lineage.timeline} can be reached")
    early = [each for each in usable if _ends_before_target(restore, each)]
    if not early:
        raise Misconfigured(f"the first backup, {usable[0].label}, ended after the target {restore.words}: choose a later target")
    return max(early, key=lambda each: each.stop)


def _ends_before_target(restore: Restore, backup: Backup) -> bool:
    if restore.type == "time":
        return backup.ended + 1 <= datetime.fromisoformat(restore.target).timestamp()  # its end is given in whole seconds
    if restore.type == "lsn":
        return backup.stop <= parse_lsn(restore.target)
    return True


def arguments(restore: Restore, plan: Plan, command: str) -> list[str]:
    """Return the options of `pgbackrest restore`. command: the restore_command.

    The timeline is always named: PostgreSQL's `latest` counts up from the backup's timeline and ends at the first number that was skipped.
    """
    found = [f"--set={plan.backup}", f"--recovery-option=restore_command={command}"]
    if restore.type == "immediate":  # pgBackRest takes no timeline then; the end of a backup is on its own
        return [*found, "--type=immediate", "--target-action=promote"]
    found.append(f"--target-timeline={plan.lineage.timeline}")
    if restore.type == "latest":
        return [*found, "--type=default"]
    found += [f"--type={restore.type}", "--target-action=promote", f"--target={restore.target}"]
    if not restore.inclusive and restore.type in ("time", "lsn", "xid"):
        found.append("--target-exclusive")
    return found


def misses(restore: Restore, plan: Plan, parent: int, end: int, log: str, last: Segment | None, size: int) -> str:
    """Return why recovery has not ended where it should, '' if it has.

    parent, end: the timeline that recovery ended on, and the LSN in bytes; log: the server's; last: the last segment of the history that is
    archived; size: of a segment, in bytes.
    """
    if not plan.lineage.has_position(parent, end):
        return f"recovery ended on timeline {parent} at {format_lsn(end)}, which is not on the history of timeline {plan.lineage.timeline}"
    if restore.type == "latest":
        if last is not None and max(0, end - 1) // size < last.number:
            return f"recovery ended at {format_lsn(end)}, before the archive's last segment, {last.name(size)}"
        return ""
    if not STOPPED.search(log):
        return f"recovery ended at {format_lsn(end)}, before the target {restore.words} was reached{_hint(restore)}"
    return ""


def _hint(restore: Restore) -> str:
    """Return what may help: only times and LSNs say which backup lies before them."""
    return "; if it lies before the newest backup, set restore.backup to an earlier one" if restore.type in ("name", "xid") else ""
