"""Failures of the platform, some slow or misleading: the API server, kubelet, the runtime, DNS,
etcd.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from tests.cluster import control_plane, slow_api
from tests.cluster.fixtures import NodeFaults
from tests.faults.conftest import Drills
from tests.robustness.agents import Agents
from tests.robustness.failpoint import acts, processes, refusals
from tests.robustness.release import TTL, Release

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(600)]

PROMOTION_SECONDS = 60.0
AWAY_SECONDS = 75.0
"""Longer than it takes until the node is called NotReady (--node-monitor-grace-period, default 50s)."""


@pytest.mark.parametrize("refusal", [refusals.right_revoked, refusals.webhook_fails], ids=["right", "webhook"])
def test_api_server_refuses_changes_of_pods(
    release: Release, drill: Drills, refusal: Callable[[Release], AbstractContextManager[None]]
) -> None:
    """The API server refuses all changes to the pods, from the agents or from everybody; after a
    while the primary's container is killed.

    Guarantee: the primary continues until then; no replica is promoted whose position the others
    can't read, and `hapg status` says that nobody can write. Once changes are allowed again, writes
    resume, and nothing is lost.
    """
    with drill(release) as trial:
        with refusal(release):
            time.sleep(3 * TTL)
            trial.wait_writes()
            assert release.primary().uid == trial.old.uid
            processes.kill_container(release, trial.old)
            time.sleep(3 * TTL)
            status = release.try_hapg("status")
            assert status.code == 1
            assert "nobody can write" in status.out
        trial.wait_writes_on_new_timeline()
    found = trial.result
    assert (found.lost, found.claims) == (0, 1)


def test_api_server_is_slow_after_a_promotion(release: Release, drill: Drills) -> None:
    """The primary's container is killed. From the promotion on, every API call of all pods takes
    one second longer.

    Guarantee: nothing is lost, and one fault causes one failover.
    """
    pods = [pod.name for pod in release.pods()]
    with drill(release) as trial, Agents(release) as agents:
        processes.kill_container(release, trial.old)
        agents.wait_promoted()
        with slow_api.slow_for(release.namespace.name, pods, 1.0):
            time.sleep(30)
            trial.wait_writes_on_new_timeline()
    found = trial.result
    assert (found.lost, found.claims) == (0, 1)


@pytest.mark.parametrize(
    ("program", "seconds"),
    [pytest.param("kubelet", AWAY_SECONDS, id="kubelet"), pytest.param("containerd", 10.0, id="containerd")],
)
def test_program_of_the_node_is_away(release: Release, drill: Drills, node_faults: NodeFaults, program: str, seconds: float) -> None:
    """On the primary's node, kubelet is stopped until the node is NotReady, or containerd for ten
    seconds.

    Guarantee: nothing is lost, and the primary continues: no failover.
    """
    with drill(release) as trial:
        with control_plane.stopped(f"{program}-{trial.old.node}"):
            time.sleep(seconds)
            trial.wait_writes()
        trial.wait_writes()
    found = trial.result
    assert (found.lost, found.claims) == (0, 0)


def test_dns_is_away(release: Release, drill: Drills) -> None:
    """No pod can resolve names while the primary's container is killed.

    Guarantee: nothing is lost; another server is promoted without DNS, and clients reach it as soon
    as they can resolve the Service.
    """
    with drill(release) as trial, Agents(release) as agents:
        with control_plane.without_dns():
            processes.kill_container(release, trial.old)
            agents.wait_promoted()
        trial.wait_writes_on_new_timeline()
    assert trial.result.lost == 0


def test_etcd_is_restored(release: Release, drill: Drills) -> None:
    """etcd is restored to its state before a switchover: the Lease and the labels show the former
    primary and the former term.

    Guarantee: nothing is lost; nobody writes under the old term; the primary continues under a term
    of its own.
    """
    former = release.primary()
    with control_plane.etcd_saved() as copy:
        acts.switchover(release)
        release.wait_full_strength()
        term = int(release.lease()["term"])
        release.client.sql("CREATE TABLE IF NOT EXISTS restored (number int)")
        release.client.sql("INSERT INTO restored VALUES (1)")
        primary = release.primary()
        assert primary.name != former.name
        control_plane.put_etcd_back(copy)
        release.wait("the Lease is of a later term", lambda: int(release.lease()["term"]) > term, PROMOTION_SECONDS)
        release.wait_full_strength()
    assert release.primary().name == primary.name
    with drill(release) as trial:
        trial.wait_writes()
    assert (trial.result.lost, trial.result.claims) == (0, 0)
    assert int(release.client.sql("SELECT count(*) FROM restored")[0][0]) == 1
    release.client.sql("DROP TABLE restored")
