"""A restore is a kind of initdb: to the end, a time, an LSN, a name or a transaction; and nothing is left of one that fails."""

from __future__ import annotations

import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hapg_failover.adapters.threads import Threads
from hapg_failover.backup_link import BackupLink
from tests.fakes.kube import LEASE_UID

from .backups import STANZA, TABLE, Backup, Beside, primary_with_backup, ready, rows, settled, switch
from .conftest import Make
from .harness import Container, as_server_user, server_user, wait_for
from .pods import Pod, Release

NEW_BIRTH = "99999999-0000-4000-8000-000000000002"


@dataclass
class Source:
    """A release that was backed up, and what it contained when."""

    backup: Backup
    targets: dict[str, str]

    def restored(self, make: Make, beside: Beside, kind: str = "latest", target: str = "", apart: bool = False, **more: object) -> Backup:
        """A new release that is to be restored from it; its server's container has started."""
        container = make("new-0", apart=apart)
        restore = {"stanza": STANZA, "type": kind, **({"target": target} if target else {}), **more}
        backup = beside(container, name="new", restore=restore)
        backup.birth(NEW_BIRTH)
        container.start()
        return backup


@pytest.fixture
def source(make: Make, template: Path, beside: Beside) -> Source:
    """One full backup, then rows; at the end a mistake: the table is dropped."""
    backup = primary_with_backup(make, template, beside, "source-0")
    container, targets = backup.container, {}
    switch(container, "one")
    container.sql("select pg_create_restore_point('named')")
    switch(container, "two")
    targets["lsn"] = container.sql("select pg_current_wal_insert_lsn()")
    switch(container, "three")
    targets["xid"] = container.sql("insert into kept (what) values ('four') returning pg_current_xact_id()::text")
    time.sleep(1.1)
    targets["time"] = container.sql("select clock_timestamp()")
    time.sleep(1.1)
    container.sql("drop table kept")
    last = container.sql("select pg_walfile_name(pg_switch_wal())")
    wait_for(lambda: last in backup.archived(), f"{last} is archived")
    settled(container)
    return Source(backup, targets)


def begin(container: Container) -> None:
    """Start the restored server as an agent does, and promote it."""
    container.ok("start", "hot")
    container.promote(4, 3)


def is_clean(container: Container) -> bool:
    """No directory and no process is left."""
    return not list(container.volume.glob("pgdata*")) and not container.pids() and not (container.run / "restore").exists()


@pytest.mark.parametrize(
    ("kind", "labels"),
    [
        ("time", ["one", "two", "three", "four"]),
        ("lsn", ["one", "two"]),
        ("name", ["one"]),
        ("xid", ["one", "two", "three", "four"]),
        ("immediate", []),
    ],
)
def test_restore_to_a_target(make: Make, beside: Beside, source: Source, kind: str, labels: list[str]) -> None:
    target = {"name": "named", "immediate": ""}.get(kind) if kind in ("name", "immediate") else source.targets[kind]
    backup = source.restored(make, beside, kind, target or "")
    container = backup.container
    command_id = container.tell("restore")
    answer = container.answer(command_id, 60)
    assert answer.result == "ok", (answer, container.agent.output(command_id), backup.said()[-3000:])
    assert f"restored {STANZA} from " in container.agent.output(command_id)
    assert [path.name for path in container.volume.glob("pgdata*")] == ["pgdata"]
    assert not container.pids()
    begin(container)
    assert list(rows(container)) == labels
    switch(container, "new")
    settled(container)
    assert any(name.startswith("00000004") for name in backup.archived("new-99999999"))
    assert not {name for name in source.backup.archived() if name.startswith("00000004")}


@pytest.fixture
def failed_over(make: Make, template: Path, beside: Beside) -> tuple[Backup, dict[str, int]]:
    """A release whose primary was lost together with its volume; the next one is on timeline 5, and what it contains."""
    first = make("db-0")
    first.take_data_of(template)
    backup = beside(first)
    first.start()
    first.ok("start", "hot")
    first.promote(2, 1)
    first.sql(TABLE)
    second = make("db-1")
    successor = beside(second)
    second.start()
    second.ok("clone", *first.address())
    second.ok("start", "hot")
    second.ok("follow", *first.address())
    backup.backup()
    switch(first, "archived", 2)
    settled(first, second)
    backup.freeze()
    switch(first, "unarchived", 3)
    end = first.sql("select pg_current_wal_lsn()")
    wait_for(lambda: second.answers(f"select pg_last_wal_receive_lsn() >= '{end}'") == "t", "the replica has it all")
    backup.kill()
    first.end()
    second.ok("seal", "fast")
    second.promote(5, 2)
    switch(second, "second", 2)
    settled(second)
    found = rows(second)
    return successor, found


