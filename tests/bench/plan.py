"""How often each fault is done, when the time for all of them is bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LEAST = 3
"""So often a fault is done, whatever time that takes."""


@dataclass(frozen=True)
class Share:
    """What is left to be measured of one fault. weight: how long one time of it takes, compared with the others."""

    name: str
    weight: float


def share_s(left_s: float, shares: Sequence[Share]) -> float:
    """How many of the seconds that are left the first one may use; what it leaves over goes to those after it."""
    return left_s * shares[0].weight / sum(each.weight for each in shares)


def goes_on(done: int, times: int, used_s: float, allowed_s: float) -> bool:
    """Whether a fault is done once more: not more often than asked for, and only if another time of average length still fits."""
    if done >= times:
        return False
    return done < min(LEAST, times) or used_s * (done + 1) / done <= allowed_s
