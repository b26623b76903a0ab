"""Lease extension requests from a holder that can't renew, and the peers' answers (docs/protocol.md, rule 8)."""

from __future__ import annotations

from dataclasses import dataclass

from hapg_protocol.model import Holder


@dataclass(frozen=True)
class ExtensionRequest:
    """A request from a holder that can't renew: the peer should not claim for a while (docs/protocol.md, rule 8).

    serial grows with each request in a term; seconds: how long the holder will continue, counted from when it sent this request.
    """

    holder: Holder
    term: int
    serial: int
    seconds: float


@dataclass(frozen=True)
class ExtensionAnswer:
    """The answer of the pod with that volume to request `serial` of `term`. sent_at: the holder's CLOCK_BOOTTIME just before it asked."""

    volume: str
    term: int
    serial: int
    granted: bool
    reason: str
    sent_at: float
