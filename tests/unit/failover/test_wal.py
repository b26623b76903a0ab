"""The output of PostgreSQL's tools, and the arithmetic of WAL. test_wal_real.py compares both with a server."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapg_failover.pgdata.control_file import parse_control_file, parse_controldata
from hapg_failover.pgdata.crc32c import crc32c
from hapg_failover.pgdata.wal import (
    Record,
    WalEnd,
    end_before_segment,
    fork_point,
    goes_beyond,
    newest_segment_timeline,
    parse_lastrecord,
    parse_waldump_end,
    record_end,
    record_may_exist,
)
from hapg_protocol.lsn import Position, parse_lsn
from hapg_protocol.wal_files import SEGMENT_SIZE, parse_history, segment_name

CONTROLDATA = """\
pg_control version number:            1300
Catalog version number:               202209061
Database system identifier:           7711467995189675420
Database cluster state:               in archive recovery
pg_control last modified:             Mon Nov 23 20:44:12 2026
Latest checkpoint location:           0/3000060
Latest checkpoint's REDO location:    0/3000028
Latest checkpoint's REDO WAL file:    000000020000000000000003
Latest checkpoint's TimeLineID:       2
Latest checkpoint's PrevTimeLineID:   1
Minimum recovery ending location:     16/B374D848
Min recovery ending loc's timeline:   2
Backup start location:                0/0
Backup end location:                  0/0
Bytes per WAL segment:                16777216
"""


def test_controldata() -> None:
    control = parse_controldata(CONTROLDATA)
    assert control.system_identifier == "7711467995189675420"
    assert control.cluster_state == "in archive recovery"
    assert control.checkpoint == Position(2, 0x3000060)
    assert control.redo == 0x3000028
    assert control.min_recovery == Position(2, 0x16B374D848)
    assert (control.backup_start, control.segment_size) == (0, SEGMENT_SIZE)
    with pytest.raises(ValueError, match="no line 'Backup start location'"):
        parse_controldata(CONTROLDATA.replace("Backup start", "Backup begin"))


def test_a_control_file_that_cannot_be_trusted() -> None:
    with pytest.raises(ValueError, match="more than 7 bytes"):
        parse_control_file(bytes(7))
    with pytest.raises(ValueError, match="the layout 1002, known are 960, 1201, 1300, 1700, 1800, 1905"):
        parse_control_file(struct.pack("=QI", 7, 1002) + bytes(500))
    for short in (100, 8192):
        with pytest.raises(ValueError, match="the control file's checksum is wrong"):
            parse_control_file(struct.pack("=QI", 7, 1300) + bytes(short - 12))


def test_the_checksum() -> None:
    """The values of RFC 3720, B.4."""
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(b"123456789") == 0xE3069283


def test_history() -> None:
    text = "1\t0/3000060\tno recovery target specified\n\n# by hand\n3\t0/5000000\tbefore 2000-01-01 00:00:00+00\n"
    history = parse_history(text)
    assert history == ((1, 0x3000060), (3, 0x5000000))
    assert [fork_point(history, timeline) for timeline in (1, 2, 3, 4)] == [0x3000060, None, 0x5000000, None]
    assert parse_history("") == ()


@pytest.mark.parametrize("text", ["1", "x\t0/1\tr", "1\t5\tr", "2\t0/1\tr\n1\t0/2\tr"])
def test_a_history_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a"):
        parse_history(text)


LAST = parse_lsn("0/30000D8")


@pytest.mark.parametrize(
    ("message", "end"),
    [
        # up to 15
        ("invalid record length at 0/3000110: wanted 24, got 0", "0/3000110"),
        # from 16 on, and with the eight digits of 19
        ("invalid record length at 0/3000110: expected at least 24, got 0", "0/3000110"),
        ("invalid record length at 0/03000110: expected at least 24, got 0", "0/3000110"),
        # right after a page header: the previous record ended with the previous page
        ("invalid record length at 0/3002018: wanted 24, got 0", "0/3002000"),
        ("invalid record length at 0/4000028: wanted 24, got 0", "0/4000000"),
        ("record with incorrect prev-link 0/2FFFFD8 at 0/3000110", "0/3000110"),
        ("record with incorrect prev-link 1C/0 at 0/3000110", "0/3000110"),
        ("incorrect resource manager data checksum in record at 0/3000110", "0/3000110"),
        ("invalid resource manager ID 101 at 0/3000110", "0/3000110"),
        ("there is no contrecord flag at 0/3000110", "0/3000110"),
        ("invalid contrecord length 17 (expected 93) at 0/3000110", "0/3000110"),
        ("invalid contrecord length 17 at 0/3000110", "0/3000110"),
        ("missing contrecord at 0/3000110", "0/3000110"),
        ("record length 1818584179 at 0/3000110 too long", "0/3000110"),
        ("contrecord is requested by 0/3002018", "0/3002000"),
        ("unexpected pageaddr 0/1002000 in log segment 000000010000000000000003, offset 8192", None),
        ("unexpected pageaddr 0/1002000 in WAL segment 000000010000000000000003, LSN 0/3002000, offset 8192", None),
        ("invalid magic number 0000 in log segment 000000010000000000000003, offset 8192", None),
        ("invalid info bits 0400 in log segment 000000010000000000000003, offset 8192", None),
        ("out-of-sequence timeline ID 1 (after 2) in log segment 000000020000000000000003, offset 0", None),
    ],
)
@pytest.mark.parametrize("prefix", ["pg_waldump: fatal: ", "pg_waldump: error: ", "pg_xlogdump: FATAL:  "])
def test_how_pg_waldump_ends(message: str, end: str | None, prefix: str) -> None:
    found = parse_waldump_end(f"{prefix}error in WAL record at 0/30000D8: {message}\n")
    assert found == WalEnd(LAST, None if end is None else parse_lsn(end), None, message)


@pytest.mark.parametrize(
    "text",
    [
        'pg_waldump: fatal: could not find file "000000010000000000000004": No such file or directory\n',
        'pg_waldump: error: could not open file "pg_wal/000000010000000000000004": No such file or directory\n',
    ],
)
def test_pg_waldump_ends_for_lack_of_a_file(text: str) -> None:
    found = parse_waldump_end(text)
    assert (found.last_record, found.end, found.missing_segment) == (None, None, "000000010000000000000004")


def test_pg_waldump_finds_nothing() -> None:
    found = parse_waldump_end("pg_waldump: error: could not find a valid record after 0/3000110\n")
    assert found == WalEnd(None, None, None, "could not find a valid record after 0/3000110")


@pytest.mark.parametrize("text", ["", "pg_waldump: error: out of memory\n"])
def test_another_end_of_pg_waldump_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="not the end of a pg_waldump"):
        parse_waldump_end(text)


def test_a_record_as_it_is_printed() -> None:
    line = "rmgr: Heap        len (rec/tot):     54/  8246, tx:        735, lsn: 0/01500028, prev 0/014FFFE8, desc: INSERT off 1\n"
    assert parse_lastrecord(line) == Record(0x1500028, 8246, switch=False)
    line = "rmgr: XLOG        len (rec/tot):     24/    24, tx:          0, lsn: 0/0560BFC0, prev 0/0560BF98, desc: SWITCH \n"
    assert parse_lastrecord(line) == Record(0x560BFC0, 24, switch=True)
    with pytest.raises(ValueError, match="printed no record"):
        parse_lastrecord("pg_waldump: error: nothing")


@pytest.mark.parametrize(
    ("start", "length", "end"),
    [
        (0x3000028, 30, 0x3000048),  # aligned
        (0x3000028, 8192 - 0x28, 0x3002000),  # to the last byte of the page
        (0x3000028, 8192 - 0x28 + 1, 0x3002000 + 24 + 8),  # and one more
        (0x3000028, (8192 - 0x28) + (8192 - 24), 0x3004000),
        (0x3FFFFF8, 100, 0x4000000 + 40 + 96),  # past the end of the segment: a long header
    ],
)
def test_the_end_of_a_record(start: int, length: int, end: int) -> None:
    assert record_end(Record(start, length, switch=False)) == end


def test_a_switch_fills_its_segment() -> None:
    assert record_end(Record(0x560BFC0, 24, switch=True)) == 0x6000000


def test_names_of_segments() -> None:
    assert segment_name(1, 0) == "000000010000000000000000"
    assert segment_name(0x2A, parse_lsn("16/B374D848")) == "0000002A00000016000000B3"
    assert segment_name(1, parse_lsn("16/B374D848"), 1 << 20) == "000000010000001600000B37"
    names = [
        "00000002.history",
        "archive_status",
        "00000001000000000000000F",
        "000000030000000000000001",
        "000000040000000000000001.partial",
    ]
    assert newest_segment_timeline(names) == 3
    assert newest_segment_timeline([]) is None


LONG = 10_000
"""Records of so many bytes have no CRC here: it would take long."""


def whole_record(length: int, switch: bool = False) -> bytes:
    head = struct.pack("=IIQBBH", length, 0, 0, 0x40 if switch else 0, 0 if switch else 10, 0)
    body = b"\xff" * (length - 24)
    return head + struct.pack("=I", crc32c(body + head)) + body


class Log:
    """WAL in memory, in PostgreSQL's layout; segments of 1 MiB."""

    size = 1 << 20

    def __init__(self, start: int = 3 << 20) -> None:
        self.start = start
        self.data = bytearray()
        self.place = start
        self.records: list[tuple[int, int]] = []

    def _write(self, data: bytes, left: int) -> None:
        if self.place % 8192 == 0:
            long = self.place % self.size == 0
            info = (1 if left else 0) | (2 if long else 0)
            self._put(struct.pack("=HHIQI4x", 0xD110, info, 1, self.place, left) + (b"\1" * 16 if long else b""))
        self._put(data)

    def _put(self, data: bytes) -> None:
        self.data += data
        self.place += len(data)

    def add(self, length: int, *, switch: bool = False) -> None:
        self.place += -self.place % 8
        self.data += bytes(self.place - self.start - len(self.data))
        record = whole_record(length, switch) if length < LONG else bytes(24) + b"\xff" * (length - 24)
        record = struct.pack("=I", length) + record[4:]
        begun, done = None, 0
        while done < length:
            header = (40 if self.place % self.size == 0 else 24) if self.place % 8192 == 0 else 0
            room = 8192 - self.place % 8192 - header
            begun = self.place + header if begun is None else begun
            self._write(record[done : done + room], length - done if done else 0)
            done += room
        if switch:
            self.place += -self.place % self.size
            self.data += bytes(self.place - self.start - len(self.data))
        assert begun is not None
        self.records.append((begun, self.end))

    @property
    def end(self) -> int:
        return self.place + -self.place % 8

    def read(self, name: str, offset: int, length: int) -> bytes | None:
        address = int(name[16:], 16) * self.size
        if not self.start <= address < self.place:
            return None
        data = bytes(self.data[address - self.start :][: self.size]).ljust(self.size, b"\0")
        return data[offset : offset + length]


