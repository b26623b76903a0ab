"""Maintenance of a primary's server apart from operations: slow SQL whose failure is only logged."""

from __future__ import annotations

from functools import partial

from .adapters.ports.runtime import Logger, Runtime
from .adapters.ports.sql import Sql, SqlError
from .workers import Worker

SLOTS_S = 5.0
CHECKPOINT_LIMIT_S = 600.0


class ServerMaintenance:
    """Replication slots and checkpoints, each in a thread of its own: neither waits for the other, and nothing waits for them."""

    def __init__(self, runtime: Runtime, sql: Sql, log: Logger) -> None:
        """sql: to the local server."""
        self._runtime = runtime
        self._sql = sql
        self._log = log
        self._slots = Worker(runtime, "slots")
        self._checkpoints = Worker(runtime, "checkpoints")

    def checkpoint(self) -> None:
        """Start a checkpoint."""
        self._checkpoints.do(self._checkpoint)

    def change_slots(self, make: tuple[str, ...], drop: tuple[str, ...]) -> None:
        """Create and drop physical replication slots, given by name."""
        self._slots.do(partial(self._change_slots, make, drop))

    def _checkpoint(self) -> None:
        begun = self._runtime.now()
        try:
            self._sql.checkpoint(CHECKPOINT_LIMIT_S)
            self._log("info", "checkpoint", "the new timeline has a checkpoint", seconds=round(self._runtime.now() - begun, 3))
        except SqlError as error:
            self._log("warning", "checkpoint", str(error))

    def _change_slots(self, make: tuple[str, ...], drop: tuple[str, ...]) -> None:
        try:
            self._sql.change_slots(make, drop, SLOTS_S)
            self._log("info", "slots", "the replication slots have been updated", made=make, dropped=drop)
        except SqlError as error:
            self._log("warning", "slots", str(error), made=make, dropped=drop)
