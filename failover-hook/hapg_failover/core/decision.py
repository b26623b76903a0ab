"""What a decision comes to."""

from __future__ import annotations

from dataclasses import dataclass, field

from .actions import Action
from .memory import Memory


@dataclass(frozen=True)
class Decision:
    """What to do, in this order, why, and what to remember."""

    memory: Memory
    reason: str
    actions: tuple[Action, ...] = field(default=())
