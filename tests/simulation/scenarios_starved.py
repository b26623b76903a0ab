"""Directed scenarios of an API that doesn't answer in time just after a claim, before the other members are back."""

from __future__ import annotations

from . import faults
from .network import SOUND_LATENCY_S
from .scenarios import primary_of, promoting, running
from .world import World

AWAY_S = 25.0
SLOW_START_S = 12.0
SLOW_WAY_S = 0.8
SLOW_S = 20.0
"""An API that stays so slow costs a lease sooner or later: several renewals in a row are late."""


def _claim_is_seen(world: World) -> bool:
    lease = world.api.lease
    views = [agent.view for agent in world.agent]
    return lease is not None and all(view is not None and view.version == lease.version for view in views)


def away_after_a_claim(seed: int) -> World:
    """The primary's server dies and takes long to start; the API goes down once all members have seen another's claim."""
    world = running(3, seed)
    old = primary_of(world)
    world.recovery_s[old] = SLOW_START_S
    faults.postmaster_kill(world, old)
    promoting(world)
    while not _claim_is_seen(world):
        world.run(0.005)
    faults.api_outage(world, AWAY_S)
    world.run(AWAY_S + 20.0)
    return world


def reported_and_left_behind(seed: int) -> World:
    """A replica's agent restarts and reports; the API goes down before the next renewal, and only the other replica receives what is
    written meanwhile.

    When the API comes back, the primary's node is lost.
    """
    world = running(3, seed)
    old = primary_of(world)
    behind, other = (old + 1) % 3, (old + 2) % 3
    before = world.api.reported_at.get(world.pod_name(behind))
    for _ in range(20):
        faults.agent_crash(world, behind)
        while world.api.reported_at.get(world.pod_name(behind)) == before and world.primary() == old:
            world.run(0.005)
        pod, lease = world.api.pods[world.pod_name(behind)], world.api.lease
        if pod.report is not None and lease is not None and pod.report.lease_version == lease.version:
            break
        before = world.api.reported_at.get(world.pod_name(behind))
    faults.api_outage(world, AWAY_S)
    world.run(AWAY_S - world.uniform(0.0, 0.5))
    world.note(other, "has all that was written")
    faults.power_off(world, old)
    world.run(30.0)
    return world


def slow_after_a_claim(seed: int, way_s: float = SLOW_WAY_S) -> World:
    """The primary's node is lost, and the API is slow from the claim on.

    way_s: average seconds each way, so that many answers arrive after the call's timeout.
    """
    world = running(3, seed)
    faults.power_off(world, primary_of(world))
    promoting(world)
    faults.lossy_api(world, 0.0, way_s)
    world.network.peer_latency = SOUND_LATENCY_S
    world.run(SLOW_S)
    return world
