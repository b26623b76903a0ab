"""Which WAL is part of a timeline's history, and what need not be archived."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapg_backup.core.lineage import Lineage, needless, parse_history
from hapg_backup.core.wal_names import Segment, parse_segment

SIZE = 1 << 20
LINEAGE = Lineage(7, ((1, 5 * SIZE + 100), (5, 8 * SIZE), (6, 8 * SIZE + 50)))


def test_a_history_file_of_postgresql() -> None:
    text = "1\t0/3000148\tno recovery target specified\n\n# a comment\n5\t0/5000000\tbefore 2026-12-01\n"
    assert parse_history(7, text) == Lineage(7, ((1, 0x3000148), (5, 0x5000000)))
    assert Lineage(7, ((1, 1), (5, 2))).timelines == (1, 5, 7)


@pytest.mark.parametrize("text", ["1", "x\t0/1\t", "1\tnowhere\t", "5\t0/1\t\n1\t0/2\t", "7\t0/1\t", "9\t0/1\t"])
def test_a_history_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_history(7, text)


@pytest.mark.parametrize(
    ("timeline", "numbers"),
    [(1, range(5)), (5, range(5, 8)), (6, []), (7, [8, 9, 1000]), (2, []), (9, [])],
)
def test_each_segment_belongs_to_one_timeline(timeline: int, numbers: range | list[int]) -> None:
    found = [number for number in (*range(10), 1000) if LINEAGE.has(Segment(timeline, number), SIZE)]
    assert found == list(numbers)


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 3 * SIZE)), max_size=5))
def test_a_history_has_every_number_once(steps: list[tuple[int, int]]) -> None:
    timeline, fork, parents = 1, 0, []
    for up, more in steps:
        fork += more
        parents.append((timeline, fork))
        timeline += up
    lineage = Lineage(timeline, tuple(parents))
    for number in range(20):
        assert sum(lineage.has(Segment(each, number), SIZE) for each in lineage.timelines) == 1


def test_a_position_is_on_the_history_up_to_the_fork() -> None:
    assert LINEAGE.has_position(1, 5 * SIZE + 100)
    assert not LINEAGE.has_position(1, 5 * SIZE + 101)
    assert LINEAGE.has_position(7, 1 << 40)
    assert not LINEAGE.has_position(2, 1)


@pytest.mark.parametrize(
    ("name", "is_needed"),
    [
        ("000000010000000000000004", True),
        ("000000010000000000000005", False),
        ("000000010000000000000005.partial", False),
        ("000000010000000000000004.00000028.backup", False),
        ("000000020000000000000001", False),
        ("000000050000000000000005", True),
        ("000000070000000000000008", True),
        ("000000090000000000000008", True),
        ("00000007.history", True),
    ],
)
def test_what_is_archived(name: str, is_needed: bool) -> None:
    segment = parse_segment(name, SIZE) if len(name) == 24 else None
    assert (needless(name, LINEAGE, segment, SIZE) == "") == is_needed


def test_on_the_first_timeline_every_segment_is_archived() -> None:
    assert needless("000000010000000000000001", None, Segment(1, 1), SIZE) == ""
