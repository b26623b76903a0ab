"""Directed scenarios of an etcd restored from a snapshot: versions, the Lease and the pods' annotations go back."""

from __future__ import annotations

from hapg_protocol.model import LeaseObject, Pod

from . import faults
from .api import Snapshot
from .scenarios import primary_of, running
from .world import World

AWAY_S = 3.0
SHORTER_S = 2.0
"""So short that a primary whose last renewal was just before still has time left, though no agent that starts can extend its lease."""
MOMENT_S = 0.3


def same_term(seed: int, bump: int = 0) -> World:
    """The snapshot is from earlier in the current term."""
    world = running(3, seed)
    snapshot = world.api.snapshot()
    world.run(30.0)
    world.log.clear()
    faults.restore_etcd(world, snapshot, AWAY_S, bump)
    world.run(30.0)
    return world


def bumped(seed: int) -> World:
    """Like `same_term`, and the restore has raised all versions, as etcd's documentation advises."""
    return same_term(seed, 100_000)


def _later_term(seed: int) -> tuple[World, Snapshot]:
    """A release whose primary was lost after a snapshot, and is a replica again; the snapshot."""
    world = running(3, seed)
    snapshot = world.api.snapshot()
    faults.power_off(world, primary_of(world))
    world.run(15.0)
    world.settle(60.0)
    world.run(10.0)
    return world, snapshot


def _released(seed: int) -> tuple[World, Snapshot]:
    """A release whose primary has switched over; a snapshot of the end of the former term, when the Lease was released and not yet
    claimed.

    Sometimes the successor claims before the snapshot: then the Lease lists it alone.
    """
    world = running(3, seed)
    term = world.promotions[-1][2]
    taken = [world.api.snapshot()]

    def watch(lease: LeaseObject | None, pod: Pod | None, deleted: bool) -> None:
        if lease is not None and lease.state.term == term:
            taken.append(world.api.snapshot())

    world.api.watchers.append(watch)
    faults.switchover(world, primary_of(world))
    world.run(15.0)
    world.api.watchers.remove(watch)
    world.settle(60.0)
    world.run(10.0)
    return world, taken[-1]


def earlier_term(seed: int) -> World:
    """The snapshot is from the previous term, which had another leader."""
    world, snapshot = _later_term(seed)
    faults.restore_etcd(world, snapshot, AWAY_S)
    world.run(30.0)
    return world


def released_term(seed: int) -> World:
    """The snapshot shows a Lease that the previous leader released, with proof of its shutdown."""
    world, snapshot = _released(seed)
    faults.restore_etcd(world, snapshot, AWAY_S)
    world.run(30.0)
    return world


def primary_is_cut(seed: int) -> World:
    """Like `released_term`, within a moment; for a while the primary reaches its peers but not the restored API."""
    world, snapshot = _released(seed)
    faults.cut_api(world, primary_of(world), 14.0)
    faults.restore_etcd(world, snapshot, MOMENT_S)
    world.run(40.0)
    return world


def agents_start_anew(seed: int) -> World:
    """Like `earlier_term`, and meanwhile the replicas' agents are restarted: only their volumes hold what they know."""
    world, snapshot = _later_term(seed)
    faults.restore_etcd(world, snapshot, SHORTER_S)
    _crash_replicas(world)
    world.run(40.0)
    return world


def primary_is_cut_from_new_agents(seed: int) -> World:
    """Like `primary_is_cut`, and the replicas' agents are restarted."""
    world, snapshot = _released(seed)
    faults.cut_api(world, primary_of(world), 14.0)
    faults.restore_etcd(world, snapshot, MOMENT_S)
    _crash_replicas(world)
    world.run(40.0)
    return world


def _crash_replicas(world: World) -> None:
    for member in {0, 1, 2} - {primary_of(world)}:
        faults.agent_crash(world, member)


def without_the_primary(seed: int) -> World:
    """Like `earlier_term`, and the primary's node is lost during the API outage."""
    world = running(3, seed)
    snapshot = world.api.snapshot()
    faults.pod_delete(world, primary_of(world))
    world.run(15.0)
    world.settle(60.0)
    world.run(10.0)
    faults.power_off(world, primary_of(world))
    faults.restore_etcd(world, snapshot, AWAY_S)
    world.run(100.0)
    return world
