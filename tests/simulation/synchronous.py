"""Commits that wait for standbys: the parameter, the processes that read it at different times, and which commits are acknowledged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hapg_failover.core.write_quorum import OFF, Setting

if TYPE_CHECKING:
    from .server import Server


class Standbys:
    """`synchronous_standby_names` of one run of a server.

    written: the value in the file; waiting: whether commits wait at all, as the checkpointer has read it; read: the value that each
    walsender uses; acknowledged: LSN up to which commits are acknowledged to clients.
    """

    def __init__(self, server: Server, setting: Setting) -> None:
        self.server = server
        self.written = setting
        self.waiting = setting.k > 0
        self.read: dict[object, Setting] = {}
        self.acknowledged = 0
        self._serial = 0

    def write(self, setting: Setting) -> None:
        """Change the file and signal all processes: each reads it after a while, some after a long one."""
        if setting == self.written:
            return
        self.written = setting
        self._serial += 1
        serial, world = self._serial, self.server.world
        for sender in list(self.read):
            world.engine.after(self._delay(), lambda sender=sender: self._reread(sender, setting, serial))  # type: ignore[misc]
        world.engine.after(self._delay(), lambda: self._checkpointer(setting, serial))

    def _delay(self) -> float:
        world = self.server.world
        return world.uniform(0.0, 2.5) if world.chance(0.2) else world.uniform(0.0, 0.2)

    def _reread(self, sender: object, setting: Setting, serial: int) -> None:
        if serial == self._serial and sender in self.read:
            self.read[sender] = setting

    def _checkpointer(self, setting: Setting, serial: int) -> None:
        if serial == self._serial:
            self.waiting = setting.k > 0
            self.release()

    def checkpointed(self) -> None:
        """The checkpointer has since begun a checkpoint, so it has read its settings."""
        self._checkpointer(self.written, self._serial)

    def in_force(self) -> bool:
        """True if every process uses the value in the file."""
        names = {row.key: row.name for row in self.server.senders.rows()}
        late = [key for key, setting in self.read.items() if names.get(key) in setting.names and names.get(key) not in self.written.names]
        return not late and self.waiting == (self.written.k > 0)

    def release(self) -> None:
        """Acknowledge the commits that no longer have to wait."""
        server = self.server
        wal = server.volume.wal
        if wal is None or not server.writable:
            return
        rows = server.senders.rows()
        self.read = {row.key: self.read.get(row.key, self.written) for row in rows}
        end = wal.end
        if self.waiting:
            counted = [row.flushed for row in rows if row.name in self.read[row.key].names]
            k = max(1, self.written.k)
            end = sorted(counted, reverse=True)[k - 1] if len(counted) >= k else 0
        if end > self.acknowledged and end > wal.branches[-1].start:
            self.acknowledged = end
            if self.waiting:
                server.world.invariants.on_standbys(server, end, max(1, self.written.k))
            server.world.acknowledged(server, end)


def started(server: Server, guard: int) -> Standbys:
    """Return the parameter of a server that starts: either no standby can acknowledge for it, or commits wait for none."""
    return Standbys(server, Setting(guard) if guard else OFF)
