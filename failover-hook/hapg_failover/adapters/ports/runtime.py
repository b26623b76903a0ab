"""The ports to clock, threads and log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Condition(Protocol):
    """The part of `threading.Condition` that is used here."""

    def __enter__(self) -> bool:
        """Acquire the lock."""

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        """Release it."""

    def wait(self, timeout: float | None = None) -> bool:
        """Release the lock until notified, for at most `timeout` seconds; False on timeout."""

    def notify_all(self) -> None:
        """Wake all waiters."""


class Mailbox(Protocol):
    """The part of `queue.SimpleQueue` that is used here."""

    def put(self, item: Any) -> None:
        """Add an item; never blocks."""

    def get(self, *, timeout: float | None = None) -> Any:
        """Wait for an item. Raise queue.Empty after `timeout` seconds."""

    def get_nowait(self) -> Any:
        """Return an item. Raise queue.Empty if there is none."""


class Runtime(Protocol):
    """Time and concurrency. Everything in the agent that waits does so here or in a call of another adapter."""

    def now(self) -> float:
        """Return CLOCK_BOOTTIME in seconds: it keeps counting during suspend and is the same in both containers of a pod."""

    def wall_clock(self) -> float:
        """Return seconds since the epoch; only for people to read, and for the age of a backup."""

    def unique_id(self) -> str:
        """Return a UUID that was never used before."""

    def sleep(self, seconds: float) -> None:
        """Sleep."""

    def spawn(self, name: str, work: Callable[[], None]) -> None:
        """Run `work` in a thread of its own, which ends with the process."""

    def condition(self) -> Condition:
        """Return a new condition with its lock."""

    def mailbox(self) -> Mailbox:
        """Return a new queue, for many writers and one reader."""


class Logger(Protocol):
    """Writes log lines."""

    def __call__(self, level: str, event: str, reason: str = "", **fields: object) -> None:
        """Log `event`. level: debug, info, warning or error; reason: why, in words; fields: additional fields of the line."""
