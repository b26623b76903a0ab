"""A replica whose WAL the primary has removed catches up from the archive: real servers, real pgBackRest, the agent's own operations."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from hapg_failover.adapters import archived_wal
from hapg_failover.adapters.backup_container import BackupContainer
from hapg_failover.core.state.actions import Op
from hapg_failover.core.state.results import OpResult, Outcome
from hapg_protocol.lsn import Position
from hapg_protocol.wal_files import segment_name

from . import test_operations
from .backups import TABLE, Backup, Beside, follower, rows, settled, switch
from .conftest import Make
from .harness import Container, wait_for
from .pods import Pod, Release
from .test_operations import Operator

operate = test_operations.operate
SOURCE = "127.0.0.1"
SIZE = 1 << 20
SHORT = "wal_keep_size = 0", "max_wal_size = '8MB'", "min_wal_size = '2MB'"


@dataclass
class Lost:
    """A replica, sealed where its primary has removed the WAL that follows. at: its end of WAL."""

    primary: Backup
    replica: Backup
    operator: Operator
    at: Position

    @property
    def server(self) -> Container:
        return self.replica.container

    @property
    def wal(self) -> Path:
        return self.server.pgdata / "pg_wal"

    def segments(self) -> set[str]:
        """Return the names of the replica's segments."""
        return {name for name in os.listdir(self.wal) if len(name) == 24}

    def follow(self, fetched_to: int | None = None) -> OpResult:
        return self.operator.run(Op.FOLLOW, host=SOURCE, timeline=2, own=self.at, fetched_to=fetched_to)

    def take(self, most: int = 8, fetched_to: int | None = None) -> OpResult:
        """Take some segments from the archive."""
        found = self.operator.run(Op.CATCH_UP, host=SOURCE, timeline=2, own=self.at, fetched_to=fetched_to, most=most)
        if found.position is not None:
            self.at = found.position
        return found

    def archived(self, segment: str) -> Path:
        """Return the file of a segment in the repository."""
        [found] = (self.primary.repository / "archive").rglob(f"{segment}-*")
        return found


def removes_wal(primary: Container, *names: str) -> None:
    """Have the primary remove the WAL that it does not need."""
    primary.sql(*(f"alter system set {each}" for each in SHORT), "select pg_reload_conf()")

    def is_gone() -> bool:
        primary.sql("select pg_switch_wal()", "checkpoint")
        return not any((primary.pgdata / "pg_wal" / name).exists() for name in names)

    wait_for(is_gone, f"the primary has removed {names}")


@pytest.fixture
def lost(make: Make, beside: Beside, archived: Backup, operate: Callable[..., Operator], request: pytest.FixtureRequest) -> Lost:
    """The replica lacks 12 segments. With an indirect parameter: it runs in that mode."""
    primary = archived.container
    replica = follower(make, beside, "db-1", archived.container)
    if getattr(request, "param", "hot") == "warm":
        replica.container.ok("stop", "fast")
        replica.container.ok("start", "warm")
        replica.container.ok("follow", *primary.address())
    switch(primary, "before")
    settled(primary, replica.container)
    operator = operate(replica.container, primary, slot="db_1")
    operator.tools = replace(operator.tools, archive=BackupContainer(replica.container.run))
    sealed = operator.run(Op.SEAL)
    assert sealed.position is not None
    first = primary.sql("select pg_walfile_name(pg_current_wal_insert_lsn())")
    switch(primary, "meanwhile", 12)
    settled(primary)
    removes_wal(primary, first)
    settled(primary)
    return Lost(archived, replica, operator, sealed.position)


@pytest.mark.parametrize("lost", ["hot", "warm"], indirect=True)
def test_a_replica_that_lost_its_wal_catches_up_from_the_archive(lost: Lost) -> None:
    refused = lost.follow()
    assert (refused.outcome, refused.position) == (Outcome.LACKS_WAL, lost.at), refused
    fetched_to, count = None, 0
    while True:
        took = lost.take(5, fetched_to)
        assert took.outcome is Outcome.OK, (took, lost.replica.said())
        assert took.fetched is not None
        fetched_to, count = took.fetched.to, count + took.fetched.count
        if fetched_to == took.fetched.until:
            break
        assert took.fetched.count == 5
    assert count >= 12
    assert lost.follow(fetched_to).outcome is Outcome.OK
    end = lost.primary.container.sql("select pg_current_wal_flush_lsn()")
    streams = f"select count(*) from pg_stat_replication where state = 'streaming' and replay_lsn >= '{end}'"
    wait_for(lambda: lost.primary.container.sql(streams) == "1", "it streams, and has replayed all")
    assert not [name for name in os.listdir(lost.wal) if name.startswith(".")]


