"""The points at which an agent may be interrupted: before each adapter call that has an effect outside its memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import faults

if TYPE_CHECKING:
    from .agent import Agent
    from .world import World


@dataclass(frozen=True)
class Interruption:
    """At the point with this number, counted from the start of the fault, the agent crashes (seconds None) or freezes for this long.

    whole: the postgres container freezes too.
    """

    point: int
    seconds: float | None = None
    whole: bool = False


class Points:
    """Counts the points; the interruption, if any, happens at one of them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.counted = 0
        self.interruption: Interruption | None = None

    def begin(self, interruption: Interruption | None) -> None:
        """Start counting."""
        self.counted = 0
        self.interruption = interruption

    def reach(self, agent: Agent, what: str) -> None:
        """An agent has reached a point."""
        self.counted += 1
        wanted = self.interruption
        if wanted is None or wanted.point != self.counted:
            return
        self.interruption = None
        self.world.note(agent.member, f"INTERRUPTED before {what}")
        if wanted.seconds is None:
            faults.agent_crash(self.world, agent.member)
            return
        faults.freeze_agent(self.world, agent.member, wanted.seconds)
        if wanted.whole:
            faults.freeze_container(self.world, agent.member, wanted.seconds)
