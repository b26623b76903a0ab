"""Replay: the WAL that a server has applied, and the checkpoints from which it restarts after a kill."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hapg_protocol.wal_files import SEGMENT_SIZE

from .wal import Wal

if TYPE_CHECKING:
    from .server import Server

CHECKPOINT_TIMEOUT_S = 300.0


class Checkpoints:
    """All checkpoint records of the release, by the serial of their branch. A standby's restartpoints are among those it has replayed."""

    def __init__(self) -> None:
        self._records: list[tuple[int, int]] = []

    def add(self, wal: Wal, lsn: int) -> None:
        """A checkpoint was made whose redo point is `lsn` on the last branch of this log."""
        self._records.append((wal.branches[-1].serial, lsn))

    def latest(self, wal: Wal, lsn: int) -> int:
        """Return the redo point of the last checkpoint up to `lsn` of this log; 0 if there is none."""
        return max((at for serial, at in self._records if at <= lsn and wal.contains(serial, at)), default=0)


class Redo:
    """The replay of one run of a server: from its volume's redo point, at its member's rate, while its processes run.

    replayed: LSN up to which WAL is applied; work: bytes replayed so far, which stand for CPU time here; moved_at: CLOCK_BOOTTIME of the
    member when progress was last seen.
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
        """Bytes of WAL on the volume that are not yet replayed."""
        wal = self._server.volume.wal
        return wal.end - self.replayed if wal is not None else 0

    @property
    def segment(self) -> int:
        """LSN at which the segment being read begins: the startup process shows it in its process title."""
        return self.replayed // SEGMENT_SIZE * SEGMENT_SIZE

    @property
    def moves(self) -> bool:
        """True if there is WAL to replay and nothing prevents the server from replaying it."""
        member = self._server.member
        halted = self._server.frozen or self._world.disk_hung[member] or self._world.redo_rate[member] <= 0.0
        return self.left > 0 and not halted

    def advance(self) -> None:
        """Replay as much as the time since the last call allows."""
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
        """Nothing was replayed since the last call, because the processes were frozen."""
        self._looked_at = self._world.engine.now

    def checkpoint(self) -> None:
        """Move the volume's redo point here: by a checkpoint on a primary, by a restartpoint on a standby."""
        volume = self._server.volume
        if volume.wal is None:
            return
        if self._server.writable:
            volume.redo = volume.wal.end
            self._world.checkpoints.add(volume.wal, volume.redo)
        elif not self._server.recovering:
            volume.redo = max(volume.redo, self._world.checkpoints.latest(volume.wal, self.replayed))
