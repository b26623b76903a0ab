"""What can be known of write-ahead log without a server: from PostgreSQL's tools, history files and the segments themselves.

The layout is that of xlog_internal.h and xlogrecord.h, the same from 9.6 to 18: pages of 8 KiB, each with a header of 24 bytes
(40 on a segment's first page); records begin at multiples of 8 and go on over pages and segments.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .lsn import Position, parse_lsn

SEGMENT_SIZE = 16 * 1024 * 1024
_PAGE = 8192
_SHORT_HEADER = 24
_LONG_HEADER = 40
_PAGE_HEADER = struct.Struct("=HHIQ")  # magic, info, timeline, address
_FIRST_IS_CONTINUED = 1
_LSN = r"[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}"
_SEGMENT_NAME = re.compile(r"[0-9A-F]{24}")

ReadSegment = Callable[[str, int, int], bytes | None]
"""Reads (segment, offset, length): bytes, None if there is no such file, OSError if it can't be read."""


@dataclass(frozen=True)
class ControlData:
    """What pg_controldata says of a data directory. LSNs are byte positions, 0 where there is none."""

    system_identifier: str
    cluster_state: str
    checkpoint: Position
    redo: int
    min_recovery: Position
    backup_start: int
    segment_size: int


def parse_controldata(text: str) -> ControlData:
    """Read the output of pg_controldata (LC_ALL=C). Raise ValueError if a line is missing."""
    lines = (line.partition(":") for line in text.splitlines())
    values = {key.strip(): value.strip() for key, _, value in lines}

    def value(key: str) -> str:
        if key not in values:
            raise ValueError(f"pg_controldata printed no line {key!r}")
        return values[key]

    timeline = int(value("Latest checkpoint's TimeLineID"))
    return ControlData(
        system_identifier=value("Database system identifier"),
        cluster_state=value("Database cluster state"),
        checkpoint=Position(timeline, parse_lsn(value("Latest checkpoint location"))),
        redo=parse_lsn(value("Latest checkpoint's REDO location")),
        min_recovery=Position(int(value("Min recovery ending loc's timeline")), parse_lsn(value("Minimum recovery ending location"))),
        backup_start=parse_lsn(value("Backup start location")),
        segment_size=int(value("Bytes per WAL segment")),
    )


History = tuple[tuple[int, int], ...]
"""The ancestors of a timeline, oldest first: each with the LSN at which it was left."""


def parse_history(text: str) -> History:
    """Read a timeline history file. Raise ValueError if a line isn't one."""
    ancestors: list[tuple[int, int]] = []
    for line in text.splitlines():
        words = line.split("#", 1)[0].split(maxsplit=2)
        if not words:
            continue
        if len(words) < 2 or not words[0].isdecimal() or (ancestors and int(words[0]) <= ancestors[-1][0]):
            raise ValueError(f"not a line of a timeline history file: {line!r}")
        ancestors.append((int(words[0]), parse_lsn(words[1])))
    return tuple(ancestors)


def fork_point(history: History, timeline: int) -> int | None:
    """Return where the lineage left `timeline`, None if it is not an ancestor."""
    return dict(history).get(timeline)


@dataclass(frozen=True)
class WalEnd:
    """How pg_waldump ended.

    last_record: where the last good record begins, None if none was read; end: where valid WAL ends, None if the message doesn't say:
    then it is the end of `last_record`; missing_segment: the file whose absence ended it (then the record isn't named either);
    reason: the message.
    """

    last_record: int | None
    end: int | None
    missing_segment: str | None
    reason: str


_ERROR = re.compile(rf"error in WAL record at ({_LSN}): (.*)")
_MISSING = re.compile(r'could not (?:find|open) file "(?:[^"]*/)?([0-9A-F]{24})"')
# Messages that name the place at which the record after the last good one would begin.
_AT_NEXT_RECORD = re.compile(
    "(?:"
    "invalid record length"
    "|invalid record offset"
    "|invalid resource manager ID [0-9]+"
    f"|record with incorrect prev-link {_LSN}"
    "|incorrect resource manager data checksum in record"
    "|there is no contrecord flag"
    "|missing contrecord"
    r"|invalid contrecord length [0-9]+(?: \(expected [0-9]+\))?"
    "|contrecord is requested by"
    "|record length [0-9]+"
    rf")(?: at)? ({_LSN})"
)


