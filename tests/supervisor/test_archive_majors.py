"""Archive, backup and restore with PostgreSQL majors other than the tutorial's, each with its own servers."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster import embedded

from .backups import Beside, follower, primary_with_backup, rows, settled, switch
from .conftest import Make
from .harness import wait_for


@pytest.mark.parametrize("major", [*embedded.MAJORS, pytest.param("18", marks=pytest.mark.thorough)])
def test_a_restore_to_a_time_after_a_failover(make: Make, templates: Callable[[str], Path], beside: Beside, major: str) -> None:
    """The archive has both timelines without a hole, and a restore ends where it was told."""
    backup = primary_with_backup(make, templates(major), beside, "db-0", major)
    first = backup.container
    successor = follower(make, beside, "db-1", first)
    second = successor.container
    switch(first, "first", 2)
    settled(first, second)
    backup.kill()
    first.sql("insert into kept (what) values ('unarchived')")
    end = first.sql("select pg_current_wal_flush_lsn()")
    wait_for(lambda: second.answers(f"select pg_last_wal_receive_lsn() >= '{end}'") == "t", "the replica has it all")
    first.end()

    second.ok("seal", "fast")
    second.promote(4, 2)
    expected = rows(second)
    assert expected == {"first": 2, "unarchived": 1}
    time.sleep(1.1)
    target = second.sql("select clock_timestamp()")
    time.sleep(1.1)
    second.sql("drop table kept")
    last = second.sql("select pg_walfile_name(pg_switch_wal())")
    wait_for(lambda: last in successor.archived(), f"{last} is archived", said=successor.said)
    assert successor.info()["continuity"]["holes"] == []

    new = make("new-0", major=major)
    beside(new, name="new", restore={"stanza": "db", "type": "time", "target": target}).birth("99999999-0000-4000-8000-000000000009")
    new.start()
    new.ok("restore")
    new.ok("start", "hot")
    new.promote(6, 5)
    assert rows(new) == expected
