"""Stream from a primary, or find out why that isn't possible with the WAL that both have."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from hapg_protocol.wal_files import segment_name

from ..adapters.ports.sql import SqlError
from ..core.rejoin import Way
from ..core.state.actions import Follow
from ..core.state.results import OpResult, Outcome
from ..pgdata.wal import timelines_since
from ..supervisor_commands import OperationFailed
from .operation import STATUS_S, Operation
from .own_volume import note_standby
from .sealed import sealed_position
from .upstream import REMOTE_S, own_slot, plan_rejoin

PAUSED = "its replay is paused, and before it streams it replays what it has: SELECT pg_wal_replay_resume()"


def follow(operation: Operation, order: Follow) -> OpResult:
    """Stream from the primary."""
    tools, host, timeline = operation.tools, order.host, order.timeline
    position = order.own if order.own is not None else sealed_position(operation, "fast")
    try:
        own = position or operation.inspector.control().min_recovery
        plan, history = plan_rejoin(tools, host, timeline, own)
        if plan.way is Way.CLONE:
            return operation.result(Outcome.NEEDS_CLONE, plan.reason, position)
        if plan.way is Way.REWIND and "pg_rewind" in tools.missing:
            return operation.result(Outcome.NEEDS_CLONE, f"{plan.reason}; the image has no pg_rewind", position)
        if plan.way is Way.REWIND:
            return operation.result(Outcome.DIVERGED, plan.reason, position)
        size = tools.volume.segment_size()
        # At the very start of a segment, the primary may not have created it yet either; then the previous one decides.
        end = max(own.lsn, order.fetched_to or 0)
        places = [(t, lsn) for t in timelines_since(own.timeline, timeline, history) for lsn in (end, end - 1)]
        names = [segment_name(each, lsn, size) for each, lsn in places]
        if not any(tools.sql.remote_has_segment(host, tools.port, name, REMOTE_S) for name in names):
            return operation.result(Outcome.LACKS_WAL, f"the primary has removed {names[0]}, which we need", position)
        user = tools.sql.remote_user(host, tools.port, REMOTE_S)
    except SqlError as error:
        raise OperationFailed(f"the primary at {host} can't be queried: {error}", position) from error
    slot = own_slot(tools, host)
    tools.volume.write_term(operation.run.term)
    operation.steer("follow", host, str(tools.port), user, *slot)
    note_standby(operation)
    text = plan.reason if slot or tools.slot is None else f"{plan.reason}; without a replication slot"
    return replace(operation.result(Outcome.OK, text), hindrance=_hindrance(operation, order))


def _hindrance(operation: Operation, order: Follow) -> str:
    """Return the known reason why a server that followed before doesn't stream, '' if none is known."""
    with suppress(SqlError):
        if order.own is None and operation.tools.sql.replay_paused(STATUS_S):
            return PAUSED
    return ""
