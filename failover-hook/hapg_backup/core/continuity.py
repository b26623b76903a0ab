"""Whether an archive has every segment that a restore to its end needs. `pgbackrest verify` doesn't notice a hole."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from .lineage import Lineage
from .wal_names import Segment


@dataclass(frozen=True)
class Hole:
    """Segments that are missing one after the other: the first and the last."""

    first: Segment
    last: Segment

    @property
    def segments(self) -> int:
        """How many are missing."""
        return self.last.number - self.first.number + 1

    def words(self, size: int) -> str:
        """Return the names. size: of a segment, in bytes."""
        return self.first.name(size) if self.first == self.last else f"{self.first.name(size)} to {self.last.name(size)}"


def holes(
    lineage: Lineage, start: Segment, archived: Mapping[int, Collection[int]], size: int, coming: Collection[Segment] = ()
) -> list[Hole]:
    """Return what is missing from `start`, the first segment of the oldest backup, to the last archived segment of the newest timeline.

    lineage: of the newest timeline; archived: numbers of the segments, by timeline; size: of a segment, in bytes; coming: segments that a
    server still has and is about to archive. A start that is not on the lineage belongs to a backup of a dead end: then the archive has to
    be whole from the fork on, which no backup covers, so the result is one hole at the start.
    """
    if not lineage.has(start, size):
        return [Hole(start, start)]
    found: list[Hole] = []
    number = start.number
    for timeline in lineage.timelines[lineage.timelines.index(start.timeline) :]:
        bounds = lineage.bounds(timeline, size)
        assert bounds is not None
        there = set(archived.get(timeline, ()))
        end = bounds[1] if bounds[1] is not None else max(there, default=-1) + 1
        while number < end:
            segment = Segment(timeline, number)
            if number not in there and segment not in coming:
                last = found[-1].last if found else None
                if last is not None and last.timeline == timeline and last.number == number - 1:
                    found[-1] = Hole(found[-1].first, segment)
                else:
                    found.append(Hole(segment, segment))
            number += 1
    return found


def follows(segment: Segment, lineage: Lineage, archived: Mapping[int, Collection[int]], size: int) -> Segment | None:
    """Return a segment of the history that comes after `segment` and is archived, None if there is none.

    If `segment` itself is missing, that one shows that the archive doesn't end there but has a hole.
    """
    later = (
        Segment(timeline, number)
        for timeline in lineage.timelines
        for number in archived.get(timeline, ())
        if number > segment.number and lineage.has(Segment(timeline, number), size)
    )
    return min(later, key=lambda each: each.number, default=None)
