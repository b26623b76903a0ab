"""Failures of servers, containers, pods and nodes."""

from __future__ import annotations

import time
from typing import Literal, assert_never

import pytest

from tests.cluster import memory, nodes
from tests.cluster.fixtures import NodeFaults
from tests.faults.conftest import Drills
from tests.robustness.drill import ON_THE_WIRE
from tests.robustness.failpoint import acts, processes
from tests.robustness.failpoint.power import restart_all_nodes
from tests.robustness.failpoint.processes import frozen
from tests.robustness.release import TTL, Release
from tests.robustness.stock import Kind, Stock

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(420)]

HOT = Kind(("--set", "standbyMode=hot"))


def test_primary_pod_is_deleted(release: Release, drill: Drills) -> None:
    """The primary's pod is deleted, with time to stop.

    Guarantee: nothing is lost; the former primary follows again without a rewind.
    """
    with drill(release) as trial:
        acts.delete(release, trial.old)
        trial.wait_writes_on_new_timeline()
    found = trial.result
    assert found.lost == 0
    assert found.new.name != found.old.name
    assert (found.did("rewind"), found.did("clone")) == ([], [])
    assert "follow" in found.operations[found.old.name]


@pytest.mark.faults
def test_primary_pod_is_deleted_by_force(release: Release, drill: Drills) -> None:
    """The primary's pod is deleted by force, with a grace period of 0.

    Guarantee: at most unreplicated WAL is lost.
    """
    with drill(release) as trial:
        acts.delete(release, trial.old, grace=0)
        trial.wait_writes_on_new_timeline()


def test_postmaster_is_killed(release: Release, drill: Drills) -> None:
    """kill -9 of the primary's postmaster.

    Guarantee: nothing is lost.
    """
    with drill(release) as trial:
        processes.kill_postmaster(release, trial.old)
        trial.wait_writes_on_new_timeline()
    assert trial.result.lost == 0


@pytest.mark.faults
def test_backend_is_killed(release: Release, drill: Drills) -> None:
    """kill -9 of one of the primary's backends.

    Guarantee: nothing is lost; if another server takes over, only that one writes.
    """
    with drill(release) as trial:
        processes.signal_process(release, trial.old, r"postgres: postgres postgres .* INSERT|idle$")
        trial.wait_writes()
    assert trial.result.lost == 0


@pytest.mark.faults
def test_kernel_kills_for_want_of_memory(release: Release, drill: Drills) -> None:
    """A query on the primary exceeds its container's memory limit, and the kernel kills a process
    of the container.

    Guarantee: nothing is lost, and writes resume.
    """
    greedy = "SELECT length(string_agg(md5(number::text), '')) FROM generate_series(1, 5000000) AS number"
    with drill(release) as trial:
        with memory.short(release.namespace.name, trial.old.name, "postgres", trial.old.node, 64):
            assert trial.asker.try_psql(greedy).code != 0
        trial.wait_writes()
    assert trial.result.lost == 0


def test_postgres_container_is_killed(release: Release, drill: Drills) -> None:
    """kill -9 of all processes in the primary's postgres container, including PID 1.

    Guarantee: nothing is lost.
    """
    with drill(release) as trial:
        processes.kill_container(release, trial.old)
        trial.wait_writes_on_new_timeline()
    assert trial.result.lost == 0


@pytest.mark.faults
def test_failover_container_is_killed(release: Release, drill: Drills) -> None:
    """kill -9 of all processes in the primary's failover container.

    Guarantee: nothing is lost, and the primary continues: no failover. New clients can connect
    while its pod is not ready.
    """
    with drill(release) as trial:
        told = processes.kill_failover_container(release, trial.old, trial.asker)
        trial.wait_writes()
    found = trial.result
    assert (told, found.lost, found.claims) == ("", 0, 0)


@pytest.mark.faults
def test_failover_container_crashes_again_and_again(release: Release, drill: Drills) -> None:
    """The agent in the primary's failover container is killed every three seconds, ten times.

    Guarantee: nothing is lost, and the primary continues: no failover.
    """
    with drill(release) as trial:
        for _ in range(10):
            processes.kill_agent(release, trial.old)
            time.sleep(3)
        trial.wait_writes()
    found = trial.result
    assert (found.lost, found.claims) == (0, 0)


def test_node_is_switched_off(release: Release, drill: Drills, node_faults: NodeFaults) -> None:
    """The primary's node is switched off; it comes back once another server writes.

    Guarantee: at most unreplicated WAL is lost; the former primary comes back as a replica.
    """
    with drill(release, same_node=False) as trial:
        node_faults.power_off(trial.old.node)
        trial.wait_writes_on_new_timeline()
        node_faults.boot(trial.old.node)
        nodes.wait_ready()
    assert trial.result.new.name != trial.old.name
    assert release.pod(trial.old.name).role == "replica"


