"""Servers that hang, crash in place, are full or slow, and faults under load."""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.cluster import disks, nodes
from tests.cluster.fixtures import NodeFaults
from tests.faults.conftest import Drills
from tests.robustness.agents import Agents
from tests.robustness.drill import ROWS, Found
from tests.robustness.failpoint import acts, processes, slots
from tests.robustness.failpoint.power import restart_all_nodes
from tests.robustness.failpoint.processes import BACKEND, POSTMASTER, RECEIVER
from tests.robustness.release import Release
from tests.robustness.stock import DISKS, Kind, Stock
from tests.robustness.traffic import pgbench
from tests.robustness.traffic.writers import Writer, wait_table
from tests.robustness.validate import rows

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(600)]

SCALE = 5
SLOW_SECONDS = 30.0
VERY_SLOW_SECONDS = 90.0
BACK_SECONDS = 300.0
CONNECTIONS = 20
FEW_CONNECTIONS = Kind(("--set", f"postgresql.parameters.max_connections={CONNECTIONS},standbyMode=hot"))
numbers = itertools.count(1)


@contextmanager
def loaded(release: Release) -> Iterator[None]:
    """pgbench goes as fast as it can, with four clients."""
    client = release.clients[-1]
    pgbench.make(client, SCALE)
    with pgbench.running(client, "--client=4", pause_s=0.5):
        yield


def test_backend_crashes_under_load(release: Release, drill: Drills) -> None:
    """pgbench runs at full speed, and one of the primary's backends is killed with -9.

    Guarantee: nothing is lost: the server stops, and does not recover in place while clients stay
    unaware of it.
    """
    with loaded(release), drill(release) as drilled:
        processes.signal_process(release, drilled.old, BACKEND)
        drilled.wait_writes_on_new_timeline()
    assert drilled.result.lost == 0


def test_postmaster_hangs(release: Release, drill: Drills) -> None:
    """The primary's postmaster is frozen: open sessions continue, and new ones are not accepted.

    Guarantee: another server, or the same one after a restart, takes over; nothing is lost.
    """
    with drill(release) as drilled:
        processes.signal_process(release, drilled.old, POSTMASTER, signal.SIGSTOP)
        drilled.wait_writes_on_new_timeline()
    assert drilled.result.lost == 0


def test_slots_are_full_at_the_promotion(stock: Stock, spoilt: None, drill: Drills) -> None:
    """Clients use every connection slot of both hot replicas, and the primary's container is
    killed.

    Guarantee: a server is promoted anyway, and its agent knows it; clients can connect once slots
    are free; nothing is lost.
    """
    release = stock.get(FEW_CONNECTIONS)
    with drill(release) as drilled, Agents(release) as agents:
        with slots.occupied(release, release.standbys(), 2 * CONNECTIONS):
            processes.kill_container(release, drilled.old)
            agents.wait_promoted()
        drilled.wait_writes_on_new_timeline()
    assert drilled.result.lost == 0
    assert drilled.result.claims == 1


def test_standby_is_stuck_at_a_switchover(release: Release, drill: Drills) -> None:
    """One replica's WAL receiver is frozen, and the primary is switched over to the other replica.

    Guarantee: the switchover does not wait for the frozen replica, which follows again once it is
    thawed; nothing is lost.
    """
    with drill(release) as drilled:
        stuck, chosen = release.standbys()
        processes.signal_process(release, stuck, RECEIVER, signal.SIGSTOP)
        try:
            acts.switchover(release, chosen)
            drilled.wait_writes_on_new_timeline()
        finally:
            nodes.thaw(release.namespace.name, stuck.name, "postgres", stuck.node)
    found = drilled.result
    assert (found.new.name, found.lost) == (chosen.name, 0)


def with_all_disks_slow(stock: Stock, drill: Drills, hang_s: float, seconds: float, answer_s: float) -> Found:
    """Have every server's disk hang for `hang_s` at a time, and work for a moment in between, for `seconds`.

    answer_s: how long the writer waits for an answer.
    """
    release = stock.get(DISKS)
    with drill(release, answer_s=answer_s) as drilled:
        with ExitStack() as stack:
            for pod in release.pods():
                stack.enter_context(disks.slow(stock.disks, pod.node, hang_s))
            time.sleep(seconds)
        drilled.wait_writes()
    return drilled.result


def test_all_disks_are_slow(stock: Stock, spoilt: None, node_faults: NodeFaults, drill: Drills) -> None:
    """Every server's disk answers only every half second, as on one overloaded disk, for half a
    minute.

    Guarantee: nothing is lost, and the primary continues: no failover.
    """
    found = with_all_disks_slow(stock, drill, 0.5, SLOW_SECONDS, answer_s=30.0)
    assert (found.lost, found.claims) == (0, 0)


def test_all_disks_take_seconds_for_a_write(stock: Stock, spoilt: None, node_faults: NodeFaults, drill: Drills) -> None:
    """Every server's disk answers only every five seconds, as on one overloaded disk, for a minute
    and a half.

    Guarantee: nothing is lost, and there is at most one failover: after a primary that lost the
    Lease to a volume that seemed to hang, the next one waits longer.
    """
    found = with_all_disks_slow(stock, drill, 5.0, VERY_SLOW_SECONDS, answer_s=60.0)
    assert found.lost == 0
    assert found.claims <= 1


def test_all_nodes_are_switched_off_under_load(release: Release, node_faults: NodeFaults) -> None:
    """All nodes are switched off at once while pgbench runs at full speed, and on again.

    Guarantee: all acknowledged rows are there, and one primary writes again.
    """
    name = f"off-{next(numbers)}"
    client = release.clients[0]
    wait_table(release, client)
    with loaded(release), Writer(client, name) as writer:
        release.wait("rows are acknowledged", lambda: writer.rows >= 10 * ROWS, 60)
        restart_all_nodes(node_faults)
        release.wait("the clients are back", lambda: client.try_psql("SELECT 1").code == 0, BACK_SECONDS)
    release.wait_full_strength(BACK_SECONDS)
    present = set(rows.present_ids(release, name))
    assert [append.id for append in writer.log.acknowledged if append.id not in present] == []
    client.sql(f"INSERT INTO appends VALUES ('{name}', 1000000)")
