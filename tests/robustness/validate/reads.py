"""Checks of the rows that a reader saw."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping

from tests.robustness.traffic import readers, writers
from tests.robustness.traffic.readers import Reading


def backwards(log: readers.Log) -> list[str]:
    """Readings that show less than an earlier one on the same timeline."""
    wrong = []
    for timeline in {each.timeline for each in log.readings} - {None}:
        for before, after in itertools.pairwise(each for each in log.readings if each.timeline == timeline):
            if after.count < before.count or after.max < before.max:
                shown = f"{before.count} rows up to {before.max}, then {after.count} up to {after.max}"
                wrong.append(f"{log.reader}: read on timeline {timeline}: {shown}")
    return wrong


def impossible(log: readers.Log, written: writers.Log) -> list[str]:
    """Ids that were read though they were refused or never written."""
    tried = {append.id for append in written.acknowledged} | set(written.uncertain) | {0}
    ids = sorted({each.max for each in log.readings} - tried)
    return [f"{log.reader}: read though refused, or never written: {ids[:20]}"] if ids else []


def gone(log: readers.Log, present: Iterable[int]) -> list[Reading]:
    """The first reading on a primary of each id that was read there and is now missing, by id."""
    there = {0, *present}
    first: dict[int, Reading] = {}
    for each in log.readings:
        if each.timeline is not None and each.max not in there:
            first.setdefault(each.max, each)
    return [first[id] for id in sorted(first)]


def outside_the_tail(missing: Iterable[Reading], logs: Iterable[writers.Log], present: Mapping[str, Iterable[int]]) -> list[str]:
    """Rows that were read and are missing, though another row exists that was sent later on the same timeline: they were not lost as
    unreplicated WAL."""
    kept = [append for log in logs for there in [set(present[log.writer])] for append in log.acknowledged if append.id in there]
    wrong = []
    for reading in missing:
        later = [append for append in kept if append.timeline == reading.timeline and append.begin > reading.end]
        if later:
            seconds = later[0].begin - reading.end
            wrong.append(f"{reading.max} was read on timeline {reading.timeline} and is gone; what was sent {seconds:.3f} s later is there")
    return wrong
