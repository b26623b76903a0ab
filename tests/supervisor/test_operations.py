"""The agent's operations on a real supervisor and real servers: its reaction when a start, a rewind or a clone isn't possible."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from hapg_failover.adapters.ports.sql import SourceFacts
from hapg_failover.adapters.ports.volume import Marker
from hapg_failover.adapters.sql import PostgresSql
from hapg_failover.adapters.threads import Threads
from hapg_failover.adapters.volume import Volume
from hapg_failover.core.state.actions import Op
from hapg_failover.core.state.recovery import Recovery
from hapg_failover.core.state.results import OpResult, Outcome
from hapg_failover.core.state.volume import DATA_VOLUME
from hapg_failover.events import Event, ReplaySeen
from hapg_failover.inspection import Inspection
from hapg_failover.operations.dispatch import perform
from hapg_failover.operations.tools import AskWal, Tools
from hapg_failover.replay_progress import ReplayProgress
from hapg_failover.supervisor_commands import SupervisorCommands
from hapg_protocol.lsn import Position, parse_lsn
from tests.orders import run

from .conftest import Make
from .harness import Container, as_server_user, wait_for
from .test_replication import Clone, catches_up, rows, write

NUMBERS = count(1)


class Operator:
    """Carries out operations on a container; nobody else may read its events meanwhile."""

    def __init__(self, container: Container, primary: Container, slot: str | None = None, stall: float = 60.0) -> None:
        profile = container.profile
        self.volume = Volume(container.volume, profile.major, profile.wal_directory, container.wal_volume)
        runtime = Threads()
        commands = SupervisorCommands(container.agent, runtime)
        missing = container.hello.missing
        sql = PostgresSql(lambda: container.logins, profile.sql_names, container.port, str(container.run / "socket"))
        self.nonce = container.hello.nonce
        self.ended = False
        self.seen: list[Recovery] = []
        recovering = ReplayProgress(
            runtime, commands, lambda: (self.nonce, container.term), lambda: True, self.volume.segment_size, self.report
        )
        self.tools = Tools(
            runtime,
            commands,
            container.agent,
            sql,
            self.volume,
            lambda run: Inspection(run, self.volume, missing),
            primary.port,
            60,
            slot,
            missing,
            profile.reloads_conninfo,
            recovering.moved_at,
            stall,
            replay=recovering.latest,
        )

        def read() -> None:
            while not self.ended:
                for event in container.agent.read_events(0.1):
                    if event.command_id is not None:
                        commands.answered(event)

        def look() -> None:
            while not self.ended:
                with as_server_user():
                    recovering.look()
                self.pause.wait(0.2)

        self.pause = threading.Event()
        self.threads = [threading.Thread(target=target, daemon=True) for target in (read, look)]
        for thread in self.threads:
            thread.start()

    def report(self, event: Event, _: bool) -> None:
        """Record the results of the replay probes."""
        if isinstance(event, ReplaySeen) and event.recovery is not None:
            self.seen.append(event.recovery)

    def run(self, op: Op, term: int = 1, **fields: object) -> OpResult:
        with as_server_user():
            return perform(self.tools, run(next(NUMBERS), op, term=term, **fields), self.nonce)

    def ask_wal(self, ask: AskWal) -> None:
        """Make operations fetch a dead server's unreplicated WAL."""
        self.tools = replace(self.tools, ask_wal=ask)

    def close(self) -> None:
        self.ended = True
        self.pause.set()
        for thread in self.threads:
            thread.join()


@pytest.fixture
def operate() -> Iterator[Callable[..., Operator]]:
    made: list[Operator] = []

    def operate(*args: object, **more: object) -> Operator:
        made.append(Operator(*args, **more))  # type: ignore[arg-type]
        return made[-1]

    yield operate
    for each in made:
        each.close()


def test_a_configuration_that_the_server_refuses_is_told_from_data_that_is_damaged(
    standby: Container, operate: Callable[..., Operator]
) -> None:
    operator = operate(standby, standby)
    conf = standby.config / "postgresql.conf"
    good = conf.read_text()
    conf.write_text(good + "work_mem = '16 bananas'\n")
    refused = operator.run(Op.START, mode="hot")
    assert refused.outcome is Outcome.REFUSED
    assert "work_mem" in refused.text
    conf.write_text(good)
    assert operator.run(Op.START, mode="hot").outcome is Outcome.OK
    operator.run(Op.STOP)
    control = standby.pgdata / "global" / "pg_control"
    control.write_bytes(bytes(control.stat().st_size))
    assert operator.run(Op.START, mode="hot").outcome is Outcome.FAILED


