"""Recovery on real servers: the agent waits for it however long it takes, and follows its progress without SQL."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import pytest

from hapg_failover.adapters.ports.supervisor import StartupProcess
from hapg_failover.core.state.actions import Op
from hapg_failover.core.state.results import Outcome
from hapg_failover.replay_progress import parse
from hapg_protocol.lsn import Position, parse_lsn
from tests.cluster import disks

from .conftest import Make
from .harness import TIMEOUT, Container, chown, wait_for
from .test_operations import Operator, operate
from .test_replication import Clone

__all__ = ["operate"]
FAR = 3000
HANG_S = 0.5
FIFREEZE, FITHAW = 0xC0045877, 0xC0045878
"""Requests of ioctl(2), from linux/fs.h."""


@pytest.fixture
def slow_disk() -> Iterator[Callable[[Path], AbstractContextManager[None]]]:
    """Mounts a file system at a folder; during the result's `with` it hangs, and works for a moment every `HANG_S`."""
    mounted: list[Path] = []

    def mount(folder: Path) -> AbstractContextManager[None]:
        image = folder.with_name(f"{folder.name}.img")
        subprocess.run(["truncate", "--size", "400M", image], check=True)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, folder], check=True)
        mounted.append(folder)
        (folder / "lost+found").rmdir()
        chown(folder)
        made: AbstractContextManager[None] = hanging(folder)
        return made

    @contextmanager
    def hanging(folder: Path) -> Iterator[None]:
        root = os.open(folder, os.O_RDONLY)

        def thaw() -> None:
            """The thread that freezes it again goes before all others, so that the disk of a busy machine works for a moment only."""
            if threading.current_thread() is not threading.main_thread():
                os.sched_setscheduler(threading.get_native_id(), os.SCHED_FIFO, os.sched_param(1))
            fcntl.ioctl(root, FITHAW, 0)

        try:
            with disks.alternating(partial(fcntl.ioctl, root, FIFREEZE, 0), thaw, HANG_S, 0.0):
                yield
        finally:
            os.close(root)

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", folder], check=True)


class Brake:
    """Lets the startup process of a container run only part of the time, as on a slow disk; or not at all."""

    def __init__(self, container: Container, part: float) -> None:
        self.container = container
        self.part = part
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def startups(self) -> list[int]:
        found = []
        for pid in self.container.pids():
            try:
                if b"startup" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
            except OSError:
                continue
        return found

    def _run(self) -> None:
        while not self.ended.is_set():
            for pid in self.startups():
                try:
                    os.kill(pid, signal.SIGSTOP)
                    self.ended.wait(0.1 * (1 - self.part))
                    if self.part:
                        os.kill(pid, signal.SIGCONT)
                except ProcessLookupError:
                    continue
            self.ended.wait(0.1 * self.part or 0.1)

    def release(self) -> None:
        self.ended.set()
        self.thread.join()
        for pid in self.startups():
            os.kill(pid, signal.SIGCONT)


@pytest.fixture
def brake() -> Iterator[Callable[[Container, float], Brake]]:
    made: list[Brake] = []

    def brake(container: Container, part: float) -> Brake:
        made.append(Brake(container, part))
        return made[-1]

    yield brake
    for each in made:
        if not each.ended.is_set():
            each.release()


def much_wal(server: Container, rows: int = 200_000) -> None:
    """Write some 60 MB of WAL that no checkpoint has made unnecessary."""
    conf = server.config / "postgresql.conf"
    conf.write_text(conf.read_text() + "max_wal_size = 8GB\ncheckpoint_timeout = 1h\nautovacuum = off\n")
    server.sql("select pg_reload_conf()", "create table big (i int, u text)", "create index on big (u)", "checkpoint")
    subprocess.run(server.psql(f"insert into big select i, md5(i::text) from generate_series(1, {rows}) i"), check=True, timeout=120)


def crash(server: Container) -> None:
    os.kill(server.postmaster(), signal.SIGKILL)
    server.unasked("died")


