"""The local server's WAL replay: how far it is, observed without SQL, and whether it still advances (docs/protocol.md, rule 5).

A server that accepts no connections shows its replay in three ways: the title of its startup process names the segment being read
(src/backend/access/transam/xlogrecovery.c, XLogFileRead), that process uses CPU time, and it goes from one wait for the disk to the next.
A change in any counts as progress. The last is all there is on a slow disk while files are fsynced one by one: those of the data directory
before crash recovery (src/backend/storage/file/fd.c, SyncDataDirectory), and some 16 at the end of a promotion.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hapg_protocol.lsn import Position
from hapg_protocol.recovery import Progress
from hapg_protocol.wal_files import SEGMENT_SIZE

WORK_TICKS = 5
"""Less CPU time than this is no progress: a startup process that waits for WAL looks for it ten times a second, a tick in seven seconds."""

CAUGHT_UP_SEGMENTS = 4
"""A backlog of this many segments is replayed in about a second, so it affects no decision."""


@dataclass(frozen=True)
class Recovery:
    """Replay on the local server, as last seen.

    replayed: the LSN up to which WAL is replayed, in bytes, rounded down to a segment; None before the first segment is read. work: CPU
    time used by startup and replay, in ticks, when it last counted as progress. moved_at: CLOCK_BOOTTIME at which any was last seen to
    change. begun, begun_at: the first `replayed` of this server, and when it was seen. disk_waits: the startup process's context switches
    when it was last seen to wait for a disk, None before that.
    """

    replayed: int | None
    work: int
    moved_at: float
    begun: int | None = None
    begun_at: float = 0.0
    disk_waits: int | None = None


def update(known: Recovery | None, replayed: int | None, work: int, disk_waits: int | None, now: float) -> Recovery:
    """Return the recovery after an observation at CLOCK_BOOTTIME `now`.

    If replay went backwards, it belongs to another server and counting starts over. known: the previous state; replayed, work: as in
    `Recovery`; disk_waits too, None if it waits for no disk now.
    """
    if known is None or work < known.work or (replayed is not None and known.replayed is not None and replayed < known.replayed):
        return Recovery(replayed, work, now, replayed, now, disk_waits)
    waits = known.disk_waits if disk_waits is None else disk_waits
    if replayed == known.replayed and work - known.work < WORK_TICKS and known.disk_waits in (None, waits):
        return replace(known, disk_waits=waits)
    begun, begun_at = (replayed, now) if known.begun is None else (known.begun, known.begun_at)
    return Recovery(replayed, work, now, begun, begun_at, waits)


def progress(recovery: Recovery | None, target: Position | None, now: float, segment: int = SEGMENT_SIZE) -> Progress | None:
    """Return the progress of a recovery; None if nothing is known about it, or if it counts as caught up.

    recovery: as last seen; target: the end of the WAL to replay; now: CLOCK_BOOTTIME; segment: WAL segment size in bytes.
    """
    if recovery is None or recovery.replayed is None or recovery.begun is None or target is None:
        return None
    if is_caught_up(target.lsn, recovery.replayed, segment):
        return None
    spent = now - recovery.begun_at
    rate = int((recovery.replayed - recovery.begun) / spent) if spent > 0 else 0
    return Progress(recovery.begun, recovery.replayed, target.lsn, rate)


def is_caught_up(end: int, replayed: int, segment: int = SEGMENT_SIZE) -> bool:
    """True if so little WAL is left to replay that it doesn't delay a promotion. end, replayed: LSNs in bytes; segment: bytes."""
    return end - replayed <= CAUGHT_UP_SEGMENTS * segment


def moved_since(recovery: Recovery | None, since: float) -> float:
    """Return the CLOCK_BOOTTIME of the last progress, or `since` if that is later."""
    return max(since, recovery.moved_at if recovery is not None else since)
