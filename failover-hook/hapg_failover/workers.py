"""Threads for what can take long."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

_START = time.monotonic()


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
    """Do `work` again and again, in a thread of its own: at the next multiple of so many seconds since the program's start.

    So what is done equally often is done at once: a processor that is awake is cheaper than one that is woken.
    """

    def run() -> None:
        while True:
            work()
            pause = seconds()
            time.sleep(pause - (time.monotonic() - _START) % pause)

    threading.Thread(target=run, name=name, daemon=True).start()
