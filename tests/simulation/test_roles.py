"""Declared roles in a release that fails over: the primary makes them true, after each failover too, and a standby never does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hapg_failover.declaration_keeper import CHECK_S
from hapg_failover.declared.desired import Role
from hapg_failover.declared.statements import CreateRole

from . import faults
from .objects import roles_of
from .scenarios import primary_of, running
from .seeds import seeds
from .world import World

SEEDS = seeds(4)


def declared(seed: int) -> World:
    """A release whose role has been made."""
    world = running(3, seed)
    world.declare(Role("app", connection_limit=1))
    world.settle(60.0)
    world.run(10.0)
    return world


def limits(world: World) -> list[int | None]:
    """The role's limit on each server, None where there is no role."""
    found = [roles_of(server).get("app") for server in world.server]
    return [role.connection_limit if role is not None else None for role in found]


def created(world: World) -> int:
    return sum(isinstance(statement, CreateRole) for changed in world.changed for statement in changed.statements)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_primary_makes_it_true_once_and_standbys_get_it_from_there(seed: int) -> None:
    world = declared(seed)
    assert limits(world) == [1, 1, 1]
    changes = len(world.changed)
    world.run(CHECK_S + 20.0)
    assert len(world.changed) == changes, "nothing is left to do"
    assert {changed.member for changed in world.changed} == {primary_of(world)}
    assert world.announced.count((primary_of(world), "DatabaseObjectsApplied")) == 1
    assert world.violations == []


def power_off(world: World, primary: int) -> None:
    faults.power_off(world, primary)


def delete(world: World, primary: int) -> None:
    faults.pod_delete(world, primary)


def crash_agent(world: World, primary: int) -> None:
    faults.agent_crash(world, primary)


def kill(world: World, primary: int) -> None:
    faults.container_kill(world, primary)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("fault", [power_off, delete, kill, crash_agent])
def test_a_change_is_made_true_after_a_failover_too_and_never_on_a_standby(fault: Callable[[World, int], None], seed: int) -> None:
    """The declaration changes at the moment of the fault; what of it is lost with the last primary, the next one makes again."""
    world = declared(seed)
    old = primary_of(world)
    world.declare(Role("app", connection_limit=2))
    world.run(world.uniform(0.0, 2.0))
    fault(world, old)
    world.run(60.0)
    new = primary_of(world)
    assert limits(world)[new] == 2
    assert created(world) == 1
    world.declare(Role("app", connection_limit=3))
    world.run(5.0)
    assert limits(world)[new] == 3
    assert world.changed[-1].member == new
    assert [violation for violation in world.violations if "standby" in violation] == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_server_that_hangs_in_it_delays_no_renewal(seed: int) -> None:
    """The thread waits for SQL; the one that decides does not."""
    world = declared(seed)
    primary, promotions = primary_of(world), len(world.promotions)
    world.declare(Role("app", connection_limit=2))
    faults.hang_sql(world, primary, 4.0)
    world.run(60.0)
    assert len(world.promotions) == promotions
    assert limits(world)[primary] == 2
    assert world.violations == []
