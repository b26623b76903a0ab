"""Archiving: nothing is missing after a failover, and nothing is there that should not be."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from .backups import STANZA, Backup, Beside, follower, ready, rows, settled, switch
from .conftest import Make
from .harness import Container, wait_for


def test_the_primary_archives_and_a_standby_confirms(make: Make, beside: Beside, archived: Backup) -> None:
    primary = archived.container
    replica = follower(make, beside, "db-1", primary).container
    last = switch(primary, "first", 3)
    wait_for(lambda: last in archived.archived(), f"{last} is archived", said=archived.said)
    settled(primary, replica)
    assert primary.sql("select failed_count from pg_stat_archiver") == "0"
    info = archived.info()
    assert info["stanza"] == STANZA
    assert info["continuity"]["holes"] == []
    assert [each["type"] for each in info["backups"]] == ["full"]


def restored(make: Make, beside: Beside, timeline: int) -> Container:
    """A new release's primary, restored to the end of the archive and promoted. timeline: the one after the restore's."""
    new = make("new-0")
    beside(new, name="new", restore={"stanza": "db"}).birth("99999999-0000-4000-8000-000000000009")
    new.start()
    new.ok("restore")
    new.ok("start", "hot")
    new.promote(timeline, timeline - 1)
    return new


def lose(backup: Backup) -> None:
    """Lose a server for good, together with its backup container and its volume."""
    backup.kill()
    backup.container.end()


def take_over(replica: Container, timeline: int, own: int) -> None:
    replica.ok("seal", "fast")
    replica.promote(timeline, own)


def received(replica: Container, primary: Container) -> None:
    end = primary.sql("select pg_current_wal_flush_lsn()")
    wait_for(lambda: replica.answers(f"select pg_last_wal_receive_lsn() >= '{end}'") == "t", f"{replica.name} has received {end}")


@pytest.mark.slow
def test_two_failovers_with_frozen_containers_leave_no_hole_in_the_archive(make: Make, beside: Beside, archived: Backup) -> None:
    first = archived.container
    second, third = follower(make, beside, "db-1", first), follower(make, beside, "db-2", first)
    switch(first, "archived", 2)
    settled(first, second.container, third.container)
    archived.freeze()
    switch(first, "unarchived", 3)
    received(second.container, first)
    received(third.container, first)
    held = ready(second.container)
    assert held
    lose(archived)
    take_over(second.container, 5, 2)
    third.container.ok("follow", *second.container.address())
    switch(second.container, "second", 2)
    settled(second.container, third.container)
    assert set(held) <= second.archived() | {name for name in held if name.endswith(".partial")}
    second.freeze()
    switch(second.container, "again unarchived", 2)
    received(third.container, second.container)
    lose(second)
    take_over(third.container, 7, 5)
    switch(third.container, "third", 2)
    settled(third.container)
    found = third.archived()
    assert {"00000005.history", "00000007.history"} <= found
    assert not [name for name in found if "partial" in name or name in ("00000003.history", "00000004.history", "00000006.history")]
    complaints = {line.partition(": ")[2] for line in third.container.log.read_text().splitlines() if line.startswith("error: ")}
    assert complaints <= {"the primary has not archived it yet"}
    assert third.info()["continuity"]["holes"] == []
    new = restored(make, beside, 9)
    assert rows(new) == rows(third.container)


def test_what_a_lost_primary_archived_alone_is_no_part_of_a_restore(make: Make, beside: Beside, archived: Backup) -> None:
    first = archived.container
    second = follower(make, beside, "db-1", first)
    switch(first, "both")
    settled(first, second.container)
    received(second.container, first)
    second.container.ok("seal", "fast")
    alone = switch(first, "alone", 2)
    wait_for(lambda: alone in archived.archived(), "the cut-off primary archives")
    lose(archived)
    second.container.promote(5, 2)
    switch(second.container, "second")
    settled(second.container)
    assert second.info()["continuity"]["holes"] == []
    new = restored(make, beside, 7)
    assert rows(new) == {"both": 1, "second": 1}


def test_a_standby_keeps_wal_that_is_not_archived_and_archives_it_once_promoted(make: Make, beside: Beside, archived: Backup) -> None:
    first = archived.container
    second = follower(make, beside, "db-1", first)
    for server in (first, second.container):
        server.sql("alter system set wal_keep_size = 0", "alter system set max_wal_size = '2MB'", "alter system set min_wal_size = '2MB'")
        server.sql("select pg_reload_conf()")
    switch(first, "archived")
    settled(first, second.container)
    archived.freeze()
    names = [switch(first, f"kept {number}") for number in range(8)]
    received(second.container, first)
    first.sql("checkpoint")
    wait_for(lambda: second.container.answers("select count(*) from kept") == "9", "all is replayed")
    for _ in range(2):
        second.container.sql("checkpoint")
    wal = second.container.pgdata / "pg_wal"
    assert [name for name in names if not (wal / name).exists()] == []
    lose(archived)
    take_over(second.container, 5, 2)
    settled(second.container)
    assert set(names) <= second.archived()


def test_archiving_goes_on_after_the_container_was_killed(archived: Backup) -> None:
    primary = archived.container
    archived.kill()
    last = switch(primary, "meanwhile", 2)
    assert last not in archived.archived()
    archived.start()
    wait_for(lambda: last in archived.archived(), "what waited is archived", 70)


def test_a_push_that_is_interrupted_is_not_counted(archived: Backup) -> None:
    primary = archived.container
    archived.freeze()
    last = switch(primary, "interrupted")
    wait_for(lambda: primary.titled(b"pgbackrest.sh"), "archive_command waits for the container")
    archived.kill()
    wait_for(lambda: int(primary.sql("select failed_count from pg_stat_archiver")) > 0, "the push has failed", 40)
    assert ready(primary)
    archived.start()
    wait_for(lambda: last in archived.archived(), "it is archived", 70)


@pytest.mark.parametrize("state", ["well", "frozen", "killed"])
def test_a_shutdown_does_not_wait_for_the_archive(archived: Backup, state: str) -> None:
    primary = archived.container
    if state == "frozen":
        archived.freeze()
    elif state == "killed":
        archived.kill()
    switch(primary, "last", 2)
    if state == "frozen":
        wait_for(lambda: primary.titled(b"pgbackrest.sh"), "archive_command waits for the container")
    begun = time.monotonic()
    primary.ok("stop", "fast")
    took = time.monotonic() - begun
    assert took < 5, f"{state}: {took:.1f} s"
    archived.kill()
    archived.start()
    primary.ok("start", "hot")
    primary.promote(3, 2)
    settled(primary)
    assert archived.info()["continuity"]["holes"] == []


def test_a_promotion_does_not_wait_for_the_archive(make: Make, beside: Beside, archived: Backup) -> None:
    first = archived.container
    second = follower(make, beside, "db-1", first)
    archived.freeze()
    second.freeze()
    switch(first, "unarchived", 2)
    received(second.container, first)
    wait_for(lambda: second.container.titled(b"pgbackrest.sh"), "the standby's archive_command waits for its container")
    lose(archived)
    second.container.ok("seal", "fast")
    begun = time.monotonic()
    second.container.promote(5, 2)
    took = time.monotonic() - begun
    assert took < 5, f"{took:.1f} s"
    second.thaw()
    settled(second.container)
    assert second.info()["continuity"]["holes"] == []


def test_an_archive_that_fails_is_told_to_the_agent_and_in_metrics(archived: Backup) -> None:
    primary = archived.container
    archived.repository.rename(archived.repository.with_name("away"))
    switch(primary, "unarchived")
    wait_for(lambda: archived.state().get("failing"), "the state says so", 70)
    assert ready(primary)
    archived.repository.with_name("away").rename(archived.repository)
    settled(primary)
    wait_for(lambda: not archived.state()["failing"], "the state says that it goes on")


def test_a_wrong_setting_is_told_and_corrected_without_a_restart(archived: Backup) -> None:
    archived.configure(repository={"type": "s3", "path": "/a", "bucket": "b", "region": "c"})
    switch(archived.container, "unarchived")
    wait_for(lambda: "AWS_ACCESS_KEY_ID" in archived.state().get("misconfigured", ""), "the state says so")
    archived.configure(repository={"type": "local", "path": str(archived.repository)})
    settled(archived.container)
    wait_for(lambda: not archived.state()["misconfigured"], "the state is in order")


def test_the_hand_over_serves_nobody_without_the_token(archived: Backup) -> None:
    port = int((archived.folder / "listener").read_text().split()[0])
    for line in (b"push 000000010000000000000001\n", b"0123 push 000000010000000000000001\n", b"\n", b"x" * 600):
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            connection.sendall(line)
            assert connection.recv(100) == b""


def test_a_database_of_another_birth_does_not_use_this_archive(make: Make, beside: Beside, template: Path, archived: Backup) -> None:
    other = make("db-9")
    other.start()
    other.ok("initdb")
    other.end()
    backup = beside(other)
    other.start()
    other.ok("start", "hot")
    other.promote(2, 1)
    other.sql("select pg_switch_wal()")
    wait_for(lambda: "can't be created" in backup.state().get("misconfigured", ""), "another system identifier is refused")
    assert ready(other)
