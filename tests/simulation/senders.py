"""The walsenders of a server: who streams from it, under which name, and which of them a shutdown waits for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .server import Server

SENDER_TIMEOUT_S = 5.0


@dataclass
class Receiver:
    """A replication client that is not a standby: pg_receivewal, or the stream that accompanies a base backup.

    name: application_name; end: LSN up to which it has confirmed that its WAL is flushed; rate: bytes/s that it receives.
    """

    name: str
    end: int
    rate: float = math.inf


@dataclass(frozen=True)
class Row:
    """A row of pg_stat_replication in state 'streaming'. key: distinguishes this walsender from all others."""

    key: object
    name: str
    flushed: int


class Senders:
    """The walsenders of one run of a server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._receivers: list[Receiver] = []
        self._heard: dict[int, float] = {}
        self._sent_at = server.world.engine.now

    def attach(self, name: str, rate: float = math.inf, end: int | None = None) -> Receiver:
        """Let a client stream from here. end: where it starts; by default the server's own end."""
        wal = self._server.volume.wal
        receiver = Receiver(name, end if end is not None else wal.end if wal is not None else 0, rate)
        self._receivers.append(receiver)
        return receiver

    def detach(self, receiver: Receiver) -> None:
        """Disconnect it, if it has not ended with the server."""
        if receiver in self._receivers:
            self._receivers.remove(receiver)

    def end_laggards(self, keep: str, behind: int) -> None:
        """Disconnect every client that is not a standby, and the standbys that are too far behind; the latter reconnect."""
        self._receivers.clear()

    def send(self) -> None:
        """Send each client as much of the available WAL as it can receive."""
        now, wal = self._server.world.engine.now, self._server.volume.wal
        passed, self._sent_at = now - self._sent_at, now
        if wal is None:
            return
        for receiver in self._receivers:
            receiver.end = min(wal.end, receiver.end + math.ceil(min(wal.end, receiver.rate * passed)))

    def rows(self) -> list[Row]:
        """Return who streams: the standbys, by pod name, and the other clients."""
        world = self._server.world
        standbys = [Row(f.member, world.pod_name(f.member), f.volume.wal.end) for f in self._server.followers() if f.volume.wal is not None]
        return standbys + [Row(id(r), r.name, r.end) for r in self._receivers]

    def heard(self, member: int) -> None:
        """A streaming standby has sent a reply."""
        self._heard[member] = self._server.world.engine.now

    def unfinished(self) -> list[str]:
        """Return the names of the clients that a shutdown still waits for.

        It waits until every streaming client has all WAL, however long that takes. A silent client is dropped after wal_sender_timeout,
        a disconnected one at once.
        """
        world, wal = self._server.world, self._server.volume.wal
        assert wal is not None
        found = [r.name for r in self._receivers if r.end < wal.end]
        for member, heard_at in self._heard.items():
            peer = world.server[member]
            follows = peer.alive and peer.state == "standby" and peer.upstream == world.address(self._server.member)
            behind = world.engine.now - heard_at < SENDER_TIMEOUT_S and peer.volume.wal != wal
            if behind and (follows or not world.on[member]):
                found.append(world.pod_name(member))
        return found
