"""Clients have taken every connection slot of a real server: the agent still does its work."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from hapg_failover.adapters.greeting import TOO_MANY
from hapg_failover.adapters.ports.sql import SqlError
from hapg_failover.core.state.actions import Op
from hapg_failover.core.state.results import OpResult, Outcome
from hapg_failover.core.write_quorum import Setting
from tests.cluster import embedded

from .conftest import Make
from .harness import PASSWORD, Container, wait_for
from .test_majors import NEWEST
from .test_operations import Operator
from .test_replication import Clone, streams, write

Operate = Callable[..., Operator]


def connect(container: Container, **more: Any) -> Any:
    return psycopg2.connect(host="127.0.0.1", port=container.port, user="postgres", password=PASSWORD, dbname="postgres", **more)


@contextmanager
def full(container: Container, senders: bool = False) -> Iterator[None]:
    """Applications connect as postgres, the user in the release's Secret, so they can also take the slots reserved for superusers.

    senders: walsenders have taken all of their slots, too.
    """
    connections: list[Any] = []

    def fill(refusal: str, **more: Any) -> None:
        with pytest.raises(psycopg2.OperationalError, match=refusal):
            while True:
                connections.append(connect(container, **more))

    try:
        fill("too many clients")
        if senders:
            fill("max_wal_senders", replication="database")
        yield
    finally:
        for connection in connections:
            connection.close()


@pytest.fixture
def operate() -> Iterator[Operate]:
    made: list[Operator] = []

    def operate(container: Container, primary: Container) -> Operator:
        made.append(Operator(container, primary))
        return made[-1]

    yield operate
    for each in made:
        each.close()


def promote(operator: Operator, container: Container, timeline: int, own: int, term: int, **more: Any) -> OpResult:
    position = operator.run(Op.SEAL, term=term).position
    assert position is not None
    assert position.timeline == own
    container.deadline(60, term)
    return operator.run(Op.PROMOTE, term=term, timeline=timeline, own=position, **more)


def test_a_promotion_succeeds_and_is_seen(standby: Container, operate: Operate) -> None:
    operator = operate(standby, standby)
    with full(standby):
        result = promote(operator, standby, 2, 1, 2)
        assert result.outcome is Outcome.OK
        assert result.position is not None
        assert result.position.timeline == 2
    assert standby.answers("select pg_is_in_recovery()") == "f"


@pytest.mark.parametrize("major", [*embedded.MAJORS, NEWEST])
def test_a_promotion_is_seen_with_every_major(make: Make, templates: Callable[[str], Path], operate: Operate, major: str) -> None:
    """From 12 on, a walsender answers; before, walsenders use the same slots, and the control file answers."""
    standby = make("pod-0", major=major)
    standby.take_data_of(templates(major))
    standby.start()
    standby.ok("start", "hot")
    wait_for(lambda: standby.answers("select 1"), "it answers")
    operator = operate(standby, standby)
    position = operator.run(Op.SEAL, term=2).position
    wait_for(lambda: standby.answers("select 1"), "it answers again: before 13 it is restarted to be sealed")
    with full(standby):
        standby.deadline(60, 2)
        result = operator.run(Op.PROMOTE, term=2, timeline=2, own=position)
        assert result.outcome is Outcome.OK, result.text
        assert result.position is not None
        assert result.position.timeline == 2
        if major == "9.6":
            with pytest.raises(SqlError, match="too many clients"):
                operator.tools.sql.status(5.0)
        else:
            assert not operator.tools.sql.status(5.0).in_recovery


def test_a_promotion_is_seen_without_any_session(standby: Container, operate: Operate) -> None:
    """No walsender has a slot either, as before PostgreSQL 12: the control file answers."""
    operator = operate(standby, standby)
    with full(standby, senders=True):
        with pytest.raises(SqlError, match="too many clients"):
            operator.tools.sql.status(5.0)
        assert operator.volume.production() is None
        result = promote(operator, standby, 2, 1, 2)
        assert result.outcome is Outcome.OK
        assert result.position is not None
        with pytest.raises(SqlError, match="too many clients"):
            operator.tools.sql.status(5.0)
        assert operator.tools.sql.greet(5.0, lambda _: None) == TOO_MANY
        assert operator.volume.production() is not None
    wait_for(lambda: operator.tools.sql.greet(5.0, lambda _: None) == "", "a slot is free")
    status = operator.tools.sql.status(5.0)
    assert not status.in_recovery
    assert (result.position.timeline, result.position <= status.position) == (2, True)


def test_a_setting_of_synchronous_standbys_comes_into_force(primary: Container, operate: Operate) -> None:
    operator = operate(primary, primary)
    with full(primary):
        result = operator.run(Op.STANDBYS, setting=Setting(1, ("pod-1",)))
        assert result.outcome is Outcome.OK, result.text
    assert primary.sql("show synchronous_standby_names") == 'ANY 1 ("pod-1")'


def test_a_replica_follows_and_is_cloned_and_a_rewind_waits(primary: Container, clone: Clone, operate: Operate) -> None:
    write(primary, "first")
    replica = clone("pod-1", "warm")
    wait_for(lambda: streams(primary, replica), "the replica streams")
    operator = operate(replica, primary)
    watcher = connect(primary, replication="database")
    watcher.autocommit = True

    def is_streaming() -> bool:
        with watcher.cursor() as cursor:
            cursor.execute("select count(*) from pg_stat_replication where application_name = 'pod-1' and state = 'streaming'")
            return bool(cursor.fetchone()[0])

    with full(primary):
        position = operator.run(Op.SEAL, slow=True).position
        wait_for(lambda: not is_streaming(), "the replica is sealed")
        followed = operator.run(Op.FOLLOW, host="127.0.0.1", timeline=2, own=position)
        assert followed.outcome is Outcome.OK, followed.text
        wait_for(is_streaming, "the replica streams again")
        rewound = operator.run(Op.REWIND, host="127.0.0.1", timeline=2)
        assert rewound.outcome is Outcome.BUSY
        assert "too many clients" in rewound.text
        assert not operator.volume.dirty()
        cloned = operator.run(Op.CLONE, host="127.0.0.1", timeline=2)
        assert cloned.outcome is Outcome.OK, cloned.text
    watcher.close()


def test_a_postmaster_that_stands_still_is_found_though_volume_heartbeat_and_kept_session_are_well(
    primary: Container,
    operate: Operate,
) -> None:
    operator = operate(primary, primary)
    sql = operator.tools.sql
    sql.status(5.0)
    postmaster = primary.postmaster()
    os.kill(postmaster, signal.SIGSTOP)
    try:
        assert sql.greet(2.0, lambda _: None) is None
        assert not sql.status(5.0).in_recovery
        assert primary.state == "primary"
    finally:
        os.kill(postmaster, signal.SIGCONT)
    assert sql.greet(30.0, lambda _: None) == ""
