"""A member's volumes and what is known about their WAL, as the agent's adapters read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from hapg_failover.adapters.ports.archive import SegmentRefused
from hapg_failover.adapters.ports.volume import Assessment, Marker
from hapg_failover.core import disk_space
from hapg_failover.core.state.volume import DATA_VOLUME, FormerData
from hapg_failover.core.unreplicated_wal import AT_ONCE
from hapg_failover.pgdata.control_file import ControlData
from hapg_protocol.lsn import Position, format_lsn
from hapg_protocol.wal_files import SEGMENT_SIZE

from .server import Server, Volume
from .wal import Branch, Wal

if TYPE_CHECKING:
    from .processes import Process, Runtime
    from .world import World

HANG_LOOK_S = 0.2
PLENTY = 1 << 40


def history_text(wal: Wal) -> str:
    """Return the timeline history file of a log's last timeline."""
    return "".join(f"{timeline}\t{format_lsn(lsn)}\tno recovery target\n" for timeline, lsn in wal.history)


class WalBytes(bytes):
    """WAL as one agent sends it to another. branches: those of the log it belongs to; end: where it ends, if it is a segment."""

    branches: tuple[Branch, ...] = ()
    end: int = 0


def segment(wal: Wal, end: int) -> WalBytes:
    """Return the segment of a log that ends at LSN `end`."""
    found = WalBytes()
    found.branches, found.end = wal.up_to(end).branches, end
    return found


class Disk:
    """Implements `ports.Disk` on one member's simulated volume, for one run of its agent."""

    def __init__(self, world: World, member: int, process: Process, runtime: Runtime) -> None:
        self.claim: str | None = None
        self.probing = DATA_VOLUME
        self._world = world
        self._member = member
        self._process = process
        self._runtime = runtime

    @property
    def _server(self) -> Server:
        return self._world.server[self._member]

    @property
    def _volume(self) -> Volume:
        return self._server.volume

    def _write(self) -> None:
        """Wait while the volume hangs; the agent may be interrupted here."""
        self._process.point()
        while self._world.disk_hung[self._member]:
            self._runtime.sleep(HANG_LOOK_S)

    def assess(self) -> Assessment:
        return Assessment(self._volume.state, "as simulated", self._volume.unmarked)

    def marker(self) -> Marker | None:
        volume = self._volume
        if volume.uuid is None or volume.system_identifier is None:
            return None
        return Marker(volume.uuid, volume.system_identifier)

    def write_marker(self, marker: Marker) -> None:
        self._write()
        volume = self._volume
        volume.uuid, volume.system_identifier, volume.foreign = marker.uuid, marker.system_identifier, False

    def accepted(self) -> bool:
        return False

    def adopt(self, uuid: str) -> None:
        raise AssertionError("no volume is a copy here")

    def settle(self) -> None:
        pass

    def term(self) -> int:
        return self._volume.max_term

    def write_term(self, term: int) -> None:
        if term > self._volume.max_term:
            self._write()
            self._volume.max_term = max(self._volume.max_term, term)

    def dirty(self) -> bool:
        return self._volume.dirty

    def set_dirty(self) -> None:
        self._write()
        self._volume.dirty = True

    def clear_dirty(self) -> None:
        self._write()
        self._volume.dirty = False

    def foreign(self) -> bool:
        return self._volume.foreign

    def set_foreign(self) -> None:
        self._write()
        self._volume.foreign = True

    def clear_foreign(self) -> None:
        if self._volume.foreign:
            self._write()
            self._volume.foreign = False

    def note_standby(self) -> None:
        pass

    def has_configuration(self) -> bool:
        return True

    def accepted_configuration(self) -> str | None:
        return self._volume.accepted

    def recorded_limits(self) -> Mapping[str, int]:
        return {} if self._volume.limit is None else {"max_connections": self._volume.limit}

    def former(self) -> FormerData | None:
        return None

    def begin_upgrade(self, term: int, serial: int) -> None:
        raise AssertionError("no data is of another major here")

    def end_upgrade(self) -> None:
        raise AssertionError("no data is of another major here")

    def probe(self) -> None:
        self._write()
        self._runtime.sleep(0.001)

    def scarcest(self) -> tuple[str, int]:
        return DATA_VOLUME, self._world.room(self._member)

    def make_emergency_spaces(self) -> list[str]:
        return []

    def release_emergency_spaces(self) -> list[str]:
        if not disk_space.is_full(self._world.room(self._member), SEGMENT_SIZE):
            return []
        self._write()
        return [DATA_VOLUME] if self._world.release_emergency_space(self._member) else []

    def room_for_clone(self) -> dict[str, int]:
        return {DATA_VOLUME: PLENTY}

    def tablespaces(self) -> tuple[str, ...]:
        return ()

    def segment_size(self) -> int:
        return SEGMENT_SIZE

    def promotion_is_pending(self) -> bool:
        return False

    def production(self) -> Position | None:
        server, wal = self._server, self._volume.wal
        return wal.position if server.writable and wal is not None else None

    def read_history(self, timeline: int) -> str | None:
        wal = self._volume.wal
        return history_text(wal) if wal is not None and wal.position.timeline == timeline else None

    def wal_after(self, timeline: int, lsn: int) -> bytes:
        wal = self._volume.wal
        if wal is None or wal.position.timeline != timeline or wal.end <= lsn:
            return b""
        fetch_wal = WalBytes(min(wal.end - lsn, AT_ONCE))
        fetch_wal.branches = wal.branches
        return fetch_wal

    def add_wal(self, timeline: int, lsn: int, data: bytes) -> None:
        self._write()
        own = self._volume.wal
        assert isinstance(data, WalBytes)
        if own is not None and own.branches == data.branches and own.end == lsn:
            self._volume.wal = own.grown(len(data))

    def add_segment(self, segment: str, end: int, identifier: str, content: Iterable[bytes]) -> None:
        [found] = content
        assert isinstance(found, WalBytes)
        self._write()
        own = self._volume.wal
        if own is None or own.branches != found.branches:
            raise SegmentRefused(f"{segment}, as archived, differs from what we have of it")
        self._volume.wal = own.grown(max(0, found.end - own.end))

    def may_hold_record(self, position: Position) -> bool:
        self._runtime.sleep(self._world.uniform(0.02, 0.3))
        wal = self._volume.wal
        return wal is not None and wal.position > position


