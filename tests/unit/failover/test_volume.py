"""The markers on the data volume."""

from __future__ import annotations

import errno
import json
import os
import shutil
import struct
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from hapg_failover.adapters.ports.volume import Marker
from hapg_failover.adapters.volume import Volume
from hapg_failover.agent import read_volume
from hapg_failover.core.state.volume import DATA_VOLUME, WAL_VOLUME
from hapg_protocol.lsn import Position
from hapg_protocol.model import VolumeState

from .test_wal import whole_record

MARKER = Marker("11111111-2222-3333-4444-555555555555", "7711467995189675420")
SIZE = 1024 * 1024


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path, "15", "pg_wal")


def make_data(base: Path) -> Path:
    wal = base / "pgdata" / "pg_wal"
    wal.mkdir(parents=True)
    (base / "pgdata" / "PG_VERSION").write_text("15\n")
    return wal


def test_a_new_volume_is_empty(volume: Volume) -> None:
    assert volume.assess().state is VolumeState.EMPTY
    assert (volume.marker(), volume.term(), volume.dirty(), volume.wal_segments()) == (None, 0, False, [])


def test_a_directory_in_progress_is_still_empty(volume: Volume, tmp_path: Path) -> None:
    (tmp_path / "pgdata.new").mkdir()
    assert volume.assess().state is VolumeState.EMPTY


def test_data_without_a_marker_is_damaged(volume: Volume, tmp_path: Path) -> None:
    make_data(tmp_path)
    assert volume.assess().state is VolumeState.DAMAGED
    assert "without a volume marker" in volume.assess().reason
    assert read_volume(volume).unmarked
    volume.write_marker(MARKER)
    assert not read_volume(volume).unmarked


@pytest.mark.parametrize("marked", [False, True])
def test_unmarked_data_is_only_finished_together_with_its_wal(tmp_path: Path, marked: bool) -> None:
    """marked: the agent ended between the two markers."""
    data, wal = tmp_path / "data", tmp_path / "wal"
    (data / "pgdata").mkdir(parents=True)
    (wal / "wal.1").mkdir(parents=True)
    (data / "pgdata" / "PG_VERSION").write_text("15\n")
    (data / "pgdata" / "pg_wal").symlink_to(wal / "wal.1")
    pair = Volume(data, "15", "pg_wal", wal)
    if marked:
        pair.write_marker(MARKER)
        (data / "volume").unlink()
    found = read_volume(pair)
    assert (found.state, found.unmarked) == (VolumeState.DAMAGED, True)
    (wal / "wal.1").rmdir()
    assert not read_volume(pair).unmarked


def test_a_marker_makes_data(volume: Volume, tmp_path: Path) -> None:
    make_data(tmp_path)
    volume.write_marker(MARKER)
    assert volume.marker() == MARKER
    assert volume.assess().state is VolumeState.DATA


def test_data_of_another_major_is_neither_data_nor_damaged(tmp_path: Path) -> None:
    """A damaged volume is cloned again; this one isn't touched."""
    make_data(tmp_path)
    volume = Volume(tmp_path, "16", "pg_wal")
    volume.write_marker(MARKER)
    assert volume.assess().state is VolumeState.OTHER_MAJOR
    assert volume.assess().reason == "the volume has data of PostgreSQL 15, this is the chart of PostgreSQL 16: nothing is touched"
    (tmp_path / "pgdata" / "PG_VERSION").write_text("9.6\n")
    assert volume.assess().state is VolumeState.OTHER_MAJOR


def test_a_marker_without_data_is_damaged(volume: Volume) -> None:
    volume.write_marker(MARKER)
    assert volume.assess().state is VolumeState.DAMAGED


def test_a_begun_rewind_is_damaged_until_it_is_finished(volume: Volume, tmp_path: Path) -> None:
    make_data(tmp_path)
    volume.write_marker(MARKER)
    volume.set_dirty()
    volume.set_dirty()
    assert volume.assess().state is VolumeState.DAMAGED
    volume.clear_dirty()
    volume.clear_dirty()
    assert volume.assess().state is VolumeState.DATA


@pytest.mark.parametrize("text", ["", "{}", '{"uuid": 7}'])
def test_an_unreadable_marker_is_damaged(volume: Volume, tmp_path: Path, text: str) -> None:
    make_data(tmp_path)
    (tmp_path / "volume").write_text(text)
    assert volume.assess().state is VolumeState.DAMAGED
    assert "volume" in volume.assess().reason


def test_the_term_never_falls(volume: Volume) -> None:
    for term in (3, 2, 3, 7):
        volume.write_term(term)
    assert volume.term() == 7


@pytest.mark.parametrize(
    ("name", "term", "foreign"), [(None, 7, True), ("standby.signal", 7, False), ("recovery.conf", 7, False), (None, 8, False)]
)
def test_who_was_a_standby_and_is_none_any_more_under_no_later_term_was_promoted_by_somebody_else(
    volume: Volume, tmp_path: Path, name: str | None, term: int, foreign: bool
) -> None:
    make_data(tmp_path)
    assert not volume.foreign()
    volume.write_term(7)
    volume.note_standby()
    volume.write_term(term)
    if name is not None:
        (tmp_path / "pgdata" / name).touch()
    assert volume.foreign() is foreign
    volume.set_dirty()
    assert not volume.foreign(), "a rewind or clone makes a directory without that file"


