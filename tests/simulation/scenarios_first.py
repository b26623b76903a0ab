"""Directed scenarios of a release whose first server is restored from a backup, with faults at points during the restore."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from . import faults
from .points import Interruption, Points
from .scenarios import wait_until
from .world import World

if TYPE_CHECKING:
    from .agent import Agent

Fault = Callable[[World], None]
WINDOW_S = 30.0
LONGEST_RESTORE_S = 12.0
AWAY_S = 20.0


def _off_for_a_while(world: World) -> None:
    faults.power_off(world, 0)
    world.engine.after(AWAY_S, lambda: faults.power_on(world, 0))


def _fails_for_a_while(world: World) -> None:
    def end() -> None:
        world.op_failure = 0.0

    world.op_failure = 1.0
    world.engine.after(AWAY_S, end)


def _others_are_deleted(world: World) -> None:
    for member in (1, 2):
        faults.pod_delete(world, member)


FAULTS: dict[str, Fault] = {
    "the agent crashes": lambda w: faults.agent_crash(w, 0),
    "the agent freezes": lambda w: faults.freeze_agent(w, 0, 15.0),
    "the container is killed": lambda w: faults.container_kill(w, 0),
    "the pod freezes": lambda w: faults.freeze_pod(w, 0, 15.0),
    "the pod is deleted": lambda w: faults.pod_delete(w, 0),
    "the pod is deleted by force": lambda w: faults.pod_replace(w, 0),
    "the node is off for a while": _off_for_a_while,
    "everything is off": lambda w: faults.all_off(w, 2.0),
    "the volume is lost": lambda w: faults.lose_volume(w, 0),
    "the restore fails for a while": _fails_for_a_while,
    "the pod is cut off": lambda w: faults.cut_node(w, 0, AWAY_S),
    "the API is away": lambda w: faults.api_outage(w, AWAY_S),
    "the others are deleted": _others_are_deleted,
}


def empty(seed: int) -> World:
    """Three pods with empty volumes, of which the first is to be restored."""
    return World(3, seed, fresh=True, restores=True)


def restoring(seed: int) -> World:
    """The same while the restore runs."""
    world = empty(seed)
    wait_until(world, lambda: world.invariants.creations > 0)
    return world


def disturbed(fault: Fault, seed: int) -> World:
    """A fault at some moment of the restore."""
    world = restoring(seed)
    world.run(world.uniform(0.0, LONGEST_RESTORE_S / 2))
    fault(world)
    world.run(WINDOW_S)
    world.settle(120.0)
    return world


def restored(seed: int) -> World:
    """A restore without any fault."""
    return interrupted(seed, None)


def interrupted(seed: int, interruption: Interruption | None) -> World:
    """A restore, from the pods' start on, with one interruption."""
    world = empty(seed)
    world.points.begin(interruption)
    world.run(WINDOW_S)
    counted = world.points.counted
    world.settle(120.0)
    world.points.counted = counted
    return world


class BeforeTheMarker(Points):
    """A fault at the first point where the first server's directory is in place and has no marker."""

    def __init__(self, world: World, fault: Fault) -> None:
        super().__init__(world)
        self.fault: Fault | None = fault

    def reach(self, agent: Agent, what: str) -> None:
        """An agent has reached a point."""
        fault = self.fault
        if fault is not None and self.world.volumes[0].unmarked:
            self.fault = None
            fault(self.world)


def unmarked(fault: Fault, seed: int) -> World:
    """A fault between the directory's renaming and its marker."""
    world = empty(seed)
    world.points = points = BeforeTheMarker(world, fault)
    world.run(WINDOW_S)
    assert points.fault is None
    world.settle(120.0)
    return world


def unmarked_by_a_crash(seed: int) -> World:
    """The agent crashes at that moment."""
    return unmarked(FAULTS["the agent crashes"], seed)


def fails_over_at_once(seed: int) -> World:
    """The restored server's node is lost soon after it could write."""
    world = restoring(seed)
    world.settle(120.0)
    faults.power_off(world, 0)
    world.run(WINDOW_S)
    return world
