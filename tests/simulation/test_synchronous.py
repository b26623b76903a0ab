"""Synchronous sets among simulated members: nothing acknowledged is lost, and a rule that is left out is found."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hapg_failover.core.syncset import Policy

from . import mutants_sync as mutants
from .scenarios import primary_of
from .walk import walk
from .world import World

STRICT, PREFERRED = Policy(1), Policy(1, strict=False)
SEEDS = range(4)


def running(replicas: int, seed: int, policy: Policy = STRICT) -> World:
    """A release in which all is well and every replica may acknowledge."""
    world = World(replicas, seed, policy=policy)
    world.settle(60.0)
    world.run(3.0)
    return world


def others(world: World, member: int) -> list[int]:
    return [m for m in range(world.replicas) if m != member]


def acknowledges(world: World, seconds: float) -> bool:
    """Let time pass; tell whether anything was acknowledged."""
    before = world.engine.now
    world.run(seconds)
    return any(c.at > before for c in world.commits)


def announced(world: World, reason: str) -> bool:
    return any(said == reason for _, said in world.announced)


def wait_until(world: World, condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = world.engine.now + seconds
    while not condition():
        assert world.engine.now < end, world.log[-30:]
        world.run(0.05)


def walked(k: int, seed: int) -> World:
    return walk(seed, 40, policy=Policy(k))


def twice_lost(seed: int) -> World:
    """The primary is lost, then its successor, while the third has not yet received what the second has acknowledged."""
    world = running(3, seed)
    old = primary_of(world)
    second, third = others(world, old)
    world.stall_stream(third, 1.0)
    world.run(5.0)
    world.power_off(old)
    wait_until(world, lambda: world.primary() == second)
    world.run(6.0)
    world.power_off(second)
    world.run(30.0)
    return world


def joins_unrecorded(seed: int) -> World:
    """A replica comes back, its joining can't be recorded, the other one receives nothing; then the primary is lost."""
    world = running(3, seed)
    old = primary_of(world)
    stays, comes = others(world, old)
    world.power_off(comes)
    world.run(45.0)
    world.stall_stream(stays, 1.0)
    world.power_on(comes)
    wait_until(world, lambda: world.server[comes].upstream is not None)
    world.put_refused[old] = True
    world.run(2.5)
    world.power_off(old)
    world.run(20.0)
    return world


def lost_after_a_restart(seed: int) -> World:
    """The primary's server is started again in place, as the only one that may claim, and is lost right after that."""
    world = running(3, seed)
    old = primary_of(world)
    second, third = others(world, old)
    world.power_off(third)
    world.stall_stream(second, 1.0)
    world.postmaster_kill(old)
    wait_until(world, lambda: world.server[old].writable)
    world.run(1.5)
    world.power_off(old)
    world.power_on(third)
    world.run(30.0)
    return world


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
    world.power_off(third)
    world.power_off(old)
    world.run(30.0)
    assert world.primary() is None
    assert announced(world, "NobodyMayClaim")
    world.power_on(third)
    wait_until(world, lambda: world.primary() in (second, third))
    world.settle(120.0)
    assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_dead_standby_leaves_the_set_so_that_the_other_is_enough(seed: int) -> None:
    world = running(3, seed)
    old = primary_of(world)
    second, third = others(world, old)
    world.power_off(third)
    world.run(20.0)
    world.power_off(old)
    wait_until(world, lambda: world.primary() == second)
    assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
def test_strict_writes_wait_for_a_standby(seed: int) -> None:
    world = running(3, seed)
    old = primary_of(world)
    for member in others(world, old):
        world.power_off(member)
    world.run(10.0)
    assert not acknowledges(world, 60.0)
    assert announced(world, "WritesWait")
    world.power_on(others(world, old)[0])
    assert acknowledges(world, 20.0)
    world.settle(120.0)
    assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
def test_preferred_writes_go_on_and_wait_again_later(seed: int) -> None:
    world = running(3, seed, PREFERRED)
    old = primary_of(world)
    for member in others(world, old):
        world.power_off(member)
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
    world.power_off(primary_of(world))
    world.run(20.0)
    assert world.violations == []
    world.policy = Policy()
    world.settle(120.0)
    world.run(10.0)
    assert world.api.lease is not None
    assert world.api.lease.state.sync is None
    assert acknowledges(world, 5.0)
    assert world.violations == []


LOSES: list[tuple[Callable[[pytest.MonkeyPatch], None], Callable[[int], World]]] = [
    (mutants.nobody_counts, lambda seed: walked(1, seed)),
    (mutants.one_is_enough, lambda seed: walked(1, seed)),
    (mutants.behind, lambda seed: walked(1, seed)),
    (mutants.record_in_claim, lambda seed: walked(1, seed)),
    (mutants.no_barrier, twice_lost),
    (mutants.setting_before_record, joins_unrecorded),
    (mutants.no_guard, lost_after_a_restart),
]


@pytest.mark.parametrize(("leave_out", "scenario"), LOSES, ids=[rule[0].__name__ for rule in LOSES])
def test_leaving_the_rule_out_is_found(
    leave_out: Callable[[pytest.MonkeyPatch], None], scenario: Callable[[int], World], monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_out(monkeypatch)
    assert any("acknowledged commits" in violation for seed in range(25) for violation in scenario(seed).violations), leave_out.__doc__
