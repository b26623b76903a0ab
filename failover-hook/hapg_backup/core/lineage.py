"""Which WAL is part of a timeline's history. All other WAL is a dead end: a lost primary wrote it alone, and no recovery may read it."""

from __future__ import annotations

from dataclasses import dataclass

from hapg_protocol import wal_files

from .wal_names import Segment


@dataclass(frozen=True)
class Lineage:
    """The history of `timeline`. parents: the earlier timelines, oldest first, and the LSN in bytes at which each was left."""

    timeline: int
    parents: tuple[tuple[int, int], ...] = ()

    @property
    def timelines(self) -> tuple[int, ...]:
        """All timelines of the history, oldest first."""
        return (*(timeline for timeline, _ in self.parents), self.timeline)

    def bounds(self, timeline: int, size: int) -> tuple[int, int | None] | None:
        """Return the numbers of the first segment that the history has of `timeline`, and of the first one that it no longer has.

        The second is None for the newest timeline. None: the timeline is not part of the history. size: of a segment, in bytes. The segment
        in which a timeline ends is part of the next one, because PostgreSQL copies its beginning there (xlog.c, XLogInitNewTimeline).
        """
        first = 0
        for each, fork in self.parents:
            if each == timeline:
                return first, fork // size
            first = fork // size
        return (first, None) if timeline == self.timeline else None

    def has(self, segment: Segment, size: int) -> bool:
        """True if the segment is part of the history. size: of a segment, in bytes."""
        bounds = self.bounds(segment.timeline, size)
        return bounds is not None and bounds[0] <= segment.number and (bounds[1] is None or segment.number < bounds[1])

    def has_position(self, timeline: int, lsn: int) -> bool:
        """True if `lsn`, in bytes, on `timeline` lies on the history."""
        return timeline == self.timeline or any(each == timeline and lsn <= fork for each, fork in self.parents)


def parse_history(timeline: int, text: str) -> Lineage:
    """Return the history in `text`, the content of the history file of `timeline`. Raise ValueError if a line is malformed."""
    parents = wal_files.parse_history(text)
    if parents and parents[-1][0] >= timeline:
        raise ValueError(f"the history of timeline {timeline} names timeline {parents[-1][0]}")
    return Lineage(timeline, parents)


def needless(name: str, lineage: Lineage | None, segment: Segment | None, size: int) -> str:
    """Return why a file need not be archived, '' if it must be.

    lineage: of the newest timeline that the server knows, None while that is timeline 1; segment: what `name` is, None for a history file;
    size: of a segment, in bytes.
    """
    if name.endswith(".partial"):
        return "no recovery reads it, and its content differs from promotion to promotion"
    if name.endswith(".backup"):
        return "it describes a base backup and is not needed to recover"
    if segment is None or lineage is None or segment.timeline > lineage.timeline or lineage.has(segment, size):
        return ""
    return f"it is not part of the history of timeline {lineage.timeline}"
