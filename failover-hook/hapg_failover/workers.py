"""Background worker threads, and periodic work."""

from __future__ import annotations

from collections.abc import Callable

from .adapters.ports.runtime import Runtime


class Worker:
    """A thread that runs work items one at a time, in the order given."""

    def __init__(self, runtime: Runtime, name: str) -> None:
        """name: of the thread."""
        self._work = runtime.mailbox()
        self._waiting = 0
        self._lock = runtime.condition()
        runtime.spawn(name, self._run)

    def do(self, work: Callable[[], None]) -> None:
        """Queue `work`; it reports its own result."""
        with self._lock:
            self._waiting += 1
        self._work.put(work)

    @property
    def idle(self) -> bool:
        """True if no work is running or queued."""
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
    """Says whether a given number of seconds has passed since something was last done."""

    def __init__(self, runtime: Runtime, seconds: float) -> None:
        """Due immediately."""
        self._runtime = runtime
        self._seconds = seconds
        self._done_at = float("-inf")

    def is_due(self) -> bool:
        """True if that many seconds have passed since it was last done."""
        return self._runtime.now() - self._done_at >= self._seconds

    def done(self) -> None:
        """Record that it was done now."""
        self._done_at = self._runtime.now()


def every(runtime: Runtime, seconds: Callable[[], float], name: str, work: Callable[[], None]) -> None:
    """Run `work` periodically in a thread of its own; work that exceeds the period delays the next run."""

    def run() -> None:
        while True:
            begun = runtime.now()
            work()
            runtime.sleep(max(0.01, seconds() - (runtime.now() - begun)))

    runtime.spawn(name, run)
