"""Differences between PostgreSQL majors, each with its own server.

Before 13 a standby changes its upstream only by a restart; before 12 recovery is configured in recovery.conf; before 10 postmaster.pid
doesn't show how far a start has progressed. The servers of 9.6, 12 and 13 have no pg_controldata, pg_rewind and pg_waldump. Those of 19 run
in its image, with all programs.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hapg.operate import recloning
from hapg.spec.version_profiles import PROFILES
from hapg_failover.adapters.ports.sql import ServerStatus
from hapg_failover.adapters.sql import PostgresSql
from hapg_failover.adapters.volume import Volume
from hapg_failover.core.state.actions import Op
from hapg_failover.core.state.results import Outcome
from hapg_failover.core.write_quorum import Setting
from hapg_failover.inspection import Inspection
from hapg_failover.pgdata.wal import parse_waldump_end
from hapg_protocol.lsn import Position, format_lsn, parse_lsn
from hapg_protocol.wal_files import segment_name
from tests.cluster import embedded

from .conftest import Make
from .harness import BIN, DEFAULT, PASSWORD, Container, wait_for
from .test_operations import Operator
from .test_standbys import commit, in_force

RESTARTING = [major for major, profile in PROFILES.items() if major in embedded.MAJORS and not profile.reloads_conninfo]
ALL = (*embedded.MAJORS, DEFAULT)
NEWEST = pytest.param("19", marks=pytest.mark.thorough)
"""Its servers are those of its image."""
of_each_major = pytest.mark.parametrize("major", [*ALL, NEWEST])
RELOADING = [major for major in ALL if major not in RESTARTING]
SNAPSHOT_BYTES = 1024
"""More than the record of the running transactions takes, which a server writes by itself within 15 s of the last write."""


@dataclass(frozen=True)
class Pair:
    """A primary on timeline 2 and a clone of it that hasn't been started."""

    primary: Container
    replica: Container

    def follow(self, mode: str) -> None:
        self.replica.ok("start", mode)
        self.replica.ok("follow", *self.primary.address())
        self.wait_caught_up()

    def write(self, word: str) -> None:
        self.primary.sql("create table if not exists t (w text)", f"insert into t select '{word}' from generate_series(1, 5)")

    def wait_caught_up(self) -> None:
        def streams() -> bool:
            senders = status(self.primary).senders
            return bool(senders) and senders[0].flushed == status(self.primary).position.lsn

        wait_for(streams, "the replica has what the primary has")

    def seal(self) -> Position:
        """Seal the replica; return the end of its WAL, which lies between the primary's positions before and after.

        A server occasionally adds a record without being asked: see SNAPSHOT_BYTES.
        """
        before = status(self.primary).position
        title = self.replica.ok("seal", "fast")
        end = Position(before.timeline, parse_lsn(title))
        assert before <= end <= status(self.primary).position
        return end


def sql(container: Container) -> PostgresSql:
    return PostgresSql(lambda: container.logins, container.profile.sql_names, container.port, str(container.run / "socket"))


def status(container: Container) -> ServerStatus:
    return sql(container).status(5.0)


def inspection(container: Container) -> Inspection:
    """Inspect a container's volume as the agent does."""
    volume = Volume(container.volume, container.profile.major, container.profile.wal_directory)
    return Inspection(container.output, volume, container.hello.missing)


def log(container: Container) -> str:
    return container.log.read_text()


@pytest.fixture
def pair(make: Make, templates: Callable[[str], Path], request: pytest.FixtureRequest) -> Pair:
    major = request.node.callspec.params["major"]
    primary, replica = (make(f"pod-{number}", major=major) for number in range(2))
    primary.take_data_of(templates(major))
    primary.start()
    primary.ok("start", "warm")
    primary.promote(2, 1)
    made = Pair(primary, replica)
    made.write("first")
    replica.start()
    replica.ok("clone", *primary.address())
    return made


