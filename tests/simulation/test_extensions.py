"""Lease extensions (rule 8): during an API outage nothing changes as long as all pods reach each other; without one of them, nobody
writes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from . import scenarios_extensions
from .seeds import seeds
from .world import World

Scenario = Callable[[int], World]
SEEDS = seeds(6)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_primary_writes_through_an_outage_of_the_api(seed: int) -> None:
    world = scenarios_extensions.long_outage(seed)
    assert world.violations == []
    assert len(world.promotions) == 1
    assert [line for line in world.log if "fenced" in line or ": seal" in line] == []
    assert any(reason == "LeaseExtendedByPeers" for _, reason in world.announced)
    assert world.settle(20.0) < 20.0


@pytest.mark.parametrize("seed", SEEDS)
def test_without_the_extension_of_one_replica_the_primary_is_fenced(seed: int) -> None:
    world = scenarios_extensions.outage_and_a_replica_cut(seed)
    assert world.primary() is None
    world.settle()
    assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("scenario", [scenarios_extensions.only_the_primary_cut, scenarios_extensions.granted_and_back])
def test_a_primary_that_alone_is_cut_off_is_replaced(scenario: Scenario, seed: int) -> None:
    world = scenario(seed)
    assert len(world.promotions) == 2
    world.settle()
    assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "scenario", [scenarios_extensions.one_replica_sees_the_api, scenarios_extensions.flapping, scenarios_extensions.blind_for_a_moment]
)
def test_two_never_write(scenario: Scenario, seed: int) -> None:
    world = scenario(seed)
    world.settle()
    assert world.violations == []
