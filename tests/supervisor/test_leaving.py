"""Shutdown of a primary with real standbys: which clients it waits for, and which only look like a standby."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hapg_failover.core.state.actions import Op
from hapg_failover.core.state.results import Outcome
from hapg_protocol.lsn import Position, parse_lsn

from .conftest import Make
from .harness import BIN, PASSWORD, Container, wait_for
from .test_operations import Operator, operate
from .test_recovery import Brake, brake, much_wal
from .test_replication import Clone, catches_up, streams, write

__all__ = ["brake", "operate"]
SENDERS = "select application_name from pg_stat_replication where state = 'streaming' order by 1"


@pytest.fixture
def frozen() -> Iterator[Callable[[Container], None]]:
    """Freeze every process of a container's server."""
    stopped: list[int] = []

    def freeze(container: Container) -> None:
        for pid in container.pids():
            os.kill(pid, signal.SIGSTOP)
            stopped.append(pid)

    yield freeze
    for pid in stopped:
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            continue


def test_a_standby_that_hangs_does_not_keep_a_shutdown_from_its_end(
    primary: Container, clone: Clone, operate: Callable[..., Operator], frozen: Callable[[Container], None]
) -> None:
    """Its connection is alive, so PostgreSQL would wait for it; here there is not even a timeout."""
    write(primary, "first")
    near, stuck = clone("pod-1", "hot"), clone("pod-2", "hot")
    for each in (near, stuck):
        catches_up(each, primary)
    conf = primary.config / "postgresql.conf"
    conf.write_text(conf.read_text() + "wal_sender_timeout = 0\n")
    primary.sql("select pg_reload_conf()")
    frozen(stuck)
    operator = operate(primary, primary)
    ended = operator.run(Op.SWITCHOVER, keep="pod-1", seconds=1.0)
    assert (ended.outcome, ended.text) == (Outcome.OK, "shut down")
    assert primary.state == "down"
    sealed = operate(near, primary).run(Op.SEAL)
    assert (sealed.position, sealed.shutdown) == (ended.position, True)


def test_what_only_receives_wal_is_ended_before_a_shutdown(primary: Container, operate: Callable[..., Operator], tmp_path: Path) -> None:
    """pg_receivewal reports what it has flushed only at the end of a segment."""
    host, port, _ = primary.address()
    words = [str(BIN / "pg_receivewal"), "-D", str(tmp_path), "-h", host, "-p", port, "-U", "postgres", "-n"]
    receiver = subprocess.Popen(words, env={**os.environ, "PGPASSWORD": PASSWORD}, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: primary.sql(SENDERS) == "pg_receivewal", "it streams")
        ended = operate(primary, primary).run(Op.SWITCHOVER, seconds=1.0)
        assert ended.outcome is Outcome.OK
    finally:
        receiver.kill()
        receiver.wait()


def test_a_copy_streams_under_another_name(primary: Container, make: Make) -> None:
    """Commits wait for any client with a standby's name, and a switchover may choose it."""
    write(primary, "first")
    primary.sql("create table big as select g, repeat('x', 100) x from generate_series(1, 300000) g", "checkpoint")
    replica = make("pod-1")
    replica.start()
    cloned = replica.tell("clone", *primary.address())
    seen: set[str] = set()

    def is_done() -> bool:
        seen.update(primary.sql("select distinct application_name from pg_stat_replication").split())
        replica.events += replica.agent.read_events(0.0)
        return any(event.command_id == cloned for event in replica.events)

    wait_for(is_done, "the clone is made")
    assert replica.answer(cloned).result == "ok"
    assert seen == {"clone.pod-1"}


