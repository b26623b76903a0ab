"""Two majors as dependencies of another chart: installed, one left out later and taken back, with its data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chart import umbrella
from tests.cluster import chosen
from tests.cluster.fixtures import Cluster
from tests.robustness import programs
from tests.robustness.release import Release

pytestmark = [pytest.mark.cluster, pytest.mark.thorough, pytest.mark.timeout(600)]

ALIASES = {"orders": "15", "ledger": "9.6"}
ROW = "CREATE TABLE kept AS SELECT 1 AS number"
STOP_SECONDS = 180.0


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    values = {
        "global": {"imageRegistry": "localhost" if chosen.image_options() else ""},
        "orders": {"replicas": 2},
        "ledger": {"replicas": 1},
    }
    return umbrella.build(tmp_path_factory.mktemp("umbrella"), ALIASES, values)


@pytest.fixture(scope="module")
def releases(cluster: Cluster, app: Path) -> Iterator[tuple[Release, Release]]:
    """The two releases of one Helm release, each with a table."""
    chosen.load_majors(["9.6"])
    with programs.namespace("e2e-subchart") as namespace:
        namespace.helm("install", "shop", str(app))
        orders, ledger = Release(namespace, "shop-orders", replicas=2), Release(namespace, "shop-ledger", replicas=1)
        for release in (orders, ledger):
            release.wait_serving()
            release.run_inside(release.primary(), ROW)
        yield orders, ledger


def test_each_subchart_is_a_release_of_its_own_major(releases: tuple[Release, Release]) -> None:
    for release, major in zip(releases, ALIASES.values(), strict=True):
        assert release.ask_inside("SHOW server_version").startswith(f"{major}.")
        assert release.namespace.get("lease", release.name)["spec"]["holderIdentity"].startswith(f"{release.name}-0")


def test_helm_test_passes_for_all_subcharts(releases: tuple[Release, Release]) -> None:
    assert releases[0].namespace.helm("test", "shop").count("Succeeded") == len(ALIASES)


def test_a_subchart_that_is_left_out_and_taken_back_has_its_data(releases: tuple[Release, Release], app: Path) -> None:
    orders, ledger = releases
    untouched = {pod.uid for pod in ledger.pods()}
    orders.namespace.helm("upgrade", "shop", str(app), "--set", "orders.enabled=false")
    orders.wait("the pods are gone", lambda: not orders.pods(), STOP_SECONDS)
    assert {pod.uid for pod in ledger.pods()} == untouched
    orders.namespace.helm("upgrade", "shop", str(app), "--set", "orders.enabled=true")  # without any value Helm keeps the last ones
    orders.wait_serving()
    assert orders.ask_inside("SELECT number FROM kept") == "1"
