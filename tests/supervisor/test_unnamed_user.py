"""A pod whose user ID the platform has chosen: no entry in /etc/passwd, and group 0, as OpenShift runs it."""

from __future__ import annotations

import pwd
import shutil
from collections.abc import Iterator

import pytest

from . import backups, harness
from .backups import Backup, Beside
from .conftest import Make, _directory
from .harness import Container, wait_for
from .upgrades import FORMER, NEW, Upgraded, copy_former_programs, hand_over, unpack

UID, GID = 1000660000, 0


@pytest.fixture(autouse=True)
def unnamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pods of these tests run as this user."""
    with pytest.raises(KeyError):
        pwd.getpwuid(UID)
    for module in (harness, backups):
        monkeypatch.setattr(module, "server_user", lambda: (UID, GID))


def first(container: Container) -> Container:
    """Start the container, and make it the primary of a new release."""
    container.start()
    container.ok("initdb")
    container.ok("start", "hot")
    container.promote(2, 1)
    return container


def follow(replica: Container, primary: Container) -> None:
    """Have the replica follow."""
    replica.ok("start", "hot")
    replica.ok("follow", *primary.address())
    wait_for(lambda: primary.sql("select application_name from pg_stat_replication") == replica.name, f"{replica.name} streams")


def test_a_user_without_a_name_makes_a_server_clones_it_fails_over_and_rewinds(make: Make) -> None:
    old, new = first(make("pod-0")), make("pod-1")
    new.start()
    new.ok("clone", *old.address())
    follow(new, old)
    new.ok("seal", "fast")
    new.promote(3, 2)
    old.sql("create table diverged (n int)", "checkpoint")
    old.end()
    old.start()
    new.sql("create table kept as select generate_series(1, 100) as n", "checkpoint")
    old.ok("rewind", *new.address())
    follow(old, new)
    wait_for(lambda: old.answers("select count(*) from kept") == "100", "the row is there")
    assert old.sql("select to_regclass('diverged') is null") == "t"


def test_a_user_without_a_name_has_a_wal_volume(make: Make) -> None:
    assert first(make("pod-0", apart=True)).sql("select 1") == "1"


@pytest.fixture
def archived(make: Make, beside: Beside) -> Backup:
    """The backup container of such a primary."""
    container = make("pod-0")
    backup = beside(container)
    first(container)
    container.sql(backups.TABLE)
    return backup


def test_a_user_without_a_name_archives_backs_up_and_restores(make: Make, beside: Beside, archived: Backup) -> None:
    archived.backup()
    backups.switch(archived.container, "one")
    backups.settled(archived.container)
    archived.backup("incr")
    container = make("new-0")
    restored = beside(container, name="new", restore={"stanza": backups.STANZA, "type": "latest"})
    restored.birth("99999999-0000-4000-8000-000000000002")
    container.start()
    command_id = container.tell("restore")
    answer = container.answer(command_id, 60)
    assert answer.result == "ok", (answer, container.agent.output(command_id), restored.said()[-3000:])
    container.ok("start", "hot")
    container.promote(4, 3)
    assert backups.rows(container) == {"one": 1}


@pytest.fixture
def upgraded(make: Make) -> Iterator[Upgraded]:
    """A container of the new major's image, which does not name the user either; it has the former major's programs."""
    root = _directory()
    copy_former_programs(root / "former")
    container = Upgraded(root, "pod-0", major=NEW, HAPG_FORMER=str(root / "former"))
    container.image = root / "image"
    unpack(NEW, container.image)
    yield container
    container.close()
    shutil.rmtree(root)


def test_a_user_without_a_name_upgrades_to_another_major(make: Make, upgraded: Upgraded) -> None:
    """The former major's programs have a C library of their own, and need a libnss_wrapper that was made for it."""
    former = first(make("pod-0"))
    former.sql("create table kept as select generate_series(1, 100) as n")
    system = former.sql("select system_identifier from pg_control_system()")
    former.end()
    hand_over(former, upgraded)
    upgraded.start()
    command_id = upgraded.tell("upgrade", FORMER, "5", system)
    answer = upgraded.answer(command_id, 120)
    assert answer.result == "ok", (answer, upgraded.agent.output(command_id))
    upgraded.ok("start", "hot")
    wait_for(lambda: upgraded.answers("select count(*) from kept") == "100", "it has the rows")
