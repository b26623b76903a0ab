"""Synchronous replication: no fault loses an acknowledged commit, and when writes wait."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.cluster import disks, nodes
from tests.cluster.fixtures import NodeFaults
from tests.faults.conftest import Drills
from tests.robustness.drill import Drill
from tests.robustness.failpoint import acts, processes
from tests.robustness.failpoint.processes import BOTH, frozen
from tests.robustness.release import TTL, Release
from tests.robustness.report import histories
from tests.robustness.stock import Kind, Stock
from tests.robustness.traffic.registers import Register
from tests.robustness.validate import linearizable
from tests.robustness.validate.linearizable import Verdict
from tests.robustness.validate.synchronous import SET_SECONDS, Watch, wait_set

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(420)]

SYNCHRONOUS = Kind(("--set", "replication.mode=synchronous"))
PREFERRED = Kind(("--set", "replication.mode=synchronous", "--set", "replication.synchronousPolicy=preferred"))
ON_DISKS = Kind(SYNCHRONOUS.options, disks="storage")

Act = Callable[[Release, Drill, NodeFaults], None]


@pytest.fixture
def release(stock: Stock, spoilt: None, node_faults: NodeFaults) -> Release:
    """A strict synchronous release with three servers, at full strength, both replicas in the set."""
    found = stock.get(SYNCHRONOUS)
    wait_set(found, 2)
    return found


def _delete(release: Release, trial: Drill, _: NodeFaults) -> None:
    acts.delete(release, trial.old)
    trial.wait_writes_on_new_timeline()


def _delete_by_force(release: Release, trial: Drill, _: NodeFaults) -> None:
    acts.delete(release, trial.old, grace=0)
    trial.wait_writes_on_new_timeline()


def _kill_postmaster(release: Release, trial: Drill, _: NodeFaults) -> None:
    processes.kill_postmaster(release, trial.old)
    trial.wait_writes_on_new_timeline()


def _kill_container(release: Release, trial: Drill, _: NodeFaults) -> None:
    processes.kill_container(release, trial.old)
    trial.wait_writes_on_new_timeline()


def _power_off(release: Release, trial: Drill, faults: NodeFaults) -> None:
    faults.power_off(trial.old.node)
    trial.wait_writes_on_new_timeline()
    faults.boot(trial.old.node)
    nodes.wait_ready()


def _switchover(release: Release, trial: Drill, _: NodeFaults) -> None:
    acts.switchover(release)
    trial.wait_writes_on_new_timeline()


def _partition(release: Release, trial: Drill, faults: NodeFaults) -> None:
    faults.partition(trial.old.node)
    trial.wait_writes_on_new_timeline()
    faults.heal(trial.old.node)
    nodes.wait_ready()


def _freeze(release: Release, trial: Drill, faults: NodeFaults, containers: tuple[str, ...] = BOTH) -> None:
    with frozen(faults, release, [trial.old], containers):
        time.sleep(2 * TTL)
    trial.thawed()
    trial.wait_writes()


def _freeze_agent(release: Release, trial: Drill, faults: NodeFaults) -> None:
    _freeze(release, trial, faults, ("failover",))


def _freeze_server(release: Release, trial: Drill, faults: NodeFaults) -> None:
    _freeze(release, trial, faults, ("postgres",))


def _cut_api(release: Release, trial: Drill, faults: NodeFaults) -> None:
    faults.cut(release.namespace.name, trial.old.name, "api")
    time.sleep(2 * TTL)
    faults.restore(release.namespace.name, trial.old.name)
    trial.wait_writes()


def _kill_everything(release: Release, trial: Drill, _: NodeFaults) -> None:
    processes.kill_everything(release)
    trial.wait_writes_on_new_timeline()


def _delete_all_by_force(release: Release, trial: Drill, _: NodeFaults) -> None:
    acts.delete(release, *release.pods(), grace=0)
    trial.wait_writes_on_new_timeline()


FAULTS: dict[str, Act] = {
    "partition": _partition,
    "frozen": _freeze,
    "forced-delete": _delete_by_force,
    "delete": _delete,
    "postmaster": _kill_postmaster,
    "container": _kill_container,
    "node": _power_off,
    "frozen-agent": _freeze_agent,
    "frozen-server": _freeze_server,
    "cut-api": _cut_api,
    "all-killed": _kill_everything,
    "all-deleted": _delete_all_by_force,
}


@pytest.mark.faults
@pytest.mark.parametrize("name", FAULTS)
def test_nothing_is_lost(release: Release, drill: Drills, node_faults: NodeFaults, name: str) -> None:
    """A fault from the other sections hits a synchronous release.

    Guarantee: nothing is lost; if a thawed server acknowledges after another one has, for at most
    0.7 s, its successor has those rows too.
    """
    with drill(release, same_node=name != "node", answer_s=3 * TTL if "frozen" in name else 1.0) as trial:
        FAULTS[name](release, trial, node_faults)
    assert trial.result.lost == 0
    wait_set(release, 2)


@pytest.mark.faults
def test_nothing_is_lost_when_the_disk_hangs(stock: Stock, spoilt: None, node_faults: NodeFaults, drill: Drills) -> None:
    """All writes on the primary's disk of a synchronous release hang.

    Guarantee: nothing is lost, and another server takes over.
    """
    release = stock.get(ON_DISKS)
    wait_set(release, 2)
    with drill(release, answer_s=3 * TTL) as trial:
        disks.hang(stock.disks, trial.old.node)
        try:
            trial.wait_writes_on_new_timeline()
        finally:
            disks.resume(stock.disks, trial.old.node)
    assert trial.result.lost == 0


REGISTER_OPERATIONS = 200
"""What each client has to have had answered of either kind, for the history to say something."""


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_a_row_is_a_linearizable_register(release: Release, drill: Drills, node_faults: NodeFaults, request: pytest.FixtureRequest) -> None:
    """Clients on each node write and read one row of a synchronous release. Meanwhile the primary's
    postmaster is killed, the primary's pod is deleted, the primary switches over and the primary's
    node is cut off, one after the other.

    Guarantee: the answers are linearizable: nobody reads a value that was overwritten before, and
    no acknowledged value and no value that was read is lost.
    """
    history = histories.path(request.node.nodeid, "-register")
    with Register(release, history) as clients:
        for act in (_kill_postmaster, _delete, _switchover, _partition):
            with drill(release) as trial:
                act(release, trial, node_faults)
            assert trial.result.lost == 0
            wait_set(release, 2)
        enough = lambda: min(map(min, clients.done())) >= REGISTER_OPERATIONS  # noqa: E731
        release.wait("each client has written and read", enough, SET_SECONDS)
    assert linearizable.check(history) == Verdict("linearizable")


@pytest.mark.faults
def test_strict_writes_wait_without_any_replica(release: Release, drill: Drills, node_faults: NodeFaults) -> None:
    """Both replicas are frozen; the waits of some writes are cancelled; then the replicas are
    thawed.

    Guarantee: writes wait, and resume afterwards; nothing is lost; a cancelled wait is answered
    with a WARNING and counts as uncertain.
    """
    with drill(release, answer_s=6 * TTL) as trial:
        with frozen(node_faults, release, release.standbys(), ["postgres"]):
            time.sleep(2)
            before = trial.rows
            cancel = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
            release.wait("a write waits", lambda: trial.asker.sql(cancel) != [["0"]], 10)
            time.sleep(TTL)
            assert trial.rows == before
        trial.wait_writes()
    found = trial.result
    assert (found.lost, found.claims) == (0, 0)
    assert found.warned > 0
    wait_set(release, 2)


@pytest.mark.faults
def test_preferred_writes_go_on_without_any_replica(stock: Stock, spoilt: None, node_faults: NodeFaults, drill: Drills) -> None:
    """With the policy `preferred`, both replicas are frozen and later thawed.

    Guarantee: after a while writes continue asynchronously, and both replicas rejoin the write
    quorum afterwards; nothing is lost.
    """
    release = stock.get(PREFERRED)
    wait_set(release, 2)
    with drill(release, answer_s=6 * TTL) as trial:
        with frozen(node_faults, release, release.standbys(), ["postgres"]):
            trial.wait_writes()
        trial.wait_writes()
        wait_set(release, 2)
    found = trial.result
    assert (found.lost, found.claims) == (0, 0)


@pytest.mark.faults
@pytest.mark.parametrize("seconds", [TTL, 40.0])
def test_a_replica_of_the_set_is_stuck_and_back(release: Release, drill: Drills, node_faults: NodeFaults, seconds: float) -> None:
    """One replica of the write quorum is frozen, for a while or until it has been removed, and then
    thawed.

    Guarantee: writes continue with the other one, nothing is lost, and both are in the write quorum
    again afterwards.
    """
    with drill(release) as trial:
        with frozen(node_faults, release, release.standbys()[:1], ["postgres"]):
            time.sleep(seconds)
            trial.wait_writes()
        wait_set(release, 2)
    found = trial.result
    assert (found.lost, found.claims) == (0, 0)


@pytest.mark.faults
def test_a_replica_of_the_set_is_lost_and_then_the_primary(release: Release, drill: Drills, node_faults: NodeFaults) -> None:
    """One replica's node is switched off, and a moment later the primary's container is killed.

    Guarantee: nothing is lost.
    """
    with drill(release) as trial:
        replica = release.standbys()[-1]
        node_faults.partition(replica.node)
        time.sleep(TTL)
        processes.kill_container(release, trial.old)
        node_faults.heal(replica.node)
        nodes.wait_ready()
        trial.wait_writes_on_new_timeline()
    assert trial.result.lost == 0


@pytest.mark.faults
def test_standbys_that_commits_wait_for_are_recorded(release: Release, drill: Drills, node_faults: NodeFaults) -> None:
    """A replica leaves the write quorum and comes back, and the primary's pod is deleted. Meanwhile
    `synchronous_standby_names` is compared with the write quorum in the Lease.

    Guarantee: `synchronous_standby_names` never names a standby whose volume is not in the Lease;
    nothing is lost.
    """
    with drill(release) as trial, Watch(release, trial.asker) as watch:
        with frozen(node_faults, release, release.standbys()[:1], ["postgres"]):
            wait_set(release, 1)
        wait_set(release, 2)
        acts.delete(release, trial.old)
        trial.wait_writes_on_new_timeline()
        wait_set(release, 2)
    assert watch.wrong == []
    assert len(watch.seen) > 2
    assert trial.result.lost == 0
