"""An API that doesn't answer in time just after a claim: one fault causes only one failover."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from . import scenarios_starved
from .seeds import seeds
from .signs import a_fault_cost_two_failovers, loses_more_than_the_wire_holds
from .world import World

Scenario = Callable[[int], World]
SEEDS = seeds(8)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("scenario", [scenarios_starved.away_after_a_claim, scenarios_starved.slow_after_a_claim])
def test_the_new_primary_stays(scenario: Scenario, seed: int) -> None:
    world = scenario(seed)
    assert not a_fault_cost_two_failovers(world)
    world.settle()
    assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
def test_who_was_sealed_meanwhile_does_not_take_over_from_those_that_followed(seed: int) -> None:
    world = scenarios_starved.reported_and_left_behind(seed)
    assert len(world.promotions) == 2
    assert not loses_more_than_the_wire_holds(world)
    world.settle()
    assert world.violations == []
