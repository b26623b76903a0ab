"""Run pg_rewind against a primary, so that a diverged server can follow it."""

from __future__ import annotations

import re

from ..adapters.ports.sql import SqlError
from ..core import disk_space
from ..core.state.actions import Rewind
from ..core.state.results import OpResult, Outcome
from ..supervisor_commands import OperationFailed
from .operation import COPY_STALL_S, Operation
from .tools import Tools
from .upstream import REMOTE_S

SOURCE_CHECKPOINT_S = 30.0
CHECKPOINT_LOOK_S = 0.2
NOT_CONNECTED = re.compile("connection to server .*failed|could not connect to server")


def rewind(operation: Operation, order: Rewind) -> OpResult:
    """Rewind the stopped server to the primary. The volume is marked as dirty meanwhile."""
    tools, host = operation.tools, order.host
    try:
        _wait_for_checkpoint(tools, order)
        user = tools.sql.remote_user(host, tools.port, REMOTE_S, as_client=True)
    except SqlError as error:
        return operation.result(Outcome.BUSY, f"the primary at {host} has no free connection for a rewind: {error}")
    on, room = tools.volume.scarcest()
    if disk_space.is_full(room, tools.volume.segment_size()):
        return operation.result(Outcome.ROOM, f"the {on} has {disk_space.room_in_words(room)} free, too little for a rewind")
    operation.ensure_down()
    tools.volume.set_dirty()
    try:
        operation.long_command("rewind", host, str(tools.port), user, stall=COPY_STALL_S)
    except OperationFailed as failure:
        if not NOT_CONNECTED.search(str(failure)):
            raise
        tools.volume.clear_dirty()  # pg_rewind connects before it writes
        return operation.result(Outcome.BUSY, f"the primary at {host} has no free connection for a rewind: {failure}")
    tools.volume.clear_foreign()
    tools.volume.clear_dirty()
    return operation.result(Outcome.OK, f"rewound to {host}")


def _wait_for_checkpoint(tools: Tools, order: Rewind) -> None:
    """Wait for the primary's first checkpoint on its new timeline.

    pg_rewind takes the source's timeline from its last checkpoint; a primary makes one a second after its promotion.
    """
    end = tools.runtime.now() + SOURCE_CHECKPOINT_S
    while (timeline := tools.sql.remote_checkpoint(order.host, tools.port, REMOTE_S)) != order.timeline:
        if tools.runtime.now() > end:
            raise OperationFailed(f"the primary's last checkpoint is on timeline {timeline}, not yet on {order.timeline}")
        tools.runtime.sleep(CHECKPOINT_LOOK_S)
