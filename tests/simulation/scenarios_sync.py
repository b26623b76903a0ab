"""Directed scenarios of synchronous replication."""

from __future__ import annotations

from hapg_failover.core.write_quorum import Policy

from . import faults
from .scenarios import primary_of, wait_until
from .walk import walk
from .world import World

STRICT, PREFERRED = Policy(1), Policy(1, strict=False)


def running(replicas: int, seed: int, policy: Policy = STRICT) -> World:
    """A healthy release in which every replica may acknowledge."""
    world = World(replicas, seed, policy=policy)
    world.settle(60.0)
    world.run(3.0)
    return world


def others(world: World, member: int) -> list[int]:
    """Return all other members."""
    return [m for m in range(world.replicas) if m != member]


def walked(k: int, seed: int) -> World:
    """A walk through all faults, with k synchronous standbys."""
    return walk(seed, 40, policy=Policy(k))


def twice_lost(seed: int) -> World:
    """The primary is lost, then its successor, while the third has not yet received what the second has acknowledged."""
    world = running(3, seed)
    old = primary_of(world)
    second, third = others(world, old)
    faults.stall_stream(world, third, 1.0)
    world.run(5.0)
    faults.power_off(world, old)
    wait_until(world, lambda: world.primary() == second)
    world.run(6.0)
    faults.power_off(world, second)
    world.run(30.0)
    return world


def joins_unrecorded(seed: int) -> World:
    """A replica comes back but can't be recorded in the Lease, and the other one receives nothing; then the primary is lost."""
    world = running(3, seed)
    old = primary_of(world)
    stays, comes = others(world, old)
    faults.power_off(world, comes)
    world.run(45.0)
    faults.stall_stream(world, stays, 1.0)
    faults.power_on(world, comes)
    wait_until(world, lambda: world.server[comes].upstream is not None)
    world.network.put_refused[old] = True
    world.run(2.5)
    faults.power_off(world, old)
    world.run(20.0)
    return world


def lost_after_a_restart(seed: int) -> World:
    """The primary's server is restarted in place as the only member that may claim, and is lost right after that."""
    world = running(3, seed)
    old = primary_of(world)
    world.unreplicated_wal_lost = True
    second, third = others(world, old)
    faults.power_off(world, third)
    faults.stall_stream(world, second, 1.0)
    world.run(0.5)  # now it lacks something
    faults.postmaster_kill(world, old)
    wait_until(world, lambda: world.server[old].writable)
    world.run(1.5)
    faults.power_off(world, old)
    faults.power_on(world, third)
    world.run(30.0)
    return world


def walked_with_one(seed: int) -> World:
    """A walk through all faults, with one synchronous standby."""
    return walked(1, seed)
