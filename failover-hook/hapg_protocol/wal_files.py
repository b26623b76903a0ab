"""WAL files by name, and the content of timeline history files (access/xlog_internal.h, access/transam/timeline.c)."""

from __future__ import annotations

import re

from .lsn import parse_lsn

SEGMENT_SIZE = 16 * 1024 * 1024
_SMALLEST_SEGMENT, _LARGEST_SEGMENT = 1 << 20, 1 << 30  # IsValidWalSegSize
_TIMELINE = re.compile(r"[0-9]{1,10}")

History = tuple[tuple[int, int], ...]
"""A timeline's ancestors, oldest first, each with the LSN at which the next timeline branched off."""


def parse_history(text: str) -> History:
    """Return the ancestors listed in a timeline history file. Raise ValueError if a line is invalid."""
    ancestors: list[tuple[int, int]] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#", 1)[0].split(maxsplit=2)
        if not words:
            continue
        if len(words) < 2 or not _TIMELINE.fullmatch(words[0]) or (ancestors and int(words[0]) <= ancestors[-1][0]):
            raise ValueError(f"not a line of a timeline history file: line {number}")
        ancestors.append((int(words[0]), parse_lsn(words[1])))
    return tuple(ancestors)


def is_segment_size(size: int) -> bool:
    """True if a server can have WAL segments of `size` bytes: a power of two from 1 MiB to 1 GiB."""
    return _SMALLEST_SEGMENT <= size <= _LARGEST_SEGMENT and size & (size - 1) == 0


def segment_name(timeline: int, lsn: int, segment_size: int = SEGMENT_SIZE) -> str:
    """Return the name of the segment file that contains the byte at `lsn`."""
    segments_per_id = 0x100000000 // segment_size
    number = lsn // segment_size
    return f"{timeline:08X}{number // segments_per_id:08X}{number % segments_per_id:08X}"


def segment_start(name: str, segment_size: int = SEGMENT_SIZE) -> int:
    """Return the LSN of the first byte of the segment file `name`."""
    return (int(name[8:16], 16) << 32) + int(name[16:24], 16) * segment_size
