"""Checks of the answers that writers got, and of the rows in the table."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from tests.robustness.traffic.writers import Append, Log


def lost(log: Log, present: Iterable[int]) -> list[int]:
    """Acknowledged ids that are missing, in order of acknowledgement."""
    there = set(present)
    return [append.id for append in log.acknowledged if append.id not in there]


def is_one_tail(log: Log, missing: list[int], timeline: int) -> bool:
    """True if the lost ids are the very last ones acknowledged on a timeline: nothing is missing before an existing row."""
    on_timeline = [append.id for append in log.acknowledged if append.timeline == timeline]
    return not missing or on_timeline[-len(missing) :] == missing


def unexpected(log: Log, present: Iterable[int]) -> list[int]:
    """Ids that exist though they were refused, or more than once."""
    seen: set[int] = set()
    refused = set(log.refused)
    wrong = []
    for id in present:
        if id in refused or id in seen:
            wrong.append(id)
        seen.add(id)
    return wrong


@dataclass(frozen=True)
class Late:
    """An acknowledgement on an older timeline after the first one on a newer timeline."""

    append: Append
    first: Append

    def __str__(self) -> str:
        old, new, seconds = self.append, self.first, self.append.end - self.first.end
        return f"{old.server} acknowledged on timeline {old.timeline} {seconds:.3f} s after {new.server} had begun with {new.timeline}"


def late(logs: Iterable[Log]) -> list[Late]:
    """Acknowledgements by an old server after the new one's first: two servers took writes. The new one has the higher timeline or, on
    the same timeline, started later.
    """
    appends = sorted((append for log in logs for append in log.acknowledged), key=lambda append: append.end)
    newest: Append | None = None
    began: set[tuple[int, str]] = set()
    found = []
    for append in appends:
        who = (append.timeline, append.server)
        if newest is None or append.timeline > newest.timeline or (append.timeline == newest.timeline and who not in began):
            newest = append
        elif who != (newest.timeline, newest.server):
            found.append(Late(append, newest))
        began.add(who)
    return found


def servers(logs: Iterable[Log]) -> dict[int, set[str]]:
    """Which servers acknowledged on each timeline."""
    found: dict[int, set[str]] = {}
    for log in logs:
        for append in log.acknowledged:
            found.setdefault(append.timeline, set()).add(append.server)
    return found


def shared_timelines(logs: Iterable[Log]) -> list[str]:
    """The timelines on which more than one server acknowledged."""
    return [f"timeline {number} has servers {sorted(who)}" for number, who in servers(logs).items() if len(who) > 1]


def broken_tail(log: Log, missing: list[int], timeline: int) -> list[str]:
    """Ids that are lost and aren't the very last ones of a timeline."""
    return (
        [] if is_one_tail(log, missing, timeline) else [f"{log.writer}: what is lost isn't one tail of timeline {timeline}: {missing[:20]}"]
    )


def unexplained(log: Log, present: Iterable[int]) -> list[str]:
    """Ids that must not exist, or exist twice."""
    wrong = unexpected(log, present)
    return [f"{log.writer}: there though refused, or twice: {wrong[:20]}"] if wrong else []


def holes(log: Log, missing: Collection[int]) -> list[int]:
    """The missing ids that were acknowledged before an existing one, on the same timeline."""
    found, kept = [], set()
    gone = set(missing)
    for append in reversed(log.acknowledged):
        if append.id not in gone:
            kept.add(append.timeline)
        elif append.timeline in kept:
            found.append(append.id)
    return found[::-1]
