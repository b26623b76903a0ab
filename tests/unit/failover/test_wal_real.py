"""Reading WAL without a server gives the same result as PostgreSQL 15 itself."""

from __future__ import annotations

import os
import random
import struct
from concurrent.futures import ThreadPoolExecutor

import pytest

from hapg_failover.pgdata.control_file import ControlData, parse_control_file, parse_controldata
from hapg_failover.pgdata.wal import (
    WalEnd,
    end_before_segment,
    end_by_reading,
    ends_in_shutdown,
    newest_segment_timeline,
    parse_lastrecord,
    parse_waldump_end,
    record_end,
    record_may_exist,
)
from hapg_protocol.lsn import format_lsn, parse_lsn
from hapg_protocol.wal_files import segment_name

from .conftest import SEGMENT_SIZE, Server

pytestmark = pytest.mark.slow
ROUNDS = 12


@pytest.fixture(scope="module")
def busy(server: Server) -> Server:
    """A server that recycles its segments, with a table for rows of any length."""
    server.settings = {"max_wal_size": "4MB", "min_wal_size": "2MB"}
    server.start()
    server.ask("CREATE TABLE t (b bytea)")
    server.ask("ALTER TABLE t ALTER b SET STORAGE external")
    server.stop()
    return server


def _work(server: Server, chance: random.Random) -> int:
    """Write records of all shapes; return the end of WAL."""
    connection = server.connect()
    with connection.cursor() as cursor:
        for _ in range(chance.randint(1, 20)):
            size = chance.choice([1, 100, 3000, 8000, 8100, 50000, 300000])
            cursor.execute("INSERT INTO t SELECT decode(repeat('ab', %s), 'hex')", (chance.randint(1, size),))
            if chance.random() < 0.1:
                cursor.execute("SELECT pg_switch_wal()")
            if chance.random() < 0.05:
                cursor.execute("CHECKPOINT")
        if chance.random() < 0.3:
            cursor.execute("SELECT pg_switch_wal()")
        cursor.execute("SELECT pg_current_wal_flush_lsn()::text")
        (flushed,) = cursor.fetchone()
    connection.close()
    return parse_lsn(flushed)


def _control(server: Server) -> ControlData:
    return parse_controldata(server.run("pg_controldata", "-D", server.data).stdout)


def _dump(server: Server, start: int, wal: str = "pg_wal") -> WalEnd:
    path = server.data / wal
    done = server.run("pg_waldump", "-q", "-p", path, "-s", format_lsn(start), check=False)
    return parse_waldump_end(done.stderr, SEGMENT_SIZE)


def _end_by_record(server: Server, start: int) -> int:
    done = server.run("pg_waldump", "-n", "1", "-p", server.data / "pg_wal", "-s", format_lsn(start))
    record = parse_lastrecord(done.stdout)
    assert record.start == start
    return record_end(record, SEGMENT_SIZE)


def test_the_end_of_wal_is_where_the_killed_server_had_flushed(busy: Server) -> None:
    chance = random.Random(15)
    for _ in range(ROUNDS):
        busy.start()
        flushed = _work(busy, chance)
        busy.stop()
        control = _control(busy)
        assert parse_control_file((busy.data / "global" / "pg_control").read_bytes()) == control
        assert end_by_reading(busy.read_wal, 1, control.redo, SEGMENT_SIZE) == flushed
        begun = control.redo - control.redo % SEGMENT_SIZE
        assert end_by_reading(busy.read_wal, 1, begun, SEGMENT_SIZE) == flushed
        assert control.segment_size == SEGMENT_SIZE
        assert newest_segment_timeline(path.name for path in (busy.data / "pg_wal").iterdir()) == 1
        found = _dump(busy, control.redo)
        if found.missing_segment is not None:
            assert found.missing_segment == segment_name(1, flushed, SEGMENT_SIZE)
            assert end_before_segment(busy.read_wal, found.missing_segment, SEGMENT_SIZE) == flushed
            continue
        assert found.last_record is not None, found
        end = _end_by_record(busy, found.last_record)
        assert found.end in (None, end), found
        assert end == flushed, found
        assert record_may_exist(busy.read_wal, 1, found.last_record, SEGMENT_SIZE)
        assert not record_may_exist(busy.read_wal, 1, end, SEGMENT_SIZE)


