"""Start the server, sealed; if it doesn't start, find out whether its configuration, its volume or its data is the reason."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace

from ..configuration import DataRefused, configure
from ..core import disk_space
from ..core.startup import was_killed
from ..core.state.actions import Start
from ..core.state.results import OpResult, Outcome
from ..supervisor_commands import OperationFailed
from .operation import Operation
from .own_volume import note_standby
from .sealed import sealed_result

EXIT_CODE = re.compile(r"ended with code ([0-9]{1,3})$")


def start(operation: Operation, order: Start) -> OpResult:
    """Start the server, sealed, and find its end of WAL."""
    volume = operation.tools.volume
    if volume.dirty():
        raise OperationFailed("a rewind or clone was started and not finished: the volume must be cloned")
    operation.ensure_down()
    if volume.foreign():
        volume.set_foreign()
    with suppress(OSError, ValueError):  # a volume with an unreadable marker is never started
        volume.settle()
    refused = _configure(operation)
    if refused and not volume.has_configuration():
        # there is no other to start with, and this one could use up all memory
        return replace(operation.result(Outcome.REFUSED, refused), refused=refused)
    guard = (str(order.guard),) if order.guard else ()
    try:
        if order.emergency_space:
            operation.release_emergency_spaces()
        volume.write_term(operation.run.term)
        operation.long_command("start", order.mode, *guard)
        note_standby(operation)
    except (OperationFailed, OSError) as error:
        failed = _start_failed(operation, str(error))
        return replace(failed, refused=refused) if refused else failed
    return replace(sealed_result(operation, operation.inspector.end_of_wal(None, order.known)), refused=refused)


def _configure(operation: Operation) -> str | None:
    """Have the release's files accepted, or keep those in effect; return why they are rejected, None if they couldn't be tested."""
    tools = operation.tools
    with suppress(OperationFailed, DataRefused):
        return configure(tools.commands, tools.supervisor, operation.nonce, operation.run.term)
    return None


def _start_failed(operation: Operation, text: str) -> OpResult:
    """Find out why the server doesn't start. Its data is to blame only if a server without data starts with the same configuration."""
    tools, volume = operation.tools, operation.tools.volume
    if disk_space.is_full(volume.scarcest()[1], volume.segment_size()):
        return operation.result(Outcome.ROOM, text)
    if (ended := EXIT_CODE.search(text)) and was_killed(int(ended[1])):
        return operation.result(Outcome.UNPROVEN, f"{text}: it was killed")
    try:
        refused = configure(tools.commands, tools.supervisor, operation.nonce, operation.run.term, "checkconfig")
    except DataRefused:
        refused = ""
    except OperationFailed as failure:
        return operation.result(Outcome.UNPROVEN, f"{text}; could not check whether its configuration is the reason: {failure}")
    if refused:
        return replace(operation.result(Outcome.REFUSED, refused), refused=refused)
    return operation.result(Outcome.FAILED, text)
