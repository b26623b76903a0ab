"""Names of WAL files (access/xlog_internal.h) and the numbers of segments."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hapg_protocol.wal_files import segment_name, segment_start

NAME = re.compile(r"[0-9A-F]{8}(\.history|[0-9A-F]{16}(\.partial|\.[0-9A-F]{8}\.backup)?)")
"""Every file that PostgreSQL archives or asks for."""
_SEGMENT = re.compile(r"[0-9A-F]{24}")


@dataclass(frozen=True, order=True)
class Segment:
    """A WAL segment. number: its position in the log, in segments from LSN 0."""

    timeline: int
    number: int

    def name(self, size: int) -> str:
        """Return the file's name. size: of a segment, in bytes."""
        return segment_name(self.timeline, self.number * size, size)


def is_segment(name: str) -> bool:
    """True if this is the name of a complete segment."""
    return _SEGMENT.fullmatch(name) is not None


def parse_segment(name: str, size: int) -> Segment:
    """Return the segment of that name; a `.partial` or a `.backup` belongs to the segment that its name begins with.

    size: of a segment, in bytes. Raise ValueError if it is none.
    """
    if not _SEGMENT.match(name):
        raise ValueError(f"not a WAL segment: {name[:40]!r}")
    if int(name[16:24], 16) * size >= 1 << 32:
        raise ValueError(f"{name[:24]} is no segment of {size} bytes")
    return Segment(int(name[:8], 16), segment_start(name, size) // size)


def history_name(timeline: int) -> str:
    """Return the name of a timeline's history file."""
    return f"{timeline:08X}.history"
