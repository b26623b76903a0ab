"""Virtual time: an ordered queue of events, and clocks that run at different rates."""

from __future__ import annotations

import heapq
from collections.abc import Callable

MOST_AT_ONCE = 100_000
TICK = 1e-9
"""No clock shows less than a nanosecond. Without that limit, a wait for what is left of a time-out could be too short to change `now`."""


class Engine:
    """A queue of events. `now` is the true time in seconds, which no simulated process can read."""

    def __init__(self) -> None:
        self.now = 0.0
        self.events = 0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []

    def after(self, delay: float, do: Callable[[], None]) -> None:
        """Schedule `do` in `delay` seconds: at once if that is 0 or less, else after at least a TICK."""
        self.events += 1
        at = self.now + max(TICK, delay) if delay > 0 else self.now
        heapq.heappush(self._queue, (at, self.events, do))

    def run(self, seconds: float, after_each: Callable[[], None]) -> None:
        """Advance time by `seconds`; `after_each` is called after every event. Raises AssertionError if events keep time from advancing."""
        end = self.now + seconds
        done = 0
        while self._queue and self._queue[0][0] <= end:
            self.now, _, do = heapq.heappop(self._queue)
            do()
            done += 1
            assert done < MOST_AT_ONCE * (1 + seconds), f"{done} events, and it is still {self.now:.6f}"
            after_each()
        self.now = end


class Clock:
    """The CLOCK_BOOTTIME of one node. rate: its seconds per true second."""

    def __init__(self, engine: Engine, rate: float, start: float) -> None:
        self._engine = engine
        self._zero = engine.now
        self._start = start
        self.rate = rate

    @property
    def now(self) -> float:
        """CLOCK_BOOTTIME in seconds."""
        return self._start + (self._engine.now - self._zero) * self.rate