def test_a_volume_that_never_had_a_standby_is_not_foreign(volume: Volume, tmp_path: Path) -> None:
    make_data(tmp_path)
    volume.note_standby()
    assert not volume.foreign()
    shutil.rmtree(tmp_path / "pgdata")
    volume.write_term(7)
    volume.note_standby()
    assert not volume.foreign(), "a clone was cut off between its renames"


def test_the_mark_of_a_promotion_by_somebody_else_stays_until_there_is_other_data(volume: Volume, tmp_path: Path) -> None:
    make_data(tmp_path)
    volume.set_foreign()
    assert read_volume(volume).foreign
    volume.write_term(9)
    assert volume.foreign()
    volume.write_marker(MARKER)
    assert not read_volume(volume).foreign


def claimed(base: Path, claim: str) -> Volume:
    return Volume(base, "15", "pg_wal", claim=claim)


def test_a_volume_is_made_for_a_claim_and_a_copy_shows_for_which(tmp_path: Path) -> None:
    make_data(tmp_path)
    claimed(tmp_path, "demo/pg-0").write_marker(MARKER)
    copy = claimed(tmp_path, "demo/pg-1")
    copy.settle()
    assert copy.marker() == replace(MARKER, made_for="demo/pg-0")
    found = read_volume(copy)
    assert (found.state, found.made_for, found.claim, found.accepted) == (VolumeState.DATA, "demo/pg-0", "demo/pg-1", False)


def test_a_marker_of_an_earlier_version_is_bound_to_the_claim_at_the_next_start(volume: Volume, tmp_path: Path) -> None:
    make_data(tmp_path)
    volume.write_marker(MARKER)
    assert volume.marker() == MARKER
    ours = claimed(tmp_path, "demo/pg-0")
    ours.settle()
    assert ours.marker() == replace(MARKER, made_for="demo/pg-0")


def test_a_volume_that_is_adopted_is_another_one_and_ours(tmp_path: Path) -> None:
    make_data(tmp_path)
    claimed(tmp_path, "demo/pg-0").write_marker(MARKER)
    copy = claimed(tmp_path, "demo/pg-1")
    copy.set_foreign()
    (tmp_path / "accept").touch()
    assert read_volume(copy).accepted
    copy.adopt("new")
    assert copy.marker() == Marker("new", MARKER.system_identifier, made_for="demo/pg-1")
    assert (copy.accepted(), copy.foreign()) == (False, True)


def test_an_acceptance_lasts_no_longer_than_the_data(tmp_path: Path) -> None:
    make_data(tmp_path)
    ours = claimed(tmp_path, "demo/pg-1")
    (tmp_path / "accept").touch()
    ours.write_marker(MARKER)
    assert not ours.accepted()
    (tmp_path / "accept").touch()
    ours.settle()
    assert not ours.accepted()


@pytest.mark.parametrize("claim", ["pg-0", "demo/pg-0; see here", "Demo/pg-0", ""])
def test_a_claim_of_another_form_is_not_quoted(volume: Volume, tmp_path: Path, claim: str) -> None:
    make_data(tmp_path)
    (tmp_path / "volume").write_text(json.dumps({"uuid": "u1", "systemIdentifier": "7", "madeFor": claim}))
    assert volume.assess().state is VolumeState.DAMAGED
    assert "here" not in volume.assess().reason


def test_no_temporary_file_is_left(volume: Volume, tmp_path: Path) -> None:
    volume.write_marker(MARKER)
    volume.write_term(1)
    volume.set_dirty()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dirty", "term", "volume"]


def test_a_file_that_isnt_there_is_no_file_of_a_directory_that_is(volume: Volume, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="pg_wal"):
        volume.read_wal("000000010000000000000001", 0, 8)
    wal = make_data(tmp_path)
    assert volume.read_wal("000000010000000000000001", 0, 8) is None
    (wal / "000000010000000000000001").write_bytes(b"0123456789")
    assert volume.read_wal("000000010000000000000001", 4, 4) == b"4567"
    assert volume.read_wal("000000010000000000000001", 8, 4) == b"89"


