"""How often each fault runs within a limited total time."""

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
    """Return the seconds until a moment (0 to 1) of a period that began `since_s` seconds ago."""
    return (moment * period_s - since_s) % period_s


def share_s(left_s: float, weights: Sequence[float]) -> float:
    """Return how many of the remaining seconds the first fault may use; later faults get what it does not use.

    weights: of all remaining faults, this one first: the relative duration of one run.
    """
    return left_s * weights[0] / sum(weights)


def goes_on(done: int, times: int, used_s: float, allowed_s: float) -> bool:
    """True if a fault runs once more: fewer runs than requested, and time left for another run of
    average length.
    """
    if done >= times:
        return False
    return done < min(LEAST, times) or used_s * (done + 1) / done <= allowed_s