def test_restore_to_the_end_over_a_failover_with_skipped_timelines(
    make: Make, beside: Beside, failed_over: tuple[Backup, dict[str, int]]
) -> None:
    backup, expected = failed_over
    assert backup.info()["continuity"]["holes"] == []
    assert sum(expected.values()) == 7
    new = Source(backup, {}).restored(make, beside)
    answer = new.container.ask("restore")
    assert answer.result == "ok", (answer, new.said()[-3000:])
    new.container.ok("start", "hot")
    new.container.promote(7, 6)
    assert rows(new.container) == expected


@pytest.mark.parametrize(
    ("kind", "target", "more", "reason"),
    [
        ("time", "2099-01-01 00:00:00+00", {}, "recovery ended before configured recovery target was reached"),
        pytest.param(
            "time",
            "2001-01-01 00:00:00+00",
            {},
            "ended after the target time 2001-01-01 00:00:00+00:00: choose a later target",
            marks=pytest.mark.thorough,
        ),
        pytest.param("name", "nobody", {}, "recovery ended before configured recovery target was reached", marks=pytest.mark.thorough),
        ("latest", "", {"stanza": "nobody"}, f"the repository has no archive nobody; it has {STANZA}"),
        pytest.param("latest", "", {"timeline": 9}, f"the archive {STANZA} has no timeline 9", marks=pytest.mark.thorough),
        pytest.param(
            "latest", "", {"backup": "20010101-000000F"}, "there is no backup 20010101-000000F; there are ", marks=pytest.mark.thorough
        ),
        pytest.param(
            "time",
            "yesterday",
            {},
            "'yesterday' is not allowed; a time with an offset, such as 2026-12-01 10:00:00+00:00",
            marks=pytest.mark.thorough,
        ),
        ("latest", "", {"repository": {"type": "s3", "path": "/a", "bucket": "b", "region": "c"}}, "Secret has no entry AWS_ACCESS_KEY_ID"),
    ],
)
def test_a_restore_that_cannot_succeed_says_why_and_leaves_nothing(
    make: Make, beside: Beside, source: Source, kind: str, target: str, more: dict[str, Any], reason: str
) -> None:
    backup = source.restored(make, beside, kind, target, **more)
    answer = backup.container.ask("restore")
    assert (answer.result, reason in answer.text) == ("error", True), answer
    assert is_clean(backup.container)
    backup.configure(restore={"stanza": "db", "type": "time", "target": source.targets["time"]})
    assert backup.container.ask("restore").result == "ok"


def test_a_restore_with_missing_wal_fails_and_does_not_end_early(make: Make, beside: Beside, source: Source) -> None:
    archive = source.backup.repository / "archive" / STANZA
    segments = sorted(path for path in archive.rglob("*") if path.name[:8] == "00000002" and "-" in path.name)
    segments[-3].unlink()
    missing = segments[-3].name[:24]
    backup = source.restored(make, beside)
    answer = backup.container.ask("restore")
    assert answer.result == "error"
    assert f"the archive lacks {missing}, although it has {segments[-2].name[:24]}" in answer.text
    assert is_clean(backup.container)
    holes = source.backup.info()["continuity"]["holes"]
    assert holes == [missing]


def test_a_restore_puts_wal_on_its_own_volume(make: Make, beside: Beside, source: Source) -> None:
    backup = source.restored(make, beside, "time", source.targets["time"], apart=True)
    container = backup.container
    container.ok("restore")
    link = container.pgdata / "pg_wal"
    assert link.is_symlink()
    assert link.resolve().parent == container.wal_volume
    begin(container)
    assert list(rows(container)) == ["one", "two", "three", "four"]


def test_a_restore_that_is_killed_anywhere_leaves_nothing_that_counts(make: Make, beside: Beside, source: Source) -> None:
    backup = source.restored(make, beside, "time", source.targets["time"])
    container = backup.container
    container.kill_at((0.05, 0.2, 0.4, 0.8, 1.2), "restore")
    begin(container)
    assert list(rows(container)) == ["one", "two", "three", "four"]


def test_a_restore_survives_a_restart_of_its_backup_container_while_it_recovers(make: Make, beside: Beside, source: Source) -> None:
    backup = source.restored(make, beside, "time", source.targets["time"])
    command_id = backup.container.tell("restore")
    wait_for(lambda: (backup.container.run / "restore" / "log").exists(), "the server recovers")
    backup.kill()
    backup.start()
    answer = backup.container.answer(command_id, 60)
    assert answer.result == "ok", (answer, backup.said()[-2000:])


