"""Servers that hang, crash in place, are full or slow, and what comes under load."""

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
from tests.robustness.drill import ROWS
from tests.robustness.failpoint import acts
from tests.robustness.release import Pod, Release
from tests.robustness.stock import DISKS, Kind, Stock
from tests.robustness.traffic import pgbench
from tests.robustness.traffic.writers import Writer, wait_table
from tests.robustness.validate import rows

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(600)]

SLOW_SECONDS = 30.0
BACK_SECONDS = 300.0
CONNECTIONS = 20
FEW_CONNECTIONS = Kind(("--set", f"postgresql.parameters.max_connections={CONNECTIONS},standbyMode=hot"))
POSTMASTER = r"^postgres -D|/postgres -D"
BACKEND = r"postgres: postgres postgres .*\) (INSERT|UPDATE|COMMIT|BEGIN|idle)"
STOP = "/tmp/stop-occupying"
OCCUPY = f"""rm -f {STOP}
for number in {{1..%d}}; do
  until [[ -e {STOP} ]]; do psql -h %s -qAtXc 'SELECT pg_sleep(10)' || sleep 0.3; done &
done
wait"""
LEAVE = f"touch {STOP}"
FULL = ("too many clients already", "remaining connection slots are reserved")
numbers = itertools.count(1)


def test_backend_crashes_under_load(release: Release, drill: Drills) -> None:
    """pgbench goes as fast as it can, and one of the primary's backends is killed with -9.

    Guarantee: nothing is lost: the server ends, and doesn't recover in place with clients that know nothing of it.
    """
    with pgbench.pgbench(release, release.clients[-1]), drill(release) as drilled:
        nodes.kill_process(release.namespace.name, drilled.old.name, "postgres", BACKEND)
        drilled.wait_writes_on_new_timeline()
    assert drilled.result.lost == 0


def test_postmaster_hangs(release: Release, drill: Drills) -> None:
    """The primary's postmaster stands still: sessions that are open go on, and nobody new is let in.

    Guarantee: another server, or the same one started anew, takes over; nothing is lost.
    """
    with drill(release) as drilled:
        nodes.kill_process(release.namespace.name, drilled.old.name, "postgres", POSTMASTER, signal.SIGSTOP)
        drilled.wait_writes_on_new_timeline()
    assert drilled.result.lost == 0


@contextmanager
def _full(release: Release, pods: list[Pod]) -> Iterator[None]:
    """Sessions take every slot of these servers, and again when one comes free, for as long as the context lasts."""
    clients = release.clients[: len(pods)]
    try:
        for client, pod in zip(clients, pods, strict=True):
            begin = 'setsid bash -c "$0" >/dev/null 2>&1 </dev/null &'
            client.namespace.kubectl(*client.command("bash", "-c", begin, OCCUPY % (2 * CONNECTIONS, pod.ip)))
            release.wait(f"{pod.name} is full", lambda: any(text in client.try_psql("SELECT 1", host=pod.ip).err for text in FULL), 60)  # noqa: B023
        yield
    finally:
        for client in clients:
            client.namespace.try_kubectl(*client.command("bash", "-c", LEAVE))


def test_slots_are_full_at_the_promotion(stock: Stock, spoilt: None, drill: Drills) -> None:
    """Clients take every connection slot of both hot replicas, and the primary's container is killed.

    Guarantee: a server is promoted all the same, and knows it; clients get in once there are slots; nothing is lost.
    """
    release = stock.get(FEW_CONNECTIONS)
    with drill(release) as drilled, Agents(release) as agents:
        with _full(release, release.standbys()):
            acts.kill_container(release, drilled.old)
            agents.wait_promoted()
        drilled.wait_writes_on_new_timeline()
    assert drilled.result.lost == 0
    assert drilled.result.claims == 1


def test_standby_is_stuck_at_a_switchover(release: Release, drill: Drills) -> None:
    """One replica's WAL receiver stands still, and the primary is switched over to the other replica.

    Guarantee: it is handed over without the one that is stuck, which follows again once it runs on; nothing is lost.
    """
    namespace = release.namespace.name
    with drill(release) as drilled:
        stuck, chosen = release.standbys()
        nodes.kill_process(namespace, stuck.name, "postgres", r"postgres: walreceiver", signal.SIGSTOP)
        try:
            acts.switchover(release, chosen)
            drilled.wait_writes_on_new_timeline()
        finally:
            nodes.thaw(namespace, stuck.name, "postgres", stuck.node)
    found = drilled.result
    assert (found.new.name, found.lost) == (chosen.name, 0)


def test_all_disks_are_slow(stock: Stock, spoilt: None, node_faults: NodeFaults, drill: Drills) -> None:
    """Every server's disk answers only every half second, as if all were on one that is overloaded, for half a minute.

    Guarantee: nothing is lost, and the primary goes on: no failover.
    """
    release = stock.get(DISKS)
    with drill(release, answer_s=30.0) as drilled:
        with ExitStack() as stack:
            for pod in release.pods():
                stack.enter_context(disks.slow(stock.disks, pod.node, 0.5))
            time.sleep(SLOW_SECONDS)
        drilled.wait_writes()
    found = drilled.result
    assert (found.lost, found.claims) == (0, 0)


def test_all_nodes_are_switched_off_under_load(release: Release, node_faults: NodeFaults) -> None:
    """All nodes are switched off at once while pgbench goes as fast as it can, and on again.

    Guarantee: whatever was acknowledged is there, and one primary writes again.
    """
    name = f"off-{next(numbers)}"
    client = release.clients[0]
    wait_table(release, client)
    with pgbench.pgbench(release, release.clients[-1]), Writer(client, name) as writer:
        release.wait("rows are acknowledged", lambda: writer.rows >= 10 * ROWS, 60)
        for node in nodes.names():
            node_faults.power_off(node)
        for node in nodes.names():
            node_faults.boot(node)
        nodes.wait_ready()
        release.wait("the clients are back", lambda: client.try_psql("SELECT 1").code == 0, BACK_SECONDS)
    release.wait_full_strength(BACK_SECONDS)
    present = set(rows.present_ids(release, name))
    assert [append.id for append in writer.log.acknowledged if append.id not in present] == []
    client.sql(f"INSERT INTO appends VALUES ('{name}', 1000000)")
