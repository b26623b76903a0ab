"""Whether an archived WAL segment continues our own WAL: judged by its headers, and by what we have of it."""

from __future__ import annotations

import struct
from collections.abc import Callable

from hapg_protocol.lsn import format_lsn
from hapg_protocol.wal_files import segment_start

from .wal import PAGE

_CHUNK = 128 * PAGE
_SHORT = struct.Struct("=HHIQ")  # magic, info, timeline, address (XLogPageHeaderData)
_LONG = struct.Struct("=HHIQI4xQII")  # the same, remaining length, then system identifier, segment and page size (XLogLongPageHeaderData)
_IS_LONG = 2  # XLP_LONG_HEADER

Read = Callable[[int, int], bytes]
"""Reads (offset, length) of a segment file; returns fewer bytes at its end."""


def trouble(read: Read, own: Read, segment: str, size: int, identifier: str, end: int) -> str:
    """Return why an archived segment must not be put into our WAL directory, '' if it may be.

    read: of the archived segment; own: of our file of the same name, b'' if there is none; segment: the name; size: of our segments, in
    bytes; identifier: of our cluster; end: the LSN at which our own WAL ends, in bytes. What we have of the segment has to be in it. After
    that, each page has to name its place and the segment's timeline. After a switch of segments the rest is empty (xlog.c,
    CopyXLogRecordToWAL).
    """
    timeline, start = int(segment[:8], 16), segment_start(segment, size)
    head = read(0, _LONG.size)
    if len(head) < _LONG.size:
        return "is cut off"
    magic, info, _, _, _, system, segment_size, _ = _LONG.unpack(head)
    if not info & _IS_LONG or f"{system}" != identifier:
        return "is of another database"
    if segment_size != size or read(size, 1):
        return "is not of the size of our segments"
    is_empty = False
    for offset in range(0, size, _CHUNK):
        data = read(offset, _CHUNK)
        if len(data) < min(_CHUNK, size - offset):
            return "is cut off"
        have = min(len(data), end - start - offset)
        if have > 0 and own(offset, have) != data[:have]:
            return "differs from what we have of it"
        for place in range(0, len(data), PAGE):
            lsn = start + offset + place
            found, _, number, address = _SHORT.unpack_from(data, place)
            is_empty = is_empty or found == 0
            if is_empty:
                if data[place : place + PAGE].strip(b"\0"):
                    return f"has something behind its end at {format_lsn(lsn)}"
            elif (found, address) != (magic, lsn):
                return f"has the page of another place at {format_lsn(lsn)}"
            elif lsn >= end and number != timeline:
                return f"has a page of timeline {number} at {format_lsn(lsn)}"
    return ""
