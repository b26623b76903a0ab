"""WAL that a dead server had written but not sent: who may have it, where it ends, how it is added."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import pytest

from hapg_failover.adapters import unreplicated_wal as files
from hapg_failover.adapters.volume import Volume
from hapg_failover.core.decide import decide
from hapg_failover.core.state.actions import DeadHolder, Run, Seal
from hapg_failover.core.state.memory import Memory
from hapg_failover.core.state.phases import Phase
from hapg_failover.core.unreplicated_wal import WalRequest, genuine, may_give
from hapg_failover.pgdata.wal import PAGE
from hapg_protocol.model import LeaseState, Release
from hapg_protocol.wal_files import segment_name

from .test_decide import FOLLOWING, HELD, ME, OTHER, RELEASED, lease, seen

SIZE = 1 << 20
TIMELINE = 3
ASKED = WalRequest(RELEASED.term, RELEASED.timeline, 0x500)
OURS = replace(RELEASED, holder=ME)
DOWN = Memory(Phase.DOWN)


@pytest.mark.parametrize(
    ("why", "state", "memory", "silent_for", "foreign", "given"),
    [
        ("the server has died", OURS, DOWN, 1.0, False, True),
        ("it is started again, sealed", OURS, Memory(Phase.SEALED), 1.0, False, True),
        ("it follows already", OURS, Memory(Phase.FOLLOW), 1.0, False, False),
        ("it writes", replace(OURS, release=None), Memory(Phase.PRIMARY), 1.0, False, False),
        ("somebody else gave the Lease back", RELEASED, DOWN, 1.0, False, False),
        ("the Lease is of another term", replace(OURS, term=OURS.term + 1), DOWN, 1.0, False, False),
        ("the Lease is of another timeline", replace(OURS, timeline=OURS.timeline + 1), DOWN, 1.0, False, False),
        ("the volume doesn't answer", OURS, DOWN, 6.0, False, False),
        ("the server was promoted by somebody else", OURS, DOWN, 1.0, True, False),
        ("there is no Lease", None, DOWN, 1.0, False, False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_who_may_have_it(why: str, state: LeaseState | None, memory: Memory, silent_for: float, foreign: bool, given: bool) -> None:
    assert may_give(ASKED, ME, state, memory, silent_for, foreign) is given


@pytest.mark.parametrize(("clean", "host"), [(False, HELD.address), (True, None)])
def test_the_dead_holder_is_asked_and_one_that_was_shut_down_is_not(clean: bool, host: str | None) -> None:
    released = replace(HELD, release=Release("the server died", clean=clean))
    (run,) = [a for a in decide(seen(lease=lease(released)), FOLLOWING).actions if isinstance(a, Run)]
    assert run.order == Seal(dead=None if host is None else DeadHolder(host, released.timeline, released.term))
    assert released.holder == OTHER


def page(lsn: int, fill: int = 0x5A) -> bytes:
    return struct.pack("=HHIQI", 0xD110, 0, TIMELINE, lsn, 0).ljust(PAGE, bytes([fill]))


def volume(base: Path, segments: dict[int, bytes]) -> Volume:
    """A volume with WAL segments: the contents of each, by its number."""
    wal = base / "pgdata" / "pg_wal"
    wal.mkdir(parents=True)
    for number, data in segments.items():
        (wal / segment_name(TIMELINE, number * SIZE, SIZE)).write_bytes(data.ljust(SIZE, b"\0"))
    return Volume(base, "15", "pg_wal")


def segment(number: int, pages: int, old: int = 0) -> bytes:
    """This many pages of this segment, then `old` pages of the segment that was renamed to it."""
    start = number * SIZE
    whole = b"".join(page(start + index * PAGE) for index in range(pages))
    return whole + b"".join(page(start + index * PAGE - 5 * SIZE, 0x66) for index in range(pages, pages + old))


def test_pages_of_another_place_are_not_genuine() -> None:
    assert genuine(page(SIZE) + page(SIZE + PAGE) + page(0), SIZE) == 2 * PAGE
    assert genuine(page(SIZE) + bytes(PAGE), SIZE) == PAGE
    assert genuine(page(0), SIZE) == 0


def test_all_of_it_is_fetched_over_segments_and_added(tmp_path: Path) -> None:
    full = SIZE // PAGE
    written = {11: segment(11, full), 12: segment(12, full), 13: segment(13, 7, old=9), 14: segment(14, 0, old=3)}
    dead = volume(tmp_path / "dead", written)
    own = volume(tmp_path / "own", {11: segment(11, 90, old=20)})
    place = 11 * SIZE + 89 * PAGE + 1000
    while data := files.read(dead, TIMELINE, place):
        files.add(own, TIMELINE, place, data)
        place += len(data)
    assert place == 13 * SIZE + 7 * PAGE
    names = [segment_name(TIMELINE, number * SIZE, SIZE) for number in (11, 12, 13)]
    assert own.wal_segments() == names
    whole = [b"".join(each.read_wal(name, 0, SIZE) or b"" for name in names) for each in (own, dead)]
    assert len(whole[0]) == 3 * SIZE
    assert whole[0][: place - 11 * SIZE] == whole[1][: place - 11 * SIZE]


def test_nothing_is_read_where_nothing_was_written(tmp_path: Path) -> None:
    dead = volume(tmp_path, {1: segment(1, 1)})
    assert files.read(dead, TIMELINE, SIZE + 512) == b"\x5a" * (PAGE - 512)
    assert files.read(dead, TIMELINE, SIZE + PAGE) == b""
    assert files.read(dead, TIMELINE, 9 * SIZE) == b""


def test_the_empty_end_of_a_page_is_nothing(tmp_path: Path) -> None:
    dead = volume(tmp_path, {1: page(SIZE, fill=0)})
    assert files.read(dead, TIMELINE, SIZE + 512) == b""
