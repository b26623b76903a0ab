"""Replace a replica's data with a clone, made by pg_basebackup."""

from __future__ import annotations

from contextlib import suppress

from hapg_protocol.model import VolumeState

from ..adapters.ports.sql import SqlError
from ..core.state.actions import Clone
from ..core.state.results import OpResult, Outcome
from ..supervisor_commands import OperationFailed
from .operation import COPY_STALL_S, Operation
from .own_volume import lack_for_clone, mark_new
from .tools import Tools
from .upstream import REMOTE_S, own_slot

SIZE_S = 60.0


def clone(operation: Operation, order: Clone) -> OpResult:
    """Clone the primary, or a standby that follows it. The volume is marked as dirty meanwhile."""
    tools = operation.tools
    was_dirty = tools.volume.dirty()
    had_data = tools.volume.assess().state is not VolumeState.EMPTY
    primary, source = order.host, _source(tools, order)
    if lack := lack_for_clone(operation, tools.sql.remote_size(source, tools.port, SIZE_S)):
        return operation.result(Outcome.ROOM, lack)
    user = tools.sql.remote_user(source, tools.port, REMOTE_S)
    own_slot(tools, primary)  # retains the WAL written during the copy
    operation.ensure_down()
    tools.volume.set_dirty()
    try:
        operation.long_command("clone", source, str(tools.port), user, stall=COPY_STALL_S)
    except OperationFailed:
        if not was_dirty:
            tools.volume.clear_dirty()
        raise
    mark_new(operation)
    tools.volume.clear_dirty()
    origin = "the primary" if source == primary else f"the standby at {source}"
    return operation.result(Outcome.OK, f"a clone of {origin}" + (" has replaced the old data" if had_data else ""))


def _source(tools: Tools, order: Clone) -> str:
    """Return the address to clone from: the proposed standby's if it currently streams from the primary, else the primary's."""
    if order.source is not None:
        with suppress(SqlError):
            if tools.sql.remote_streams(order.source, tools.port, order.timeline, REMOTE_S):
                return order.source
    return order.host
