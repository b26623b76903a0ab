"""Shut the server down: as a primary for a switchover, after a checkpoint that makes this short, or just so."""

from __future__ import annotations

from contextlib import suppress

from ..adapters.ports.sql import SqlError
from ..core.state.actions import Prepare, ShutDown
from ..core.state.results import OpResult, Outcome
from ..core.timing import SHORT_CHECKPOINT_S
from ..supervisor_commands import OperationFailed
from .operation import STATUS_S, Operation
from .tools import Tools

CHECKPOINTS = 4
NEAR_BYTES = 16 * 1024 * 1024


def prepare(operation: Operation, order: Prepare) -> OpResult:
    """Checkpoint while serving, so that the shutdown checkpoint is short; repeat if the checkpoint itself took long."""
    tools = operation.tools
    end = tools.runtime.now() + order.seconds
    for _ in range(CHECKPOINTS):
        begun = tools.runtime.now()
        tools.sql.checkpoint(order.seconds)
        if tools.runtime.now() - begun <= SHORT_CHECKPOINT_S or tools.runtime.now() >= end:
            break
    return operation.result(Outcome.OK, "a checkpoint is made")


def shut_down(operation: Operation, order: ShutDown) -> OpResult:
    """Shut the primary down for a switchover, and return the end of its shutdown checkpoint."""
    operation.release_emergency_spaces()
    with suppress(SqlError):
        operation.tools.sql.end_laggards(order.keep or "", NEAR_BYTES, STATUS_S)
    _stop_primary(operation, order.seconds)
    return operation.result(Outcome.OK, "shut down", operation.inspector.end_of_shutdown())


def stop(operation: Operation) -> OpResult:
    """Stop the server."""
    operation.ensure_down(_limit_s(operation.tools))
    return operation.result(Outcome.OK, "stopped")


def _stop_primary(operation: Operation, patience_s: float) -> None:
    """Stop a primary.

    PostgreSQL waits until each standby has received the last record. Once that record is written, standbys get `patience_s` seconds
    more; then the server is killed.
    """
    written_at: list[float] = []
    now = operation.tools.runtime.now

    def is_over() -> bool:
        with suppress(OSError, ValueError):
            if not written_at and operation.inspector.is_shut_down():
                written_at.append(now())
        return bool(written_at) and now() - written_at[0] > patience_s

    try:
        operation.call("stop", "fast", timeout=_limit_s(operation.tools), is_over=is_over)
    except OperationFailed:
        if not written_at:
            raise
        operation.command("kill")
    operation.wait_for_down()


def _limit_s(tools: Tools) -> float:
    """Return how long a shutdown may take, in seconds: the pod's grace period but for 20 seconds, and at least 10."""
    return max(10.0, tools.grace - 20.0)
