"""Put WAL that the primary has removed into our WAL directory, from the archive."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from hapg_protocol.lsn import Position, format_lsn

from ..adapters.ports.archive import ArchiveError, NotArchived, SegmentRefused
from ..adapters.ports.sql import SqlError
from ..core import catching_up
from ..core.rejoin import Way
from ..core.state.actions import CatchUp
from ..core.state.results import Fetched, OpResult, Outcome
from ..supervisor_commands import OperationFailed
from .operation import Operation
from .sealed import sealed_result
from .upstream import REMOTE_S, own_slot, plan_rejoin

LOT_S = 5.0
FETCH_SEGMENT_S = 20.0
CONTINUED_SEGMENTS = 2
END_TRIES = 3


def catch_up(operation: Operation, order: CatchUp) -> OpResult:
    """Take a lot of segments from the archive. Our server is sealed, and replays them at once."""
    tools, own = operation.tools, order.own
    size = tools.volume.segment_size()
    try:
        own_slot(tools, order.host)  # retains the WAL from here on
        plan, history = plan_rejoin(tools, order.host, order.timeline, own)
        kept = tools.sql.remote_segments(order.host, tools.port, REMOTE_S)
    except SqlError as error:
        raise OperationFailed(f"the primary at {order.host} can't be queried: {error}", own) from error
    if plan.way is not Way.FOLLOW:
        return operation.result(Outcome.NEEDS_CLONE, plan.reason, own)
    route = catching_up.route(own, order.fetched_to, order.timeline, history, kept, size)
    if route.refused:
        return operation.result(Outcome.NEEDS_CLONE, route.refused, own)
    count, outcome, text = _take(operation, route.segments[: order.most], own)
    # One that failed may be there all the same.
    position = _end_beside_restartpoints(operation, own) if route.segments else own
    result = sealed_result(operation, position)
    at = route.until - (len(route.segments) - count) * size
    if count and position.lsn < at - CONTINUED_SEGMENTS * size:
        text = f"our WAL, which ends at {position}, is not continued by what the archive has up to {format_lsn(at)}"
        return replace(result, outcome=Outcome.NEEDS_CLONE, text=text)
    return replace(result, outcome=outcome, text=text or f"{count} segments from the archive", fetched=Fetched(count, at, route.until))


def _take(operation: Operation, segments: Sequence[str], own: Position) -> tuple[int, Outcome, str]:
    """Put segments into our WAL directory, one after the other; return how many, and how and why that ended, '' if they are all there.

    Another one is begun for LOT_S seconds only: a failover may wait for our position.
    """
    tools, end = operation.tools, operation.tools.runtime.now() + LOT_S
    assert tools.archive is not None
    identifier = operation.inspector.control().system_identifier
    for count, segment in enumerate(segments):
        if tools.runtime.now() > end:
            return count, Outcome.OK, ""
        try:
            tools.volume.add_segment(segment, own.lsn, identifier, tools.archive.fetch(segment, FETCH_SEGMENT_S))
        except (NotArchived, SegmentRefused) as error:
            return count, Outcome.NEEDS_CLONE, f"{error}"
        except (ArchiveError, OSError) as error:
            return count, Outcome.FAILED, f"{error}"
    return len(segments), Outcome.OK, ""


def _end_beside_restartpoints(operation: Operation, own: Position) -> Position:
    """Return the new end of our WAL. A restartpoint may remove segments while they are read, and is seen in the control file then.

    own: the end before.
    """
    for _ in range(END_TRIES):
        with suppress(OperationFailed, OSError, ValueError):
            found = operation.inspector.end_of_wal(own.lsn)
            if found is not None and found >= own:
                return found
    raise OperationFailed(f"the end of our WAL isn't found beyond {own}")