def test_a_start_that_fails_on_a_full_volume_says_so(
    standby: Container, operate: Callable[..., Operator], monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = operate(standby, standby)
    operator.run(Op.STOP)
    (standby.pgdata / "global" / "pg_control").rename(standby.volume / "control")
    monkeypatch.setattr(Volume, "rooms", lambda _: {DATA_VOLUME: 0})
    assert operator.run(Op.START, mode="hot").outcome is Outcome.ROOM


def test_a_clone_without_room_is_not_begun(
    primary: Container, clone: Clone, operate: Callable[..., Operator], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(primary, "first")
    replica = clone("pod-1", "hot")
    catches_up(replica, primary)
    operator = operate(replica, primary)
    monkeypatch.setattr(Volume, "rooms", lambda _: {DATA_VOLUME: 4 << 20})
    result = operator.run(Op.CLONE, host="127.0.0.1", timeline=2)
    assert result.outcome is Outcome.ROOM
    assert "the data volume has 4.0 MiB" in result.text
    assert not operator.volume.dirty()
    assert rows(replica) == "first|5", "it wasn't even stopped"
    monkeypatch.setattr(Volume, "rooms", lambda _: {DATA_VOLUME: 0})
    assert operator.run(Op.REWIND, host="127.0.0.1", timeline=2).outcome is Outcome.ROOM


def test_a_first_server_without_room_for_its_clone_of_a_live_server_says_so(
    make: Make, primary: Container, operate: Callable[..., Operator]
) -> None:
    container = make("new-0")
    container.start()
    operator = operate(container, primary)
    without = operator.run(Op.SEED)
    assert (without.outcome, without.text) == (Outcome.FAILED, "there is no source to clone: clone.from is not set")
    address = ("127.0.0.1", str(primary.port), "postgres", "prefer")
    operator.tools = replace(operator.tools, find_source=lambda: SourceFacts(address, 1 << 50))
    result = operator.run(Op.SEED)
    assert result.outcome is Outcome.FAILED
    assert "a clone needs 107374" in result.text
    assert result.text.endswith("MiB: grow it")
    assert not container.pgdata.exists()


def test_a_clone_replaces_the_data_only_when_it_is_complete(
    primary: Container, clone: Clone, operate: Callable[..., Operator], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(primary, "first")
    replica = clone("pod-1", "hot")
    catches_up(replica, primary)
    operator = operate(replica, primary, slot="pod_1")
    old = Marker("old", "1")
    operator.volume.write_marker(old)
    hba = primary.config / "pg_hba.conf"
    allowed = hba.read_text()
    hba.write_text(allowed.replace("host replication all", "# host replication all"))
    primary.sql("select pg_reload_conf()")
    failed = operator.run(Op.CLONE, host="127.0.0.1", timeline=2)
    assert failed.outcome is Outcome.FAILED
    assert (operator.volume.marker(), operator.volume.dirty()) == (old, False)
    assert operator.run(Op.START, mode="hot").outcome is Outcome.OK
    assert rows(replica) == "first|5"
    hba.write_text(allowed)
    primary.sql("select pg_reload_conf()")
    write(primary, "second")
    assert operator.run(Op.CLONE, host="127.0.0.1", timeline=2).text == "a clone of the primary has replaced the old data"
    assert operator.volume.marker() != old
    assert primary.sql("select slot_name from pg_replication_slots") == "pod_1", "it keeps what is written during the copy"
    assert operator.run(Op.START, mode="hot").outcome is Outcome.OK
    followed = operator.run(Op.FOLLOW, host="127.0.0.1", timeline=2)
    assert followed.outcome is Outcome.OK, followed
    catches_up(replica, primary)
    assert primary.sql("select active from pg_replication_slots") == "t"


@pytest.mark.parametrize("fit", [True, False], ids=["it streams", "it is sealed"])
def test_a_clone_is_copied_from_a_standby_that_streams_else_from_the_primary(
    primary: Container, clone: Clone, make: Make, operate: Callable[..., Operator], fit: bool
) -> None:
    """All servers of a release listen on the same port, at different addresses."""
    write(primary, "first")
    source = make("pod-1")
    source.port = primary.port
    conf = source.config / "postgresql.conf"
    text = (primary.config / "postgresql.conf").read_text().replace(str(primary.run), str(source.run))
    conf.write_text(text.replace(str(primary.config), str(source.config)).replace("'127.0.0.1'", "'127.0.0.2'"))
    source.start()
    source.ok("clone", *primary.address())
    source.ok("start", "hot")
    source.ok("follow", *primary.address())
    catches_up(source, primary)
    if not fit:
        source.ok("seal", "fast")
    new = make("pod-2")
    new.start()
    operator = operate(new, primary)
    result = operator.run(Op.CLONE, host="127.0.0.1", source="127.0.0.2", timeline=2)
    assert result.outcome is Outcome.OK, result
    assert result.text == ("a clone of the standby at 127.0.0.2" if fit else "a clone of the primary")
    assert Path(new.volume / "volume").exists()
    assert operator.run(Op.START, mode="hot").outcome is Outcome.OK
    assert operator.run(Op.FOLLOW, host="127.0.0.1", timeline=2).outcome is Outcome.OK
    catches_up(new, primary)


def test_a_standby_follows_without_a_slot_if_there_can_be_none(primary: Container, clone: Clone, operate: Callable[..., Operator]) -> None:
    replica = clone("pod-1", "hot")
    primary.sql("select pg_create_physical_replication_slot('full_' || n) from generate_series(1, 10) as n")
    operator = operate(replica, primary, slot="pod_1")
    followed = operator.run(Op.FOLLOW, host="127.0.0.1", timeline=2)
    assert followed.outcome is Outcome.OK
    assert followed.text.endswith("; without a replication slot")
    write(primary, "first")
    wait_for(lambda: replica.answers("select count(*) from t") == "5", "it streams all the same")


@pytest.mark.parametrize("copy", [Op.REWIND, Op.CLONE])
def test_a_server_that_somebody_else_has_promoted_is_marked_until_it_is_rewound_or_cloned(
    primary: Container, clone: Clone, operate: Callable[..., Operator], copy: Op
) -> None:
    write(primary, "first")
    replica = clone("pod-1", "hot")
    catches_up(replica, primary)
    operator = operate(replica, primary)
    with contextlib.suppress(AssertionError):
        replica.sql("select pg_promote(false)")
    wait_for(lambda: replica.state == "down", "the supervisor has ended it")
    wait_for(operator.volume.foreign, "it is marked")
    write(primary, "second")
    primary.sql("checkpoint")
    assert operator.run(Op.START, mode="warm").outcome is Outcome.OK
    followed = operator.run(Op.FOLLOW, host="127.0.0.1", timeline=2)
    assert followed.outcome is Outcome.DIVERGED, followed
    assert followed.text == "our timeline 3 was created outside the Lease: the primary is on 2"
    assert operator.volume.foreign()
    copied = operator.run(copy, host="127.0.0.1", timeline=2)
    assert copied.outcome is Outcome.OK, copied
    assert not operator.volume.foreign()
    assert operator.run(Op.START, mode="hot").outcome is Outcome.OK
    assert operator.run(Op.FOLLOW, host="127.0.0.1", timeline=2).outcome is Outcome.OK
    catches_up(replica, primary)


def test_a_promotion_that_no_supervisor_has_seen_is_found_at_the_next_start(
    primary: Container, clone: Clone, operate: Callable[..., Operator]
) -> None:
    write(primary, "first")
    replica = clone("pod-1", "hot")
    catches_up(replica, primary)
    operator = operate(replica, primary)
    assert operator.run(Op.FOLLOW, host="127.0.0.1", timeline=2).outcome is Outcome.OK
    os.kill(replica.pid1, signal.SIGSTOP)
    replica.sql("select pg_promote(false)")
    wait_for(lambda: replica.sql("select pg_is_in_recovery()") == "f", "it is promoted")
    write(replica, "by hand")
    replica.end()
    operator.close()
    assert not (replica.volume / "foreign").exists()
    replica.start()
    again = operate(replica, primary)
    assert again.run(Op.START, mode="warm").outcome is Outcome.OK
    assert (replica.volume / "foreign").exists()
    assert again.run(Op.FOLLOW, host="127.0.0.1", timeline=2).outcome is Outcome.DIVERGED


def test_a_promotion_of_ours_leaves_no_mark(standby: Container, operate: Callable[..., Operator]) -> None:
    operator = operate(standby, standby)
    assert operator.run(Op.SEAL).outcome is Outcome.OK
    standby.deadline(None, term=2)
    own = Position(1, parse_lsn(standby.sql("select pg_last_wal_replay_lsn()")))
    assert operator.run(Op.PROMOTE, term=2, timeline=2, own=own).outcome is Outcome.OK
    standby.end()
    operator.close()
    standby.start()
    again = operate(standby, standby)
    assert not again.volume.foreign()
    assert again.run(Op.START, mode="hot", term=2).outcome is Outcome.OK
    assert not again.volume.foreign()
