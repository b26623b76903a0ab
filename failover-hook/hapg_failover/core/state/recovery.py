"""How far the local server's replay of WAL is: as it is seen without SQL, and whether it still moves (docs/protocol.md, rule 5).

A server that accepts no connection shows its replay in the title of its startup process, which names the segment it reads
(src/backend/access/transam/xlogrecovery.c, XLogFileRead), and in the processor time that the process has used. Either counts as progress.
"""

from __future__ import annotations

from dataclasses import dataclass

from hapg_protocol.lsn import Position
from hapg_protocol.recovery import Progress

from ...pgdata.wal import SEGMENT_SIZE

CAUGHT_UP_SEGMENTS = 4
"""A backlog of so many segments is replayed in about a second: it decides nothing."""


@dataclass(frozen=True)
class Recovery:
    """Replay on the local server as last seen.

    replayed: LSN up to which WAL is replayed, in bytes, rounded down to a segment; None before the first segment is read. work: processor
    time that starting and replaying have used, in ticks. moved_at: boot time at which either was last seen to change. begun, begun_at:
    the first `replayed` of this server, and when it was seen.
    """

    replayed: int | None
    work: int
    moved_at: float
    begun: int | None = None
    begun_at: float = 0.0


def update(known: Recovery | None, replayed: int | None, work: int, now: float) -> Recovery:
    """Return the recovery after a look at boot time `now`. A replay that went back is that of another server: it begins again."""
    if known is None or work < known.work or (replayed is not None and known.replayed is not None and replayed < known.replayed):
        return Recovery(replayed, work, now, replayed, now)
    if (replayed, work) == (known.replayed, known.work):
        return known
    begun, begun_at = (replayed, now) if known.begun is None else (known.begun, known.begun_at)
    return Recovery(replayed, work, now, begun, begun_at)


def progress(recovery: Recovery | None, target: Position | None, now: float, segment: int = SEGMENT_SIZE) -> Progress | None:
    """Return how far a recovery is; None if nothing is known of it, or no more is left than what counts as caught up."""
    if recovery is None or recovery.replayed is None or recovery.begun is None or target is None:
        return None
    if is_caught_up(target.lsn, recovery.replayed, segment):
        return None
    spent = now - recovery.begun_at
    rate = int((recovery.replayed - recovery.begun) / spent) if spent > 0 else 0
    return Progress(recovery.begun, recovery.replayed, target.lsn, rate)


def is_caught_up(end: int, replayed: int, segment: int = SEGMENT_SIZE) -> bool:
    """Tell whether so little WAL is left to replay that a promotion takes no longer for it. end, replayed: LSNs in bytes."""
    return end - replayed <= CAUGHT_UP_SEGMENTS * segment


def moved_since(recovery: Recovery | None, since: float) -> float:
    """Return the boot time of the last progress, `since` at the earliest."""
    return max(since, recovery.moved_at if recovery is not None else since)
