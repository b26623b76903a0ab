"""A member's volumes: their markers (docs/contract.md, 'Data volume', 'WAL volume') and the WAL files of a server that is down."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..core import pair, storage
from ..core.fields import Fields, dump
from ..core.lsn import Position
from ..core.model import DATA_VOLUME, WAL_VOLUME, VolumeState
from ..core.pair import Link
from ..core.wal import SEGMENT_SIZE, newest_segment_timeline, record_may_exist
from .files import read_small

_FULL = (errno.ENOSPC, errno.EDQUOT)
_RESERVE = "reserve"


@dataclass(frozen=True)
class Marker:
    """What says that the volume is initialised. uuid: its identity, a new one after every clone."""

    uuid: str
    system_identifier: str


@dataclass(frozen=True)
class Assessment:
    """The volume's state, and in words what it rests on."""

    state: VolumeState
    reason: str


class Volume:
    """The markers below `base`, and below `wal_volume` if WAL has a volume of its own. Every write is on disk when the call returns."""

    def __init__(self, base: Path, major: str, wal_directory: str, wal_volume: Path | None = None) -> None:
        """base: where the claim is mounted; major: of PostgreSQL; wal_directory: the name of WAL's directory in PGDATA; wal_volume: where
        the claim of a WAL volume is mounted, None without one.
        """
        self._base = base
        self._pgdata = base / "pgdata"
        self._major = major
        self._wal_directory = wal_directory
        self._wal = self._pgdata / wal_directory
        self._data_files = _Files(base)
        self._wal_files = _Files(wal_volume) if wal_volume is not None else None
        self._files = {DATA_VOLUME: self._data_files} | ({} if self._wal_files is None else {WAL_VOLUME: self._wal_files})
        self.probing = DATA_VOLUME
        """The volume that the last probe has tried last."""

    def assess(self) -> Assessment:
        """Say what the volumes hold. Only a directory that was finished and marked counts as data, and only beside its own WAL volume."""
        has_data = self._pgdata.exists()
        try:
            marker, unreadable = self.marker(), ""
        except ValueError as error:
            marker, unreadable = None, str(error)
        found = None
        if self._wal_files is not None:
            try:
                found = self._pair(self._wal_files, marker)
            except ValueError as error:
                return Assessment(VolumeState.MISMATCHED, f"WAL volume: {error}")
        mismatch = pair.foreign_link(self._link()) if found is None else pair.mismatch(found)
        if mismatch is not None:
            return Assessment(VolumeState.MISMATCHED, mismatch)
        if self.dirty():
            return Assessment(VolumeState.DAMAGED, "a rewind or clone was begun and not finished")
        if unreadable:
            return Assessment(VolumeState.DAMAGED, unreadable)
        if marker is None:
            if has_data:
                return Assessment(VolumeState.DAMAGED, "pgdata is there without a volume marker: interrupted or foreign")
            return Assessment(VolumeState.EMPTY, "neither pgdata nor a volume marker is there")
        try:
            version = (self._pgdata / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            return Assessment(VolumeState.DAMAGED, "the volume is marked as initialised but holds no data directory")
        if version != self._major:
            reason = f"the volume has data of PostgreSQL {version}, this is the chart of PostgreSQL {self._major}: nothing is touched"
            return Assessment(VolumeState.OTHER_MAJOR, reason)
        damage = pair.damage(found) if found is not None else None
        if damage is not None:
            return Assessment(VolumeState.DAMAGED, damage)
        return Assessment(VolumeState.DATA, f"volume {marker.uuid} of system {marker.system_identifier}")

    def _pair(self, wal: _Files, marker: Marker | None) -> pair.Pair:
        """Return what both volumes show. Raise ValueError if the WAL volume's marker is unreadable."""
        theirs = wal.marker()
        return pair.Pair(
            marker.uuid if marker is not None else None,
            theirs.uuid if theirs is not None else None,
            self._link(wal.base),
            self._data_files.number("probe"),
            wal.number("probe"),
        )

    def _link(self, wal_volume: Path | None = None) -> Link:
        """Look where the WAL is of the data directory, or of the one that a clone was about to replace."""
        directory = self._pgdata if self._pgdata.exists() else self._base / "pgdata.old"
        if not directory.exists():
            return Link.NONE
        link = directory / self._wal_directory
        if not link.is_symlink():
            return Link.INSIDE
        target = link.readlink()
        return Link.THERE if target.parent == wal_volume and target.is_dir() else Link.LOST

    def marker(self) -> Marker | None:
        """Return the marker, None if there is none. Raise ValueError if it is unreadable."""
        return self._data_files.marker()

    def write_marker(self, marker: Marker) -> None:
        """Mark the volume as initialised, the last step of an initialisation or a clone; before it, the WAL volume as its own."""
        text = dump({"uuid": marker.uuid, "systemIdentifier": marker.system_identifier})
        if self._wal_files is not None:
            self._wal_files.write_in_place("probe", self._data_files.number("probe"))  # a new one isn't older
            self._wal_files.write("volume", text)
        self._data_files.write("volume", text)

    def term(self) -> int:
        """Return the highest term the volume's server was steered under; 0 without a file. Raise ValueError."""
        try:
            return int((self._base / "term").read_text())
        except FileNotFoundError:
            return 0

    def write_term(self, term: int) -> None:
        """Record `term` unless a higher one is recorded."""
        if term > self.term():
            self._data_files.write("term", f"{term}")

    def dirty(self) -> bool:
        """Tell whether a rewind or clone was begun and not finished."""
        return (self._base / "dirty").exists()

    def set_dirty(self) -> None:
        """Say so, before it begins."""
        self._data_files.write("dirty", "")

    def clear_dirty(self) -> None:
        """Take that back, once everything else is on disk."""
        self._data_files.remove("dirty")

    def probe(self) -> None:
        """Write a number to each volume and wait until it is on disk. Raise OSError.

        It is written in place, which takes no room; a volume that is full all the same has answered, and that is what is asked. The
        number grows, and the data volume has it only once the WAL volume has: a WAL volume with a lower one was put back to an
        earlier state.
        """
        former = self._data_files.number("probe")
        number = former + 1
        if self._wal_files is not None:
            self.probing = WAL_VOLUME
            number = number if _answers(self._wal_files, number) else former
        self.probing = DATA_VOLUME
        _answers(self._data_files, number)

    def rooms(self) -> dict[str, int]:
        """Return how many bytes are free for us on each volume. Raise OSError."""
        return {name: files.room() for name, files in self._files.items()}

    def scarcest(self) -> tuple[str, int]:
        """Return the volume with the least room, and how many bytes are free for us there. Raise OSError."""
        return storage.scarcest(self.rooms())

    def set_aside(self) -> list[str]:
        """Make a reserve on each volume that has none and room enough; return these volumes. Only where there is data. Raise OSError."""
        without = {name: files for name, files in self._files.items() if not files.has(_RESERVE)}
        if not without or self.assess().state is not VolumeState.DATA:
            return []
        segment = self.segment_size()
        able = {name: files for name, files in without.items() if storage.can_set_aside(files.room(), segment)}
        for files in able.values():
            files.allocate(_RESERVE, storage.RESERVE_SEGMENTS * segment)
        return list(able)

    def use_reserves(self) -> list[str]:
        """Remove the reserve of each volume that is full; return these volumes. Raise OSError."""
        segment = self.segment_size()
        full = {name: files for name, files in self._files.items() if files.has(_RESERVE) and storage.is_full(files.room(), segment)}
        for files in full.values():
            files.remove(_RESERVE)
        return list(full)

    def room_for_clone(self) -> dict[str, int]:
        """Return how many bytes a clone may take of each volume: what is free, and what a clone removes before it begins. Raise OSError."""
        rooms = self.rooms()
        leftovers = ["pgdata.new", *(["pgdata.old"] if self._pgdata.exists() else [])]
        rooms[DATA_VOLUME] += sum(_size_below(self._base / name) for name in leftovers)
        if self._wal_files is not None:
            linked = os.readlink(self._wal) if self._wal.is_symlink() else ""
            unlinked = [each for each in self._wal_files.base.glob("wal.*") if str(each) != linked]
            rooms[WAL_VOLUME] += sum(_size_below(each) for each in unlinked)
        return rooms

    def segment_size(self) -> int:
        """Return the size of a WAL segment in bytes, by the files that are there; the usual one if there are none. Raise OSError."""
        sizes = self._segment_sizes()
        return max(sizes) if sizes else SEGMENT_SIZE

    def wal_segments(self) -> list[str]:
        """Return the names in the WAL directory, [] if it isn't there."""
        try:
            return sorted(os.listdir(self._wal))
        except FileNotFoundError:
            return []

    def read_control(self) -> bytes:
        """Return the control file. Raise OSError."""
        return (self._pgdata / "global" / "pg_control").read_bytes()

    def read_wal(self, segment: str, offset: int, length: int) -> bytes | None:
        """Return bytes of a segment file, fewer at its end, None if there is no such file. Raise OSError."""
        try:
            with (self._wal / segment).open("rb", buffering=0) as file:
                return os.pread(file.fileno(), length, offset)
        except FileNotFoundError:
            self._wal.stat()  # a directory that isn't there proves nothing of its files
            return None

    def read_history(self, timeline: int) -> str | None:
        """Return our history file of a timeline, None if there is none or an empty one. Raise OSError."""
        try:
            return (self._wal / f"{timeline:08X}.history").read_text() or None
        except FileNotFoundError:
            return None

    def may_hold_record(self, position: Position) -> bool:
        """Tell whether there may be WAL here that goes on at `position`; True unless it is certain that there is none."""
        try:
            sizes = self._segment_sizes()
        except OSError:
            return True
        if len(sizes) != 1:
            return True  # the files of one server are of one size
        return record_may_exist(self.read_wal, position.timeline, position.lsn, sizes.pop())

    def _segment_sizes(self) -> set[int]:
        return {(self._wal / name).stat().st_size for name in self.wal_segments() if newest_segment_timeline([name])}


class _Files:
    """The small files at the top of one volume."""

    def __init__(self, base: Path) -> None:
        self.base = base

    def marker(self) -> Marker | None:
        """Return the marker, None if there is none. Raise ValueError if it is unreadable."""
        try:
            text = (self.base / "volume").read_text()
        except FileNotFoundError:
            return None
        fields = Fields.parse(text, "volume")
        return Marker(fields.text("uuid"), fields.text("systemIdentifier"))

    def number(self, name: str) -> int:
        """Return the number in a file; 0 without one."""
        try:
            return int(read_small(f"{self.base}/{name}") or 0)
        except ValueError:
            return 0

    def room(self) -> int:
        """Return how many bytes are free for us. Raise OSError."""
        found = os.statvfs(self.base)
        return found.f_bavail * found.f_frsize

    def write_in_place(self, name: str, number: int) -> None:
        """Write a number over the former one; on disk when the call returns. Raise OSError."""
        file = os.open(self.base / name, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(file, b"%019d\n" % number, 0)
            os.fsync(file)
        finally:
            os.close(file)

    def write(self, name: str, text: str) -> None:
        """Replace a file; on disk when the call returns. Raise OSError."""
        temporary = self.base / f".{name}.new"
        with temporary.open("w") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._put_in_place(temporary, name)

    def has(self, name: str) -> bool:
        """Tell whether a file is there."""
        return (self.base / name).exists()

    def allocate(self, name: str, size: int) -> None:
        """Make a file of `size` bytes that takes its room at once. Raise OSError; then there is none."""
        temporary = self.base / f".{name}.new"
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(file, 0, size)
        except OSError:
            temporary.unlink()
            raise
        finally:
            os.close(file)
        self._put_in_place(temporary, name)

    def _put_in_place(self, temporary: Path, name: str) -> None:
        temporary.replace(self.base / name)
        self._sync_directory()

    def remove(self, name: str) -> None:
        """Remove a file, if it is there; on disk when the call returns. Raise OSError."""
        (self.base / name).unlink(missing_ok=True)
        self._sync_directory()

    def _sync_directory(self) -> None:
        descriptor = os.open(self.base, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _answers(files: _Files, number: int) -> bool:
    """Write a probe; False if the volume is full. Raise OSError if it doesn't answer."""
    try:
        files.write_in_place("probe", number)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        return False
    return True


def _size_below(directory: Path) -> int:
    """Return how many bytes the files below `directory` take; 0 if it isn't there. What vanishes meanwhile counts as nothing."""
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            with suppress(FileNotFoundError):
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
    return total
