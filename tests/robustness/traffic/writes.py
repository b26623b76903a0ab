"""What a writing client was told, and what follows from it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field

TABLE = "CREATE TABLE IF NOT EXISTS appends (writer text, id bigint)"


@dataclass(frozen=True)
class Append:
    """An acknowledged row: when its statement was sent and answered (the client's clock), by whom, on which timeline."""

    id: int
    begin: float
    end: float
    server: str
    timeline: int


@dataclass
class Log:
    """Everything that one writer was told, in order. warned: how many of the uncertain ones were acknowledged with a WARNING."""

    writer: str
    acknowledged: list[Append] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    uncertain: list[int] = field(default_factory=list)
    no_session: int = 0
    warned: int = 0
    complete: bool = False
    failures: int = 0
    unbroken: int = 0
    """Attempts of any kind that failed, and how many rows have been acknowledged since the last of them."""

    def note(self, line: str) -> None:
        """Take a line of writer.sh."""
        words = line.split()
        match words:
            case ["ok", id, begin, end, server, timeline]:
                self.acknowledged.append(Append(int(id), float(begin), float(end), server, int(timeline, 16)))
            case ["no", id, _, _, _]:
                self.refused.append(int(id))
            case ["maybe", id, _, _, *why]:
                self.uncertain.append(int(id))
                self.warned += why == ["warned"]
            case ["down", _, _]:
                self.no_session += 1
            case ["end"]:
                self.complete = True
            case _:
                raise ValueError(f"not a line of writer.sh: {line!r}")
        if words[0] == "ok":
            self.unbroken += 1
        elif words[0] != "end":
            self.failures, self.unbroken = self.failures + 1, 0

    @property
    def gap(self) -> float:
        """The longest time between two acknowledgements, in seconds."""
        begin, end = self.pause
        return end - begin

    @property
    def pause(self) -> tuple[float, float]:
        """When the longest time between two acknowledgements began and ended; twice 0 for less than two."""
        return self.pause_after(0.0)

    def pause_after(self, moment: float) -> tuple[float, float]:
        """The longest of those that end after this moment, in seconds since the epoch."""
        times = [append.end for append in self.acknowledged]
        pairs = (pair for pair in itertools.pairwise(times) if pair[1] > moment)
        return max(pairs, key=lambda pair: pair[1] - pair[0], default=(0.0, 0.0))

    @property
    def per_second(self) -> float:
        """Acknowledged rows a second, the gap left out."""
        if len(self.acknowledged) < 2:
            return 0.0
        return (len(self.acknowledged) - 1) / max(self.acknowledged[-1].end - self.acknowledged[0].end - self.gap, 1e-6)


def lost(log: Log, present: Iterable[int]) -> list[int]:
    """Acknowledged ids that aren't there, in the order of their acknowledgement."""
    there = set(present)
    return [append.id for append in log.acknowledged if append.id not in there]


def is_one_tail(log: Log, missing: list[int], timeline: int) -> bool:
    """Whether the lost ids are the very last ones that were acknowledged on a timeline: nothing is missing before what is there."""
    on_timeline = [append.id for append in log.acknowledged if append.timeline == timeline]
    return not missing or on_timeline[-len(missing) :] == missing


def unexpected(log: Log, present: Iterable[int]) -> list[int]:
    """Ids that are there though they were refused, or more than once."""
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
    """An acknowledgement on an older timeline after the first one on a newer."""

    append: Append
    first: Append

    def __str__(self) -> str:
        old, new, seconds = self.append, self.first, self.append.end - self.first.end
        return f"{old.server} acknowledged on timeline {old.timeline} {seconds:.3f} s after {new.server} had begun with {new.timeline}"


def late(logs: Iterable[Log]) -> list[Late]:
    """Acknowledgements by an old server after the new one's first: two servers took writes. The new one has the higher timeline, or of
    two on the same timeline it is the one that began later.
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
