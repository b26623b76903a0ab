"""Which replica is promoted, and when none is."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.cluster import nodes
from tests.cluster.fixtures import NodeFaults
from tests.faults.conftest import Drills
from tests.robustness.agents import Agents
from tests.robustness.failpoint import acts, processes
from tests.robustness.failpoint.processes import frozen, kill_at
from tests.robustness.programs import ProgramError
from tests.robustness.release import RECENT_LINES, TTL, Pod, Release
from tests.robustness.stock import Kind, Stock
from tests.robustness.traffic import bulk

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(420)]

PRIMARY_SECONDS = 60.0
SCALE_SECONDS = 240.0
MEMBER_SECONDS = 30.0
DELETIONS = 5
RENEWAL_SECONDS = 3.0
RELEASED_SECONDS = 20.0
REPORT_WAIT = timedelta(seconds=1)
SMALL_LAG = Kind(("--set", "failover.maxLagBytes=1048576"))


def wait_primary(release: Release, condition: Callable[[Pod], bool]) -> Pod:
    """Wait until a pod that satisfies a condition is the only one that is labelled primary; return it."""

    def found() -> Pod:
        primary = release.primary()
        if not condition(primary):
            raise ProgramError(f"{primary.name} is still the primary")
        return primary

    return release.wait("another primary", found, PRIMARY_SECONDS)


def test_most_advanced_replica_wins_over_the_lowest_ordinal(release: Release, drill: Drills, node_faults: NodeFaults) -> None:
    """The replica with the lower ordinal stops receiving WAL, and a moment later the primary's node
    is switched off.

    Guarantee: the other replica, which has more WAL, is promoted; at most unreplicated WAL is lost.
    """
    with drill(release, same_node=False) as trial:
        low, high = release.standbys()
        node_faults.cut(release.namespace.name, low.name, f"pod/{trial.old.name}", "from")
        trial.wait_writes()
        node_faults.power_off(trial.old.node)
        trial.wait_writes_on_new_timeline()
        assert release.primary().name == high.name
        node_faults.restore(release.namespace.name, low.name)
        node_faults.boot(trial.old.node)
        nodes.wait_ready()


@pytest.mark.faults
def test_lowest_ordinal_wins_a_tie(release: Release, node_faults: NodeFaults) -> None:
    """Nobody writes, both replicas have all WAL, and the primary's node is switched off.

    Guarantee: the replica with the lower ordinal is promoted.
    """
    release.wait_full_strength()
    old = release.primary()
    [low, _] = release.standbys()
    time.sleep(1)
    node_faults.power_off(old.node)
    new = wait_primary(release, lambda pod: pod.name != old.name)
    node_faults.boot(old.node)
    nodes.wait_ready()
    release.wait_full_strength()
    assert new.name == low.name


@pytest.mark.faults
def test_former_primary_with_more_wal_on_an_old_timeline_never_wins(release: Release, drill: Drills, node_faults: NodeFaults) -> None:
    """The primary's node is cut off while a client on it writes a lot. Another server takes over,
    and its node is cut off at the moment when the first is reachable again. The first has more WAL
    than the third, but on an older timeline.

    Guarantee: the third is promoted; at most the unreplicated WAL of each timeline is lost.
    """
    with drill(release, same_node=False) as trial:
        bulk.begin(release.client_on(trial.old.node), trial.old.ip, bulk.statement(2_000_000))
        time.sleep(0.5)
        node_faults.partition(trial.old.node)
        trial.wait_writes_on_new_timeline()
        second = release.primary()
        [third] = [pod for pod in release.pods() if pod.name not in (trial.old.name, second.name)]
        node_faults.partition(second.node)
        node_faults.heal(trial.old.node)
        new = wait_primary(release, lambda pod: pod.name != second.name)
        node_faults.heal(second.node)
        nodes.wait_ready()
        assert new.name == third.name


@pytest.mark.faults
def test_lagging_replicas_are_not_promoted(stock: Stock, spoilt: None, drill: Drills, node_faults: NodeFaults) -> None:
    """Both replicas lack more than `maxLagBytes` of the primary's last WAL, and the primary's pod
    is deleted.

    Guarantee: neither is promoted, nobody writes until the server with all WAL is back, and nothing
    is lost.
    """
    release = stock.get(SMALL_LAG)
    with drill(release) as trial:
        for standby in release.standbys():
            node_faults.cut(release.namespace.name, standby.name, f"pod/{trial.old.name}", "from")
        trial.asker.sql(bulk.statement(8000))
        with Agents(release) as agents:
            acts.delete(release, trial.old)
            trial.wait_writes_on_new_timeline()
        for pod in release.pods():
            node_faults.restore(release.namespace.name, pod.name)
        assert agents.said("more than maxLagBytes")
    assert trial.result.new.name == trial.old.name
    assert trial.result.lost == 0


@pytest.mark.faults
def test_forced_failover(stock: Stock, spoilt: None, drill: Drills, node_faults: NodeFaults) -> None:
    """Both replicas lack more than `maxLagBytes` of the primary's last WAL, and the primary's node
    is lost. After a while an operator runs `hapg failover --force`.

    Guarantee: nobody is promoted before; at most unreplicated WAL is lost, and the former primary
    comes back as a replica.
    """
    release = stock.get(SMALL_LAG)
    with drill(release, same_node=False) as trial:
        for standby in release.standbys():
            node_faults.cut(release.namespace.name, standby.name, f"pod/{trial.old.name}", "from")
        trial.asker.sql(bulk.statement(8000))
        time.sleep(RENEWAL_SECONDS)
        node_faults.power_off(trial.old.node)
        for standby in release.standbys():
            node_faults.restore(release.namespace.name, standby.name)
        time.sleep(3 * TTL)
        assert release.lease()["holder"]["pod"] == trial.old.name
        release.hapg("failover", "--force", "--yes")
        trial.wait_writes_on_new_timeline()
        node_faults.boot(trial.old.node)
        nodes.wait_ready()
    assert release.pod(trial.old.name).role == "replica"


@pytest.mark.faults
def test_unknown_member_is_waited_for(release: Release, drill: Drills, node_faults: NodeFaults) -> None:
    """One replica's agent is stopped, so its position is unknown, and the primary's node is
    switched off.

    Guarantee: the other replica waits one second for that position and then claims without it; at
    most unreplicated WAL is lost.
    """
    with drill(release, same_node=False) as trial:
        silent, _ = release.standbys()
        with frozen(node_faults, release, [silent], ["failover"]), Agents(release) as agents:
            node_faults.power_off(trial.old.node)
            trial.wait_writes_on_new_timeline()
        [winner] = agents.ordered("claim")
        assert agents.moment("claim", winner) - agents.moment("Report", winner) >= REPORT_WAIT
        node_faults.boot(trial.old.node)
        nodes.wait_ready()
    assert trial.result.new.name != trial.old.name


@pytest.mark.faults
def test_of_two_that_claim_at_once_one_is_promoted(release: Release, drill: Drills, node_faults: NodeFaults) -> None:
    """Both replicas' agents are stopped while the primary's node fails. They resume at the same
    moment, long after the Lease has expired.

    Guarantee: one of them is promoted, once; at most unreplicated WAL is lost.
    """
    with drill(release, same_node=False) as trial:
        with frozen(node_faults, release, release.standbys(), ["failover"]):
            node_faults.power_off(trial.old.node)
            time.sleep(2 * TTL)
        trial.wait_writes_on_new_timeline()
        node_faults.boot(trial.old.node)
        nodes.wait_ready()
    assert trial.result.claims == 1


@pytest.mark.parametrize(
    "step", ["promote", *(pytest.param(name, marks=pytest.mark.faults) for name in ("seal", "Report", "claim", "Label"))]
)
def test_failover_container_is_killed_in_the_middle(release: Release, drill: Drills, node_faults: NodeFaults, step: str) -> None:
    """The primary's node is cut off, and the first failover container that orders a step of the
    failover is killed at once.

    Guarantee: the failover completes; at most unreplicated WAL is lost.
    """
    killed: list[str] = []
    with drill(release) as trial:
        with kill_at(release, step, killed, but=trial.old.name):
            node_faults.partition(trial.old.node)
            trial.wait_writes_on_new_timeline()
        assert killed
        node_faults.heal(trial.old.node)
        nodes.wait_ready()


@pytest.mark.faults
@pytest.mark.parametrize("step", ["prepare", "switchover", "seal", "claim", "promote"])
def test_failover_container_is_killed_during_a_switch_over(release: Release, drill: Drills, step: str) -> None:
    """The primary's pod is deleted, and the first failover container, in this pod or another, that
    orders a step of the switchover is killed at once.

    Guarantee: another server takes over; at most unreplicated WAL is lost.
    """
    killed: list[str] = []
    with drill(release) as trial:
        with kill_at(release, step, killed):
            acts.delete(release, trial.old)
            trial.wait_writes_on_new_timeline()
        assert killed


@pytest.mark.faults
def test_failover_container_is_killed_when_it_releases_the_lease(release: Release, drill: Drills, node_faults: NodeFaults) -> None:
    """The primary's pod is deleted while the replicas' failover containers are frozen, and its
    failover container is killed at once when it releases the Lease. Then the others are thawed.
    (Awake, the successor often claims before there is anything to release.)

    Guarantee: another server takes over; at most unreplicated WAL is lost.
    """
    killed: list[str] = []
    with drill(release) as trial, kill_at(release, "release", killed):
        with frozen(node_faults, release, release.standbys(), ["failover"]):
            acts.delete(release, trial.old)
            release.wait("the Lease is released", lambda: bool(killed), RELEASED_SECONDS)
        trial.wait_writes_on_new_timeline()


@pytest.mark.faults
def test_failover_during_a_clone(release: Release, drill: Drills) -> None:
    """A replica's claim is deleted with its pod. While the replica is cloned again, the primary's
    container is killed.

    Guarantee: nothing is lost; the clone completes.
    """
    with drill(release) as trial:
        trial.asker.sql(bulk.statement(100_000))
        replica = release.standbys()[0]
        release.lose(replica, "data")
        gone = lambda: release.pod(replica.name).uid != replica.uid  # noqa: E731
        release.wait("the replica has a new pod", gone, 120)
        release.wait("it is cloned", lambda: "clone" in release.agent_log(replica.name, RECENT_LINES), 120)
        processes.kill_container(release, trial.old)
        trial.wait_writes_on_new_timeline()
    assert trial.result.lost == 0
    assert trial.result.did("clone") == [replica.name]


@pytest.mark.faults
def test_failover_during_a_rolling_update(release: Release, drill: Drills) -> None:
    """The pod template changes, and while the first pod restarts, the primary's container is
    killed.

    Guarantee: nothing is lost; the update completes.
    """
    with drill(release) as trial:
        before = {pod.uid for pod in release.pods()}
        release.upgrade("--set-string", f"podAnnotations.rolled=at-{time.time():.0f}")
        release.wait("a pod is replaced", lambda: any(pod.deleting or pod.uid not in before for pod in release.pods()), 60)
        processes.kill_container(release, trial.old)
        trial.wait_writes_on_new_timeline()
        release.wait("all pods are replaced", lambda: len({pod.uid for pod in release.pods()} - before) == release.replicas, 240)
    assert trial.result.lost == 0


@pytest.mark.faults
def test_failover_back_and_forth(release: Release, drill: Drills) -> None:
    """The primary's pod is deleted five times in a row.

    Guarantee: nothing is lost, each deletion causes one failover, and no former primary needs a
    rewind.
    """
    with drill(release) as trial:
        for _ in range(DELETIONS):
            acts.delete(release, old := release.primary())
            wait_primary(release, lambda pod, uid=old.uid: pod.uid != uid)  # type: ignore[misc]
            release.wait_full_strength(asker=trial.asker)
    found = trial.result
    assert (found.lost, found.claims) == (0, DELETIONS)
    assert (found.did("rewind"), found.did("clone")) == ([], [])


@pytest.mark.faults
def test_single_server(stock: Stock, spoilt: None, drill: Drills) -> None:
    """The only server of a release is killed, and then its pod is deleted.

    Guarantee: nothing is lost, and it writes again.
    """
    release = stock.get(Kind(replicas=1))
    with drill(release) as trial:
        processes.kill_container(release, trial.old)
        trial.wait_writes_on_new_timeline()
        acts.delete(release, release.primary())
        trial.wait_writes()
    assert trial.result.lost == 0


@pytest.mark.faults
def test_single_server_is_drained(stock: Stock, spoilt: None, drill: Drills) -> None:
    """The node of the only server is drained. Its volume is on that node, so the server waits until
    the node is uncordoned.

    Guarantee: nothing is lost, and it writes again.
    """
    release = stock.get(Kind(replicas=1))
    with drill(release) as trial:
        with acts.drained(release, trial.old.node, 90):
            pass
        trial.wait_writes_on_new_timeline()
    assert trial.result.lost == 0


@pytest.mark.faults
def test_node_of_one_of_two_servers(stock: Stock, spoilt: None, drill: Drills, node_faults: NodeFaults) -> None:
    """In a release with two servers, the primary's node is switched off.

    Guarantee: the other server takes over; at most unreplicated WAL is lost.
    """
    release = stock.get(Kind(replicas=2))
    with drill(release, same_node=False) as trial:
        node_faults.power_off(trial.old.node)
        trial.wait_writes_on_new_timeline()
        node_faults.boot(trial.old.node)
        nodes.wait_ready()
    assert trial.result.new.name != trial.old.name


@pytest.mark.faults
@pytest.mark.parametrize("times", [2, pytest.param(50, marks=pytest.mark.timeout(1500))])
def test_switchover_back_and_forth(release: Release, drill: Drills, times: int) -> None:
    """`hapg switchover` runs again and again.

    Guarantee: nothing is lost, each run is one failover, and no former primary needs a rewind.
    """
    with drill(release) as trial:
        for _ in range(times):
            acts.switchover(release)
            release.wait_full_strength(asker=trial.asker)
    found = trial.result
    assert (found.lost, found.claims) == (0, times)
    assert (found.did("rewind"), found.did("clone")) == ([], [])


@pytest.mark.faults
def test_scaled_up_and_down(stock: Stock, spoilt: None, drill: Drills) -> None:
    """A release is scaled from 1 server to 3, to 5 and to 2, while the primary has the highest
    ordinal.

    Guarantee: nothing is lost; the primary switches over before its own pod is removed.
    """
    release = stock.get(Kind(replicas=1, options=("--set", "podDisruptionBudget.enabled=false")))
    with drill(release) as trial:
        for replicas in (3, 5):
            release.upgrade("--set", f"replicas={replicas}")
            release.replicas = replicas
            release.wait_full_strength(SCALE_SECONDS, trial.asker)
        last = release.pods()[-1]
        release.wait(f"{last.name} is a member", lambda: last.name in release.members(), MEMBER_SECONDS)
        acts.switchover(release, last)
        release.wait_full_strength(asker=trial.asker)
        release.upgrade("--set", "replicas=2")
        release.replicas = 2
        release.wait_full_strength(SCALE_SECONDS, trial.asker)
    assert trial.result.lost == 0
    stock.drop()