lengths = st.one_of(st.integers(24, 300), st.integers(8000, 8400), st.integers(100_000, 1_200_000))


@given(st.lists(st.tuples(lengths, st.integers(0, 9).map(lambda number: number == 0)), min_size=1, max_size=12))
def test_a_walk_finds_what_was_written(shapes: list[tuple[int, bool]]) -> None:
    log = Log()
    for length, switch in shapes:
        log.add(24 if switch else length, switch=switch)
    for (start, end), (length, switch) in zip(log.records, shapes, strict=True):
        assert record_end(Record(start, 24 if switch else length, switch), Log.size) == end
        assert length >= LONG or record_may_exist(log.read, 1, start, Log.size)
    assert not record_may_exist(log.read, 1, log.end, Log.size)
    for boundary in range(log.start + Log.size, log.end + 1, Log.size):
        complete = [end for _, end in log.records if end <= boundary]
        found = end_before_segment(log.read, segment_name(1, boundary, Log.size), Log.size)
        assert found == (complete[-1] if complete else log.start)


def test_a_record_that_is_cut_short_does_not_exist() -> None:
    log = Log()
    log.add(100)
    log.add(200)
    begun = log.records[-1][0]
    whole = bytearray(log.data)
    assert record_may_exist(log.read, 1, begun, Log.size)
    for place in (begun + 30, begun + 199):
        log.data[place - log.start :] = bytes(len(whole) - (place - log.start))
        assert not record_may_exist(log.read, 1, begun, Log.size)
        log.data[:] = whole


