"""Each failover, interrupted at every point in turn: the acting agent crashes there, or freezes, alone or with its container.

A point is an adapter call that any member is about to make. The invariants hold throughout, and in the end the release is healthy.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from . import faults
from .points import Interruption
from .scenarios import primary_of, running
from .world import World

pytestmark = pytest.mark.slow

Fault = Callable[[World], None]
NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
WINDOW_S = 12.0
AFTERWARDS_S = 12.0


FAILOVERS: dict[str, Fault] = {
    "the pod is deleted": lambda w: faults.pod_delete(w, primary_of(w)),
    "the pod is deleted by force": lambda w: faults.pod_replace(w, primary_of(w)),
    "an operator switches over": lambda w: faults.switchover(w, primary_of(w), (primary_of(w) + 1) % 3),
    "the postmaster is killed": lambda w: faults.postmaster_kill(w, primary_of(w)),
    "the container is killed": lambda w: faults.container_kill(w, primary_of(w)),
    "the node is off": lambda w: faults.power_off(w, primary_of(w)),
    "the primary is cut off": lambda w: faults.cut_node(w, primary_of(w), 30.0),
    "the disk hangs": lambda w: faults.hang_disk(w, primary_of(w), 30.0),
    "the pod freezes": lambda w: faults.freeze_pod(w, primary_of(w), 15.0),
    "the API is away": lambda w: faults.api_outage(w, 8.0),
    "everything is off": lambda w: faults.all_off(w, 2.0),
}
HOW: dict[str, Callable[[int], Interruption]] = {
    "a crash": lambda point: Interruption(point),
    "a short freeze": lambda point: Interruption(point, 1.0),
    "a freeze beyond the TTL": lambda point: Interruption(point, 9.0),
    "a freeze of the pod": lambda point: Interruption(point, 9.0, whole=True),
}


def play(fault: Fault, seed: int, interruption: Interruption | None) -> World:
    """Run a failover with one interruption; it ends healthy or with a violation. Only points of the first seconds count."""
    world = running(3, seed)
    world.points.begin(interruption)
    fault(world)
    world.run(WINDOW_S)
    counted = world.points.counted
    world.run(AFTERWARDS_S)
    world.settle()
    world.points.counted = counted
    return world


def interrupted(fault: Fault, how: str, seed: int, every: int) -> list[str]:
    """Interrupt at every n-th point (`every`); return the violations, with their points."""
    whole = play(fault, seed, None)
    assert whole.violations == []
    assert whole.points.counted > 10
    return [
        f"point {point}: {violation}"
        for point in range(1 + seed % every, whole.points.counted + 1, every)
        for violation in play(fault, seed, HOW[how](point)).violations
    ]


@pytest.mark.parametrize("fault", FAILOVERS.values(), ids=FAILOVERS.keys())
def test_an_interrupted_failover_ends_well(fault: Fault) -> None:
    assert [v for seed, how in enumerate(HOW) for v in interrupted(fault, how, seed, 60)] == []


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("fault", FAILOVERS.values(), ids=FAILOVERS.keys())
def test_a_failover_interrupted_at_many_points_ends_well(fault: Fault, how: str) -> None:
    """Crashes at every third point, freezes at every twelfth; with HYPOTHESIS_PROFILE=nightly at every point."""
    assert interrupted(fault, how, 0, 1 if NIGHTLY else 3 if how == "a crash" else 12) == []
