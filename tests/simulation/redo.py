"""Replay: what a server has applied of the WAL on its volume, and the checkpoints from which it begins again after a kill."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hapg_failover.pgdata.wal import SEGMENT_SIZE

from .wal import Wal

if TYPE_CHECKING:
    from .server import Server

CHECKPOINT_TIMEOUT_S = 300.0


class Checkpoints:
    """Every checkpoint record of the release, by the serial of its branch. A standby's restartpoints are among those it has replayed."""

    def __init__(self) -> None:
        self._records: list[tuple[int, int]] = []

    def add(self, wal: Wal, lsn: int) -> None:
        """A checkpoint was made that begins at `lsn` of the last branch of this log."""
        self._records.append((wal.branches[-1].serial, lsn))

    def latest(self, wal: Wal, lsn: int) -> int:
        """Return where the last checkpoint up to `lsn` of this log begins; 0 if there is none."""
        return max((at for serial, at in self._records if at <= lsn and wal.contains(serial, at)), default=0)


class Redo:
    """The replay of one run of a server: from its volume's redo point on, at its member's rate, while its processes run.

    replayed: LSN up to which WAL is applied; work: bytes that this took, which is what processor time is here; moved_at: the member's boot
    time when that was last seen to move.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._world = server.world
        wal = server.volume.wal
        self.replayed = min(server.volume.redo, wal.end) if wal is not None else 0
        self.work = 0
        self.moved_at = server.now
        self._looked_at = self._world.engine.now
        self._checkpoint_at = self._world.engine.now

    @property
    def left(self) -> int:
        """Bytes that are on the volume and not replayed."""
        wal = self._server.volume.wal
        return wal.end - self.replayed if wal is not None else 0

    @property
    def segment(self) -> int:
        """LSN at which the segment begins that is being read: what the title of the startup process tells."""
        return self.replayed // SEGMENT_SIZE * SEGMENT_SIZE

    @property
    def moves(self) -> bool:
        """Whether there is something to replay, and nothing that keeps the server from it."""
        member = self._server.member
        halted = self._server.frozen or self._world.disk_hung[member] or self._world.redo_rate[member] <= 0.0
        return self.left > 0 and not halted

    def advance(self) -> None:
        """Replay what there was time for since the last call."""
        now, server = self._world.engine.now, self._server
        passed, self._looked_at = now - self._looked_at, now
        if server.writable and server.volume.wal is not None:
            self.replayed = server.volume.wal.end
        elif self.moves:
            done = min(self.left, int(self._world.redo_rate[server.member] * passed))
            if done:
                self.replayed, self.work, self.moved_at = self.replayed + done, self.work + done, server.now
            else:
                self._looked_at = now - passed  # too short a time for a whole byte
        if now - self._checkpoint_at >= CHECKPOINT_TIMEOUT_S:
            self._checkpoint_at = now
            self.checkpoint()

    def pause(self) -> None:
        """Nothing was replayed since the last call: the processes stood still."""
        self._looked_at = self._world.engine.now

    def checkpoint(self) -> None:
        """Let the volume's redo point be here: a checkpoint of a server that writes, a restartpoint of one that replays."""
        volume = self._server.volume
        if volume.wal is None:
            return
        if self._server.writable:
            volume.redo = volume.wal.end
            self._world.checkpoints.add(volume.wal, volume.redo)
        elif not self._server.recovering:
            volume.redo = max(volume.redo, self._world.checkpoints.latest(volume.wal, self.replayed))