def test_a_record_that_goes_on_at_a_pages_start_may_exist() -> None:
    log = Log()
    log.add(8192)
    assert record_may_exist(log.read, 1, log.start + 8192, Log.size)


class Promoted:
    """Segments of a server that was promoted from timeline 1 to 2 at the end of `before`; it has written `after` since."""

    def __init__(self, before: int, after: int) -> None:
        self.logs = {1: Log(), 2: Log()}
        for timeline, log in self.logs.items():
            for number in range(before + (after if timeline == 2 else 0)):
                log.add(100 + number)
        self.fork = self.logs[1].end
        self.texts: dict[int, str | None] = {2: f"1\t0/{self.fork:X}\tno recovery target specified\n"}

    def holds_more_than(self, timeline: int, lsn: int) -> bool:
        names = [segment_name(each, log.start, Log.size) for each, log in self.logs.items()]
        return goes_beyond(self.read, self.texts.get, names, Position(timeline, lsn), Log.size)

    def read(self, name: str, offset: int, length: int) -> bytes | None:
        return self.logs[int(name[:8], 16)].read(name, offset, length)


def test_what_a_promoted_server_wrote_goes_beyond_the_timeline_before() -> None:
    server = Promoted(before=3, after=1)
    assert server.holds_more_than(1, server.fork)
    assert not server.holds_more_than(2, server.logs[2].end)


