"""A replica whose WAL the primary has removed catches up from the archive: real servers, real pgBackRest, the agent's own operations."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from hapg_failover.adapters.backup_container import BackupContainer
from hapg_failover.adapters.ports import Marker
from hapg_failover.core.state.actions import Op
from hapg_failover.core.state.results import OpResult, Outcome
from hapg_protocol.lsn import Position

from . import test_operations
from .backups import Backup, Beside, follower, ready, rows, settled, switch
from .conftest import Make
from .harness import Container, as_server_user, chown, server_user, wait_for
from .test_operations import Operator

operate = test_operations.operate
SOURCE = "127.0.0.1"
SHORT = "wal_keep_size = 0", "max_wal_size = '2MB'", "min_wal_size = '2MB'"


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


def caught_up(lost: Lost) -> bool:
    return lost.server.answers("select count(*) from kept") == lost.primary.container.sql("select count(*) from kept")


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