def test_an_archive_that_lacks_a_segment_is_of_no_help(lost: Lost) -> None:
    names = sorted(each for each in lost.primary.archived() if each > f"{lost.at.timeline:08X}" and len(each) == 24)
    gap = names[-6]
    lost.archived(gap).unlink()
    took = lost.take(30)
    assert (took.outcome, took.text) == (Outcome.NEEDS_CLONE, f"the archive lacks {gap}")
    assert max(lost.segments() & set(names)) < gap, "nothing is put behind the gap"
    assert took.position is not None
    assert segment_name(2, took.position.lsn - 1, SIZE) >= max(lost.segments() & set(names)), "what is there is counted"


def test_a_segment_of_the_same_name_from_another_server_is_refused(lost: Lost, make: Make, template: Path) -> None:
    """It has the same name, place, timeline and system identifier: both servers come from one initdb."""
    other = make("db-9")
    other.take_data_of(template)
    other.start()
    other.ok("start", "hot")
    other.promote(2, 1)
    other.sql("create table elsewhere (what text)")
    name = lost.take(1).fetched and sorted(lost.segments())[-1]
    assert name
    wal = other.pgdata / "pg_wal" / name

    def is_whole() -> bool:
        other.sql("insert into elsewhere select repeat('x', 900) from generate_series(1, 500)", "select pg_switch_wal()")
        return wal.exists() and other.sql("select pg_walfile_name(pg_current_wal_insert_lsn())") > name

    wait_for(is_whole, f"the other server has written {name}")
    before = (lost.wal / name).read_bytes()
    lost.operator.tools = replace(lost.operator.tools, archive=Offers(wal))
    took = lost.take(1)
    assert took.outcome is Outcome.NEEDS_CLONE
    assert took.text == f"{name}, as archived, differs from what we have of it"
    assert (lost.wal / name).read_bytes() == before


