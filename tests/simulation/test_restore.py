"""An etcd restored from a snapshot: nobody writes under an old term, and the release continues."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from . import faults, scenarios_restore
from .seeds import seeds
from .world import World

SEEDS = seeds(4)
Scenario = Callable[[int], World]


def goes_on(world: World) -> None:
    """The Lease can still be renewed and a lost replica or primary replaced: nothing is stuck on the old state."""
    world.settle()
    primary = world.primary()
    assert primary is not None
    faults.power_off(world, primary)
    world.run(20.0)
    assert world.primary() not in (None, primary)
    world.settle()
    assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "scenario",
    [
        scenarios_restore.same_term,
        scenarios_restore.bumped,
        scenarios_restore.earlier_term,
        scenarios_restore.released_term,
        scenarios_restore.agents_start_anew,
    ],
)
def test_the_primary_writes_the_lease_anew_and_goes_on(scenario: Scenario, seed: int) -> None:
    world = scenario(seed)
    member, term = world.promotions[-1][1:]
    assert world.primary() == member
    lease = world.api.lease
    assert lease is not None
    assert (lease.state.holder.uid, lease.state.term) == (world.uids[member], term + 1)
    assert (member, "LeaseRolledBack") in world.announced
    assert not world.agent[member].memory.extensions.by_extensions
    goes_on(world)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("scenario", [scenarios_restore.primary_is_cut, scenarios_restore.primary_is_cut_from_new_agents])
def test_a_primary_that_does_not_reach_the_restored_api_is_fenced_before_anybody_writes(scenario: Scenario, seed: int) -> None:
    world = scenario(seed)
    assert world.violations == []
    goes_on(world)


@pytest.mark.parametrize("seed", SEEDS)
def test_without_a_primary_the_lease_is_made_anew_by_those_who_know_that_it_is_over(seed: int) -> None:
    world = scenarios_restore.without_the_primary(seed)
    lost, primary = world.promotions[-2][1], world.primary()
    assert primary not in (None, lost)
    assert world.lost[-1] == [] or world.lost[-1][-1].at - world.lost[-1][0].at < 1.0
    lease = world.api.lease
    assert lease is not None
    assert lease.state.term > world.promotions[-2][2]
    goes_on(world)
