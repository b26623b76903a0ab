"""Names of WAL files (access/xlog_internal.h) and the numbers of segments."""

from __future__ import annotations

import re
from dataclasses import dataclass

NAME = re.compile(r"[0-9A-F]{8}(\.history|[0-9A-F]{16}(\.partial|\.[0-9A-F]{8}\.backup)?)")
"""Every file that PostgreSQL archives or asks for."""
_SEGMENT = re.compile(r"[0-9A-F]{24}")
_SMALLEST, _LARGEST = 1 << 20, 1 << 30


@dataclass(frozen=True, order=True)
class Segment:
    """A WAL segment. number: its position in the log, in segments from LSN 0."""

    timeline: int
    number: int

    def name(self, size: int) -> str:
        """Return the file's name. size: of a segment, in bytes."""
        high, low = divmod(self.number, _per_log(size))
        return f"{self.timeline:08X}{high:08X}{low:08X}"


def is_segment(name: str) -> bool:
    """True if this is the name of a complete segment."""
    return _SEGMENT.fullmatch(name) is not None


def parse_segment(name: str, size: int) -> Segment:
    """Return the segment of that name; a `.partial` or a `.backup` belongs to the segment that its name begins with.

    size: of a segment, in bytes. Raise ValueError if it is none.
    """
    if not _SEGMENT.match(name):
        raise ValueError(f"not a WAL segment: {name[:40]!r}")
    low = int(name[16:24], 16)
    if low >= _per_log(size):
        raise ValueError(f"{name[:24]} is no segment of {size} bytes")
    return Segment(int(name[:8], 16), int(name[8:16], 16) * _per_log(size) + low)


def history_name(timeline: int) -> str:
    """Return the name of a timeline's history file."""
    return f"{timeline:08X}.history"


def is_segment_size(size: int) -> bool:
    """True for a size that PostgreSQL can have been built or initialised with: a power of two from 1 MiB to 1 GiB."""
    return _SMALLEST <= size <= _LARGEST and size & (size - 1) == 0


def _per_log(size: int) -> int:
    return (1 << 32) // size
