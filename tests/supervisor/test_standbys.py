"""Whose acknowledgement a commit waits for: from a server's start, at its promotion, and while it is primary."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hapg_failover.adapters.sql import PostgresSql
from hapg_failover.core.write_quorum import OFF, Setting, not_in_force

from .conftest import Make
from .harness import Container, wait_for

Clone = Callable[[str, str], Container]
SHOW = "show synchronous_standby_names"


@pytest.fixture
def guarded(make: Make, template: Path) -> Container:
    """A hot standby that was started for synchronous replication."""
    container = make("pod-0")
    container.take_data_of(template)
    container.start()
    container.ok("start", "hot", "1")
    return container


@contextmanager
def commit(server: Container) -> Iterator[subprocess.Popen[str]]:
    """Begin a transaction that waits for standbys, if any are configured; the table is created without waiting."""
    words = server.psql(
        "set synchronous_commit = local", "create table if not exists t (w text)", "reset synchronous_commit", "insert into t values ('x')"
    )
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as client:
        try:
            yield client
        finally:
            client.kill()


def waits(server: Container) -> bool:
    return server.answers("select count(*) from pg_stat_activity where wait_event = 'SyncRep'") == "1"


def in_force(server: Container, setting: Setting) -> bool:
    seen = PostgresSql(lambda: server.logins, server.profile.sql_names, server.port, str(server.run / "socket")).standby_names(5.0)
    return not_in_force(setting, seen.shown, seen.priorities) is None


def test_a_guarded_server_names_nobody_until_it_is_promoted(guarded: Container) -> None:
    assert guarded.sql(SHOW) == 'ANY 1 ("-")'
    guarded.deadline(None)
    guarded.ok("promote", "2", "1", "1", "pod-1", "pod-2")
    wait_for(lambda: guarded.answers("select pg_is_in_recovery()") == "f", "it is writable")
    assert guarded.sql(SHOW) == 'ANY 1 ("pod-1", "pod-2")'
    with commit(guarded) as client:
        wait_for(lambda: waits(guarded), "the commit waits")
        assert client.poll() is None


def test_a_commit_waits_from_the_first_moment_on(guarded: Container) -> None:
    guarded.deadline(None)
    guarded.ok("promote", "2", "1", "1")
    wait_for(lambda: guarded.answers("select pg_is_in_recovery()") == "f", "it is writable")
    assert guarded.sql(SHOW) == 'ANY 1 ("-")'
    with commit(guarded) as client:
        wait_for(lambda: waits(guarded), "the commit waits")
        guarded.ok("standbys", "0")
        assert client.wait(10) == 0
    assert guarded.sql(SHOW) == ""


def test_a_server_without_a_guard_is_not_promoted_into_a_set(standby: Container) -> None:
    standby.deadline(None)
    answer = standby.ask("promote", "2", "1", "1", "pod-1")
    assert (answer.result, answer.text) == ("refused", "the server was started without a guard")
    assert standby.state == "standby"
    standby.ok("promote", "2", "1", "0")


def test_a_guard_goes_with_the_next_start(guarded: Container) -> None:
    guarded.ok("stop", "fast")
    guarded.ok("start", "hot")
    assert guarded.sql(SHOW) == ""
    guarded.deadline(None)
    assert guarded.ask("promote", "2", "1", "1", "pod-1").result == "refused"


def test_standbys_come_and_go(primary: Container, clone: Clone) -> None:
    replica = clone("pod-1", "warm")
    primary.ok("standbys", "1", "pod-1", "pod-2")
    wait_for(lambda: in_force(primary, Setting(1, ("pod-1", "pod-2"))), "the setting is in force")
    with commit(primary) as client:
        assert client.wait(10) == 0
    replica.ok("seal", "fast")
    with commit(primary) as client:
        wait_for(lambda: waits(primary), "the commit waits for the sealed one")
        replica.ok("follow", *primary.address())
        assert client.wait(10) == 0
    primary.ok("standbys", "1", "pod-2")
    wait_for(lambda: in_force(primary, Setting(1, ("pod-2",))), "the walsender of pod-1 has read it")
    with commit(primary) as client:
        wait_for(lambda: waits(primary), "the commit waits, though pod-1 streams")
        primary.ok("standbys", "0")
        assert client.wait(10) == 0
    wait_for(lambda: in_force(primary, OFF), "commits wait for no standby")


def test_a_walsender_that_has_not_read_the_setting_is_seen(primary: Container, clone: Clone) -> None:
    clone("pod-1", "warm")
    primary.ok("standbys", "1", "pod-1")
    wait_for(lambda: in_force(primary, Setting(1, ("pod-1",))), "the setting is in force")
    wait_for(lambda: primary.sql("select sync_state from pg_stat_replication") == "quorum", "pod-1 may acknowledge")
    inside = primary.sql("select pid from pg_stat_replication")
    [sender] = [pid for pid in primary.pids() if f"NSpid:\t{pid}\t{inside}\n" in Path(f"/proc/{pid}/status").read_text()]
    subprocess.run(["kill", "-STOP", str(sender)], check=True)
    try:
        primary.ok("standbys", "1", "pod-2")
        wait_for(lambda: primary.sql(SHOW) == 'ANY 1 ("pod-2")', "the postmaster has read it")
        assert not in_force(primary, Setting(1, ("pod-2",)))
    finally:
        subprocess.run(["kill", "-CONT", str(sender)], check=True)
    wait_for(lambda: in_force(primary, Setting(1, ("pod-2",))), "the walsender has read it too")


def test_the_parameter_of_alter_system_does_not_stay(guarded: Container) -> None:
    guarded.ok("stop", "fast")
    conf = guarded.pgdata / "postgresql.auto.conf"
    conf.write_text(conf.read_text() + "synchronous_standby_names = '*'\n")
    guarded.ok("start", "hot", "1")
    assert guarded.sql(SHOW) == 'ANY 1 ("-")'


@pytest.mark.parametrize(
    "words",
    [
        ("promote", "2", "1", "x"),
        ("promote", "2", "1", "0", "pod-1"),
        ("promote", "2", "1", "1", "pod_1"),
        ("promote", "2", "1", "1", "-"),
        ("promote", "2", "1", "1", "'"),
        ("standbys", "1", "*"),
        ("standbys", "1", "pod-1"),
        ("start", "hot", "x"),
        ("start", "hot", "1", "pod_1"),
        ("start", "cold", "1"),
    ],
)
def test_what_is_malformed_or_out_of_place_is_refused(guarded: Container, words: tuple[str, ...]) -> None:
    guarded.deadline(None)
    assert guarded.ask(*words).result == "refused"
