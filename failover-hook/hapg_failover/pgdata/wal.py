"""Reads write-ahead log without a server: from the output of PostgreSQL's tools, from history files and from the segments themselves.

The layout is that of xlog_internal.h and xlogrecord.h, unchanged from 9.6 to 19: pages of 8 KiB, each with a header of 24 bytes (40 on a
segment's first page); records begin at multiples of 8 bytes and continue across pages and segments.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hapg_protocol.lsn import Position, parse_lsn
from hapg_protocol.wal_files import SEGMENT_SIZE, History, parse_history, segment_name, segment_start

from .crc32c import crc32c

PAGE = 8192
_SHORT_HEADER = 24
_LONG_HEADER = 40
_PAGE_HEADER = struct.Struct("=HHIQI")  # magic, info, timeline, address, remaining length of a record from an earlier page
_FIRST_IS_CONTINUED = 1
_RECORD_HEADER = struct.Struct("=I4xQBB2xI")  # length, start of the previous record, info, resource manager, CRC
_CRC_AT = 20
_RECORD_LENGTH_MIN = 24
_INFO_MASK = 0xF0
_SWITCH = (0, 0x40)  # resource manager XLOG, XLOG_SWITCH
_SHUTDOWN = (0, 0x00)  # resource manager XLOG, XLOG_CHECKPOINT_SHUTDOWN
_LSN = r"[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}"
_SEGMENT_NAME = re.compile(r"[0-9A-F]{24}")

ReadSegment = Callable[[str, int, int], bytes | None]
"""Reads (segment, offset, length): returns the bytes, or None if there is no such file; raises OSError if it can't be read."""
ReadHistory = Callable[[int], str | None]
"""Reads a timeline's history file: returns its text, or None if there is none; raises OSError if it can't be read."""


def fork_point(history: History, timeline: int) -> int | None:
    """Return the LSN at which the lineage left `timeline`, or None if `timeline` is not an ancestor."""
    return dict(history).get(timeline)


def timelines_since(own: int, timeline: int, history: History) -> tuple[int, ...]:
    """Return the timelines of a lineage from `own` to its last one, `timeline`.

    A server may have the end of a timeline under the name of the next one alone: the segment in which it was promoted (xlog.c,
    CleanupAfterArchiveRecovery).
    """
    return tuple(sorted({own, timeline, *(each for each, _ in history if each > own)}))


@dataclass(frozen=True)
class WalEnd:
    """How pg_waldump ended.

    last_record: the start of the last good record, None if none was read or named; end: the end of valid WAL, None if the message doesn't
    say. In that case, take `record_end` of the last record, or `end_before_segment` of `missing_segment`, the file whose absence ended the
    dump; reason: the message.
    """

    last_record: int | None
    end: int | None
    missing_segment: str | None
    reason: str


_ERROR = re.compile(rf"error in WAL record at ({_LSN}): (.*)")
_NOTHING = re.compile(rf"could not find a valid record after ({_LSN}).*")
_MISSING = re.compile(r'could not (?:find|open) file "(?:[^"]*/)?([0-9A-F]{24})".*')
# Messages that give the LSN at which the record after the last good one would begin.
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
    """Return how `pg_waldump -q` ended, from its stderr. Raise ValueError if the message is unknown.

    text: the stderr output; segment_size: in bytes.
    """
    if error := _ERROR.search(text):
        reason = error[2].strip()
        place = _AT_NEXT_RECORD.match(reason)
        end = None if place is None else without_header(parse_lsn(place[1]), segment_size)
        return WalEnd(parse_lsn(error[1]) or None, end, None, reason)
    if nothing := _NOTHING.search(text):
        return WalEnd(None, None, None, nothing[0])
    if missing := _MISSING.search(text):
        return WalEnd(None, None, missing[1], missing[0])
    raise ValueError(f"not the end of a pg_waldump: {len(text)} characters")


@dataclass(frozen=True)
class Record:
    """The start (LSN) and length (bytes, including full-page images) of a record; switch: it fills the rest of its segment."""

    start: int
    length: int
    switch: bool


_RECORD = re.compile(rf"rmgr: (\w+) +len \(rec/tot\): +[0-9]+/ *([0-9]+),.* lsn: ({_LSN}),.*? desc: (\S*)")


def parse_lastrecord(text: str) -> Record:
    """Return the record that `pg_waldump -n 1` printed in `text`. Raise ValueError if it printed none."""
    match = _RECORD.search(text)
    if match is None:
        raise ValueError(f"pg_waldump printed no record, but {len(text)} characters")
    switch = match[1] == "XLOG" and match[4] == "SWITCH"
    return Record(start=parse_lsn(match[3]), length=int(match[2]), switch=switch)


def record_end(record: Record, segment_size: int = SEGMENT_SIZE) -> int:
    """Return the end of `record`, aligned: the LSN that PostgreSQL shows once it has written or replayed it. segment_size: in bytes."""
    if record.switch:
        return record.start - record.start % segment_size + segment_size
    return _advance(record.start, record.length, segment_size)


