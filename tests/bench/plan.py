"""How often each fault is done, when the time for all of them is bounded."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

LEAST = 3
"""So often a fault is done, whatever time that takes."""


GOLDEN = (5**0.5 - 1) / 2


def moments() -> Iterator[float]:
    """Numbers from 0 to 1 that are spread evenly however many are taken, from a random one on: the golden ratio's multiples, modulo 1.

    How long clients wait for a lost node depends most on how long before it the primary renewed its right.
    """
    moment = random.random()
    while True:
        yield moment
        moment = (moment + GOLDEN) % 1.0


def pause_s(moment: float, period_s: float, since_s: float) -> float:
    """How many seconds it is until a moment of a period, from 0 to 1, of which `since_s` seconds have passed."""
    return (moment * period_s - since_s) % period_s


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