@pytest.mark.parametrize("major", [DEFAULT])
def test_the_end_of_wal_is_found_beside_segments_that_were_made_in_advance(pair: Pair, major: str) -> None:
    """A server that has used three quarters of a segment creates the next ones, all zeros, which don't show the segment size."""
    pair.follow("warm")
    pair.write("second")
    pair.wait_caught_up()
    replica, end = pair.replica, pair.seal()
    log_files = replica.pgdata / replica.profile.wal_directory
    size = inspection(replica).control().segment_size
    for number in range(2, 40):
        unused = log_files / segment_name(end.timeline, end.lsn + number * size, size)
        unused.write_bytes(bytes(size))
        unused.chmod(0o644)
    start = end.lsn - end.lsn % size
    name = segment_name(end.timeline, end.lsn, size)
    said = replica.output("waldump", name, format_lsn(start), name, format_lsn(start + size))
    assert parse_waldump_end(said, size).end == end.lsn
    assert inspection(replica).end_of_wal(None) == end
    assert inspection(replica).end_of_wal(end.lsn) == end


@of_each_major
def test_a_commit_waits_for_the_standby_that_is_named(pair: Pair, major: str) -> None:
    """Before 10 there is no ANY; with one name the meaning is the same."""
    primary, replica = pair.primary, pair.replica
    pair.follow("hot")
    primary.ok("standbys", "1", "pod-1")
    wait_for(lambda: in_force(primary, Setting(1, ("pod-1",))), "every process acts by it")
    pair.write("acknowledged")
    replica.ok("seal", "fast")
    with commit(primary) as client:
        waiting = "select count(*) from pg_stat_activity where state = 'active' and query like 'insert into t values%'"
        wait_for(lambda: primary.answers(waiting) == "1", "the commit waits")
        assert client.poll() is None
        primary.ok("standbys", "0")
        assert client.wait(10) == 0


@of_each_major
@pytest.mark.parametrize("mode", ["warm", "hot"])
def test_follow_seal_and_promote(pair: Pair, major: str, mode: str) -> None:
    primary, replica = pair.primary, pair.replica
    assert status(primary).system_identifier == inspection(primary).control().system_identifier
    pair.follow(mode)
    pair.write("second")
    pair.wait_caught_up()
    end = pair.seal()
    assert inspection(replica).end_of_wal(end.lsn) == end
    assert inspection(replica).end_of_wal(None) == end
    # sealed means sealed
    assert status(primary).senders == ()
    pair.write("third")
    assert replica.ok("seal", "slow") == "-"
    assert inspection(replica).end_of_wal(None) == end
    # and back
    replica.ok("follow", *primary.address())
    pair.wait_caught_up()
    assert PASSWORD not in "".join(path.read_text() for path in (replica.run / "conf/instance.conf", standby_file(replica)))
    pair.seal()
    primary.end()
    replica.promote(7, 2)
    assert status(replica).position.timeline == 7
    assert replica.sql("select count(*) from t") == "15"
    assert not standby_file(replica).exists()
    # the former primary has nothing the new one lacks, and follows across the gap in the timelines
    primary.start()
    primary.ok("start", mode)
    primary.ok("follow", *replica.address())
    Pair(replica, primary).wait_caught_up()


@pytest.mark.parametrize("major", [*RELOADING, NEWEST])
def test_a_seal_waits_for_a_receiver_that_waits_for_orders(pair: Pair, make: Make, major: str) -> None:
    """At the end of its upstream's timeline a WAL receiver stays connected until the startup process tells it where to go on."""
    pair.follow("hot")
    chain = Pair(pair.replica, make("pod-2", major=major))
    chain.replica.start()
    chain.replica.ok("clone", *pair.primary.address())
    chain.replica.ok("start", "hot")
    chain.replica.ok("follow", *pair.replica.address())
    wait_for(lambda: pair.replica.answers("select count(*) from pg_stat_replication") == "1", "it follows the next primary")
    [receiver], [startup] = chain.replica.titled(b"walreceiver"), chain.replica.titled(b"startup")
    os.kill(startup, signal.SIGSTOP)
    pair.seal()
    pair.replica.promote(3, 2)
    wait_for(lambda: b"idle" in Path(f"/proc/{receiver}/cmdline").read_bytes(), "the receiver waits for orders")
    assert chain.replica.answer(chain.replica.tell("seal", "fast")).result == "ok"
    assert chain.replica.titled(b"walreceiver") == []
    os.kill(startup, signal.SIGCONT)