def test_a_server_that_somebody_else_has_promoted_follows_nobody(
    primary: Container, clone: Clone, operate: Callable[..., Operator]
) -> None:
    """Its timeline wasn't reserved. It is rewound, or cloned if its last checkpoint is older: pg_rewind then finds nothing to do."""
    write(primary, "first")
    replica = clone("pod-1", "hot")
    catches_up(replica, primary)
    subprocess.run(replica.psql("select pg_promote(false)"), check=True, capture_output=True)
    replica.unasked("died")
    write(primary, "second")
    operator = operate(replica, primary)
    started = operator.run(Op.START, mode="hot")
    assert started.position is not None
    assert started.position.timeline == 3
    plan = operator.run(Op.FOLLOW, host="127.0.0.1", timeline=2, own=started.position)
    assert (plan.outcome, plan.text) == (Outcome.DIVERGED, "our timeline 3 was created outside the Lease: the primary is on 2")
    primary.sql("checkpoint")
    rewound = operator.run(Op.REWIND, host="127.0.0.1", timeline=2)
    if rewound.outcome is not Outcome.OK:
        assert "pg_rewind finds nothing to rewind" in rewound.text
        assert operator.run(Op.CLONE, host="127.0.0.1", timeline=2).outcome is Outcome.OK
    started = operator.run(Op.START, mode="hot")
    assert operator.run(Op.FOLLOW, host="127.0.0.1", timeline=2, own=started.position).outcome is Outcome.OK
    catches_up(replica, primary)


def test_a_timeline_of_the_same_number_that_began_elsewhere_is_cloned(
    primary: Container, clone: Clone, operate: Callable[..., Operator]
) -> None:
    """The primary was later promoted onto timeline 3 as well: pg_rewind would take the two timelines for the same one."""
    write(primary, "first")
    rogue, heir = clone("pod-1", "hot"), clone("pod-2", "hot")
    for each in (rogue, heir):
        catches_up(each, primary)
    subprocess.run(rogue.psql("select pg_promote(false)"), check=True, capture_output=True)
    rogue.unasked("died")
    write(primary, "second")
    wait_for(lambda: streams(primary, heir), "the other one has it")
    end = primary.sql("select pg_current_wal_flush_lsn()")
    heir.ok("seal", "fast")
    heir.promote(3, 2)
    operator = operate(rogue, heir)
    started = operator.run(Op.START, mode="hot")
    assert started.position is not None
    assert started.position.timeline == 3
    assert started.position < Position(3, parse_lsn(end))
    plan = operator.run(Op.FOLLOW, host="127.0.0.1", timeline=3, own=started.position)
    assert (plan.outcome, plan.text) == (
        Outcome.NEEDS_CLONE,
        "our timeline 3 was created outside the Lease, and the primary has a different one of that number",
    )


def test_a_former_primary_that_was_stopped_before_it_had_replayed_is_rewound(
    primary: Container, clone: Clone, operate: Callable[..., Operator], brake: Callable[[Container, float], Brake]
) -> None:
    """pg_rewind takes the end of its replay for the end of its WAL."""
    write(primary, "first")
    heir = clone("pod-1", "hot")
    much_wal(primary, 10)
    primary.sql("checkpoint")
    catches_up(heir, primary)
    heir.ok("seal", "fast")
    heir.promote(3, 2)
    heir.sql("checkpoint")
    # all of this comes after the fork, and no checkpoint follows it
    subprocess.run(primary.psql("insert into big select i, md5(i::text) from generate_series(1, 60000) i"), check=True, timeout=60)
    os.kill(primary.postmaster(), signal.SIGKILL)
    primary.unasked("died")
    slow = brake(primary, 0.02)
    operator = operate(primary, heir)
    started = operator.run(Op.START, mode="warm")
    plan = operator.run(Op.FOLLOW, host="127.0.0.1", timeline=3, own=started.position)
    assert plan.outcome is Outcome.DIVERGED
    slow.part = 0.0  # until it has been told to stop
    threading.Timer(1.0, slow.release).start()
    assert operator.run(Op.REWIND, host="127.0.0.1", timeline=3).outcome is Outcome.OK
    started = operator.run(Op.START, mode="hot")
    assert operator.run(Op.FOLLOW, host="127.0.0.1", timeline=3, own=started.position).outcome is Outcome.OK
    catches_up(primary, heir)
    assert primary.answers("select count(*) from big") == "10"
