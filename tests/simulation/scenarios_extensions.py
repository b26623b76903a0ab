"""Directed scenarios of API outages, and of the lease extensions that let the primary continue."""

from __future__ import annotations

from . import faults
from .engine import Clock
from .scenarios import primary_of, running
from .world import World

OUTAGE_S = 60.0


def slowest_primary(world: World) -> int:
    """Give the primary the slowest clock and all others the fastest; return the primary."""
    old = primary_of(world)
    for member in range(world.replicas):
        world.clocks[member] = Clock(world.engine, 1.0 if member == old else 1.05, world.clock(member).now)
    world.run(world.uniform(5.0, 8.0))
    return old


def long_outage(seed: int) -> World:
    """The API is down for a minute, and the members reach each other."""
    world = running(3, seed)
    slowest_primary(world)
    world.log.clear()
    faults.api_outage(world, OUTAGE_S)
    world.run(OUTAGE_S + 20.0)
    return world


def outage_and_a_replica_cut(seed: int) -> World:
    """The API is down, and one replica doesn't reach the others, so it can't extend the Lease."""
    world = running(3, seed)
    old = slowest_primary(world)
    faults.api_outage(world, 30.0)
    faults.cut_peers(world, (old + 1) % 3, 30.0)
    world.run(8.0)
    return world


def only_the_primary_cut(seed: int) -> World:
    """The primary alone loses the API for good; the others reach it and the API."""
    world = running(3, seed)
    old = slowest_primary(world)
    faults.cut_api(world, old, 40.0)
    world.run(25.0)
    return world


def one_replica_sees_the_api(seed: int) -> World:
    """The primary and one replica lose the API; the other replica still reads the Lease, and at the end it alone may claim."""
    world = running(3, seed)
    old = slowest_primary(world)
    faults.cut_api(world, old, 40.0)
    faults.cut_api(world, (old + 1) % 3, 40.0)
    world.run(25.0)
    return world


def flapping(seed: int) -> World:
    """The API comes and goes; meanwhile agents of replicas crash and forget their promises."""
    world = running(3, seed)
    old = slowest_primary(world)
    for _ in range(8):
        faults.api_outage(world, world.uniform(3.0, 9.0))
        world.run(world.uniform(2.0, 5.0))
        if world.chance(0.5):
            faults.agent_crash(world, (old + world.randint(1, 2)) % 3)
        world.run(world.uniform(2.0, 8.0))
    return world


def blind_for_a_moment(seed: int) -> World:
    """The primary is isolated. The replicas see no Lease while it grows overdue, extend it, and see it again just in time to claim."""
    world = running(3, seed)
    old = slowest_primary(world)
    version = world.api.lease.version if world.api.lease is not None else ""
    while world.api.lease is not None and world.api.lease.version == version:
        world.run(0.01)
    faults.cut_api(world, old, 40.0)
    world.run(world.uniform(2.7, 3.1))
    for member in range(3):
        if member != old:
            faults.cut_api(world, member, world.uniform(2.1, 2.4))
    world.run(25.0)
    return world


def granted_and_back(seed: int) -> World:
    """A replica extends the Lease during an API outage, then reaches the API again while the primary does not."""
    world = running(3, seed)
    old = slowest_primary(world)
    for member in range(3):
        faults.cut_api(world, member, 60.0 if member == old else world.uniform(6.0, 12.0))
    world.run(30.0)
    return world
