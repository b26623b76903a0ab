"""The protocol's assumptions about PostgreSQL, checked on the servers of each major (docs/protocol.md, section 9).

The older majors lack PostgreSQL 15's programs, so the agent's own code reads the control file and WAL.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hapg_failover.adapters.volume import Volume
from hapg_failover.core.write_quorum import OFF, Setting
from hapg_failover.pgdata.control_file import ControlData, parse_control_file
from hapg_failover.pgdata.wal import end_by_reading, ends_in_shutdown
from hapg_protocol.lsn import Position, parse_lsn
from hapg_protocol.wal_files import segment_name

from . import test_majors, test_recovery
from .harness import Container, server_user, wait_for
from .test_majors import ALL, NEWEST, Pair, inspection, of_each_major, startup_process, status
from .test_recovery import Brake
from .test_standbys import commit, in_force

pair = test_majors.pair
brake = test_recovery.brake
MUCH = 300_000
"""Rows of some 110 bytes: 33 MB, more than the 16 MB of shared_buffers and than a segment of 9.6."""


def volume(container: Container) -> Volume:
    return Volume(container.volume, container.profile.major, container.profile.wal_directory)


def control(container: Container) -> ControlData:
    """Read the control file of a server that may be writing it."""
    found: list[ControlData] = []

    def reads() -> bool:
        with contextlib.suppress(ValueError):
            found.append(parse_control_file(volume(container).read_control()))
        return bool(found)

    wait_for(reads, "the control file is whole")
    return found[-1]


def end_of_wal(container: Container) -> Position:
    """Read the end of WAL of a server whose last checkpoint is on its newest timeline; no command is needed."""
    said = control(container)
    end = end_by_reading(volume(container).read_wal, said.checkpoint.timeline, said.redo, said.segment_size)
    assert end is not None
    return Position(said.checkpoint.timeline, end)


def ends_in_a_shutdown(container: Container) -> bool:
    end = end_of_wal(container)
    return ends_in_shutdown(volume(container).read_wal, end.timeline, end.lsn, control(container).segment_size)


def said_of(container: Container, file: str) -> dict[int, bytes]:
    """Return the contents of a /proc file for each process of the container, by pid in this namespace."""
    found = {}
    for pid in container.pids():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found[pid] = Path(f"/proc/{pid}/{file}").read_bytes()
    return found


def processes(container: Container, title: bytes) -> list[int]:
    """Return the pids, in this namespace, of the processes whose title contains these words."""
    return [pid for pid, said in said_of(container, "cmdline").items() if title in said]


def outside(container: Container, inside: str) -> int:
    """Return the pid in this namespace of a process of the container."""
    [pid] = [pid for pid, said in said_of(container, "status").items() if f"NSpid:\t{pid}\t{inside}\n".encode() in said]
    return pid


@contextmanager
def session(container: Container) -> Iterator[int]:
    """Open a transaction that has written and keep it open; return its backend."""
    with subprocess.Popen(
        container.psql("begin", "insert into t values ('open')", "select pg_sleep(3600)"), stderr=subprocess.PIPE
    ) as client:
        asleep = "select pid from pg_stat_activity where state = 'active' and query like 'select pg_sleep(3600)%'"
        try:
            wait_for(lambda: container.answers(asleep), "the session sleeps")
            yield outside(container, container.sql(asleep))
        finally:
            client.kill()


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Freeze a process meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def write_much(container: Container) -> None:
    container.sql(
        "create table if not exists much (n int, w text)", f"insert into much select n, repeat('x', 80) from generate_series(1, {MUCH}) n"
    )


# --- the end of a server's WAL ---


@of_each_major
def test_a_fast_shutdown_writes_its_checkpoint_once_the_last_backend_has_ended(pair: Pair, major: str) -> None:
    primary = pair.primary
    with session(primary) as backend:
        with stopped(backend):
            stop = primary.tell("stop", "fast")
            wait_for(lambda: not processes(primary, b"writer"), "all but the one that doesn't move have ended")
            assert processes(primary, b"checkpointer")
            assert control(primary).cluster_state == "in production"
            assert not ends_in_a_shutdown(primary)
        assert primary.answer(stop).text == "0"
    assert control(primary).cluster_state == "shut down"
    assert ends_in_a_shutdown(primary)


@of_each_major
def test_a_shutdown_checkpoint_is_the_last_record_of_its_server(pair: Pair, major: str) -> None:
    """Valid WAL ends with it, on the timeline that the server wrote; and the next start, which is sealed, adds nothing."""
    primary = pair.primary
    pair.write("last")
    assert primary.ok("stop", "fast") == "0"
    end = end_of_wal(primary)
    assert ends_in_a_shutdown(primary)
    assert control(primary).checkpoint.timeline == 2
    assert control(primary).checkpoint.lsn < end.lsn
    primary.ok("start", "hot")
    wait_for(lambda: primary.answers("select count(*) from t") == "10", "it answers")
    assert end_of_wal(primary) == end
    assert primary.ok("stop", "fast") == "0"
    assert end_of_wal(primary) == end
    assert ends_in_a_shutdown(primary)


@of_each_major
def test_an_end_without_a_shutdown_is_no_shutdown_checkpoint(pair: Pair, major: str) -> None:
    """This holds for a kill, an immediate shutdown, and after another kind of checkpoint."""
    primary = pair.primary
    pair.write("second")
    primary.sql("checkpoint")
    assert not ends_in_a_shutdown(primary)
    primary.ok("stop", "immediate")
    assert not ends_in_a_shutdown(primary)
    primary.ok("start", "warm")
    primary.ok("kill")
    assert not ends_in_a_shutdown(primary)


def crash_a_backend(primary: Container) -> None:
    with session(primary) as backend:
        os.kill(backend, signal.SIGKILL)


@of_each_major
def test_without_restart_after_crash_a_crashed_backend_ends_the_server_without_a_shutdown_checkpoint(pair: Pair, major: str) -> None:
    crash_a_backend(pair.primary)
    pair.primary.unasked("died")
    assert not ends_in_a_shutdown(pair.primary)


@of_each_major
def test_a_fast_shutdown_waits_until_a_streaming_standby_has_received_all(pair: Pair, major: str) -> None:
    primary, replica = pair.primary, pair.replica
    pair.follow("hot")
    [receiver] = processes(replica, b"receiver")
    with stopped(receiver):
        pair.write("late")
        stop = primary.tell("stop", "fast")
        wait_for(lambda: control(primary).cluster_state == "shut down", "the shutdown checkpoint is written")
        assert processes(primary, b"sender")
        assert primary.state == "primary"
        assert not [event for event in primary.events if event.command_id == stop]
    assert primary.answer(stop).text == "0"
    replica.ok("seal", "fast")
    assert inspection(replica).end_of_wal(None) == end_of_wal(primary)
    assert inspection(replica).ends_in_shutdown(end_of_wal(primary))


# --- a standby ---


def last_segment(container: Container, end: Position) -> bytes:
    size = control(container).segment_size
    found = volume(container).read_wal(segment_name(end.timeline, end.lsn, size), 0, size)
    assert found is not None
    return found


@of_each_major
def test_a_sealed_standby_writes_no_wal_and_does_not_move(pair: Pair, major: str) -> None:
    """Neither on its own, nor for reads and a restartpoint, nor across a restart, while its primary continues to write."""
    primary, replica = pair.primary, pair.replica
    pair.follow("hot")
    pair.write("second")
    pair.wait_caught_up()
    end = pair.seal()
    before = last_segment(replica, end)
    for restart in (False, True):
        if restart:
            assert replica.ok("stop", "fast") == "0"
            replica.ok("start", "hot")
        pair.write("third")
        wait_for(lambda: replica.answers("select count(*) from t") == "10", "it answers, with what it had")
        replica.sql("checkpoint")
        assert parse_lsn(replica.sql("select pg_last_wal_replay_lsn()")) == end.lsn
        assert status(primary).senders == ()
        assert not processes(replica, b"receiver")
    assert inspection(replica).end_of_wal(None) == end
    assert last_segment(replica, end) == before


@of_each_major
@pytest.mark.parametrize("mode", ["warm", "hot"])
def test_a_sealed_standby_replays_segments_that_appear_in_its_wal_directory(pair: Pair, major: str, mode: str) -> None:
    """So whoever puts an archived segment there moves it: that is bound to the same rule as a stream."""
    primary, replica = pair.primary, pair.replica
    pair.follow(mode)
    pair.write("second")
    pair.wait_caught_up()
    end, size = pair.seal(), control(replica).segment_size
    theirs, ours = (each.pgdata / each.profile.wal_directory for each in (primary, replica))
    names = [segment_name(end.timeline, end.lsn + number * size, size) for number in range(3)]
    for name in names:
        pair.write("third")
        primary.sql(f"select {primary.profile.wal_directory.replace('pg_', 'pg_switch_')}()")
        shutil.copyfile(theirs / name, ours / f".{name}.new")
        os.chown(ours / f".{name}.new", *server_user())
        (ours / f".{name}.new").rename(ours / name)
    wait_for(lambda: replica.ok("progress").split()[0] >= names[-1], "it has read the last")
    assert end_of_wal(replica).lsn > end.lsn + size
    if mode == "hot":
        wait_for(lambda: replica.answers("select count(*) from t") == "25", "it has replayed them")


@of_each_major
def test_what_is_read_of_wal_is_what_is_replayed(pair: Pair, major: str) -> None:
    """And a restarted server doesn't report what it had received before."""
    primary = pair.primary
    pair.write("second")
    primary.ok("kill")
    end = inspection(primary).end_of_wal(None)
    assert end is not None
    primary.ok("start", "hot")
    wait_for(lambda: primary.answers("select count(*) from t") == "10", "it answers")
    replayed = "select pg_last_wal_replay_lsn()"
    wait_for(lambda: parse_lsn(primary.sql(replayed)) >= end.lsn, "it has replayed that")
    assert parse_lsn(primary.sql(replayed)) == end.lsn
    assert primary.sql("select pg_last_wal_receive_lsn() is null") == "t"


