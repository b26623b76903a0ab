"""What a primary's server is told to do beside operations: SQL that takes its time and whose failure is only worth a line."""

from __future__ import annotations

from functools import partial

from .adapters.ports import Logger, Runtime, Sql, SqlError
from .workers import Worker

SLOTS_S = 5.0
CHECKPOINT_LIMIT_S = 600.0


class ServerMaintenance:
    """Replication slots and checkpoints, each in a thread of its own: neither waits for the other, and nobody for them."""

    def __init__(self, runtime: Runtime, sql: Sql, log: Logger) -> None:
        """sql: of the local server."""
        self._runtime = runtime
        self._sql = sql
        self._log = log
        self._slots = Worker(runtime, "slots")
        self._checkpoints = Worker(runtime, "checkpoints")

    def checkpoint(self) -> None:
        """Have a checkpoint made."""
        self._checkpoints.do(self._checkpoint)

    def change_slots(self, make: tuple[str, ...], drop: tuple[str, ...]) -> None:
        """Have physical replication slots made and dropped, by their names."""
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
