"""A data volume and a WAL volume: which of them belong together, and what happens to those that don't."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from hapg_failover.adapters.marks import Files
from hapg_failover.adapters.ports.volume import Marker
from hapg_failover.adapters.volume import Volume
from hapg_failover.core.state.volume import DATA_VOLUME, WAL_VOLUME
from hapg_failover.core.volumes import Link, Pair, damage, foreign_link, mismatch
from hapg_protocol.model import VolumeState

MARKER = Marker("u1", "7711467995189675420")
OTHER = Marker("u2", "7711467995189675420")
NAME = "wal.11111111-2222-3333-4444-555555555555"


class EligibleReplica:
    """The two volumes of a member, as initdb or a clone leaves them."""

    def __init__(self, base: Path) -> None:
        self.data, self.wal = base / "data", base / "wal"
        self.data.mkdir(parents=True)
        self.wal.mkdir()
        self.volume = Volume(self.data, "15", "pg_wal", self.wal)

    def directory(self, name: str = NAME) -> None:
        (self.wal / name).mkdir()
        (self.data / "pgdata").mkdir()
        (self.data / "pgdata" / "PG_VERSION").write_text("15\n")
        (self.data / "pgdata" / "pg_wal").symlink_to(self.wal / name)

    def state(self) -> VolumeState:
        return self.volume.assess().state

    def reason(self) -> str:
        return self.volume.assess().reason


@pytest.fixture
def empty(tmp_path: Path) -> EligibleReplica:
    return EligibleReplica(tmp_path)


@pytest.fixture
def member(empty: EligibleReplica) -> EligibleReplica:
    empty.directory()
    empty.volume.write_marker(MARKER)
    return empty


@pytest.mark.parametrize(
    ("data", "wal", "link", "mismatched"),
    [
        # being created, with a crash at any point
        (None, None, Link.NONE, False),
        (None, None, Link.THERE, False),
        (None, "u1", Link.THERE, False),
        ("u1", "u1", Link.THERE, False),
        ("u1", "u2", Link.THERE, False),
        ("u1", "u1", Link.NONE, False),
        # the WAL volume was lost, or its directory
        ("u1", None, Link.LOST, False),
        ("u1", "u1", Link.LOST, False),
        # one of them belongs to another pod, or is older
        ("u1", "u2", Link.LOST, True),
        (None, "u2", Link.NONE, True),
        (None, "u2", Link.LOST, True),
        ("u1", "u2", Link.NONE, True),
        # WAL is in the data directory
        ("u1", None, Link.INSIDE, True),
        ("u1", "u1", Link.INSIDE, True),
        (None, None, Link.INSIDE, True),
    ],
)
def test_volumes_are_touched_only_if_both_are_ours(data: str | None, wal: str | None, link: Link, mismatched: bool) -> None:
    said = mismatch(Pair(data, wal, link, 0, 0))
    assert (said is not None) == mismatched
    assert said is None or said.endswith(": nothing is touched")


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        (Pair("u1", "u1", Link.THERE, 0, 0), None),
        (Pair("u1", "u1", Link.THERE, 7, 7), None),
        (Pair("u1", "u1", Link.THERE, 7, 8), None),
        (Pair("u1", "u1", Link.THERE, 7, 6), "the WAL volume is older than the data volume: its last probe is 6, the data volume's 7"),
        (Pair("u1", "u2", Link.THERE, 0, 0), "the WAL volume is not marked as that of volume u1"),
        (Pair("u1", None, Link.THERE, 0, 0), "the WAL volume is not marked as that of volume u1"),
        (Pair("u1", "u1", Link.LOST, 0, 0), "the WAL volume doesn't hold the data directory's WAL: it was lost"),
    ],
)
def test_a_pair_is_whole_or_its_damage_is_named(pair: Pair, said: str | None) -> None:
    assert damage(pair) == said


def test_data_whose_wal_is_elsewhere_is_not_used_without_it() -> None:
    assert [foreign_link(link) is None for link in Link] == [True, True, False, False]


def test_a_pair_is_data(empty: EligibleReplica) -> None:
    assert empty.state() is VolumeState.EMPTY
    empty.directory()
    assert empty.state() is VolumeState.DAMAGED
    empty.volume.write_marker(MARKER)
    assert empty.state() is VolumeState.DATA


def test_a_foreign_wal_volume_is_never_touched(member: EligibleReplica, tmp_path: Path) -> None:
    other = EligibleReplica(tmp_path / "other")
    other.directory("wal.other")
    other.volume.write_marker(OTHER)
    for dirty in (False, True):
        if dirty:
            member.volume.set_dirty()
        mixed = Volume(member.data, "15", "pg_wal", other.wal).assess()
        assert (mixed.state, mixed.reason) == (
            VolumeState.MISMATCHED,
            "the WAL volume belongs to volume u2, the data volume is volume u1: nothing is touched",
        )
    (tmp_path / "new").mkdir()
    alone = Volume(tmp_path / "new", "15", "pg_wal", other.wal).assess()
    assert (alone.state, alone.reason) == (
        VolumeState.MISMATCHED,
        "the WAL volume belongs to volume u2, the data volume is empty: nothing is touched",
    )


def test_a_wal_volume_with_an_unreadable_marker_is_never_touched(member: EligibleReplica) -> None:
    (member.wal / "volume").write_text("{}")
    assert member.state() is VolumeState.MISMATCHED
    assert member.reason().startswith("WAL volume: ")


def test_a_data_directory_that_holds_its_wal_is_not_used_with_a_wal_volume(empty: EligibleReplica) -> None:
    (empty.data / "pgdata" / "pg_wal").mkdir(parents=True)
    (empty.data / "pgdata" / "PG_VERSION").write_text("15\n")
    Volume(empty.data, "15", "pg_wal").write_marker(MARKER)
    assert empty.state() is VolumeState.MISMATCHED
    assert Volume(empty.data, "15", "pg_wal").assess().state is VolumeState.DATA


def test_a_wal_volume_that_was_lost_is_damage(member: EligibleReplica) -> None:
    (member.wal / NAME).rmdir()
    (member.wal / "volume").unlink()
    assert member.state() is VolumeState.DAMAGED


def test_a_wal_volume_that_lags_behind_its_data_is_damaged(member: EligibleReplica) -> None:
    member.volume.probe()
    earlier = (member.wal / "probe").read_bytes()
    assert member.state() is VolumeState.DATA
    member.volume.probe()
    (member.wal / "probe").write_bytes(earlier)
    assert member.state() is VolumeState.DAMAGED
    assert "older than the data volume" in member.reason()


def test_a_wal_volume_that_is_ahead_of_its_data_is_a_crash_between_two_probes(
    member: EligibleReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    member.volume.probe()
    fsync, calls = os.fsync, []

    def fails_the_second_time(file: int) -> None:
        calls.append(file)
        if len(calls) == 2:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(file)

    monkeypatch.setattr(os, "fsync", fails_the_second_time)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        member.volume.probe()
    assert member.volume.probing == DATA_VOLUME
    monkeypatch.undo()
    for _ in range(2):
        assert member.state() is VolumeState.DATA
        member.volume.probe()


def test_a_full_wal_volume_does_not_look_older(member: EligibleReplica, monkeypatch: pytest.MonkeyPatch) -> None:
    """If it couldn't be written there, it isn't written to the data volume either."""
    member.volume.probe()
    write = os.pwrite

    def full(file: int, data: bytes, offset: int) -> int:
        if os.readlink(f"/proc/self/fd/{file}").startswith(str(member.wal)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, data, offset)

    monkeypatch.setattr(os, "pwrite", full)
    member.volume.probe()
    assert member.state() is VolumeState.DATA
    assert (member.data / "probe").read_bytes() == (member.wal / "probe").read_bytes()


def test_the_probe_names_the_volume_that_fails(member: EligibleReplica, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.EIO, os.strerror(errno.EIO))))
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        member.volume.probe()
    assert member.volume.probing == WAL_VOLUME


def test_a_new_wal_volume_is_not_older_than_the_data_that_is_cloned_anew(member: EligibleReplica) -> None:
    for _ in range(3):
        member.volume.probe()
    for path in (member.wal / "volume", member.wal / "probe"):
        path.unlink()
    assert member.state() is VolumeState.DAMAGED
    member.volume.write_marker(OTHER)
    assert member.state() is VolumeState.DATA


@pytest.mark.parametrize("linked", ["wal.new", NAME], ids=["renamed", "put back"])
def test_a_clone_that_is_cut_off_between_its_marks_is_damaged_and_ours(
    member: EligibleReplica, monkeypatch: pytest.MonkeyPatch, linked: str
) -> None:
    """The WAL volume already has the new mark: the link identifies it. Also when the next clone is interrupted between its renames."""
    volume = member.volume
    volume.set_dirty()
    (member.wal / "wal.new").mkdir()
    (member.data / "pgdata").rename(member.data / "pgdata.old")
    (member.data / "pgdata").mkdir()
    (member.data / "pgdata" / "pg_wal").symlink_to(member.wal / linked)
    write = Files.write

    def breaks_off(files: Files, name: str, text: str) -> None:
        if files.base == member.data:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        write(files, name, text)

    monkeypatch.setattr(Files, "write", breaks_off)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        volume.write_marker(OTHER)
    assert member.state() is VolumeState.DAMAGED
    (member.data / "pgdata").rename(member.data / "pgdata.older")
    assert member.state() is VolumeState.DAMAGED


def test_room_is_measured_on_each_volume(member: EligibleReplica) -> None:
    assert set(member.volume.rooms()) == {DATA_VOLUME, WAL_VOLUME}
    assert set(Volume(member.data, "15", "pg_wal").rooms()) == {DATA_VOLUME}


def test_room_for_a_clone_counts_wal_that_no_directory_links_to(member: EligibleReplica, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Volume, "rooms", lambda _: {DATA_VOLUME: 0, WAL_VOLUME: 0})
    (member.wal / NAME / "000000010000000000000001").write_bytes(bytes(1 << 20))
    assert member.volume.room_for_clone()[WAL_VOLUME] == 0
    (member.wal / "wal.left").mkdir()
    (member.wal / "wal.left" / "000000010000000000000001").write_bytes(bytes(1 << 20))
    assert member.volume.room_for_clone()[WAL_VOLUME] >= 1 << 20


def test_an_adoption_that_is_cut_off_leaves_a_pair(member: EligibleReplica, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = Volume(member.data, "15", "pg_wal", member.wal, "demo/pg-1")
    before = (member.data / "volume").read_text()
    ours.adopt("new")
    after = (member.data / "volume").read_text()
    assert (member.wal / "volume").read_text() == after != before
    with monkeypatch.context() as patch:
        patch.setattr(Volume, "settle", lambda self: None)
        ours.adopt("newer")
    assert ours.assess().state is VolumeState.DATA
    (member.data / "volume").write_text(after)  # as if interrupted before this one was written
    assert ours.assess().state is VolumeState.DATA
    ours.adopt("newest")
    assert "former" not in (member.wal / "volume").read_text()
    (member.data / "volume").write_text(after)
    assert ours.assess().state is VolumeState.DAMAGED