@of_each_major
def test_the_title_of_the_receiver_says_what_is_on_disk(pair: Pair, major: str) -> None:
    primary, replica = pair.primary, pair.replica
    pair.follow("warm")
    pair.write("second")
    pair.wait_caught_up()

    def told() -> int:
        [title] = [said for said in said_of(replica, "cmdline").values() if b"receiver" in said]
        return parse_lsn(title.rstrip(b"\0 ").decode().rpartition("streaming ")[2])

    wait_for(lambda: told() == status(primary).position.lsn, "it names the end of the primary's WAL")
    shown = told()
    replica.ok("kill")
    end = inspection(replica).end_of_wal(None)
    assert end is not None
    assert end.lsn >= shown


@of_each_major
def test_a_promotion_comes_after_the_replay_of_all_local_wal(pair: Pair, major: str) -> None:
    """Even if it is signalled while most of the WAL is still to be replayed."""
    primary, replica = pair.primary, pair.replica
    pair.follow("hot")
    startup = startup_process(replica)
    with stopped(startup):
        for _ in range(20):
            pair.write("backlog")
        pair.wait_caught_up()
        written = status(primary).position
        replay = "replay_lsn" if major != "9.6" else "replay_location"
        assert parse_lsn(primary.sql(f"select {replay} from pg_stat_replication")) < written.lsn
        primary.end()
        wait_for(lambda: not processes(replica, b"receiver"), "the receiver has ended")
        replica.deadline(None)
        replica.ok("promote", "3", "2")
    wait_for(lambda: replica.answers("select pg_is_in_recovery()") == "f", "it is writable")
    assert replica.sql("select count(*) from t") == "105"
    assert status(replica).position >= Position(3, written.lsn)