@pytest.mark.parametrize(
    ("containers", "seconds"),
    [
        pytest.param(("postgres",), 1.0, id="postgres-1s", marks=pytest.mark.faults),
        pytest.param(("postgres",), TTL, id="postgres-ttl", marks=pytest.mark.faults),
        pytest.param(("postgres",), 2 * TTL, id="postgres-2ttl", marks=pytest.mark.faults),
        pytest.param(("postgres", "failover"), 1.0, id="both-1s", marks=pytest.mark.faults),
        pytest.param(("postgres", "failover"), TTL, id="both-ttl", marks=pytest.mark.faults),
        pytest.param(("postgres", "failover"), 2 * TTL, id="both-2ttl"),
    ],
)
def test_frozen_and_thawed(release: Release, drill: Drills, node_faults: NodeFaults, containers: tuple[str, ...], seconds: float) -> None:
    """Containers of the primary are frozen (SIGSTOP) for a second, a TTL or two TTLs, and then
    thawed.

    Guarantee: at most unreplicated WAL is lost; once another server has acknowledged, the thawed
    one acknowledges for at most 0.7 s what its clients were already waiting for.
    """
    with drill(release, answer_s=3 * TTL) as trial:
        with frozen(node_faults, release, [trial.old], containers):
            time.sleep(seconds)
        trial.thawed()
        trial.wait_writes()


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(1.0, id="1s", marks=pytest.mark.faults),
        pytest.param(TTL, id="ttl", marks=pytest.mark.faults),
        pytest.param(2 * TTL, id="2ttl", marks=pytest.mark.faults),
    ],
)
def test_the_agent_is_frozen_and_thawed(release: Release, drill: Drills, node_faults: NodeFaults, seconds: float) -> None:
    """The primary's failover container is frozen (SIGSTOP) for a second, a TTL or two TTLs, and
    then thawed; the server keeps running.

    Guarantee: at most WAL in flight is lost.
    """
    with drill(release) as trial:
        with frozen(node_faults, release, [trial.old], ["failover"]):
            time.sleep(seconds)
        trial.wait_writes()
    assert trial.result.lost <= ON_THE_WIRE


@pytest.mark.faults
def test_two_faults_at_once(release: Release, drill: Drills, node_faults: NodeFaults) -> None:
    """The primary's container and a replica's failover container are killed at the same moment.

    Guarantee: nothing is lost.
    """
    with drill(release) as trial:
        processes.kill_container(release, release.standbys()[0], "failover")
        processes.kill_container(release, trial.old)
        trial.wait_writes_on_new_timeline()
    assert trial.result.lost == 0


@pytest.mark.faults
def test_node_is_switched_off_while_a_replica_restarts(release: Release, drill: Drills, node_faults: NodeFaults) -> None:
    """The primary's node is switched off just after a replica's container was killed.

    Guarantee: at most unreplicated WAL is lost.
    """
    with drill(release, same_node=False) as trial:
        processes.kill_container(release, release.standbys()[0])
        node_faults.power_off(trial.old.node)
        trial.wait_writes_on_new_timeline()
        node_faults.boot(trial.old.node)
        nodes.wait_ready()


@pytest.mark.faults
def test_all_servers_are_killed_at_once(release: Release, drill: Drills) -> None:
    """All postgres and failover containers are killed at once.

    Guarantee: nothing is lost.
    """
    with drill(release) as trial:
        processes.kill_everything(release)
        trial.wait_writes_on_new_timeline()
    assert trial.result.lost == 0


@pytest.mark.faults
def test_all_pods_are_deleted_by_force(release: Release, drill: Drills) -> None:
    """All pods are deleted by force at once.

    Guarantee: nothing is lost.
    """
    with drill(release) as trial:
        acts.delete(release, *release.pods(), grace=0)
        trial.wait_writes_on_new_timeline()
    assert trial.result.lost == 0


@pytest.mark.faults
def test_eviction_and_drain(release: Release, drill: Drills) -> None:
    """The primary's node is drained and then uncordoned.

    Guarantee: nothing is lost, and no rewind is needed.
    """
    with drill(release) as trial, acts.drained(release, trial.old.node, 60):
        trial.wait_writes_on_new_timeline()
    found = trial.result
    assert found.lost == 0
    assert (found.did("rewind"), found.did("clone")) == ([], [])


@pytest.mark.faults
def test_whole_cluster_is_restarted(release: Release, node_faults: NodeFaults) -> None:
    """All nodes, including the clients' node, are switched off at once and on again.

    Guarantee: nothing is lost, and one primary writes again.
    """
    client = release.client
    client.sql("CREATE TABLE IF NOT EXISTS restarted AS SELECT number FROM generate_series(1, 1000) AS number")
    restart_all_nodes(node_faults)
    release.wait("the clients are back", lambda: client.try_psql("SELECT 1").code == 0, 180)
    release.wait_full_strength()
    assert client.sql("SELECT count(*), sum(number) FROM restarted") == [["1000", "500500"]]
    client.sql("INSERT INTO restarted VALUES (1001)")


@pytest.mark.faults
@pytest.mark.parametrize("fault", ["delete", "container", "partition"])
def test_hot_replicas_have_what_the_primary_has(
    stock: Stock, spoilt: None, node_faults: NodeFaults, drill: Drills, fault: Literal["delete", "container", "partition"]
) -> None:
    """The primary of a release with hot replicas fails while its rows are read through both
    Services.

    Guarantee: afterwards every replica shows the same rows as the primary, and on one timeline no
    reader ever went back.
    """
    release = stock.get(HOT)
    with drill(release) as trial:
        match fault:
            case "delete":
                acts.delete(release, trial.old)
            case "container":
                processes.kill_container(release, trial.old)
            case "partition":
                node_faults.partition(trial.old.node)
            case other:
                assert_never(other)
        trial.wait_writes_on_new_timeline()
        if fault == "partition":
            node_faults.heal(trial.old.node)
            nodes.wait_ready()
