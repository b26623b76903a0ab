"""Archiving: nothing is missing after a failover, and nothing is there that should not be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .backups import STANZA, TABLE, Backup, settled, switch
from .conftest import Make
from .harness import Container, wait_for

Beside = Callable[..., Backup]


@pytest.fixture
def archived(make: Make, template: Path, beside: Beside) -> Backup:
    """A primary of term 1 on timeline 2 with its backup container, a table and a full backup."""
    container = make("db-0")
    container.take_data_of(template)
    backup = beside(container)
    container.start()
    container.ok("start", "hot")
    container.promote(2, 1)
    container.sql(TABLE)
    backup.backup()
    return backup


def follower(make: Make, beside: Beside, name: str, primary: Container, **settings: object) -> Backup:
    """A replica of the primary with its backup container."""
    container = make(name)
    backup = beside(container, **settings)
    container.start()
    container.ok("clone", *primary.address())
    container.ok("start", "hot")
    container.ok("follow", *primary.address())
    return backup


def test_the_primary_archives_and_a_standby_confirms(make: Make, beside: Beside, archived: Backup) -> None:
    primary = archived.container
    replica = follower(make, beside, "db-1", primary).container
    last = switch(primary, "first", 3)
    wait_for(lambda: last in archived.archived(), f"{last} is archived: {archived.said()}")
    settled(primary, replica)
    assert primary.sql("select failed_count from pg_stat_archiver") == "0"
    info = archived.info()
    assert info["stanza"] == STANZA
    assert info["continuity"]["holes"] == []
    assert [each["type"] for each in info["backups"]] == ["full"]
