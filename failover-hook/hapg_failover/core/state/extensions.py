"""What a holder asks of the members when it can't renew, and what they answer (docs/protocol.md, rule 8)."""

from __future__ import annotations

from dataclasses import dataclass

from hapg_protocol.model import Holder


@dataclass(frozen=True)
class ExtensionRequest:
    """The holder asks a member not to claim for a while, because it can't renew (docs/protocol.md, rule 8).

    serial grows with each request of a term; seconds: how long the holder goes on, from the send of this request.
    """

    holder: Holder
    term: int
    serial: int
    seconds: float


@dataclass(frozen=True)
class ExtensionAnswer:
    """What the member with that volume said to request `serial` of `term`. sent_at: boot time of the holder before it asked."""

    volume: str
    term: int
    serial: int
    granted: bool
    reason: str
    sent_at: float