def _advance(place: int, length: int, segment_size: int) -> int:
    """Return the aligned end of `length` bytes that begin at `place`, skipping the headers of the pages in between."""
    while length > (room := PAGE - place % PAGE):
        place, length = place + room, length - room
        place += _header_size(place, segment_size)
    return -(-(place + length) // 8) * 8


def _header_size(lsn: int, segment_size: int) -> int:
    return _LONG_HEADER if lsn % segment_size < PAGE else _SHORT_HEADER


def with_header(lsn: int, segment_size: int) -> int:
    """Return the start of the record that follows the record ending at `lsn`."""
    return lsn + _header_size(lsn, segment_size) if lsn % PAGE == 0 else lsn


def without_header(lsn: int, segment_size: int) -> int:
    """Return the end of the record that precedes the record starting at `lsn`."""
    return lsn - lsn % PAGE if lsn % PAGE == _header_size(lsn, segment_size) else lsn


def end_by_reading(read: ReadSegment, timeline: int, start: int, segment_size: int = SEGMENT_SIZE) -> int | None:
    """Return the end of the last valid record of `timeline` from `start` on, or None if there is none: the same result as pg_waldump's.

    start: the start of a record or a page. Meant for images without pg_waldump; checks a few megabytes per second. Raise OSError.
    """
    wal = Wal(read, timeline, segment_size)
    place = wal.first_record(start) if start % PAGE == 0 else start
    before = end = None
    while place is not None and (record := wal.record_at(place, before)) is not None:
        before, end = place, record_end(record, segment_size)
        place = with_header(end, segment_size)
    return end


def end_before_segment(read: ReadSegment, missing: str, segment_size: int = SEGMENT_SIZE) -> int | None:
    """Return the end of the last complete record before the segment `missing`, or None if it can't be determined.

    Only for WAL that pg_waldump has read without an error until it asked for that file: its records are valid, and only the last one may
    continue in the missing file. Raise OSError.
    """
    timeline, high, low = (int(missing[place : place + 8], 16) for place in (0, 8, 16))
    boundary = (high << 32) + low * segment_size
    wal = Wal(read, timeline, segment_size)
    for segment in range(boundary - segment_size, 0, -segment_size):
        place = wal.first_record(segment)
        if place is None:
            return None
        if place < boundary:
            return wal.last_end(place, boundary)
    return None


def ends_in_shutdown(read: ReadSegment, timeline: int, end: int, segment_size: int = SEGMENT_SIZE) -> bool:
    """True if the record that ends at `end` is a shutdown checkpoint.

    A server writes one only after every process that could write has ended, and panics if anything was written in the meantime
    (src/backend/access/transam/xlog.c, CreateCheckPoint). Raise OSError.
    """
    wal = Wal(read, timeline, segment_size)
    last_page = (end - 1) - (end - 1) % PAGE
    for page in (last_page, last_page - PAGE):
        place = wal.first_record(page) if page >= 0 else None
        while place is not None and place < end and (record := wal.record_at(place, None)) is not None:
            if record_end(record, segment_size) == end:
                return wal.kind_at(place) == _SHUTDOWN
            place = with_header(record_end(record, segment_size), segment_size)
    return False


def is_switch(info: int, manager: int) -> bool:
    """True if a record of this kind ends its segment (XLOG_SWITCH). info, manager: from the record's header."""
    return (manager, info & _INFO_MASK) == _SWITCH


class Wal:
    """Walks the records of one timeline, page by page."""

    def __init__(self, read: ReadSegment, timeline: int, segment_size: int) -> None:
        self._read = read
        self._timeline = timeline
        self._segment_size = segment_size
        self._page = (-1, b"")

    def first_record(self, start: int) -> int | None:
        """Return the start of the first record that begins on or after the page at `start`, or None if there is no such page."""
        page = self._page_at(start)
        if page is None:
            return None
        _, info, _, _, left = _PAGE_HEADER.unpack_from(page)
        place = start + _header_size(start, self._segment_size)
        if info & _FIRST_IS_CONTINUED:
            place = with_header(_advance(place, left, self._segment_size), self._segment_size)
        return place

    def last_end(self, place: int, boundary: int) -> int | None:
        """Return the end of the last record that is complete before `boundary`, starting with the record at `place`."""
        end = without_header(place, self._segment_size)
        while end < boundary:
            header = self.bytes_at(place, _RECORD_HEADER.size)
            if header is None:
                break
            length, _, info, manager, _ = _RECORD_HEADER.unpack(header)
            if length < _RECORD_LENGTH_MIN:
                return None
            next_end = record_end(Record(place, length, is_switch(info, manager)), self._segment_size)
            if next_end > boundary:
                break
            end, place = next_end, with_header(next_end, self._segment_size)
        return end

    def record_at(self, place: int, before: int | None) -> Record | None:
        """Return the record at `place` if it is complete and follows the record at `before` (None: any record); None otherwise."""
        header = self.bytes_at(place, _RECORD_HEADER.size)
        if header is None:
            return None
        length, link, info, manager, crc = _RECORD_HEADER.unpack(header)
        if length < _RECORD_LENGTH_MIN or (link >= place if before is None else link != before):
            return None
        data = self.bytes_at(place, length)
        if data is None or crc32c(data[_RECORD_HEADER.size :] + data[:_CRC_AT]) != crc:
            return None
        return Record(place, length, is_switch(info, manager))

    def kind_at(self, place: int) -> tuple[int, int] | None:
        """Return the resource manager of the record at `place`, and the record's type within it; None if the record is missing."""
        header = self.bytes_at(place, _RECORD_HEADER.size)
        if header is None:
            return None
        _, _, info, manager, _ = _RECORD_HEADER.unpack(header)
        return manager, info & _INFO_MASK

    def bytes_at(self, place: int, length: int) -> bytes | None:
        """Return `length` bytes of a record, which may continue on the next page; None if that page is missing."""
        data = b""
        while len(data) < length:
            page = self._page_at(place)
            if page is None:
                return None
            data += page[place % PAGE :][: length - len(data)]
            place = place - place % PAGE + PAGE
            place += _header_size(place, self._segment_size)
        return data

    def _page_at(self, lsn: int) -> bytes | None:
        start = lsn - lsn % PAGE
        if self._page[0] != start:
            name = segment_name(self._timeline, start, self._segment_size)
            data = self._read(name, start % self._segment_size, PAGE)
            if data is None or len(data) < PAGE or not is_page(data, start):
                return None  # no such page, or a stale page of a recycled segment
            self._page = (start, data)
        return self._page[1]


def first_lsn(timeline: int, names: Iterable[str], segment_size: int = SEGMENT_SIZE) -> int | None:
    """Return the LSN of the first byte of the oldest segment of `timeline` among `names`, or None if there is none."""
    segments = [name for name in names if _SEGMENT_NAME.fullmatch(name) and int(name[:8], 16) == timeline]
    if not segments:
        return None
    return segment_start(min(segments), segment_size)


def last_lsn(timeline: int, start: int, names: Iterable[str], segment_size: int = SEGMENT_SIZE) -> int:
    """Return the end of the last segment of `timeline` that follows, without a gap, the segment containing `start`."""
    there = {name for name in names if _SEGMENT_NAME.fullmatch(name)}
    end = start - start % segment_size
    while segment_name(timeline, end, segment_size) in there:
        end += segment_size
    return end


def newest_segment_timeline(names: Iterable[str]) -> int | None:
    """Return the highest timeline among the segment names in `names`, or None if there are none."""
    return max(segment_timelines(names), default=None)


def segment_timelines(names: Iterable[str]) -> set[int]:
    """Return the timelines of the segment names in `names`."""
    return {int(name[:8], 16) for name in names if _SEGMENT_NAME.fullmatch(name)}


def is_page(page: bytes, lsn: int) -> bool:
    """True if `page` was written for `lsn`: it is neither empty nor a stale page of a recycled segment."""
    magic, _, _, address, _ = _PAGE_HEADER.unpack_from(page)
    return bool(magic != 0 and address == lsn)


def goes_beyond(read: ReadSegment, history: ReadHistory, names: Iterable[str], end: Position, segment_size: int = SEGMENT_SIZE) -> bool:
    """True if a dead server's volume may hold WAL beyond `end`, another server's position: on that timeline, or on a later one.

    A promoted server writes on its own timeline, so its unreplicated WAL is in no segment of the previous timeline. history: returns the
    text of a timeline's history file, None if there is none; names: the segment files. False is proof, as in `record_may_exist`.
    """
    if record_may_exist(read, end.timeline, end.lsn, segment_size):
        return True
    for timeline in sorted(each for each in segment_timelines(names) if each > end.timeline):
        try:
            fork = fork_point(parse_history(history(timeline) or ""), end.timeline)
        except (OSError, ValueError):
            return True
        if fork is None or fork > end.lsn or record_may_exist(read, timeline, fork, segment_size):
            return True
    return False


def record_may_exist(read: ReadSegment, timeline: int, lsn: int, segment_size: int = SEGMENT_SIZE) -> bool:
    """True if a dead server's volume may hold WAL that continues at `lsn`, the end of another server's WAL.

    False is proof: the file is missing, the page was never written or belongs to a recycled file, or there is no complete record, and
    recovery stops before an incomplete one. Everything else is True.
    """
    page_start = lsn - lsn % PAGE
    try:
        page = read(segment_name(timeline, lsn, segment_size), page_start % segment_size, PAGE)
        if page is None:
            return False
        if len(page) < PAGE:
            return True  # truncated, which PostgreSQL's own files never are
        if not is_page(page, page_start):
            return False
        if lsn % 8 != 0:
            return True  # inside a record
        if lsn == page_start and _PAGE_HEADER.unpack_from(page)[1] & _FIRST_IS_CONTINUED:
            return True
        return Wal(read, timeline, segment_size).record_at(with_header(lsn, segment_size), None) is not None
    except OSError:
        return True