def segments_replayed(container: Container) -> set[str]:
    """Return the segment that the startup process shows in its title, if any."""
    titles = [said.rstrip(b"\0 ").decode() for said in said_of(container, "cmdline").values() if b"recovering " in said]
    names = {title.rpartition(" ")[2] for title in titles}
    return {name for name in names if len(name) == len("000000010000000000000001")}


@of_each_major
def test_the_title_of_the_startup_process_tells_how_far_replay_is(
    pair: Pair, brake: Callable[[Container, float], Brake], major: str
) -> None:
    """After a crash, on a server that accepts no connections; the segment names only increase. Its startup process is slowed down, or a
    fast machine would replay everything between two looks."""
    primary = pair.primary
    write_much(primary)
    size = control(primary).segment_size
    last = segment_name(2, status(primary).position.lsn, size)
    primary.ok("kill")
    first = segment_name(2, control(primary).redo, size)
    brake(primary, 0.2)
    start = primary.tell("start", "warm")
    seen: list[str] = []

    def arrives() -> bool:
        for name in segments_replayed(primary):
            if not seen or name != seen[-1]:
                seen.append(name)
        return bool(seen) and seen[-1] >= last

    wait_for(arrives, "it says that it replays the last segment", 120.0)
    assert primary.answer(start, 120.0).result == "ok"
    assert len(seen) > 1
    assert seen == sorted(seen)
    assert first <= seen[0]


