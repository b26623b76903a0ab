"""How often each fault is done, when the time for all of them is bounded."""

from __future__ import annotations

from collections.abc import Sequence

LEAST = 3
"""So often a fault is done, whatever time that takes."""


def share_s(left_s: float, weights: Sequence[float]) -> float:
    """How many of the seconds that are left the first fault may use; what it leaves over goes to those after it.

    weights: of all faults that are still to be done, this one first: how long one time of it takes, compared with the others.
    """
    return left_s * weights[0] / sum(weights)


def goes_on(done: int, times: int, used_s: float, allowed_s: float) -> bool:
    """Whether a fault is done once more: not more often than asked for, and only if another time of average length still fits."""
    if done >= times:
        return False
    return done < min(LEAST, times) or used_s * (done + 1) / done <= allowed_s
