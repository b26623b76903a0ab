"""What a reading client was told of a writer's rows, and what follows from it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tests.robustness.traffic import writes
from tests.robustness.traffic.sessions import script

SCRIPT = script("reader.sh")
INDEX = "CREATE INDEX IF NOT EXISTS appends_of_writer ON appends (writer, id)"
"""With it a reading costs little, however many rows there are."""


@dataclass(frozen=True)
class Reading:
    """A writer's rows as a server showed them: how many, the highest id, when that was asked and answered (the client's clock), and the
    timeline on which the server writes, None if it is a standby.
    """

    begin: float
    end: float
    count: int
    max: int
    timeline: int | None


@dataclass
class Log:
    """Everything that one reader was told, in order. failures: attempts of any kind that failed."""

    reader: str
    readings: list[Reading] = field(default_factory=list)
    failures: int = 0
    complete: bool = False

    def note(self, line: str) -> None:
        """Take a line of reader.sh."""
        match line.split():
            case ["ok", begin, end, count, max, timeline]:
                number = None if timeline == "-" else int(timeline, 16)
                self.readings.append(Reading(float(begin), float(end), int(count), int(max), number))
            case ["no", _, _, _] | ["maybe" | "down", _, _]:
                self.failures += 1
            case ["end"]:
                self.complete = True
            case _:
                raise ValueError(f"not a line of reader.sh: {line!r}")


def backwards(log: Log) -> list[str]:
    """Readings that show less than an earlier one on the same timeline."""
    wrong = []
    for timeline in {each.timeline for each in log.readings} - {None}:
        for before, after in itertools.pairwise(each for each in log.readings if each.timeline == timeline):
            if after.count < before.count or after.max < before.max:
                shown = f"{before.count} rows up to {before.max}, then {after.count} up to {after.max}"
                wrong.append(f"{log.reader}: read on timeline {timeline}: {shown}")
    return wrong


def impossible(log: Log, written: writes.Log) -> list[str]:
    """Ids that were read though they were refused, or never written."""
    tried = {append.id for append in written.acknowledged} | set(written.uncertain) | {0}
    ids = sorted({each.max for each in log.readings} - tried)
    return [f"{log.reader}: read though refused, or never written: {ids[:20]}"] if ids else []


def gone(log: Log, present: Iterable[int]) -> list[Reading]:
    """The first reading on a primary of each id that was read there and isn't there any more, by id."""
    there = {0, *present}
    first: dict[int, Reading] = {}
    for each in log.readings:
        if each.timeline is not None and each.max not in there:
            first.setdefault(each.max, each)
    return [first[id] for id in sorted(first)]


def outside_the_tail(missing: Iterable[Reading], logs: Iterable[writes.Log], present: Mapping[str, Iterable[int]]) -> list[str]:
    """Rows that were read and are gone though another one that was sent later, to the same timeline, is there: that isn't the lost tail."""
    kept = [append for log in logs for there in [set(present[log.writer])] for append in log.acknowledged if append.id in there]
    wrong = []
    for reading in missing:
        later = [append for append in kept if append.timeline == reading.timeline and append.begin > reading.end]
        if later:
            seconds = later[0].begin - reading.end
            wrong.append(f"{reading.max} was read on timeline {reading.timeline} and is gone; what was sent {seconds:.3f} s later is there")
    return wrong