@of_each_major
def test_a_replay_that_is_paused_is_known(pair: Pair, major: str) -> None:
    replay = "pg_xlog_replay" if major == "9.6" else "pg_wal_replay"
    pair.follow("hot")
    assert not sql(pair.replica).replay_paused(5.0)
    pair.replica.sql(f"select {replay}_pause()")
    assert sql(pair.replica).replay_paused(5.0)
    pair.replica.sql(f"select {replay}_resume()")
    assert not sql(pair.replica).replay_paused(5.0)
    assert not sql(pair.primary).replay_paused(5.0)


def standby_file(container: Container) -> Path:
    return container.pgdata / container.profile.standby_file


@of_each_major
def test_the_end_of_a_killed_server(pair: Pair, major: str) -> None:
    """A crashed primary's WAL is found on its volume, with or without the image's programs."""
    pair.write("second")
    written = status(pair.primary).position
    pair.primary.ok("kill")
    end = inspection(pair.primary).end_of_wal(None)
    assert end is not None
    assert written <= end <= Position(2, written.lsn + SNAPSHOT_BYTES)
    assert pair.primary.ok("start", "hot") in ("standby", "ready", "starting")
    assert inspection(pair.primary).end_of_wal(None) == end
    wait_for(lambda: pair.primary.answers("select count(*) from t") == "10", "it answers")


@pytest.mark.parametrize("major", embedded.MAJORS)
def test_without_pg_rewind_a_former_primary_is_cloned(pair: Pair, major: str) -> None:
    primary, replica = pair.primary, pair.replica
    pair.follow("hot")
    pair.write("both")
    pair.wait_caught_up()
    replica.ok("seal", "fast")
    pair.write("lost")
    written = status(primary).position
    primary.end()
    replica.promote(3, 2)
    primary.start()
    with contextlib.closing(Operator(primary, replica)) as operator:
        end = operator.run(Op.START, mode="hot").position
        assert end is not None
        assert written <= end <= Position(2, written.lsn + SNAPSHOT_BYTES)
        result = operator.run(Op.FOLLOW, host="127.0.0.1", timeline=3)
        assert result.outcome is Outcome.NEEDS_CLONE
        assert result.text.endswith("; the image has no pg_rewind")
        for op in (Op.CLONE, Op.START, Op.FOLLOW):
            done = operator.run(op) if op is Op.START else operator.run(op, host="127.0.0.1", timeline=3)
            assert done.outcome is Outcome.OK, done
    Pair(replica, primary).wait_caught_up()
    primary.ok("seal", "fast")
    primary.promote(4, 3)
    assert primary.sql("select w, count(*) from t group by 1 order by 1").split() == ["both|5", "first|5"]


@of_each_major
def test_a_standby_that_somebody_else_promotes_is_ended(pair: Pair, major: str) -> None:
    pair.follow("hot")
    (pair.replica.pgdata / "promote").touch()
    os.kill(pair.replica.postmaster(), signal.SIGUSR1)
    assert pair.replica.unasked("died").text == "promoted by another"
    assert pair.replica.state == "down"
    assert (pair.replica.volume / "foreign").exists()


def startup_process(container: Container) -> int:
    return next(pid for pid in container.pids() if b"postgres: startup " in Path(f"/proc/{pid}/cmdline").read_bytes())


@pytest.mark.parametrize("major", RESTARTING)
def test_a_restart_to_seal_gives_way_to_a_stop(pair: Pair, major: str) -> None:
    pair.follow("warm")
    startup = startup_process(pair.replica)
    os.kill(startup, signal.SIGSTOP)  # the shutdown waits for it
    seal = pair.replica.tell("seal", "fast")
    assert pair.replica.ask("follow", *pair.primary.address()).text == "the server is being stopped"
    assert pair.replica.ask("promote", "3", "2").text == "the server is being stopped"
    stop = pair.replica.tell("stop", "fast")
    assert (pair.replica.answer(seal).result, pair.replica.answer(seal).text) == ("error", "stopped")
    os.kill(startup, signal.SIGCONT)
    assert pair.replica.answer(stop).result == "ok"
    assert pair.replica.state == "down"
    pair.follow("warm")


