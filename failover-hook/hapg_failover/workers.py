"""Background worker threads, and periodic work."""

from __future__ import annotations

from collections.abc import Callable

from .adapters.ports import Runtime


class Worker:
    """Does one piece of work after the other, in the order given."""

    def __init__(self, runtime: Runtime, name: str) -> None:
        """name: the thread's."""
        self._work = runtime.mailbox()
        self._waiting = 0
        self._lock = runtime.condition()
        runtime.spawn(name, self._run)

    def do(self, work: Callable[[], None]) -> None:
        """Have `work` done; it reports for itself."""
        with self._lock:
            self._waiting += 1
        self._work.put(work)

    @property
    def idle(self) -> bool:
        """Nothing is being done, or waits to be."""
        return self._waiting == 0

    def _run(self) -> None:
        while True:
            work = self._work.get()
            try:
                work()
            finally:
                with self._lock:
                    self._waiting -= 1


class Due:
    """True once in so many seconds."""

    def __init__(self, runtime: Runtime, seconds: float) -> None:
        """Due at once."""
        self._runtime = runtime
        self._seconds = seconds
        self._done_at = float("-inf")

    def is_due(self) -> bool:
        """So long has passed since it was done."""
        return self._runtime.now() - self._done_at >= self._seconds

    def done(self) -> None:
        """It has been done now."""
        self._done_at = self._runtime.now()


def every(runtime: Runtime, seconds: Callable[[], float], name: str, work: Callable[[], None]) -> None:
    """Do `work` periodically in a thread of its own; work that takes longer than the period delays the next time."""

    def run() -> None:
        while True:
            begun = runtime.now()
            work()
            runtime.sleep(max(0.01, seconds() - (runtime.now() - begun)))

    runtime.spawn(name, run)
