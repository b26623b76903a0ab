"""The port to the agents of the other pods, and its errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ...core.state.extensions import ExtensionRequest
from ...core.unreplicated_wal import WalRequest


class PeerError(Exception):
    """A peer could not be reached, didn't answer in time, or its answer isn't signed with our key."""


class NotNow(PeerError):
    """The peer has nothing to hand out, or doesn't know yet that it may."""


@dataclass(frozen=True)
class PeerAnswer:
    """A peer's answer: its volume's UUID, whether it grants the extension, the reason in words."""

    volume: str
    granted: bool
    reason: str


class Peers(Protocol):
    """The agents of the other pods."""

    def ask(self, request: ExtensionRequest, address: str, timeout: float) -> PeerAnswer:
        """Ask the agent at `address` for a lease extension; the whole exchange takes at most `timeout` seconds. Raise PeerError."""

    def fetch_wal(self, request: WalRequest, address: str, timeout: float) -> bytes:
        """Return WAL of the dead server whose agent is at `address`, b'' if there is no more. Raise PeerError."""