def test_a_volume_may_hold_more_unless_it_is_certain_that_it_does_not(volume: Volume, tmp_path: Path) -> None:
    place = Position(1, 3 * SIZE + 8192 + 512)
    assert volume.may_hold_record(place)  # no directory
    wal = make_data(tmp_path)
    assert volume.may_hold_record(place)  # no file has a length
    page = bytearray(SIZE)
    struct.pack_into("=HHIQ", page, 8192, 0xD110, 0, 1, 3 * SIZE + 8192)
    segment = wal / "000000010000000000000003"
    segment.write_bytes(page)
    (wal / "00000002.history").write_text("1\t0/300000\treason\n")
    assert not volume.may_hold_record(place)
    later = wal / "000000020000000000000003"
    later.write_bytes(page)
    assert not volume.may_hold_record(place)
    (wal / "00000002.history").unlink()
    assert volume.may_hold_record(place)  # on a timeline whose start is unknown
    later.unlink()
    page[8192 + 512 : 8192 + 512 + 64] = whole_record(64)
    segment.write_bytes(page)
    assert volume.may_hold_record(place)
    assert not volume.may_hold_record(Position(1, 4 * SIZE))
    (wal / "000000010000000000000004").write_bytes(b"cut short")
    assert volume.may_hold_record(Position(1, 5 * SIZE))


def test_a_full_volume_has_answered_the_probe_and_a_broken_one_has_not(volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    volume.probe()

    def failing(code: int) -> None:
        def fails(*_: object) -> int:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, "fsync", fails)

    for code in (errno.ENOSPC, errno.EDQUOT):
        failing(code)
        volume.probe()
    for code in (errno.EIO, errno.EROFS):
        failing(code)
        with pytest.raises(OSError, match=os.strerror(code)):
            volume.probe()


def test_the_probe_is_written_in_place(volume: Volume, tmp_path: Path) -> None:
    (tmp_path / "probe").write_text("probe\n")
    volume.probe()
    before = (tmp_path / "probe").stat()
    volume.probe()
    after = (tmp_path / "probe").stat()
    assert (before.st_ino, before.st_blocks, before.st_size) == (after.st_ino, after.st_blocks, 20)


def test_room_for_a_clone_counts_what_a_clone_removes(volume: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Volume, "rooms", lambda _: {DATA_VOLUME: 0, WAL_VOLUME: 0})
    for name in ("pgdata.new", "pgdata.old"):
        (tmp_path / name / "base").mkdir(parents=True)
        (tmp_path / name / "base" / "1").write_bytes(bytes(1 << 20))
    one = volume.room_for_clone()[DATA_VOLUME]
    assert one >= 1 << 20, "pgdata.old is all there is: it is put back, not removed"
    make_data(tmp_path)
    assert volume.room_for_clone()[DATA_VOLUME] == 2 * one


@pytest.fixture
def narrow(volume: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """A volume with data in 1 MiB segments; `free` bytes are free, in addition to the emergency WAL space."""
    wal = make_data(tmp_path)
    (wal / "000000010000000000000001").write_bytes(bytes(SIZE))
    volume.write_marker(MARKER)
    room = {"free": 16 * SIZE}
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=room["free"], f_frsize=1))
    return room


def test_four_segments_are_set_aside_where_there_is_much_room(volume: Volume, tmp_path: Path, narrow: dict[str, int]) -> None:
    emergency_space = tmp_path / "emergency-wal-space"
    narrow["free"] = 16 * SIZE - 1
    assert volume.make_emergency_spaces() == []
    narrow["free"] = 16 * SIZE
    assert volume.make_emergency_spaces() == [DATA_VOLUME]
    assert emergency_space.stat().st_size == 4 * SIZE
    assert emergency_space.stat().st_blocks * 512 >= 4 * SIZE
    assert volume.make_emergency_spaces() == []


@pytest.mark.parametrize("spoil", ["other major", "dirty", "empty"])
def test_nothing_is_set_aside_where_there_is_no_data_of_ours(volume: Volume, tmp_path: Path, narrow: dict[str, int], spoil: str) -> None:
    match spoil:
        case "other major":
            (tmp_path / "pgdata" / "PG_VERSION").write_text("16\n")
        case "dirty":
            volume.set_dirty()
        case _:
            shutil.rmtree(tmp_path / "pgdata")
    assert volume.make_emergency_spaces() == []
    assert not (tmp_path / "emergency-wal-space").exists()


def test_what_was_set_aside_is_given_up_only_on_a_full_volume(volume: Volume, tmp_path: Path, narrow: dict[str, int]) -> None:
    volume.make_emergency_spaces()
    narrow["free"] = SIZE
    assert volume.release_emergency_spaces() == []
    assert (tmp_path / "emergency-wal-space").exists()
    narrow["free"] = SIZE - 1
    assert volume.release_emergency_spaces() == [DATA_VOLUME]
    assert not (tmp_path / "emergency-wal-space").exists()
    assert volume.release_emergency_spaces() == []


def test_what_can_not_be_set_aside_leaves_nothing_behind(
    volume: Volume, tmp_path: Path, narrow: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="no space left"):
        volume.make_emergency_spaces()
    assert sorted(tmp_path.iterdir()) == before


def test_the_size_of_segments_is_that_of_the_files(volume: Volume, tmp_path: Path) -> None:
    assert volume.segment_size() == 16 << 20
    wal = make_data(tmp_path)
    (wal / "archive_status").mkdir()
    (wal / "000000010000000000000001").write_bytes(bytes(SIZE))
    assert volume.segment_size() == SIZE