class Inspector:
    """Implements `ports.Inspector`."""

    def __init__(self, world: World, member: int) -> None:
        self._world = world
        self._member = member

    @property
    def _wal(self) -> Wal:
        wal = self._world.server[self._member].volume.wal
        if wal is None:
            raise ValueError("there is no WAL")
        return wal

    def control(self) -> ControlData:
        volume = self._world.server[self._member].volume
        wal, at = self._wal, Position(self._wal.position.timeline, volume.redo)
        identifier = volume.system_identifier or "0"
        return ControlData(identifier, "in archive recovery", at, volume.redo, wal.position, 0, SEGMENT_SIZE)

    def is_shut_down(self) -> bool:
        server = self._world.server[self._member]
        return not server.writable and self._wal.last_record in self._world.shutdowns

    def end_of_wal(self, hint: int | None, known: Position | None = None) -> Position | None:
        server = self._world.server[self._member]
        if self._world.chance(self._world.op_failure):
            raise ValueError("the end of WAL can't be read")
        if server.state != "standby" or server.upstream is not None:
            raise ValueError(f"the server is {server.state}")
        return self._wal.position

    def ends_in_shutdown(self, end: Position) -> bool:
        return self._wal.position == end and self._wal.last_record in self._world.shutdowns

    def end_of_shutdown(self) -> Position:
        if not self.is_shut_down():
            raise ValueError("the server wasn't shut down cleanly")
        return self._wal.position
