"""Unreplicated WAL of a dead server: read from its volume, appended to a replica's (core.unreplicated_wal)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hapg_protocol.wal_files import segment_name

from ..core import unreplicated_wal
from ..pgdata.wal import PAGE
from . import beneath

if TYPE_CHECKING:
    from .volume import Volume


def read(volume: Volume, timeline: int, lsn: int) -> bytes:
    """Return WAL written from `lsn` on, up to the end of a segment or a few MiB; b'' if there is none. Raise OSError."""
    size, start = volume.segment_size(), lsn - lsn % PAGE
    length = min(unreplicated_wal.AT_ONCE, size - start % size)
    data = volume.read_wal(segment_name(timeline, start, size), start % size, length) or b""
    found = data[lsn - start : unreplicated_wal.genuine(data, start)]
    return found if any(found) else b""


def add(volume: Volume, timeline: int, lsn: int, data: bytes) -> None:
    """Append WAL where ours ends, and sync it to disk. Raise OSError."""
    size = volume.segment_size()
    with volume.wal() as wal:
        while data:
            part, data = data[: size - lsn % size], data[size - lsn % size :]
            _write(wal, segment_name(timeline, lsn, size), lsn % size, part, size)
            lsn += len(part)


def _write(wal: int, segment: str, offset: int, data: bytes, size: int) -> None:
    """Write part of a segment. A new segment gets its name only at its full size, which a server expects."""
    try:
        file, is_new = beneath.open_file(wal, segment, os.O_WRONLY, segment), False
    except FileNotFoundError:
        file, is_new = beneath.create(wal, beneath.temporary(segment)), True
    try:
        if is_new:
            os.posix_fallocate(file, 0, size)
        while data:
            written = os.pwrite(file, data, offset)
            offset, data = offset + written, data[written:]
        os.fsync(file)
    finally:
        os.close(file)
    if is_new:
        beneath.replace(wal, segment)
        os.fsync(wal)
