"""Unreplicated WAL: what a server had written and not sent when it died. Sealed standbys fetch it from its volume (docs/protocol.md, rule
9).

A timeline has a single writer, so each of its positions has a single content: the copied bytes are those that streaming would have brought.
The length needn't be known, because a server reads WAL up to the last valid record, wherever the bytes end.
"""

from __future__ import annotations

from dataclasses import dataclass

from hapg_protocol.model import Holder, LeaseState

from ..pgdata.wal import PAGE, is_page
from .state.memory import Memory
from .state.phases import Phase
from .timing import DEAD_PROBE_FRESH_S

AT_ONCE = 4 << 20
MOST = 256 << 20
_DEAD = (Phase.DOWN, Phase.BOOT, Phase.SEALED)


@dataclass(frozen=True)
class WalRequest:
    """A request for the WAL that follows `lsn`, in bytes, on `timeline`. term: the term of the Lease that was released."""

    term: int
    timeline: int
    lsn: int


def may_give(request: WalRequest, me: Holder, lease: LeaseState | None, memory: Memory, silent_for: float, foreign: bool) -> bool:
    """True if a peer may have that WAL: our server died as the holder, and hasn't written since.

    silent_for: seconds since our volume last answered; foreign: our server was promoted by someone else.
    """
    if lease is None or lease.release is None or lease.holder != me or foreign or silent_for > DEAD_PROBE_FRESH_S:
        return False
    return (lease.term, lease.timeline) == (request.term, request.timeline) and memory.phase in _DEAD


def genuine(data: bytes, lsn: int) -> int:
    """Return how many bytes of `data`, which starts with the page at `lsn`, belong to pages that were written for their position."""
    length = 0
    while length + PAGE <= len(data) and is_page(data[length : length + PAGE], lsn + length):
        length += PAGE
    return length
