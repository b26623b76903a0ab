"""The data volume: its markers (docs/contract.md, 'Data volume') and the WAL files of a server that is down."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..core.fields import Fields, dump
from ..core.lsn import Position
from ..core.model import VolumeState
from ..core.wal import SEGMENT_SIZE, newest_segment_timeline, record_may_exist

_FULL = (errno.ENOSPC, errno.EDQUOT)


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
    """The markers below `base`. Every write is on disk when the call returns."""

    def __init__(self, base: Path, major: str, wal_directory: str) -> None:
        """base: where the claim is mounted; major: of PostgreSQL; wal_directory: the name of WAL's directory in PGDATA."""
        self._base = base
        self._pgdata = base / "pgdata"
        self._major = major
        self._wal = self._pgdata / wal_directory

    def assess(self) -> Assessment:
        """Say what the volume holds. Only a directory that was finished and marked counts as data."""
        if self.dirty():
            return Assessment(VolumeState.DAMAGED, "a rewind or clone was begun and not finished")
        has_data = self._pgdata.exists()
        try:
            marker = self.marker()
        except ValueError as error:
            return Assessment(VolumeState.DAMAGED, str(error))
        if marker is None:
            if has_data:
                return Assessment(VolumeState.DAMAGED, "pgdata is there without a volume marker: interrupted or foreign")
            return Assessment(VolumeState.EMPTY, "neither pgdata nor a volume marker is there")
        try:
            found = (self._pgdata / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            return Assessment(VolumeState.DAMAGED, "the volume is marked as initialised but holds no data directory")
        if found != self._major:
            reason = f"the volume has data of PostgreSQL {found}, this is the chart of PostgreSQL {self._major}: nothing is touched"
            return Assessment(VolumeState.OTHER_MAJOR, reason)
        return Assessment(VolumeState.DATA, f"volume {marker.uuid} of system {marker.system_identifier}")

    def marker(self) -> Marker | None:
        """Return the marker, None if there is none. Raise ValueError if it is unreadable."""
        try:
            text = (self._base / "volume").read_text()
        except FileNotFoundError:
            return None
        fields = Fields.parse(text, "volume")
        return Marker(fields.text("uuid"), fields.text("systemIdentifier"))

    def write_marker(self, marker: Marker) -> None:
        """Mark the volume as initialised, the last step of an initialisation or a clone."""
        self._write("volume", dump({"uuid": marker.uuid, "systemIdentifier": marker.system_identifier}))

    def term(self) -> int:
        """Return the highest term the volume's server was steered under; 0 without a file. Raise ValueError."""
        try:
            return int((self._base / "term").read_text())
        except FileNotFoundError:
            return 0

    def write_term(self, term: int) -> None:
        """Record `term` unless a higher one is recorded."""
        if term > self.term():
            self._write("term", f"{term}")

    def dirty(self) -> bool:
        """Tell whether a rewind or clone was begun and not finished."""
        return (self._base / "dirty").exists()

    def set_dirty(self) -> None:
        """Say so, before it begins."""
        self._write("dirty", "")

    def clear_dirty(self) -> None:
        """Take that back, once everything else is on disk."""
        self._remove("dirty")

    def probe(self) -> None:
        """Write a few bytes to the volume and wait until they are on disk. Raise OSError.

        They are written in place, which takes no room; a volume that is full all the same has answered, and that is what is asked.
        """
        try:
            file = os.open(self._base / "probe", os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                os.pwrite(file, b"probe\n", 0)
                os.fsync(file)
            finally:
                os.close(file)
        except OSError as error:
            if error.errno not in _FULL:
                raise

    def room(self) -> int:
        """Return how many bytes are free for us. Raise OSError."""
        found = os.statvfs(self._base)
        return found.f_bavail * found.f_frsize

    def room_for_clone(self) -> int:
        """Return how many bytes a clone may take: what is free, and what a clone removes before it begins. Raise OSError."""
        leftovers = ["pgdata.new", *(["pgdata.old"] if self._pgdata.exists() else [])]
        return self.room() + sum(_size_below(self._base / name) for name in leftovers)

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

    def _write(self, name: str, text: str) -> None:
        temporary = self._base / f".{name}.new"
        with temporary.open("w") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._base / name)
        self._sync_directory()

    def _remove(self, name: str) -> None:
        (self._base / name).unlink(missing_ok=True)
        self._sync_directory()

    def _sync_directory(self) -> None:
        descriptor = os.open(self._base, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _size_below(directory: Path) -> int:
    """Return how many bytes the files below `directory` take; 0 if it isn't there. What vanishes meanwhile counts as nothing."""
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            with suppress(FileNotFoundError):
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
    return total
