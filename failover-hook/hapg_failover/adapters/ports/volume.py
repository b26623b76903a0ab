"""The ports to the pod's volumes: their files, and the WAL on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from hapg_protocol.lsn import Position
from hapg_protocol.model import VolumeState

from ...core.state.volume import FormerData
from ...pgdata.control_file import ControlData


@dataclass(frozen=True)
class Marker:
    """The marker of an initialised volume.

    uuid: its identity, new after every clone; made_for: the PVC that it was made for, None: made by an earlier version; former: the UUID
    before the volume was adopted.
    """

    uuid: str
    system_identifier: str
    made_for: str | None = None
    former: str | None = None


@dataclass(frozen=True)
class Assessment:
    """The volume's state, and the reason in words. unmarked: there is a data directory, and no marker that says it was finished."""

    state: VolumeState
    reason: str
    unmarked: bool = False


class Disk(Protocol):
    """The pod's volumes: their markers (docs/contract.md, 'Data volume', 'WAL volume'), and the files of a stopped server.

    Every write is on disk when the call returns, and every call may raise OSError.
    """

    claim: str | None
    """The name of the pod's PVCs, in the form of core.volumes; None: not known."""
    probing: str
    """The volume that the latest probe tried last."""

    def assess(self) -> Assessment:
        """Return what the volumes hold."""

    def marker(self) -> Marker | None:
        """Return the marker, None if there is none. Raise ValueError if it is unreadable."""

    def write_marker(self, marker: Marker) -> None:
        """Mark the volume as initialised, as the last step of initdb or a clone."""

    def accepted(self) -> bool:
        """True if an operator has accepted this data, whichever claim it was made for."""

    def adopt(self, uuid: str) -> None:
        """Bind the volume to our claim under a new UUID. Raise ValueError."""

    def settle(self) -> None:
        """Bind a volume made by an earlier version to our claim; clean up after an adoption. Raise ValueError."""

    def term(self) -> int:
        """Return the highest term under which the volume's server was controlled."""

    def write_term(self, term: int) -> None:
        """Record `term` unless a higher one is recorded."""

    def dirty(self) -> bool:
        """True if a rewind or clone was started and not finished."""

    def set_dirty(self) -> None:
        """Record that a rewind or clone starts, before it does."""

    def clear_dirty(self) -> None:
        """Record that it is finished, once everything else is on disk."""

    def foreign(self) -> bool:
        """True if someone other than the agent promoted this server."""

    def set_foreign(self) -> None:
        """Record such a promotion, before the next start turns the server back into a standby."""

    def clear_foreign(self) -> None:
        """Clear that record: the data is no longer that server's, or an operator accepts it."""

    def note_standby(self) -> None:
        """Record that the server here is a standby under the recorded term."""

    def has_configuration(self) -> bool:
        """True if the supervisor has accepted a configuration for this volume, which its server reads."""

    def accepted_configuration(self) -> str | None:
        """Return the postgresql.conf that the supervisor has accepted for this volume, None if there is none."""

    def recorded_limits(self) -> Mapping[str, int]:
        """Return the limits of a hot standby according to the control file, by name; {} if it can't be read."""

    def former(self) -> FormerData | None:
        """Return the data if it is another major's, None if it isn't, or can't be read."""

    def begin_upgrade(self, term: int, serial: int) -> None:
        """Record that an upgrade begins under this Lease, before it does."""

    def end_upgrade(self) -> None:
        """Record that it has succeeded."""

    def probe(self) -> None:
        """Write a number to each volume and wait until it is on disk."""

    def scarcest(self) -> tuple[str, int]:
        """Return the volume with the least free space, and the bytes available to us there."""

    def make_emergency_spaces(self) -> list[str]:
        """Create the emergency WAL space on each volume that lacks it and has enough free space; return these volumes."""

    def release_emergency_spaces(self) -> list[str]:
        """Remove the emergency WAL space of each full volume; return these volumes."""

    def room_for_clone(self) -> dict[str, int]:
        """Return the bytes available to a clone, per volume."""

    def tablespaces(self) -> tuple[str, ...]:
        """Return the OIDs of the tablespaces that the data directory links to."""

    def segment_size(self) -> int:
        """Return the size of a WAL segment in bytes."""

    def promotion_is_pending(self) -> bool:
        """True if the server has not taken the request to promote it yet."""

    def production(self) -> Position | None:
        """Return the write position of a server in production, from its control file; None if it isn't in production or on a read error."""

    def read_history(self, timeline: int) -> str | None:
        """Return our history file of a timeline, None if it is missing or empty."""

    def wal_after(self, timeline: int, lsn: int) -> bytes:
        """Return WAL written from `lsn` on, up to the end of a segment or a few MiB; b'' if there is none."""

    def add_wal(self, timeline: int, lsn: int, data: bytes) -> None:
        """Append WAL where ours ends."""

    def add_segment(self, segment: str, end: int, identifier: str, content: Iterable[bytes]) -> None:
        """Put a whole archived segment into our WAL directory. Raise SegmentRefused, and what `content` raises.

        end: the LSN at which our WAL ends; identifier: of our cluster.
        """

    def may_hold_record(self, position: Position) -> bool:
        """True if there may be WAL here that continues at `position`; False only if there certainly is none."""


class Inspector(Protocol):
    """WAL facts of our own data directory, by PostgreSQL's programs or by parsing. Calls may raise OSError, ValueError."""

    def control(self) -> ControlData:
        """Return the contents of the control file."""

    def is_shut_down(self) -> bool:
        """True if the control file says that a primary was shut down; reads the file without a program."""

    def end_of_wal(self, hint: int | None, known: Position | None = None) -> Position | None:
        """Return the end of the last valid record; None if the server isn't consistent there.

        hint: an LSN known to be flushed. known: a position that this server flushed as a primary.
        """

    def ends_in_shutdown(self, end: Position) -> bool:
        """True if our WAL, which ends at `end`, ends with a shutdown checkpoint."""

    def end_of_shutdown(self) -> Position:
        """Return the end of the shutdown checkpoint named in the control file."""