@of_each_major
def test_the_control_file_moves_while_a_standby_replays(pair: Pair, major: str) -> None:
    """It moves when pages are written, not with every record: it may stand still as long as everything fits into memory."""
    primary, replica = pair.primary, pair.replica
    pair.follow("warm")
    before = control(replica).min_recovery
    file = replica.pgdata / "global" / "pg_control"
    written = file.stat().st_mtime_ns
    write_much(primary)
    wait_for(lambda: control(replica).min_recovery > before, "the least point of a consistent state has moved", 120.0)
    assert file.stat().st_mtime_ns > written
    assert control(replica).min_recovery <= Position(2, status(primary).position.lsn)


@pytest.mark.parametrize("major", ALL)
def test_the_control_file_names_a_new_timeline_only_after_a_checkpoint(pair: Pair, major: str) -> None:
    """Until then pg_rewind, which reads it, assumes that the server is still on the previous timeline."""
    primary, replica = pair.primary, pair.replica
    pair.follow("hot")
    replica.ok("seal", "fast")
    primary.end()
    [checkpointer] = processes(replica, b"checkpointer")
    wait_for(lambda: "poll" in Path(f"/proc/{checkpointer}/wchan").read_text(), "the checkpointer waits, and so holds no lock")
    with stopped(checkpointer):
        replica.promote(3, 2)
        assert status(replica).position.timeline == 3
        assert control(replica).checkpoint.timeline == 2
    replica.sql("checkpoint")
    assert control(replica).checkpoint.timeline == 3


@pytest.mark.parametrize("major", [NEWEST])
def test_from_19_on_a_promotion_waits_for_the_checkpointer(pair: Pair, major: str) -> None:
    """Every process has to pass a barrier. Before, one that does not answer delays no promotion, as the last test shows."""
    primary, replica = pair.primary, pair.replica
    pair.follow("hot")
    replica.ok("seal", "fast")
    primary.end()
    [checkpointer] = processes(replica, b"checkpointer")
    with stopped(checkpointer):
        replica.deadline(None)
        replica.ok("promote", "3", "2")
        event = "select wait_event from pg_stat_activity where backend_type = 'startup'"
        wait_for(lambda: replica.answers(event) == "ProcSignalBarrier", "the promotion waits for all processes")
        assert replica.sql("select pg_is_in_recovery()") == "t"
    wait_for(lambda: replica.answers("select pg_is_in_recovery()") == "f", "the promotion goes on")


