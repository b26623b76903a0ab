"""The walsenders of a server: who streams from it, under which name, and for whom its shutdown
waits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .server import Server

SENDER_TIMEOUT_S = 5.0


@dataclass
class Receiver:
    """A client of the replication protocol that is no standby: pg_receivewal, or the stream beside a base backup.

    name: application_name; end: LSN up to which it has said that it has WAL on its disk; rate: bytes/s that it takes.
    """

    name: str
    end: int
    rate: float = math.inf


@dataclass(frozen=True)
class Row:
    """A row of pg_stat_replication in state 'streaming'. key: what tells this walsender from any other."""

    key: object
    name: str
    flushed: int


class Senders:
    """Those of one run of a server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._receivers: list[Receiver] = []
        self._heard: dict[int, float] = {}
        self._sent_at = server.world.engine.now

    def attach(self, name: str, rate: float = math.inf, end: int | None = None) -> Receiver:
        """Let a client stream from here. end: where it begins, the server's own end unless given."""
        wal = self._server.volume.wal
        receiver = Receiver(name, end if end is not None else wal.end if wal is not None else 0, rate)
        self._receivers.append(receiver)
        return receiver

    def detach(self, receiver: Receiver) -> None:
        """Let it end, if it hasn't ended with the server."""
        if receiver in self._receivers:
            self._receivers.remove(receiver)

    def end_laggards(self, keep: str, behind: int) -> None:
        """End every client that is no standby, and the standbys that are too far behind: these connect again."""
        self._receivers.clear()

    def send(self) -> None:
        """Send the clients what they take of what is there."""
        now, wal = self._server.world.engine.now, self._server.volume.wal
        passed, self._sent_at = now - self._sent_at, now
        if wal is None:
            return
        for receiver in self._receivers:
            receiver.end = min(wal.end, receiver.end + math.ceil(min(wal.end, receiver.rate * passed)))

    def rows(self) -> list[Row]:
        """Return who streams: the standbys, by the names of their pods, and the other clients."""
        world = self._server.world
        standbys = [Row(f.member, world.pod_name(f.member), f.volume.wal.end) for f in self._server.followers() if f.volume.wal is not None]
        return standbys + [Row(id(r), r.name, r.end) for r in self._receivers]

    def heard(self, member: int) -> None:
        """A standby that streams has said something."""
        self._heard[member] = self._server.world.engine.now

    def unfinished(self) -> list[str]:
        """Return the names of those that a shutdown still waits for.

        It waits for all that stream to have all, however long they take. One that says nothing is dropped after wal_sender_timeout, and
        one that has ended at once.
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
