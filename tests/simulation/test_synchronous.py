"""Synchronous replication in simulation: no acknowledged commit is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hapg_failover.core.write_quorum import Policy

from . import faults
from .scenarios import primary_of, wait_until
from .scenarios_sync import PREFERRED, STRICT, joins_unrecorded, lost_after_a_restart, others, running, twice_lost, walked
from .seeds import seeds
from .world import World

SEEDS = seeds(4)


def acknowledges(world: World, seconds: float) -> bool:
    """Run for a while; return whether anything was acknowledged."""
    before = world.engine.now
    world.run(seconds)
    return any(c.at > before for c in world.commits)


def announced(world: World, reason: str) -> bool:
    return any(said == reason for _, said in world.announced)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("k", [1, 2])
def test_a_walk_through_all_faults_loses_nothing(k: int, seed: int) -> None:
    assert walked(k, seed).violations == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4, 24))
@pytest.mark.parametrize("k", [1, 2])
def test_long_walks_lose_nothing(k: int, seed: int) -> None:
    assert walked(k, seed).violations == []


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("scenario", [twice_lost, joins_unrecorded, lost_after_a_restart])
def test_no_sequence_of_faults_loses_anything(scenario: Callable[[int], World], seed: int) -> None:
    world = scenario(seed)
    assert world.violations == []
    world.settle(120.0)
    assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_lost_primary_is_replaced_when_all_that_may_have_acknowledged_are_there(seed: int) -> None:
    world = running(3, seed)
    old = primary_of(world)
    second, third = others(world, old)
    faults.power_off(world, third)
    faults.power_off(world, old)
    world.run(30.0)
    assert world.primary() is None
    assert announced(world, "NoEligibleCandidate")
    faults.power_on(world, third)
    wait_until(world, lambda: world.primary() in (second, third))
    world.settle(120.0)
    assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_dead_standby_leaves_the_set_so_that_the_other_is_enough(seed: int) -> None:
    world = running(3, seed)
    old = primary_of(world)
    second, third = others(world, old)
    faults.power_off(world, third)
    world.run(20.0)
    faults.power_off(world, old)
    wait_until(world, lambda: world.primary() == second)
    assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
def test_strict_writes_wait_for_a_standby(seed: int) -> None:
    world = running(3, seed)
    old = primary_of(world)
    for member in others(world, old):
        faults.power_off(world, member)
    world.run(10.0)
    assert not acknowledges(world, 60.0)
    assert announced(world, "WaitingForSyncStandbys")
    faults.power_on(world, others(world, old)[0])
    assert acknowledges(world, 20.0)
    world.settle(120.0)
    assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
def test_preferred_writes_go_on_and_wait_again_later(seed: int) -> None:
    world = running(3, seed, PREFERRED)
    old = primary_of(world)
    for member in others(world, old):
        faults.power_off(world, member)
    world.run(10.0)
    assert acknowledges(world, 5.0)
    assert announced(world, "Asynchronous")
    assert world.api.lease is not None
    assert world.api.lease.state.sync is None
    world.settle(120.0)
    assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
def test_the_mode_is_changed_while_it_runs(seed: int) -> None:
    world = World(3, seed)
    world.settle(60.0)
    world.policy = STRICT
    world.settle(60.0)
    faults.power_off(world, primary_of(world))
    world.run(20.0)
    assert world.violations == []
    world.policy = Policy()
    world.settle(120.0)
    world.run(10.0)
    assert world.api.lease is not None
    assert world.api.lease.state.sync is None
    assert acknowledges(world, 5.0)
    assert world.violations == []