class Offers:
    """An archive that answers each request with the content of one file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def fetch(self, segment: str, timeout: float) -> Iterator[bytes]:
        yield self._file.read_bytes()

    def verified(self, major: str, timeout: float) -> None:
        """Nobody asks."""


def test_what_the_container_hands_out_moves_no_sealed_server(lost: Lost) -> None:
    """Only an operation of the agent puts segments there. An agent that is gone puts nothing."""
    before, replayed = lost.segments(), lost.server.sql("select pg_last_wal_replay_lsn()")
    name = sorted(lost.primary.archived() - before)[-3]
    content = b"".join(BackupContainer(lost.server.run).fetch(name, 30.0))
    assert len(content) == SIZE
    next(iter(BackupContainer(lost.server.run).fetch(name, 30.0)))
    assert lost.segments() == before
    assert not [each for each in os.listdir(lost.wal) if each.startswith(".")]
    assert lost.server.sql("select pg_last_wal_replay_lsn()") == replayed
    assert lost.operator.run(Op.SEAL).position == lost.at


def test_a_container_that_is_away_is_no_end_of_the_archive(lost: Lost) -> None:
    lost.replica.kill()
    (lost.replica.folder / "listener").unlink()
    took = lost.take()
    assert (took.outcome, took.position) == (Outcome.FAILED, lost.at)
    assert "the backup container" in took.text
    lost.replica.start()
    assert lost.take().outcome is Outcome.OK


def test_a_segment_from_the_archive_counts_though_the_step_after_its_rename_failed(lost: Lost, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server replays it, so the position that is reported has to include it."""
    before = lost.at

    def fails(wal: int, segment: str) -> None:
        raise OSError(errno.EIO, "Input/output error")

    lost.take(1)
    fetched_to = (lost.at.lsn // SIZE + 1) * SIZE if lost.at.lsn % SIZE else lost.at.lsn
    monkeypatch.setattr(archived_wal, "_mark_archived", fails)
    took = lost.take(1, fetched_to)
    assert took.outcome is Outcome.FAILED
    assert took.position is not None
    assert took.position > before
    assert took.position == lost.operator.run(Op.SEAL).position


def test_an_archived_segment_that_was_damaged_in_the_repository_is_refused(lost: Lost) -> None:
    *_, segment, _, other, _ = sorted(lost.primary.archived() - lost.segments())
    shutil.copyfile(lost.archived(other), lost.archived(segment))
    took = lost.take(30)
    assert took.outcome is Outcome.FAILED
    assert "as it was archived" in took.text


@pytest.fixture
def release(make: Make, beside: Beside) -> Iterator[tuple[Release, list[Backup]]]:
    """A primary and a replica, with agents and an archive."""
    made = Release(make, replicas=2, backup=True)
    backups = [beside(pod.container) for pod in made.pods]
    for pod in made.pods:
        conf = pod.container.config / "postgresql.conf"
        conf.write_text("\n".join((conf.read_text(), *SHORT, "")))
    made.start()
    made.wait(lambda: streams(made), "two empty volumes become a release", 120.0)
    yield made, backups
    made.stop()


def streams(release: Release) -> bool:
    """True if the primary lists the replica: then it streams, and is not just being copied."""
    return release.is_whole() and [each.streaming for each in release.lease.eligible] == [True]


def uuid(pod: Pod) -> str:
    marker = json.loads((pod.container.volume / "volume").read_text())
    return str(marker["uuid"])


def told(release: Release, *reasons: str) -> list[str]:
    return [reason for _, reason, _ in release.cluster.events if reason in reasons]


def loses_wal(release: Release, segments: int) -> Pod:
    """The replica's server is away while the primary writes, archives and removes so many segments; return it."""
    primary = release.primary
    assert primary is not None
    [replica] = [pod for pod in release.pods if pod is not primary]
    primary.container.sql(TABLE, "alter system set max_slot_wal_keep_size = '2MB'")
    switch(primary.container, "before")
    settled(primary.container, replica.container)
    replica.container.end()
    first = primary.container.sql("select pg_walfile_name(pg_current_wal_insert_lsn())")
    switch(primary.container, "meanwhile", segments)
    settled(primary.container)
    removes_wal(primary.container, first)
    settled(primary.container)
    return replica


def test_a_release_catches_up_from_the_archive_without_a_clone(release: tuple[Release, list[Backup]]) -> None:
    made, _ = release
    replica = loses_wal(made, 60)
    before, there = uuid(replica), set()
    wal = replica.container.pgdata / "pg_wal"
    replica.container.launch()

    def is_whole() -> bool:
        there.add(len([name for name in os.listdir(wal) if len(name) == 24]))
        return streams(made)

    made.wait(is_whole, "the replica streams again", 120.0)
    assert told(made, "CatchingUp", "CaughtUp", "Clone") == ["CatchingUp", "CaughtUp"], made.cluster.events
    assert uuid(replica) == before
    wait_for(lambda: rows(replica.container) == {"before": 1, "meanwhile": 60}, "the rows are the same")
    assert max(there) < 45, f"restartpoints keep pace: {there}"


def test_a_release_clones_when_the_archive_lacks_a_segment(release: tuple[Release, list[Backup]]) -> None:
    made, backups = release
    replica = loses_wal(made, 20)
    names = sorted(name for name in backups[0].archived() if len(name) == 24)
    [file] = (backups[0].repository / "archive").rglob(f"{names[-8]}-*")
    file.unlink()
    before = uuid(replica)
    replica.container.launch()
    made.wait(lambda: uuid(replica) != before and streams(made), "the replica was cloned, and streams", 120.0)
    [said] = [message for _, reason, message in made.cluster.events if reason == "Clone"]
    assert said.endswith(f", which we need; the archive lacks {names[-8]}")
    wait_for(lambda: rows(replica.container) == {"before": 1, "meanwhile": 20}, "the rows are the same")
