"""Links that are cut in one or both directions, and an API server that is slow, unreliable or down."""

from __future__ import annotations

import time

import pytest

from tests.cluster import nodes, slow_api
from tests.cluster.fixtures import NodeFaults
from tests.faults.conftest import Drills
from tests.robustness import agents
from tests.robustness.agents import Agents
from tests.robustness.drill import ON_THE_WIRE
from tests.robustness.release import TTL, Release
from tests.robustness.stock import Kind, Stock

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(420)]

LONG_TTL = Kind(("--set", "failover.ttlSeconds=20,failover.leaseSeconds=17"))


def test_primary_node_is_cut_from_everything(release: Release, drill: Drills, node_faults: NodeFaults) -> None:
    """The primary's node is cut off from the API server, the other nodes and the host; a client on
    that node keeps writing.

    Guarantee: at most unreplicated WAL is lost; all processes of the old primary have ended before
    another server writes, and its client gets no acknowledgement after the new primary's first.
    """
    with drill(release) as trial:
        node_faults.partition(trial.old.node)
        trial.wait_writes_on_new_timeline()
        node_faults.heal(trial.old.node)
        nodes.wait_ready()
    assert trial.result.new.name != trial.old.name
    fenced = agents.moment(release, trial.old.name, trial.begun, result="fenced")
    assert fenced < agents.moment(release, trial.result.new.name, trial.begun, op="promote", outcome="ok")


@pytest.mark.faults
def test_ttl_is_shortened_while_the_primary_is_cut_off(stock: Stock, spoilt: None, drill: Drills, node_faults: NodeFaults) -> None:
    """The primary's node is cut off from everything while its TTL is 20 s. An upgrade, which it
    can't see, shortens the TTL to 6 s.

    Guarantee: at most unreplicated WAL is lost; the others wait for the TTL that the primary uses,
    and all of its processes have ended before another server writes.
    """
    release = stock.get(LONG_TTL)
    with drill(release) as trial:
        with Agents(release) as said:
            node_faults.partition(trial.old.node)
            release.upgrade("--set-json", f"failover.ttlSeconds={TTL},failover.leaseSeconds=4.7")
            release.look_again()
            trial.wait_writes_on_new_timeline()
            [new, *_] = said.ordered("promote")
            promoted = said.moment("promote", new)
        node_faults.heal(trial.old.node)
        nodes.wait_ready()
        release.wait("the Lease has the new TTL", lambda: release.lease()["ttlSeconds"] == TTL, 120)
    assert trial.result.claims == 1
    heard = agents.moment(release, new, trial.begun, event="settings")
    fenced = agents.moment(release, trial.old.name, trial.begun, result="fenced")
    assert heard < fenced < promoted


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(1.5, id="before-ttl", marks=pytest.mark.faults),
        pytest.param(TTL, id="at-ttl", marks=pytest.mark.faults),
        pytest.param(TTL + 1, id="just-after-ttl", marks=pytest.mark.faults),
        pytest.param(2 * TTL, id="after-ttl", marks=pytest.mark.faults),
    ],
)
def test_partition_heals(release: Release, drill: Drills, node_faults: NodeFaults, seconds: float) -> None:
    """The primary's node is cut off from everything for a given time.

    Guarantee: at most unreplicated WAL is lost, and nothing if the partition ends before the lease
    does.
    """
    with drill(release) as trial:
        node_faults.partition(trial.old.node)
        time.sleep(seconds)
        node_faults.heal(trial.old.node)
        trial.wait_writes()
        nodes.wait_ready()
    if seconds < 2:
        assert (trial.result.lost, trial.result.claims) == (0, 0)


@pytest.mark.faults
def test_primary_is_cut_from_the_replicas(release: Release, drill: Drills, node_faults: NodeFaults) -> None:
    """The primary and its replicas can't reach each other; clients and the API server reach all of
    them.

    Guarantee: nothing is lost; the primary continues, and the replicas catch up afterwards.
    """
    with drill(release) as trial:
        for standby in release.standbys():
            node_faults.cut(release.namespace.name, trial.old.name, f"pod/{standby.name}")
        time.sleep(2 * TTL)
        trial.wait_writes()
        node_faults.restore(release.namespace.name, trial.old.name)
    found = trial.result
    assert (found.lost, found.claims) == (0, 0)


@pytest.mark.faults
@pytest.mark.parametrize("direction", ["to", "from"])
def test_primary_and_replicas_are_cut_in_one_direction(
    release: Release, drill: Drills, node_faults: NodeFaults, direction: nodes.Direction
) -> None:
    """Packets between the primary and its replicas are dropped in one direction.

    Guarantee: nothing is lost; the primary continues, and the replicas catch up afterwards.
    """
    with drill(release) as trial:
        for standby in release.standbys():
            node_faults.cut(release.namespace.name, trial.old.name, f"pod/{standby.name}", direction)
        time.sleep(2 * TTL)
        trial.wait_writes()
        node_faults.restore(release.namespace.name, trial.old.name)
    found = trial.result
    assert (found.lost, found.claims) == (0, 0)