def parse_waldump_end(text: str, segment_size: int = SEGMENT_SIZE) -> WalEnd:
    """Read what `pg_waldump -q` wrote to stderr. Raise ValueError if it isn't a known way to end."""
    error = _ERROR.search(text)
    if error is not None:
        reason = error[2].strip()
        place = _AT_NEXT_RECORD.match(reason)
        end = None if place is None else _without_header(parse_lsn(place[1]), segment_size)
        last = parse_lsn(error[1])
        return WalEnd(last or None, end, None, reason)
    missing = _MISSING.search(text)
    if missing is not None:
        return WalEnd(None, None, missing[1], missing[0])
    raise ValueError(f"not the end of a pg_waldump: {text.strip()[-200:]!r}")


def _without_header(lsn: int, segment_size: int) -> int:
    """Return the page's start if `lsn` is right after its header: that is where the record before it ends."""
    return lsn - lsn % _PAGE if lsn % _PAGE == _header_size(lsn, segment_size) else lsn


@dataclass(frozen=True)
class Record:
    """A record as pg_waldump prints it. length: in bytes, images included; switch: it fills the rest of its segment."""

    start: int
    length: int
    switch: bool


_RECORD = re.compile(rf"rmgr: (\w+) +len \(rec/tot\): +[0-9]+/ *([0-9]+),.* lsn: ({_LSN}),.*? desc: (\S*)")


def parse_lastrecord(text: str) -> Record:
    """Read the line of `pg_waldump -n 1`. Raise ValueError if there is none."""
    match = _RECORD.search(text)
    if match is None:
        raise ValueError(f"pg_waldump printed no record: {text.strip()[-200:]!r}")
    switch = match[1] == "XLOG" and match[4] == "SWITCH"
    return Record(start=parse_lsn(match[3]), length=int(match[2]), switch=switch)


def record_end(record: Record, segment_size: int = SEGMENT_SIZE) -> int:
    """Return the end of `record`, aligned: the position PostgreSQL gives once it has written or replayed it."""
    if record.switch:
        return record.start - record.start % segment_size + segment_size
    place, left = record.start, record.length
    while True:
        room = _PAGE - place % _PAGE
        if left <= room:
            return -(-(place + left) // 8) * 8
        place, left = place + room, left - room
        place += _header_size(place, segment_size)


def _header_size(lsn: int, segment_size: int) -> int:
    return _LONG_HEADER if lsn % segment_size < _PAGE else _SHORT_HEADER


def segment_name(timeline: int, lsn: int, segment_size: int = SEGMENT_SIZE) -> str:
    """Return the name of the file that holds the byte at `lsn`."""
    segments_per_id = 0x100000000 // segment_size
    number = lsn // segment_size
    return f"{timeline:08X}{number // segments_per_id:08X}{number % segments_per_id:08X}"


def newest_segment_timeline(names: Iterable[str]) -> int | None:
    """Return the highest timeline among the names that are segments', None if there is none."""
    return max((int(name[:8], 16) for name in names if _SEGMENT_NAME.fullmatch(name)), default=None)


def record_may_exist(read: ReadSegment, timeline: int, lsn: int, segment_size: int = SEGMENT_SIZE) -> bool:
    """Tell whether a dead server's volume may hold WAL that goes on at `lsn`, the end of somebody else's.

    False is a proof: no file, a page that was never written, one of a recycled file, or no record. Anything else is True.
    """
    page_start = lsn - lsn % _PAGE
    name = segment_name(timeline, lsn, segment_size)
    try:
        page = read(name, page_start % segment_size, _PAGE)
    except OSError:
        return True
    if page is None:
        return False
    if len(page) < _PAGE:
        return True  # cut short: no file of PostgreSQL's is
    magic, info, _, address = _PAGE_HEADER.unpack_from(page)
    if magic == 0 or address != page_start:
        return False
    if lsn % 8 != 0:
        return True  # within a record
    header = _header_size(lsn, segment_size)
    if lsn == page_start and info & _FIRST_IS_CONTINUED:
        return True
    (length,) = struct.unpack_from("=I", page, max(lsn % _PAGE, header))
    return bool(length)