def test_a_promotion_that_was_not_finished_goes_beyond_nothing() -> None:
    server = Promoted(before=3, after=0)
    assert not server.holds_more_than(1, server.fork)
    assert server.holds_more_than(1, server.logs[1].records[-1][0])


def test_who_left_the_timeline_later_than_the_end_goes_beyond_it() -> None:
    server = Promoted(before=3, after=0)
    del server.logs[1].data[server.logs[1].records[-1][0] - server.logs[1].start :]
    assert server.holds_more_than(1, server.logs[1].records[-1][0])


@pytest.mark.parametrize("text", [None, "not a history", "7\t0/300000\treason\n"])
def test_a_later_timeline_of_unknown_origin_may_go_beyond(text: str | None) -> None:
    server = Promoted(before=3, after=0)
    server.texts[2] = text
    assert server.holds_more_than(1, server.fork)


def test_where_no_record_exists() -> None:
    place = (3 << 20) + 8192 + 512
    recycled = struct.pack("=HHIQ", 0xD110, 0, 1, (1 << 20) + 8192).ljust(8192, b"\xff")
    assert not record_may_exist(lambda *_: None, 1, place, Log.size)
    assert not record_may_exist(lambda *_: bytes(8192), 1, place, Log.size)
    assert not record_may_exist(lambda *_: recycled, 1, place, Log.size)


def test_where_a_record_might_exist() -> None:
    def fails(name: str, offset: int, length: int) -> bytes:
        raise PermissionError(name)

    place = (3 << 20) + 8192 + 512
    page = struct.pack("=HHIQ", 0xD110, 0, 1, place - 512).ljust(8192, b"\0")
    assert record_may_exist(fails, 1, place, Log.size)
    assert record_may_exist(lambda *_: b"short", 1, place, Log.size)
    assert record_may_exist(lambda *_: page, 1, place + 3, Log.size)
    assert not record_may_exist(lambda *_: page, 1, place, Log.size)
