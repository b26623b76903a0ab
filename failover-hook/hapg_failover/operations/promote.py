"""Promote the server onto the timeline that was reserved for it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from hapg_protocol.lsn import Position

from ..adapters.ports.sql import SqlError
from ..adapters.ports.supervisor import Replay
from ..core.state.actions import Promote
from ..core.state.results import OpResult, Outcome
from ..core.timing import END_TRANSACTIONS_S
from ..supervisor_commands import OperationFailed
from .operation import Operation
from .tools import Tools

OFTEN_S = 2.0
OFTEN_POLL_S = 0.01
SELDOM_POLL_S = 0.1


def promote(operation: Operation, order: Promote) -> OpResult:
    """Promote from our end of WAL, and wait until the server is writable."""
    volume, timeline = operation.tools.volume, order.timeline
    if order.own is None:
        raise OperationFailed("no position is known to promote from")
    volume.write_term(operation.run.term)
    try:
        operation.command("promote", str(timeline), str(order.own.timeline), *order.setting.words)
    except OperationFailed as failure:
        return replace(operation.result(Outcome.FAILED, str(failure)), unbegun=failure.refused)
    position, ended = _await_writable(operation, timeline)
    if position.timeline != timeline:
        volume.set_foreign()
        raise OperationFailed(f"promoted onto timeline {position.timeline}, {timeline} was reserved")
    volume.clear_foreign()
    conflicts = f"; sessions ended because replay waited for them: {ended}" if ended else ""
    return operation.result(Outcome.OK, f"term {operation.run.term}, timeline {timeline}{conflicts}", position)


def _await_writable(operation: Operation, timeline: int) -> tuple[Position, int]:
    """Wait until the server is writable on `timeline`, however much WAL it has to replay first.

    Return its end of WAL, and how many sessions were ended for it.
    """
    tools, begun, ended = operation.tools, operation.tools.runtime.now(), 0
    seen: Replay | None = None
    while True:
        position, problem = _is_writable(tools, timeline)
        if position is not None:
            return position, ended
        if operation.heartbeat().state == "down":
            raise OperationFailed(f"the server died: {problem}")
        now = tools.runtime.now()
        if now - max(begun, tools.moved_at()) > tools.stall:
            raise OperationFailed(f"not writable, and no progress for {tools.stall:g} s: {problem}")
        if (replay := tools.replay()) is not seen:
            seen = replay
            ended += _end_conflicts(tools, replay)
        tools.runtime.sleep(OFTEN_POLL_S if now - begun < OFTEN_S else SELDOM_POLL_S)


def _end_conflicts(tools: Tools, replay: Replay | None) -> int:
    """End the transactions of a hot standby that its replay waits for; return how many.

    PostgreSQL lets a promotion wait for them too, up to max_standby_streaming_delay: all writers would wait for one reader. Which sessions
    are in the way can't be asked in every major, so this ends all that have a transaction open.
    """
    if replay is not None and replay.startup is not None and replay.startup.waits_for_sessions:
        with suppress(SqlError):
            return tools.sql.end_transactions(END_TRANSACTIONS_S)
    return 0


def _is_writable(tools: Tools, timeline: int) -> tuple[Position | None, str]:
    """Return the server's write position, or None and the reason why it isn't writable.

    A server without a free connection slot can't be queried. Then the control file shows whether recovery has ended, on `timeline`.
    """
    try:
        status = tools.sql.status(1.0)
        return (None, "it is still in recovery") if status.in_recovery else (status.position, "")
    except SqlError as error:
        position = tools.volume.production()
        return position if position is not None and position.timeline == timeline else None, str(error)
