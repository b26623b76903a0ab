"""Planned operations, with any number of servers, lose nothing."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.faults.conftest import Drills
from tests.robustness.drill import Found
from tests.robustness.failpoint import acts
from tests.robustness.release import CHART, VALUES, Release
from tests.robustness.stock import Kind, Stock

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

TIMES = 10
GONE_SECONDS = 180
APART_SECONDS = 120


def all_gone(release: Release) -> None:
    release.wait("all pods are gone", lambda: not release.pods(), GONE_SECONDS)


def ten_times(release: Release, drill: Drills, act: Callable[[], None]) -> Found:
    """Do it again each time all servers are back, under writes; return what came of it."""
    with drill(release) as trial:
        for _ in range(TIMES):
            act()
            trial.wait_writes()
            release.wait_full_strength()
    return trial.result


@pytest.mark.timeout(900)
def test_rolling_update_of_two(stock: Stock, spoilt: None, drill: Drills) -> None:
    """All pods of a release with two servers are replaced one after the other, as by an upgrade.

    Guarantee: nothing is lost; the last server with all WAL is restarted only once the other one
    has it too.
    """
    release = stock.get(Kind(replicas=2))
    with drill(release) as trial:
        acts.roll(release)
        trial.wait_writes()
    assert trial.result.lost == 0


@pytest.mark.faults
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("replicas", [2, 3])
def test_rolling_updates(stock: Stock, spoilt: None, drill: Drills, replicas: int) -> None:
    """Ten rolling updates in a row, of two servers and of three.

    Guarantee: nothing is lost.
    """
    release = stock.get(Kind(replicas=replicas))
    with drill(release) as trial:
        for _ in range(TIMES):
            acts.roll(release)
        trial.wait_writes()
    assert trial.result.lost == 0


@pytest.mark.faults
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("replicas", [2, 3])
def test_every_node_is_drained_in_turn(stock: Stock, spoilt: None, drill: Drills, replicas: int) -> None:
    """Each node is drained and comes back, ten times in all, under the PodDisruptionBudget.

    Guarantee: nothing is lost.
    """
    release = stock.get(Kind(replicas=replicas))
    with drill(release) as trial:
        for number in range(TIMES):
            pods = release.pods()
            with acts.drained(release, pods[number % len(pods)].node):
                trial.wait_writes()
            release.wait_full_strength()
    assert trial.result.lost == 0


@pytest.mark.faults
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("replicas", [2, 3])
def test_scaled_to_nothing_and_back(stock: Stock, spoilt: None, drill: Drills, replicas: int) -> None:
    """All pods are stopped and come back, ten times.

    Guarantee: nothing is lost, whichever pod is back first.
    """
    release = stock.get(Kind(replicas=replicas))

    def act() -> None:
        acts.scale(release, 0)
        all_gone(release)
        acts.scale(release, replicas)

    assert ten_times(release, drill, act).lost == 0


@pytest.mark.faults
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("replicas", [2, 3])
def test_uninstalled_and_installed(stock: Stock, spoilt: None, drill: Drills, replicas: int) -> None:
    """The release is uninstalled and installed again on its claims, ten times.

    Guarantee: nothing is lost, whichever pod is back first.
    """
    release = stock.get(Kind(replicas=replicas))

    def act() -> None:
        release.uninstall()
        release.install(CHART, "--values", str(VALUES), "--set", f"replicas={replicas}")

    assert ten_times(release, drill, act).lost == 0


@pytest.mark.faults
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("replicas", [2, 3])
def test_pods_return_two_minutes_apart(stock: Stock, spoilt: None, drill: Drills, replicas: int) -> None:
    """All pods are stopped. The former primary's node accepts pods again only two minutes after the
    others.

    Guarantee: nothing is lost: the others either have its last WAL record or wait for it.
    """
    release = stock.get(Kind(replicas=replicas))
    with drill(release, same_node=False) as trial:
        node = trial.old.node
        acts.scale(release, 0)
        all_gone(release)
        with acts.cordoned(release, node):
            acts.scale(release, replicas)
            time.sleep(APART_SECONDS)
        trial.wait_writes()
    assert trial.result.lost == 0