def test_a_promotion_waits_for_as_long_as_replay_moves(
    primary: Container, operate: Callable[..., Operator], brake: Callable[[Container, float], Brake]
) -> None:
    """Three seconds without any progress would end it; the whole recovery takes several times as long."""
    much_wal(primary)
    crash(primary)
    slow = brake(primary, 0.1)
    operator = operate(primary, primary, stall=3.0)
    started = operator.run(Op.START, mode="warm", term=2)
    assert started.outcome is Outcome.OK
    assert started.position is not None
    assert started.replayed is not None
    assert started.replayed < started.position.lsn
    primary.term = 2
    primary.deadline(600)
    promoted = operator.run(Op.PROMOTE, term=2, timeline=3, own=started.position)
    assert (promoted.outcome, promoted.text) == (Outcome.OK, "term 2, timeline 3")
    slow.release()
    seen = [each.replayed for each in operator.seen if each.replayed is not None]
    assert seen == sorted(seen)
    assert len(set(seen)) > 3, "the replay was seen to go from segment to segment"
    wait_for(lambda: primary.answers("select count(*) from big") == "200000", "all rows are there")


def test_a_promotion_that_makes_no_progress_fails(
    primary: Container, operate: Callable[..., Operator], brake: Callable[[Container, float], Brake]
) -> None:
    much_wal(primary)
    crash(primary)
    brake(primary, 0.0)
    operator = operate(primary, primary, stall=2.0)
    started = operator.run(Op.START, mode="warm", term=2)
    primary.term = 2
    primary.deadline(600)
    promoted = operator.run(Op.PROMOTE, term=2, timeline=3, own=started.position)
    assert promoted.outcome is Outcome.FAILED
    assert promoted.text.startswith("not writable, and no progress for 2 s: ")


def received(primary: Container) -> str:
    """Wait until its replica has all WAL; return the LSN at which that ends."""
    end = primary.sql("select pg_current_wal_flush_lsn()")
    wait_for(lambda: primary.sql(f"select flush_lsn >= '{end}' from pg_stat_replication") == "t", "it has received all")
    return end


def seal_and_promote(operator: Operator, replica: Container, end: str) -> None:
    """Seal the replica, whose WAL has to end there, and promote it."""
    sealed = operator.run(Op.SEAL)
    assert sealed.position == Position(2, parse_lsn(end))
    replica.deadline(60)
    assert operator.run(Op.PROMOTE, timeline=3, own=sealed.position).outcome is Outcome.OK


def test_a_paused_replay_holds_no_promotion_up(primary: Container, clone: Clone, operate: Callable[..., Operator]) -> None:
    replica = clone("pod-1", "hot")
    wait_for(lambda: replica.answers() == "1", "the replica answers")
    replica.sql("select pg_wal_replay_pause()")
    wait_for(lambda: replica.sql("select pg_get_wal_replay_pause_state()") == "paused", "it is paused")
    primary.sql("create table t as select generate_series(1, 10000) i")
    end = received(primary)
    seal_and_promote(operate(replica, primary), replica, end)
    assert replica.sql("select count(*) from t") == "10000"


def test_a_delayed_replay_holds_no_promotion_up(primary: Container, clone: Clone, operate: Callable[..., Operator]) -> None:
    """The chart refuses recovery_min_apply_delay, but ALTER SYSTEM can set it on a hot standby."""
    replica = clone("pod-1", "hot")
    wait_for(lambda: replica.answers() == "1", "the replica answers")
    replica.sql("alter system set recovery_min_apply_delay = '1h'", "select pg_reload_conf()")
    wait_for(lambda: replica.sql("show recovery_min_apply_delay") == "1h", "it is set")
    for table in ("a", "b", "c"):
        primary.sql(f"create table {table} as select generate_series(1, 1000) i")
    end = received(primary)
    assert replica.sql("select count(*) from pg_class where relname in ('a', 'b', 'c')") == "0"
    seal_and_promote(operate(replica, primary), replica, end)
    assert replica.sql("select count(*) from a, b, c where a.i = b.i and b.i = c.i") == "1000"


def test_a_promotion_is_waited_for_while_it_goes_from_one_wait_for_the_disk_to_the_next(
    primary: Container, make: Make, operate: Callable[..., Operator], slow_disk: Callable[[Path], AbstractContextManager[None]]
) -> None:
    """It fsyncs some 16 times in a row, reads no WAL meanwhile and uses almost no CPU time."""
    replica = make("pod-1")
    brake = slow_disk(replica.volume)
    replica.start()
    replica.ok("clone", *primary.address())
    replica.ok("start", "warm")
    operator = operate(replica, primary, stall=2.0)
    sealed = operator.run(Op.SEAL)
    replica.deadline(60)
    begun = time.monotonic()
    with brake:
        promoted = operator.run(Op.PROMOTE, timeline=3, own=sealed.position)
    assert promoted.outcome is Outcome.OK, promoted.text
    assert time.monotonic() - begun > 2 * operator.tools.stall, "the disk was slow enough to tell"


