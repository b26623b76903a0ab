"""How long the deciding thread may wait when nothing is reported."""

from __future__ import annotations

from .memory import Memory, Phase
from .primary import renewal_due
from .timing import Timing

TURN_S = 0.25
STEADY_TURN_S = 1.0
HAND_OVER_TURN_S = 0.02


def longest_wait(m: Memory, timing: Timing, now: float) -> float:
    """Return seconds, more than 0. A primary has nothing to do before its next renewal is due, and what happens is reported."""
    if m.handover is not None:
        return HAND_OVER_TURN_S
    steady_for = renewal_due(m, timing) - now
    return min(STEADY_TURN_S, steady_for) if m.phase is Phase.PRIMARY and steady_for > 0 else TURN_S
