"""Upgrades for which Helm waits: one that succeeds, and one with an image that does not exist, which Helm rolls back. The tests depend
on each other, in order.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.fixtures import Cluster
from tests.robustness.release import Release
from tests.robustness.stock import installed

pytestmark = [pytest.mark.cluster, pytest.mark.thorough, pytest.mark.timeout(600)]

ROLL_BACK = [("helm3", "--atomic"), ("helm4", "--rollback-on-failure")]


@pytest.fixture(scope="module")
def release(cluster: Cluster) -> Iterator[Release]:
    """A release at full strength with a table; its primary is ordinal 0."""
    with installed("e2e-rolling") as release:
        release.client.sql("CREATE TABLE kept AS SELECT 1 AS number")
        yield release


def identities(release: Release) -> dict[str, str]:
    """The UIDs of the pods by their names."""
    return {pod.name: pod.uid for pod in release.pods()}


@pytest.mark.parametrize(("program", "option"), ROLL_BACK)
def test_rolling_to_a_broken_image_stops_at_the_first_replica_and_helm_rolls_back(release: Release, program: str, option: str) -> None:
    before = identities(release)
    upgrade = ("upgrade", release.name, str(release.chart), "--reuse-values", "--set", "failoverImage.tag=missing")
    failed = release.namespace.try_helm(*upgrade, option, "--timeout=60s", program=program)
    assert failed.code != 0
    release.wait_full_strength()
    after = identities(release)
    assert {name for name in before if after[name] != before[name]} == {"ha-postgres-2"}
    assert release.primary().name == "ha-postgres-0"
    assert release.client.sql("SELECT number FROM kept") == [["1"]]


def test_rolling_goes_on_after_it_and_helm_waits_until_all_pods_are_new_and_ready(release: Release) -> None:
    before, term = identities(release), release.lease()["term"]
    release.upgrade("--set-string", "podAnnotations.rolled=yes", "--wait", "--timeout=170s")
    assert release.serving()
    after = identities(release)
    assert {name for name in before if after[name] != before[name]} == set(before)
    release.wait_full_strength()
    assert release.client.sql("SELECT number FROM kept") == [["1"]]
    assert release.lease()["term"] == term + 1


def test_rolling_from_another_primary_takes_two_switchovers_at_most(release: Release) -> None:
    """It begins with the primary's pod, whose successor may have to go too."""
    if release.primary().name != "ha-postgres-2":
        release.hapg("switchover", "--to", "ha-postgres-2")
        release.wait_full_strength()
    term = release.lease()["term"]
    release.upgrade("--set-string", "podAnnotations.rolled=again", "--wait", "--timeout=170s")
    release.wait_full_strength()
    assert term < release.lease()["term"] <= term + 2
    assert release.client.sql("SELECT number FROM kept") == [["1"]]