@pytest.mark.parametrize(
    ("reads", "change", "event"),
    [
        ("begin isolation level repeatable read; select count(*) from t", "delete from t; vacuum t", "RecoveryConflictSnapshot"),
        ("begin; select count(*) from t", "alter table t add column u int", "relation"),
    ],
)
def test_a_reader_of_the_standby_holds_no_promotion_up(
    primary: Container, clone: Clone, operate: Callable[..., Operator], reads: str, change: str, event: str
) -> None:
    """Replay waits for the query: by default for 30 s, here for ever."""
    replica = clone("pod-1", "hot")
    wait_for(lambda: replica.answers() == "1", "the replica answers")
    conf = replica.config / "postgresql.conf"
    conf.write_text(conf.read_text() + "max_standby_archive_delay = -1\nmax_standby_streaming_delay = -1\n")
    replica.sql("select pg_reload_conf()")
    primary.sql("create table t as select generate_series(1, 1000) i")
    wait_for(lambda: replica.answers("select count(*) from t") == "1000", "it has the rows")
    reader = subprocess.Popen(replica.psql(f"{reads}; select pg_sleep(600)"))
    wait_for(lambda: replica.sql("select count(*) from pg_stat_activity where wait_event = 'PgSleep'") == "1", "it has read")
    primary.sql(*change.split("; "))
    waits = "select wait_event from pg_stat_activity where backend_type = 'startup'"
    wait_for(lambda: replica.sql(waits) == event, "replay waits for the reader")
    operator = operate(replica, primary, stall=20.0)
    sealed = operator.run(Op.SEAL)
    replica.deadline(60)
    promoted = operator.run(Op.PROMOTE, timeline=3, own=sealed.position)
    assert (promoted.outcome, promoted.text) == (Outcome.OK, "term 1, timeline 3; sessions ended because replay waited for them: 1")
    assert reader.wait(TIMEOUT) != 0, "the query's session has been ended"
    assert replica.sql("select count(*) from pg_stat_activity where wait_event = 'PgSleep'") == "0"


def test_the_supervisor_says_what_the_startup_process_is_doing(primary: Container, clone: Clone) -> None:
    replica = clone("pod-1", "hot")
    wait_for(lambda: parse(replica.ok("progress")).startup is not None, "the startup process is there")

    def doing() -> StartupProcess:
        startup = parse(replica.ok("progress")).startup
        assert startup is not None
        return startup

    wait_for(lambda: doing().receiver, "it has a WAL receiver")
    replica.ok("seal", "fast")
    assert not doing().receiver
    assert re.fullmatch("startup (recovering|waiting for) [0-9A-F]{24}", doing().title)
    (startup,) = replica.titled(b"startup")
    os.kill(startup, signal.SIGSTOP)
    wait_for(lambda: doing().state == "T", "it has been stopped")
    assert parse(primary.ok("progress")).startup is None, "a primary has none"


def test_the_end_of_wal_of_a_server_that_wrote_is_looked_for_where_it_was_known_to_be(
    primary: Container, operate: Callable[..., Operator]
) -> None:
    much_wal(primary, 20_000)
    known = Position(2, parse_lsn(primary.sql("select pg_current_wal_flush_lsn()")))
    primary.sql("insert into big select 1, 'more'")
    crash(primary)
    operator = operate(primary, primary)
    by_redo = operator.run(Op.START, mode="warm", term=2)
    from_there = operator.run(Op.START, mode="warm", term=2, known=known)
    elsewhere = operator.run(Op.START, mode="warm", term=2, known=Position(1, 0x100))
    assert by_redo.position == from_there.position == elsewhere.position
    assert by_redo.position is not None
    assert by_redo.position > known


def test_a_timeline_may_be_far_above_ours(standby: Container, make: Make) -> None:
    """Even a thousand failed promotions elsewhere are no reason against this one."""
    standby.deadline(None)
    assert standby.ok("promote", str(FAR), "1") == ""
    wait_for(lambda: standby.answers("select pg_is_in_recovery()") == "f", "it is writable")
    assert standby.sql("select substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)") == f"{FAR:08X}"
    replica = make("pod-1")
    replica.start()
    replica.ok("clone", *standby.address())
    replica.ok("start", "hot")
    replica.ok("follow", *standby.address())
    wait_for(lambda: standby.sql("select count(*) from pg_stat_replication where state = 'streaming'") == "1", "a replica follows")
