"""A pod's volumes: their markers (docs/contract.md, 'Data volume', 'WAL volume') and the WAL files of a stopped server."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from hapg_protocol.json_fields import Fields, dump
from hapg_protocol.lsn import Position
from hapg_protocol.model import VolumeState
from hapg_protocol.wal_files import SEGMENT_SIZE, is_segment_size

from ..core import disk_space, volumes
from ..core.state.volume import DATA_VOLUME, WAL_VOLUME, FormerData
from ..core.volumes import Link
from ..pgdata.control_file import SHUT_DOWN, parse_control_file, parse_limits
from ..pgdata.wal import goes_beyond, newest_segment_timeline
from . import archived_wal, beneath, unreplicated_wal
from .beneath import Irregular
from .marks import NUMBER, Files
from .ports.volume import Assessment, Marker

_FULL = (errno.ENOSPC, errno.EDQUOT)
_EMERGENCY_SPACE = "emergency-wal-space"
_UPGRADE = "upgrade"
_HISTORY_SIZE = 1 << 20
_CONFIGURATION_SIZE = 1 << 20
_CONTROL_SIZE = 8192  # PG_CONTROL_FILE_SIZE of catalog/pg_control.h
# Anyone may have written these files: their contents are matched against these patterns before they are used or quoted.
_VERSION = re.compile(r"[0-9]{1,2}(?:\.[0-9]{1,2})?\n?")
_UUID = re.compile(r"[0-9A-Za-z-]{1,64}")
_SYSTEM_IDENTIFIER = re.compile(r"[0-9]{1,20}")
_CLAIM = re.compile(r"[0-9a-z-]{1,63}/[0-9a-z.-]{1,253}")
_WAL_NAME = re.compile(r"wal\.[0-9A-Za-z-]{1,64}")
_FORMER = re.compile(r"pgdata\.[0-9]{1,2}(?:\.[0-9])?")
_BEGUN = re.compile(r"([0-9]{1,18}) ([0-9]{1,18})\n?")
_OID = re.compile(r"[1-9][0-9]{0,9}")
_STANDBY_FILES = ("standby.signal", "recovery.conf")


class Volume:
    """The markers below `base`, and below `wal_volume` if WAL has its own volume. Every write is on disk when the call returns."""

    def __init__(self, base: Path, major: str, wal_directory: str, wal_volume: Path | None = None, claim: str | None = None) -> None:
        """base: mount point of the data volume; major: of PostgreSQL; wal_directory: name of the WAL directory in PGDATA; wal_volume: mount
        point of the WAL volume, None without one; claim: name of the pod's PVCs, in the form of core.volumes, None: not known.
        """
        self.claim = claim
        self._base = base
        self._pgdata = base / "pgdata"
        self._major = major
        self._wal_directory = wal_directory
        self._data_files = Files(base)
        self._wal_files = Files(wal_volume) if wal_volume is not None else None
        self._files = {DATA_VOLUME: self._data_files} | ({} if self._wal_files is None else {WAL_VOLUME: self._wal_files})
        self.probing = DATA_VOLUME
        """The volume that the latest probe tried last."""

    def assess(self) -> Assessment:
        """Return what the volumes hold. Only a finished, marked directory counts as data, and only with its own WAL volume."""
        pgdata = self._data_files.mode("pgdata")
        if pgdata is not None and not stat.S_ISDIR(pgdata):
            return Assessment(VolumeState.MISMATCHED, "pgdata is a link or a file, not a directory: nothing is touched")
        unreadable = ""
        try:
            marker = self.marker()
        except ValueError as error:
            marker, unreadable = None, str(error)
        found = None
        if self._wal_files is not None:
            try:
                found = self._pair(self._wal_files, marker)
            except ValueError as error:
                return Assessment(VolumeState.MISMATCHED, f"WAL volume: {error}")
        mismatch = volumes.foreign_link(self._link()) if found is None else volumes.mismatch(found)
        if mismatch is not None:
            return Assessment(VolumeState.MISMATCHED, mismatch)
        if self.dirty():
            return Assessment(VolumeState.DAMAGED, "a rewind or clone was started and not finished")
        if unreadable or not self._term_is_readable():
            return Assessment(VolumeState.DAMAGED, unreadable or "the file term does not contain a term, a decimal number")
        if marker is None:
            if pgdata is not None:
                return Assessment(
                    VolumeState.DAMAGED,
                    "pgdata exists without a volume marker: interrupted or foreign",
                    found is None or found.link is Link.THERE,
                )
            return Assessment(VolumeState.EMPTY, "neither pgdata nor a volume marker exists")
        return self._assess_data(marker, found)

    def _assess_data(self, marker: Marker, found: volumes.Pair | None) -> Assessment:
        """Return the state of a marked data directory. found: what both volumes show, None without a WAL volume."""
        try:
            version = self._data_files.text("pgdata", "PG_VERSION")
        except ValueError:
            version = ""
        if version is None and any(_FORMER.fullmatch(name) for name in os.listdir(self._base)):
            return Assessment(VolumeState.OTHER_MAJOR, "a major upgrade was interrupted; the supervisor puts it right when it starts")
        if version is None:
            return Assessment(VolumeState.DAMAGED, "the volume is marked as initialized but has no data directory")
        if not _VERSION.fullmatch(version):
            return Assessment(VolumeState.OTHER_MAJOR, "pgdata/PG_VERSION does not contain a PostgreSQL version: nothing is touched")
        major = version.strip()
        if major != self._major:
            reason = f"the volume has data of PostgreSQL {major}, this is the chart of PostgreSQL {self._major}: nothing is touched"
            return Assessment(VolumeState.OTHER_MAJOR, reason)
        damage = volumes.damage(found) if found is not None else None
        if damage is not None:
            return Assessment(VolumeState.DAMAGED, damage)
        return Assessment(VolumeState.DATA, f"volume {marker.uuid} of system {marker.system_identifier}")

    def _pair(self, wal: Files, marker: Marker | None) -> volumes.Pair:
        """Return what both volumes show. Raise ValueError if the WAL volume's marker is unreadable."""
        theirs = _marker(wal)
        own, other = marker.uuid if marker is not None else None, theirs.uuid if theirs is not None else None
        if own is not None and theirs is not None and theirs.former == own:
            other = own  # an adoption was interrupted before the data volume's marker was written
        return volumes.Pair(
            own,
            other,
            self._link(),
            self._data_files.number("probe"),
            wal.number("probe"),
        )

    def _link(self) -> Link:
        """Return where the WAL is of the data directory, or of the one that a clone was about to replace."""
        name = "pgdata" if self._data_files.mode("pgdata") is not None else "pgdata.old"
        try:
            with self._data_files.directory(name) as pgdata:
                wal = beneath.mode_of(pgdata, self._wal_directory)
        except FileNotFoundError:
            return Link.NONE
        except Irregular:
            return Link.LOST
        if wal is None or not stat.S_ISLNK(wal):
            return Link.INSIDE
        linked = self._linked(name)
        there = self._wal_files.mode(linked) if self._wal_files is not None and linked is not None else None
        return Link.THERE if there is not None and stat.S_ISDIR(there) else Link.LOST

    def _linked(self, name: str = "pgdata") -> str | None:
        """Return the directory on the WAL volume that a server's directory links to for its WAL, None if it links to none there."""
        if self._wal_files is None:
            return None
        try:
            with self._data_files.directory(name) as pgdata:
                target = os.readlink(self._wal_directory, dir_fd=pgdata)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINVAL) or isinstance(error, Irregular):
                return None
            raise
        volume, _, linked = target.rpartition("/")
        return linked if volume == str(self._wal_files.base) and _WAL_NAME.fullmatch(linked) else None

    @contextmanager
    def wal(self) -> Iterator[int]:
        """Hold a descriptor of the WAL directory. Raise FileNotFoundError, Irregular, OSError."""
        if self._wal_files is None:
            with self._data_files.directory("pgdata", self._wal_directory) as wal:
                yield wal
            return
        linked = self._linked()
        if linked is None:
            raise FileNotFoundError(
                errno.ENOENT, "not a link to a directory of the WAL volume", f"{self._base}/pgdata/{self._wal_directory}"
            )
        with self._wal_files.directory(linked) as wal:
            yield wal

    def marker(self) -> Marker | None:
        """Return the marker, None if there is none. Raise ValueError if it is unreadable."""
        return _marker(self._data_files)

    def write_marker(self, marker: Marker) -> None:
        """Mark the volumes as initialised, as the last step of initdb or a clone.

        The WAL volume is marked first, as belonging to this one.
        """
        self.clear_foreign()
        self._data_files.remove("accept")
        if not self._term_is_readable():
            self._data_files.remove("term")  # the new data is complete without it
        if self._wal_files is not None:
            self._wal_files.write_in_place("probe", self._data_files.number("probe"))  # so that a new WAL volume doesn't look older
            self._wal_files.write("volume", self._text(marker))
        self._data_files.write("volume", self._text(marker))

    def _text(self, marker: Marker, former: str | None = None) -> str:
        return dump({"uuid": marker.uuid, "systemIdentifier": marker.system_identifier, "madeFor": self.claim, "former": former})

    def accepted(self) -> bool:
        """True if an operator has accepted this data, whichever claim it was made for."""
        return self._data_files.has("accept")

    def adopt(self, uuid: str) -> None:
        """Bind the volume to our claim under a new UUID, because it is a copy of another volume. Raise OSError, ValueError.

        The data volume's marker decides. Until it is written, the WAL volume's marker keeps the UUID that it belonged to.
        """
        marker = self.marker()
        if marker is None:
            raise ValueError("no marker found")
        adopted = Marker(uuid, marker.system_identifier)
        if self._wal_files is not None:
            self._wal_files.write("volume", self._text(adopted, former=marker.uuid))
        self._data_files.write("volume", self._text(adopted))
        self.settle()

    def settle(self) -> None:
        """Bind a volume made by an earlier version to our claim; clean up after an adoption. Raise OSError, ValueError."""
        marker = self.marker()
        if marker is None:
            return
        if self._wal_files is not None and (theirs := _marker(self._wal_files)) is not None and theirs.former is not None:
            self._wal_files.write("volume", self._text(marker))
        if marker.made_for is None and self.claim is not None:
            self._data_files.write("volume", self._text(marker))
        if self.accepted():
            self._data_files.remove("accept")

    def term(self) -> int:
        """Return the highest term under which the volume's server was controlled; 0 if there is none.

        If it is unreadable, the volume is damaged.
        """
        return self._data_files.number("term")

    def _term_is_readable(self) -> bool:
        try:
            text = self._data_files.text("term")
        except ValueError:
            return False
        return text is None or NUMBER.fullmatch(text) is not None

    def write_term(self, term: int) -> None:
        """Record `term` unless a higher one is recorded."""
        if term > self.term():
            self._data_files.write("term", f"{term}")

    def dirty(self) -> bool:
        """True if a rewind or clone was started and not finished."""
        return self._data_files.has("dirty")

    def has_configuration(self) -> bool:
        """True if the supervisor has accepted a configuration for this volume, which its server reads."""
        return self._data_files.has("config")

    def accepted_configuration(self) -> str | None:
        """Return the postgresql.conf that the supervisor has accepted for this volume, None if there is none. Raise OSError."""
        found = beneath.read(str(self._base), "config", "postgresql.conf", most=_CONFIGURATION_SIZE)
        return found.decode("utf-8", "replace") if found is not None else None

    def recorded_limits(self) -> Mapping[str, int]:
        """Return the limits of a hot standby according to the control file, by name; {} if it can't be read."""
        try:
            return parse_limits(self.read_control())
        except (OSError, ValueError):
            return {}

    def set_dirty(self) -> None:
        """Record that a rewind or clone starts, before it does.

        From here on the directory is no evidence that someone promoted its server.
        """
        self._data_files.remove("standby")
        self._data_files.write("dirty", "")

    def clear_dirty(self) -> None:
        """Record that it is finished, once everything else is on disk."""
        self._data_files.remove("dirty")

    def foreign(self) -> bool:
        """True if someone other than the agent promoted this server: the supervisor saw it, or a standby is no longer one."""
        return self._data_files.has("foreign") or self._has_left_recovery()

    def set_foreign(self) -> None:
        """Record such a promotion, before the next start turns the server back into a standby."""
        self._data_files.write("foreign", "")

    def clear_foreign(self) -> None:
        """Clear that record: the data is no longer that server's, or an operator accepts it."""
        self._data_files.remove("foreign")

    def note_standby(self) -> None:
        """Record that the server here is a standby under the recorded term; a promotion of our own comes with a higher term."""
        if self._data_files.number("standby") != (term := self.term()):
            self._data_files.write("standby", f"{term}")

    def former(self) -> FormerData | None:
        """Return the data if it is another major's, None if it isn't, or can't be read."""
        try:
            marker, version, control = self.marker(), self._data_files.text("pgdata", "PG_VERSION"), parse_control_file(self.read_control())
            begun = _BEGUN.fullmatch(self._data_files.text(_UPGRADE) or "")
        except (OSError, ValueError):
            return None
        if marker is None or version is None or not _VERSION.fullmatch(version) or (major := version.strip()) == self._major:
            return None
        return FormerData(
            major,
            marker.uuid,
            marker.system_identifier,
            marker.made_for is not None and marker.made_for == self.claim and control.system_identifier == marker.system_identifier,
            control.checkpoint if control.cluster_state == SHUT_DOWN else None,
            (int(begun[1]), int(begun[2])) if begun else None,
        )

    def begin_upgrade(self, term: int, serial: int) -> None:
        """Record that an upgrade begins under this Lease, before it does.

        From here on the directory is no evidence that someone promoted its server.
        """
        self._data_files.remove("standby")
        self._data_files.write(_UPGRADE, f"{term} {serial}")

    def end_upgrade(self) -> None:
        """Record that it has succeeded."""
        self._data_files.remove(_UPGRADE)

    def _has_left_recovery(self) -> bool:
        if not 0 < self._data_files.number("standby") == self.term():
            return False
        try:
            with self._data_files.directory("pgdata") as pgdata:
                return all(beneath.mode_of(pgdata, name) is None for name in _STANDBY_FILES)
        except (FileNotFoundError, Irregular):
            return False

    def probe(self) -> None:
        """Write a number to each volume and wait until it is on disk. Raise OSError.

        The write is in place, so it needs no space; a full volume has still answered, and that is all the probe asks. The number grows, and
        the data volume gets it only after the WAL volume. So a WAL volume with a lower number was restored to an earlier state.
        """
        former = self._data_files.number("probe")
        number = former + 1
        if self._wal_files is not None:
            self.probing = WAL_VOLUME
            number = number if _answers(self._wal_files, number) else former
        self.probing = DATA_VOLUME
        _answers(self._data_files, number)

    def rooms(self) -> dict[str, int]:
        """Return the free space available to us on each volume, in bytes. Raise OSError."""
        return {name: files.room() for name, files in self._files.items()}

    def scarcest(self) -> tuple[str, int]:
        """Return the volume with the least free space, and the bytes available to us there. Raise OSError."""
        return disk_space.scarcest(self.rooms())

    def make_emergency_spaces(self) -> list[str]:
        """Create the emergency WAL space on each volume that lacks it and has enough free space; return these volumes.

        Does nothing unless the volumes hold data. Raise OSError.
        """
        without = {name: files for name, files in self._files.items() if not files.has(_EMERGENCY_SPACE)}
        if not without or self.assess().state is not VolumeState.DATA:
            return []
        segment = self.segment_size()
        able = {name: files for name, files in without.items() if disk_space.has_room_for_emergency_space(files.room(), segment)}
        for files in able.values():
            files.allocate(_EMERGENCY_SPACE, disk_space.EMERGENCY_SEGMENTS * segment)
        return list(able)

    def release_emergency_spaces(self) -> list[str]:
        """Remove the emergency WAL space of each full volume; return these volumes. Raise OSError."""
        segment = self.segment_size()
        full = {
            name: files for name, files in self._files.items() if files.has(_EMERGENCY_SPACE) and disk_space.is_full(files.room(), segment)
        }
        for files in full.values():
            files.remove(_EMERGENCY_SPACE)
        return list(full)

    def room_for_clone(self) -> dict[str, int]:
        """Return the bytes available to a clone per volume: free space, plus what a clone removes before it starts. Raise OSError."""
        rooms = self.rooms()
        leftovers = ["pgdata.new", *(["pgdata.old"] if self._data_files.has("pgdata") else [])]
        rooms[DATA_VOLUME] += self._data_files.room_taken(leftovers)
        if self._wal_files is not None:
            linked = self._linked()
            unlinked = [each for each in os.listdir(self._wal_files.base) if each.startswith("wal.") and each != linked]
            rooms[WAL_VOLUME] += self._wal_files.room_taken(unlinked)
        return rooms

    def tablespaces(self) -> tuple[str, ...]:
        """Return the OIDs of the tablespaces that the data directory links to; no link is followed. Raise OSError."""
        try:
            with self._data_files.directory("pgdata", "pg_tblspc") as links:
                found = [name for name in os.listdir(links) if _OID.fullmatch(name) and stat.S_ISLNK(beneath.mode_of(links, name) or 0)]
        except (FileNotFoundError, Irregular):
            return ()
        return tuple(sorted(found, key=int))

    def segment_size(self) -> int:
        """Return the size of a WAL segment in bytes, from the existing files; the default size if there are none. Raise OSError."""
        return max(filter(is_segment_size, self._segments().values()), default=SEGMENT_SIZE)

    def wal_segments(self) -> list[str]:
        """Return the names of the WAL segments, [] if their directory is missing. Raise OSError."""
        return sorted(self._segments())

    def read_control(self) -> bytes:
        """Return the control file. Raise OSError."""
        found = beneath.read(str(self._base), "pgdata", "global", "pg_control", most=_CONTROL_SIZE)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), f"{self._pgdata}/global/pg_control")
        return found

    def promotion_is_pending(self) -> bool:
        """True if the server has not taken the request to promote it yet. Raise OSError."""
        with self._data_files.directory("pgdata") as pgdata:
            return beneath.mode_of(pgdata, "promote") is not None

    def production(self) -> Position | None:
        """Return ControlData.production, the position of a server in production; None also if the control file can't be read."""
        try:
            return parse_control_file(self.read_control()).production
        except (OSError, ValueError):
            return None

    def read_wal(self, segment: str, offset: int, length: int) -> bytes | None:
        """Return bytes of a segment file, fewer at its end, None if there is no such file. Raise OSError."""
        with self.wal() as wal:  # a missing directory proves nothing about its files
            try:
                file = beneath.open_file(wal, segment, os.O_RDONLY, f"{self._pgdata}/{self._wal_directory}/{segment}")
            except FileNotFoundError:
                return None
        try:
            return os.pread(file, length, offset)
        finally:
            os.close(file)

    def read_history(self, timeline: int) -> str | None:
        """Return our history file of a timeline, None if it is missing or empty. Raise OSError."""
        found = self.read_wal(f"{timeline:08X}.history", 0, _HISTORY_SIZE)
        return found.decode("utf-8", "replace") if found else None

    def wal_after(self, timeline: int, lsn: int) -> bytes:
        """Return WAL written from `lsn` on, up to the end of a segment or a few MiB; b'' if there is none. Raise OSError."""
        return unreplicated_wal.read(self, timeline, lsn)

    def add_wal(self, timeline: int, lsn: int, data: bytes) -> None:
        """Append WAL where ours ends, and sync it to disk. Raise OSError."""
        unreplicated_wal.add(self, timeline, lsn, data)

    def add_segment(self, segment: str, end: int, identifier: str, content: Iterable[bytes]) -> None:
        """Put an archived segment into the WAL directory if it continues our WAL, which ends at `end`. Raise SegmentRefused, OSError."""
        archived_wal.add(self, segment, end, identifier, content)

    def may_hold_record(self, position: Position) -> bool:
        """True if there may be WAL here that continues at `position`; False only if there certainly is none."""
        try:
            segments = self._segments()
        except OSError:
            return True
        sizes = set(segments.values())
        if len(sizes) != 1 or not is_segment_size(min(sizes)):
            return True  # all segment files of one server have the same size
        return goes_beyond(self.read_wal, self.read_history, segments, position, sizes.pop())

    def _segments(self) -> dict[str, int]:
        """Return the sizes of the WAL segments in bytes, by name; none if their directory is missing. Raise OSError."""
        try:
            with self.wal() as wal:
                return {name: size for name, size in beneath.sizes(wal).items() if newest_segment_timeline([name])}
        except FileNotFoundError:
            return {}


def _marker(files: Files) -> Marker | None:
    """Return a volume's marker, None if there is none. Raise ValueError if it is unreadable, OSError."""
    text = files.text("volume")
    if text is None:
        return None
    with suppress(ValueError):
        fields = Fields.parse(text, "volume")
        made_for, former = fields.optional_text("madeFor"), fields.optional_text("former")
        marker = Marker(fields.text("uuid"), fields.text("systemIdentifier"), made_for, former)
        forms = (_UUID, marker.uuid), (_SYSTEM_IDENTIFIER, marker.system_identifier), (_CLAIM, made_for), (_UUID, former)
        if all(text is None or form.fullmatch(text) for form, text in forms):
            return marker
    raise ValueError(f"{files.base}/volume is not a marker, an object with uuid and systemIdentifier")


def _answers(files: Files, number: int) -> bool:
    """Write a probe; False if the volume is full. Raise OSError if the write fails otherwise."""
    try:
        files.write_in_place("probe", number)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        return False
    return True
