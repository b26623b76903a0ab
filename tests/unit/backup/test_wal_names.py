"""Names of WAL files, for every segment size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapg_backup.core.control_file import segment_size
from hapg_backup.core.wal_names import NAME, Segment, is_segment, parse_segment
from hapg_protocol.wal_files import is_segment_size

SIZES = [1 << power for power in range(20, 31)]


@given(st.builds(Segment, st.integers(1, 0xFFFFFFFF), st.integers(0, 1 << 34)), st.sampled_from(SIZES))
def test_a_segment_is_found_again_by_its_name(segment: Segment, size: int) -> None:
    name = segment.name(size)
    assert NAME.fullmatch(name)
    assert is_segment(name)
    assert parse_segment(name, size) == segment


def test_names_as_postgresql_makes_them() -> None:
    assert Segment(1, 0x1FF).name(16 << 20) == "0000000100000001000000FF"
    assert Segment(1, 4).name(1 << 30) == "000000010000000100000000"


@pytest.mark.parametrize("name", ["0000000100000001000001FF", "00000001.history", "", "x" * 24])
def test_a_name_that_is_no_segment_of_that_size(name: str) -> None:
    with pytest.raises(ValueError):
        parse_segment(name, 16 << 20)


@pytest.mark.parametrize("name", ["../etc/passwd", "00000001.history\n", "000000010000000000000001.done", "00000001000000000000000g"])
def test_no_other_name_is_taken(name: str) -> None:
    assert NAME.fullmatch(name) is None


def test_sizes() -> None:
    assert [is_segment_size(size) for size in (1 << 19, 1 << 20, 3 << 20, 1 << 30, 1 << 31)] == [False, True, False, True, False]


def test_the_size_in_a_control_file() -> None:
    data = bytearray(8192)
    data[8:12] = (1300).to_bytes(4, "little")
    data[228:232] = (64 << 20).to_bytes(4, "little")
    assert segment_size(bytes(data)) == 64 << 20
    for at, value in ((8, 42), (228, 5)):
        broken = bytearray(data)
        broken[at : at + 4] = value.to_bytes(4, "little")
        with pytest.raises(ValueError):
            segment_size(bytes(broken))
    with pytest.raises(ValueError, match="too short"):
        segment_size(b"")
