"""Puts archived WAL segments into the WAL directory of a sealed server, which replays them as soon as they are there."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from ..pgdata import archived_segment
from . import beneath
from .ports.archive import SegmentRefused

if TYPE_CHECKING:
    from .volume import Volume

_STATUS = "archive_status"


def add(volume: Volume, segment: str, end: int, identifier: str, content: Iterable[bytes]) -> None:
    """Put a segment there, once all of it is on disk and is known to continue our WAL. Raise SegmentRefused, OSError.

    end: the LSN at which our WAL ends, in bytes; identifier: of our cluster; content: of the segment; what it raises is raised.
    """
    size, new = volume.segment_size(), beneath.temporary(segment)
    with volume.wal() as wal:
        try:
            _write(wal, new, content, size)
            _check(volume, wal, segment, size, identifier, end)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(new, dir_fd=wal)
            raise
        beneath.replace(wal, segment)
        os.fsync(wal)
        _mark_archived(wal, segment)


def _write(wal: int, new: str, content: Iterable[bytes], size: int) -> None:
    length = 0
    with os.fdopen(beneath.create(wal, new), "wb") as file:
        for part in content:
            length += len(part)
            if length > size:
                raise OSError(errno.EFBIG, f"longer than a WAL segment of {size} bytes", new)
            file.write(part)
        file.flush()
        os.fsync(file.fileno())


def _check(volume: Volume, wal: int, segment: str, size: int, identifier: str, end: int) -> None:
    """Raise SegmentRefused unless the file written for this segment may get its name."""
    file = beneath.open_file(wal, beneath.temporary(segment), os.O_RDONLY, segment)
    try:
        why = archived_segment.trouble(
            lambda offset, length: os.pread(file, length, offset),
            lambda offset, length: volume.read_wal(segment, offset, length) or b"",
            segment,
            size,
            identifier,
            end,
        )
    finally:
        os.close(file)
    if why:
        raise SegmentRefused(f"{segment}, as archived, {why}")


def _mark_archived(wal: int, segment: str) -> None:
    """Tell the server that the segment is archived, so that its next restartpoint may remove it (xlogarchive.c, XLogArchiveCheckDone).

    If that isn't possible, the server has its container look it up in the archive before.
    """
    with suppress(OSError), beneath.below(wal, _STATUS) as status:
        if beneath.mode_of(status, f"{segment}.ready") is None:
            os.close(beneath.create(status, f"{segment}.done"))
