"""WAL that a server had written and not sent when it died: sealed standbys fetch it from its volume (docs/protocol.md, rule 9).

A timeline has one writer, so a place on it has one content: what is copied is what streaming would have brought. How far it goes needn't be
known, for a server reads WAL up to the last valid record, wherever the bytes end.
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
    """Give me what follows `lsn`, in bytes, on `timeline`. term: that of the Lease that was given back."""

    term: int
    timeline: int
    lsn: int


def may_give(request: WalRequest, me: Holder, lease: LeaseState | None, memory: Memory, silent_for: float, foreign: bool) -> bool:
    """Tell whether a peer may have it: our server has died as the holder, and hasn't written since.

    silent_for: seconds since our volume has answered; foreign: our server was promoted by somebody else.
    """
    if lease is None or lease.release is None or lease.holder != me or foreign or silent_for > DEAD_PROBE_FRESH_S:
        return False
    return (lease.term, lease.timeline) == (request.term, request.timeline) and memory.phase in _DEAD


def genuine(data: bytes, lsn: int) -> int:
    """Return how many bytes of `data`, which begins with the page at `lsn`, are of pages that were written for their place."""
    length = 0
    while length + PAGE <= len(data) and is_page(data[length : length + PAGE], lsn + length):
        length += PAGE
    return length