def test_a_shutdown_checkpoint_is_told_from_any_other_end(busy: Server) -> None:
    """At any place in its page; and only at the very end of it."""
    chance = random.Random(7)
    for _ in range(ROUNDS):
        busy.start()
        flushed = _work(busy, chance)
        assert not ends_in_shutdown(busy.read_wal, 1, flushed, SEGMENT_SIZE)
        busy.stop("fast")
        control = _control(busy)
        end = end_by_reading(busy.read_wal, 1, control.redo, SEGMENT_SIZE)
        assert end is not None
        assert ends_in_shutdown(busy.read_wal, 1, end, SEGMENT_SIZE)
        assert not ends_in_shutdown(busy.read_wal, 1, end - 8, SEGMENT_SIZE)
        assert not ends_in_shutdown(busy.read_wal, 1, end + 8, SEGMENT_SIZE)


def test_reading_ends_where_a_byte_is_wrong(busy: Server) -> None:
    """At the record that contains it, like pg_waldump, regardless of what follows."""
    busy.start()
    chance = random.Random(3)
    _work(busy, chance)
    busy.stop()
    start = _control(busy).redo
    end = end_by_reading(busy.read_wal, 1, start, SEGMENT_SIZE)
    assert end is not None
    for _ in range(20):
        wrong = chance.randrange(start, end)

        def read(name: str, offset: int, length: int, wrong: int = wrong) -> bytes | None:
            data = busy.read_wal(name, offset, length)
            if data is None or name != segment_name(1, wrong, SEGMENT_SIZE):
                return data
            place = wrong % SEGMENT_SIZE - offset
            return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :] if 0 <= place < len(data) else data

        copy = busy.data / f"wrong{wrong}"
        copy.mkdir()
        for name in sorted(path.name for path in (busy.data / "pg_wal").iterdir() if len(path.name) == 24):
            pages = [read(name, offset, 8192) or b"" for offset in range(0, SEGMENT_SIZE, 8192)]
            (copy / name).write_bytes(b"".join(pages))
        done = busy.run("pg_waldump", "-p", copy, "-s", format_lsn(start), check=False)
        records = [parse_lastrecord(line) for line in done.stdout.splitlines()]
        expected = record_end(records[-1], SEGMENT_SIZE) if records else None
        assert end_by_reading(read, 1, start, SEGMENT_SIZE) == expected, (format_lsn(wrong), done.stderr)


def test_a_missing_file_ends_wal_at_the_last_complete_record(busy: Server) -> None:
    """Remove one segment after the other, and check where the WAL before it ends."""
    busy.settings = {"wal_keep_size": "64MB"}
    busy.start()
    chance = random.Random(7)
    for _ in range(10):
        _work(busy, chance)
    busy.stop()
    names = sorted(path.name for path in (busy.data / "pg_wal").iterdir() if len(path.name) == 24)
    written = [name for name in names if _address(busy, name) is not None]
    assert len(written) >= 5
    start = _address(busy, written[0])
    assert start is not None

    def last_record_end(number: int) -> int:
        rest = busy.data / f"rest{number}"
        rest.mkdir()
        for name in names:
            if name < written[number]:
                os.link(busy.data / "pg_wal" / name, rest / name)
        # Without -q the last line it prints is the last valid record. It waits five seconds for the file.
        done = busy.run("pg_waldump", "-p", rest, "-s", format_lsn(start), check=False)
        assert parse_waldump_end(done.stderr, SEGMENT_SIZE).missing_segment == written[number]
        return record_end(parse_lastrecord(done.stdout.splitlines()[-1]), SEGMENT_SIZE)

    with ThreadPoolExecutor(len(written)) as pool:
        ends = list(pool.map(last_record_end, range(1, len(written))))
    assert [end_before_segment(busy.read_wal, name, SEGMENT_SIZE) for name in written[1:]] == ends
    assert end_before_segment(busy.read_wal, written[0], SEGMENT_SIZE) is None


def _address(server: Server, name: str) -> int | None:
    """Return the LSN of a segment, None if it is a recycled one."""
    page = server.read_wal(name, 0, 16)
    assert page is not None
    (address,) = struct.unpack_from("=Q", page, 8)
    return int(address) if segment_name(1, address, SEGMENT_SIZE) == name else None