@of_each_major
def test_a_base_backup_leaves_replication_slots_out(pair: Pair, major: str) -> None:
    pair.primary.sql("select pg_create_physical_replication_slot('pod_1')")
    assert list((pair.primary.pgdata / "pg_replslot").iterdir())
    pair.replica.ok("clone", *pair.primary.address())
    assert not list((pair.replica.pgdata / "pg_replslot").iterdir())


# --- settings ---


@of_each_major
def test_a_walsender_that_has_not_read_the_setting_is_told_by_its_priority(pair: Pair, major: str) -> None:
    """Each process applies a reloaded setting at its own time; a new connection shows it at once."""
    primary = pair.primary
    pair.follow("warm")
    primary.ok("standbys", "1", "pod-1")
    wait_for(lambda: in_force(primary, Setting(1, ("pod-1",))), "the setting is in force")
    sender = outside(primary, primary.sql("select pid from pg_stat_replication"))
    with stopped(sender):
        primary.ok("standbys", "0")
        wait_for(lambda: primary.answers("show synchronous_standby_names") == "", "a new connection shows it")
        assert primary.sql("select sync_priority from pg_stat_replication") == "1"
        assert not in_force(primary, OFF)
    wait_for(lambda: in_force(primary, OFF), "the walsender has read it too")
    assert primary.sql("select sync_priority from pg_stat_replication") == "0"


@of_each_major
def test_a_commit_that_is_cancelled_while_it_waits_is_done_on_the_primary(pair: Pair, major: str) -> None:
    """Its client gets an answer, with a warning, though no standby has the commit."""
    primary = pair.primary
    primary.ok("standbys", "1")
    wait_for(lambda: primary.answers("show synchronous_standby_names") != "", "a new connection shows it")
    with commit(primary) as client:
        waiting = "select pid from pg_stat_activity where state = 'active' and query like 'insert into t values%'"
        wait_for(lambda: primary.answers(waiting), "the commit waits")
        wait_for(lambda: primary.answers("select count(*) from t where w = 'x'") == "0", "nobody sees it")
        primary.sql(f"select pg_cancel_backend(({waiting}))")
        assert client.wait(10) == 0
        assert client.stdout is not None
        assert "canceling wait for synchronous replication" in client.stdout.read()
    assert primary.sql("select count(*) from t where w = 'x'") == "1"


@of_each_major
def test_a_hot_standby_needs_the_limits_of_its_primary_and_a_warm_one_does_not(pair: Pair, major: str) -> None:
    """They are in its control file, and a former primary's too; a promoted server's own reach the others by its WAL."""
    primary, replica = pair.primary, pair.replica
    pair.follow("hot")
    for container in (primary, replica):
        conf = container.config / "postgresql.conf"
        conf.write_text(conf.read_text().replace("max_connections = 20", "max_connections = 15"))
    assert limit(replica) == 20
    replica.ok("stop", "fast")
    assert replica.ask("start", "hot").result == "error"
    pair.follow("warm")
    primary.ok("stop", "fast")
    replica.ok("seal", "slow")
    replica.promote(7, 2)
    assert limit(replica) == 15
    assert primary.ask("start", "hot").result == "error"
    primary.ok("start", "warm")
    primary.ok("follow", *replica.address())
    Pair(replica, primary).wait_caught_up()
    wait_for(lambda: limit(primary) == 15, "the former primary has replayed the new limit")
    primary.ok("stop", "fast")
    primary.ok("start", "hot")


def limit(container: Container) -> int:
    """Return the max_connections in the control file, and check that the other limits there are those of the configuration."""
    found: dict[str, int] = {}

    def reads() -> bool:
        found.update(volume(container).recorded_limits())
        return bool(found)

    wait_for(reads, "the control file is whole")
    connections = found.pop("max_connections")
    others = {"max_worker_processes": 8, "max_prepared_transactions": 0, "max_locks_per_transaction": 64}
    assert found == others | ({} if container.profile.major == "9.6" else {"max_wal_senders": 10})
    return connections
