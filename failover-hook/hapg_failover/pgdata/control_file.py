"""The control file of a data directory: parsed from pg_controldata's output, or read directly (catalog/pg_control.h)."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from hapg_protocol.lsn import Position, parse_lsn
from hapg_protocol.wal_files import is_segment_size

from .crc32c import crc32c

SHUT_DOWN = "shut down"
"""The state of a primary that was shut down."""

_NUMBER = re.compile(r"[0-9]{1,20}")
_STATE = re.compile(r"[a-z ]{1,40}")
_ANYTHING = re.compile(r".+")


@dataclass(frozen=True)
class ControlData:
    """The content of the control file. LSNs are byte positions, 0 if unset; cluster_state is worded as pg_controldata prints it."""

    system_identifier: str
    cluster_state: str
    checkpoint: Position
    redo: int
    min_recovery: Position
    backup_start: int
    segment_size: int

    @property
    def production(self) -> Position | None:
        """The timeline that a server in production writes on, and an LSN that it has passed; None if it isn't in production.

        At the end of recovery, the state is set once the record that begins the new timeline is on disk, and that record's end becomes
        min_recovery; the next checkpoint clears it (xlog.c: StartupXLOG, CreateEndOfRecoveryRecord).
        """
        return max(self.checkpoint, self.min_recovery) if self.cluster_state == "in production" else None


def parse_controldata(text: str) -> ControlData:
    """Return the control data in `text`, the output of pg_controldata (with LC_ALL=C). Raise ValueError if a line is missing."""
    lines = (line.partition(":") for line in text.splitlines())
    values = {key.strip(): value.strip() for key, _, value in lines}

    def value(key: str, pattern: re.Pattern[str]) -> str:
        if not pattern.fullmatch(values.get(key, "")):
            raise ValueError(f"pg_controldata printed no line {key!r} with a value of that kind")
        return values[key]

    def number(key: str) -> int:
        return int(value(key, _NUMBER))

    def lsn(key: str) -> int:
        return parse_lsn(value(key, _ANYTHING))

    return ControlData(
        system_identifier=value("Database system identifier", _NUMBER),
        cluster_state=value("Database cluster state", _STATE),
        checkpoint=Position(number("Latest checkpoint's TimeLineID"), lsn("Latest checkpoint location")),
        redo=lsn("Latest checkpoint's REDO location"),
        min_recovery=Position(number("Min recovery ending loc's timeline"), lsn("Minimum recovery ending location")),
        backup_start=lsn("Backup start location"),
        segment_size=_segment_size(number("Bytes per WAL segment")),
    )


def _segment_size(size: int) -> int:
    if not is_segment_size(size):
        raise ValueError(f"the control file gives WAL segments {size} bytes; allowed is a power of two from 1 MiB to 1 GiB")
    return size


_HEAD = struct.Struct("=QI")  # system identifier, layout version
_CHECKPOINT = struct.Struct("=QI")  # redo point, timeline
_STATE_AT, _CHECKPOINT_AT = 16, 32
_LIMITED = ("max_connections", "max_worker_processes", "max_wal_senders", "max_prepared_transactions", "max_locks_per_transaction")


@dataclass(frozen=True)
class _Layout:
    """Offsets: of the CRC, the copy of the last checkpoint, the minimum recovery point, the limits and the size of WAL segments. limited:
    the names of the limits.
    """

    crc: int
    checkpoint_copy: int = 40
    recovery: int = 136
    limits: int = 180
    segment_size: int = 228
    limited: tuple[str, ...] = _LIMITED


_LAYOUTS: Mapping[int, _Layout] = {
    960: _Layout(256, checkpoint_copy=48, limited=tuple(name for name in _LIMITED if name != "max_wal_senders")),
    1201: _Layout(288),
    1300: _Layout(288),
    1700: _Layout(288),
    1800: _Layout(292),
    1905: _Layout(308, recovery=144, limits=188, segment_size=240),
}
"""By layout version: 9.6, 12, 13 to 16, 17, 18 and 19."""
_RECOVERY = struct.Struct("=QI4xQ")  # minimum recovery point, its timeline, backup start
_STATES = (
    "starting up",
    "shut down",
    "shut down in recovery",
    "shutting down",
    "in crash recovery",
    "in archive recovery",
    "in production",
)


def parse_control_file(data: bytes) -> ControlData:
    """Return the control data in `data`, the control file itself as written on x86-64 or ARM64.

    Raise ValueError if it is damaged or of an unknown layout.
    """
    system_identifier, layout = _sound(data)
    (state,) = struct.unpack_from("=I", data, _STATE_AT)
    (checkpoint,) = struct.unpack_from("=Q", data, _CHECKPOINT_AT)
    redo, timeline = _CHECKPOINT.unpack_from(data, layout.checkpoint_copy)
    min_recovery, min_timeline, backup_start = _RECOVERY.unpack_from(data, layout.recovery)
    (segment_size,) = struct.unpack_from("=I", data, layout.segment_size)
    return ControlData(
        system_identifier=str(system_identifier),
        cluster_state=_STATES[state],
        checkpoint=Position(timeline, checkpoint),
        redo=redo,
        min_recovery=Position(min_timeline, min_recovery),
        backup_start=backup_start,
        segment_size=_segment_size(segment_size),
    )


def parse_limits(data: bytes) -> Mapping[str, int]:
    """Return the settings that the primary runs with and a hot standby must not be below, by name. data, errors: as above."""
    _, layout = _sound(data)
    return dict(zip(layout.limited, struct.unpack_from(f"={len(layout.limited)}I", data, layout.limits), strict=True))


def _sound(data: bytes) -> tuple[int, _Layout]:
    """Return the system identifier and the layout of a control file. Raise ValueError if it is damaged or of another layout."""
    if len(data) < _HEAD.size:
        raise ValueError(f"a control file has more than {len(data)} bytes")
    system_identifier, version = _HEAD.unpack_from(data)
    if version not in _LAYOUTS:
        raise ValueError(f"the control file has the layout {version}, known are {', '.join(map(str, _LAYOUTS))}")
    layout = _LAYOUTS[version]
    if len(data) < layout.crc + 4 or struct.unpack_from("=I", data, layout.crc) != (crc32c(data[: layout.crc]),):
        raise ValueError("the control file's checksum is wrong")
    return system_identifier, layout
