"""Threads for what can take long."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable


class Worker:
    """Does one piece of work after the other, in the order given."""

    def __init__(self, name: str) -> None:
        """name: the thread's."""
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._waiting = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._run, name=name, daemon=True).start()

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


def every(seconds: Callable[[], float], name: str, work: Callable[[], None]) -> None:
    """Do `work` again and again, in a thread of its own, every so many seconds; what takes longer delays the next time."""

    def run() -> None:
        while True:
            begun = time.monotonic()
            work()
            time.sleep(max(0.01, seconds() - (time.monotonic() - begun)))

    threading.Thread(target=run, name=name, daemon=True).start()