@pytest.mark.parametrize("major", RESTARTING)
def test_a_restart_to_seal_ends_with_a_kill(pair: Pair, major: str) -> None:
    pair.follow("warm")
    os.kill(startup_process(pair.replica), signal.SIGSTOP)
    seal = pair.replica.tell("seal", "fast")
    pair.replica.ok("kill")
    assert (pair.replica.answer(seal).result, pair.replica.answer(seal).text) == ("error", "killed")
    assert pair.replica.state == "down"
    assert not [event for event in pair.replica.events if event.result == "died"]


@pytest.mark.parametrize("major", ["9.6"])
def test_a_sealed_standby_of_9_6_asks_nobody(pair: Pair, major: str) -> None:
    """With an empty primary_conninfo in recovery.conf, it connects to libpq's default socket, whichever server listens there."""
    pair.replica.ok("start", "hot")
    assert "primary_conninfo" not in standby_file(pair.replica).read_text()
    wait_for(lambda: pair.replica.answers() == "1", "it answers")
    assert "could not connect" not in log(pair.replica)


@of_each_major
def test_data_of_another_major_is_not_touched(pair: Pair, make: Make, major: str) -> None:
    other = next(name for name in ALL if name != major)
    pair.primary.ok("stop", "fast")
    pair.primary.end()
    before = sorted((path, path.stat().st_mtime_ns) for path in pair.primary.pgdata.rglob("*"))
    stranger = make("stranger", pair.primary.volume, major=other)
    stranger.start()
    said = f"the server directory is of PostgreSQL {major}, this is PostgreSQL {other}: nothing has been touched"
    for command in (("start", "hot"), ("start", "warm")):
        assert (stranger.ask(*command).text, stranger.state) == (said, "down")
    assert stranger.ask("rewind", *pair.replica.address()).text == f"exit code 1: {said}"
    assert sorted((path, path.stat().st_mtime_ns) for path in pair.primary.pgdata.rglob("*")) == before
    stranger.end()
    pair.primary.start()
    pair.primary.ok("start", "hot")


def test_an_image_of_another_major_ends_with_a_message(make: Make) -> None:
    container = make("pod-0")
    container.environment["HAPG_VERSION_PROFILE"] = PROFILES["16"].environment_words.replace(
        PROFILES["16"].bin_directory, str(container.bin)
    )
    container.launch()
    assert container.exit_code() == 1
    assert "this is the chart of PostgreSQL 16" in log(container)


def test_a_profile_that_leaves_something_out_ends_with_a_message(make: Make) -> None:
    container = make("pod-0", HAPG_VERSION_PROFILE="major=15")
    container.launch()
    assert container.exit_code() == 1
    assert "HAPG_VERSION_PROFILE has no binDirectory" in log(container)


def asked_to_keep(server: Container, needed: int, *names: str) -> list[str]:
    """Run on a server what `hapg resize --reclone` runs on the primary before it deletes a volume."""
    script = recloning.KEEP.replace("/var/lib/postgresql/data", str(server.volume)).replace("/run/hapg/socket", str(server.run / "socket"))
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "PGPORT": str(server.port)}
    command = ["bash", "-c", script, "bash", str(needed), f"{{{','.join(names)}}}"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout.splitlines()


@pytest.mark.parametrize("major", [pytest.param("9.6", marks=pytest.mark.thorough), DEFAULT])
def test_a_volume_is_dispensable_only_if_the_other_replicas_have_what_the_primary_has_written(pair: Pair, major: str) -> None:
    pair.follow("hot")
    pair.write("second")
    assert asked_to_keep(pair.primary, 1, "pod-1", "pod-2") == ["kept"]
    assert asked_to_keep(pair.primary, 0) == ["kept"]
    assert "recovery is in progress" in asked_to_keep(pair.replica, 0)[0]
    (receiver,) = pair.replica.titled(b"wal receiver" if major == "9.6" else b"walreceiver")
    os.kill(receiver, signal.SIGSTOP)
    try:
        pair.write("third")
        words = "the other replicas do not have all that the primary has written: 0 of 1 within 10 s"
        assert asked_to_keep(pair.primary, 1, "pod-1") == [words]
        assert asked_to_keep(pair.primary, 1, "pod-2") == [words], "the one to be replaced does not count"
    finally:
        os.kill(receiver, signal.SIGCONT)
    assert asked_to_keep(pair.primary, 1, "pod-1") == ["kept"]
