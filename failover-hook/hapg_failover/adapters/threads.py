"""Time and concurrency of a real process: CLOCK_BOOTTIME, threads, conditions and queues."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from uuid import uuid4

from .clock import boottime
from .ports.runtime import Condition, Mailbox


class Threads:
    """Implements `ports.Runtime`."""

    def now(self) -> float:
        """Return CLOCK_BOOTTIME in seconds."""
        return boottime()

    def wall_clock(self) -> float:
        """Return seconds since the epoch."""
        return time.time()

    def unique_id(self) -> str:
        """Return a random UUID."""
        return str(uuid4())

    def sleep(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)

    def spawn(self, name: str, work: Callable[[], None]) -> None:
        """Start a daemon thread."""
        threading.Thread(target=work, name=name, daemon=True).start()

    def condition(self) -> Condition:
        """Return a new condition with its lock."""
        return threading.Condition()

    def mailbox(self) -> Mailbox:
        """Return a new queue."""
        return queue.SimpleQueue()
