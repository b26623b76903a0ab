"""What the container's threads have found out, put together for the agent, for metrics and for `info`."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

from .core.state import State


class Knowledge:
    """The latest State; threads change parts of it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state = State()

    @property
    def state(self) -> State:
        """The latest state."""
        return self._state

    def set(self, **changes: Any) -> State:
        """Change parts of the state; return it."""
        with self._lock:
            self._state = replace(self._state, **changes)
            return self._state

    def failed(self, why: str, now: float) -> None:
        """Note that the primary's WAL can't be archived. now: seconds since the epoch."""
        self.set(failing=why, failing_since=self._state.failing_since or now)

    def succeeded(self) -> None:
        """Note that the primary's WAL can be archived."""
        if self._state.failing:
            self.set(failing="", failing_since=0.0)
