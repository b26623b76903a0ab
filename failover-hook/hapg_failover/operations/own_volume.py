"""What several operations ask of our own volume or record on it: room for a clone, and whose data it has."""

from __future__ import annotations

from contextlib import suppress

from ..adapters.ports.volume import Marker
from ..core import disk_space
from ..core.state.results import OpResult, Outcome
from .operation import Operation

CLONE_SEGMENTS = 3


def lack_for_clone(operation: Operation, size: int) -> str:
    """Return which volume is too small for a clone, '' if none is. size: of the source's databases, in bytes."""
    volume = operation.tools.volume
    rooms = volume.room_for_clone()
    for on, needed in disk_space.clone_needs(size, CLONE_SEGMENTS * volume.segment_size(), rooms).items():
        if needed > rooms[on]:
            has = disk_space.room_in_words(rooms[on])
            return f"a clone needs {disk_space.room_in_words(needed)} besides the existing data, the {on} has {has}"
    return ""


def mark_new(operation: Operation) -> None:
    """Mark the volume, whose data is new, as one that there was never before."""
    tools = operation.tools
    tools.volume.write_marker(Marker(tools.runtime.unique_id(), operation.inspector.control().system_identifier))


def adopt(operation: Operation) -> OpResult:
    """Mark the volume as belonging to our own claim."""
    uuid = operation.tools.runtime.unique_id()
    operation.tools.volume.adopt(uuid)
    return operation.result(Outcome.OK, f"it is volume {uuid} from now on")


def note_standby(operation: Operation) -> None:
    """Record that this volume's server is a standby now, if that is possible."""
    with suppress(OSError):
        operation.tools.volume.note_standby()