@pytest.mark.faults
def test_a_replica_is_cut_from_everything(release: Release, drill: Drills, node_faults: NodeFaults) -> None:
    """The node of one replica is cut off from everything.

    Guarantee: nothing is lost, and the primary continues.
    """
    with drill(release) as trial:
        standby = release.standbys()[0]
        node_faults.partition(standby.node)
        time.sleep(2 * TTL)
        node_faults.heal(standby.node)
        nodes.wait_ready()
        trial.wait_writes()
    found = trial.result
    assert (found.lost, found.claims) == (0, 0)


@pytest.mark.faults
@pytest.mark.parametrize("direction", ["both", "to", "from"])
def test_primary_is_cut_from_the_api(release: Release, drill: Drills, node_faults: NodeFaults, direction: nodes.Direction) -> None:
    """The primary's pod can't reach the API server, or does not receive its answers (`from`: its
    renewals take effect, but it never learns so); everything else works.

    Guarantee: at most WAL in flight is lost; there is the same primary throughout, or one after the
    other.
    """
    with drill(release) as trial:
        node_faults.cut(release.namespace.name, trial.old.name, "api", direction)
        time.sleep(3 * TTL)
        trial.wait_writes()
        node_faults.restore(release.namespace.name, trial.old.name)
    assert trial.result.lost <= ON_THE_WIRE


@pytest.mark.parametrize("seconds", [30, pytest.param(600, marks=[pytest.mark.faults, pytest.mark.timeout(1200)])])
def test_api_server_is_down(release: Release, drill: Drills, node_faults: NodeFaults, seconds: int) -> None:
    """The API server is down for everyone.

    Guarantee: nothing is lost; no write fails or stays unanswered, no connection breaks, and there
    is no failover, then or afterwards.
    """
    with drill(release) as trial:
        node_faults.stop_api()
        time.sleep(seconds)
        node_faults.start_api()
        nodes.wait_ready()
        trial.wait_writes()
    found = trial.result
    assert (found.lost, found.claims) == (0, 0)
    assert (found.refused, found.uncertain, found.no_session) == (0, 0, 0)


@pytest.mark.faults
def test_api_server_is_down_and_a_replica_is_cut(release: Release, drill: Drills, node_faults: NodeFaults) -> None:
    """The API server is down, and the primary can't reach one of its replicas either.

    Guarantee: nothing is lost; the primary stops by its deadline, and one primary writes once the
    API server is back.
    """
    with drill(release) as trial:
        node_faults.cut(release.namespace.name, trial.old.name, f"pod/{release.standbys()[0].name}")
        node_faults.stop_api()
        time.sleep(2 * TTL)
        before = trial.rows
        time.sleep(TTL)
        assert trial.rows == before
        node_faults.restore(release.namespace.name, trial.old.name)
        node_faults.start_api()
        nodes.wait_ready()
        trial.wait_writes()
    assert trial.result.lost == 0


@pytest.mark.faults
@pytest.mark.parametrize("whom", ["primary", "all"])
def test_api_server_is_slow(release: Release, drill: Drills, whom: str) -> None:
    """Every API call takes one second longer, for the primary's pod or for all pods, for half a
    minute.

    Guarantee: nothing is lost, and there is no failover.
    """
    with drill(release) as trial, slow_api.slow_for(release.namespace.name, _pods(release, whom), 1.0):
        time.sleep(30)
        trial.wait_writes()
    found = trial.result
    assert (found.lost, found.claims) == (0, 0)


def _pods(release: Release, whom: str) -> list[str]:
    return [pod.name for pod in release.pods() if whom == "all" or pod.role == whom]


@pytest.mark.faults
def test_api_server_comes_and_goes(release: Release, drill: Drills, node_faults: NodeFaults) -> None:
    """No pod reaches the API server for 1.5 s, ten times, with 2 s in between.

    Guarantee: nothing is lost, and there is no failover.
    """
    with drill(release) as trial:
        pods = [pod.name for pod in release.pods()]
        for _ in range(10):
            for pod in pods:
                node_faults.cut(release.namespace.name, pod, "api")
            time.sleep(1.5)
            for pod in pods:
                node_faults.restore(release.namespace.name, pod)
            time.sleep(2)
        trial.wait_writes()
    found = trial.result
    assert (found.lost, found.claims) == (0, 0)