def test_a_restore_sets_the_password_of_the_new_release_and_disables_subscriptions(make: Make, beside: Beside, source: Source) -> None:
    origin = source.backup.container
    origin.sql("create subscription sub connection 'host=nowhere' publication pub with (connect = false, slot_name = 'theirs')")
    origin.sql("alter subscription sub enable")
    last = origin.sql("select pg_walfile_name(pg_switch_wal())")
    wait_for(lambda: last in source.backup.archived(), f"{last} is archived")
    backup = source.restored(make, beside)
    container = backup.container
    (container.run / "pwfile").write_text("the new one's\n")
    container.ok("restore")
    begin(container)
    assert container.sql("select subenabled from pg_subscription") == "f"
    assert origin.sql("select subenabled from pg_subscription") == "t"
    stored = "select rolpassword from pg_authid where rolname = 'postgres'"
    assert container.sql(stored) != origin.sql(stored)


def test_a_restore_is_refused_where_there_is_data(make: Make, beside: Beside, source: Source) -> None:
    backup = source.restored(make, beside)
    backup.container.ok("initdb")
    answer = backup.container.ask("restore")
    assert (answer.result, answer.text) == ("refused", "a server directory exists")


def test_a_restore_from_another_major_is_refused(make: Make, beside: Beside, source: Source) -> None:
    backup = source.restored(make, beside)
    argv = ["setpriv", "--reuid", str(server_user()[0]), "--clear-groups", "bash", str(backup.container.config / "pgbackrest.sh")]
    done = subprocess.run(
        [*argv, "restore", "16"], env={"HAPG_RUN": str(backup.container.run)}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr == f"error: the backups of {STANZA} are of PostgreSQL 15, this is the chart of PostgreSQL 16\n"
    assert is_clean(backup.container)


def test_an_archive_of_another_birth_is_never_written_to(make: Make, beside: Beside, source: Source) -> None:
    before = source.backup.archived()
    backup = source.restored(make, beside, "time", source.targets["time"])
    backup.container.ok("restore")
    begin(backup.container)
    backup.container.sql(TABLE.replace("kept", "own"))
    backup.container.sql("select pg_switch_wal()")
    settled(backup.container)
    backup.backup()
    assert source.backup.archived() == before
    assert {path.name for path in (backup.repository / "archive").iterdir()} == {STANZA, "new-99999999"}
    assert ready(backup.container) == []


@pytest.mark.slow
def test_a_release_is_restored_by_its_first_pod_and_cloned_by_the_others(make: Make, beside: Beside, source: Source) -> None:
    release = Release(make, replicas=2, restores=True)
    backups = [beside(pod.container, name="db", restore={"stanza": "nobody"}) for pod in release.pods]
    links = []
    for pod in release.pods:
        pod.start()
        links.append(link_of(release, pod))
    try:
        release.wait(lambda: [each for each in release.cluster.events if each[1] == "RestoreFailed"], "the restore fails", 120)
        assert "the repository has no archive nobody" in str(release.cluster.events)
        assert not (release.pods[0].container.volume / "pgdata").exists()
        for backup in backups:
            backup.configure(restore={"stanza": STANZA, "type": "time", "target": source.targets["time"]})
        release.wait(release.is_whole, "the release is restored and whole", 180)
        primary = release.primary
        assert primary is not None
        assert list(rows(primary.container)) == ["one", "two", "three", "four"]
        assert [each[1] for each in release.cluster.events if each[1] in ("InitdbFailed", "Restored")] == ["Restored"]
        assert release.lease.timeline <= release.lease.term
        last = switch(primary.container, "five")
        own = backups[primary.ordinal]
        wait_for(lambda: last in own.archived(f"db-{LEASE_UID[:8]}"), f"{last} is archived", 90, own.said)
    finally:
        for link in links:
            link.set()
        release.stop()


def link_of(release: Release, pod: Pod) -> threading.Event:
    """Run the agent's side of the backup container until the event is set."""
    ended = threading.Event()
    assert pod.agent is not None
    agent = pod.agent
    with as_server_user():
        link = BackupLink(pod.container.run, Threads(), lambda: agent.world.lease_uid, agent.leads, agent.announce, agent.annotate)

    def run() -> None:
        with as_server_user():
            while not ended.wait(0.2):
                link.look()

    threading.Thread(target=run, daemon=True).start()
    return ended
