"""A sealed server's end of WAL, and the result of an operation that leaves the server sealed."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from hapg_protocol.lsn import Position, parse_lsn
from hapg_protocol.wal_files import segment_start

from ..core.state.results import OpResult, Outcome
from ..replay_progress import parse as parse_replay
from ..supervisor_commands import OperationFailed
from .operation import STATUS_S, Operation


def sealed_position(operation: Operation, how: str, drain_s: float | None = None) -> Position | None:
    """Stop the WAL receiver and return the end of WAL, None if the server isn't consistent there.

    how: fast or slow, the check of the seal; drain_s: wait up to this many seconds for the primary to end the stream, None: seal at once.
    """
    title = operation.steer("seal", how) if drain_s is None else operation.command("seal", "drain", timeout=drain_s)
    return operation.inspector.end_of_wal(None if title == "-" else parse_lsn(title))


def sealed_result(operation: Operation, position: Position | None) -> OpResult:
    """Return the result of an operation after which the server is sealed. position: its end of WAL."""
    shutdown = position is not None and operation.inspector.ends_in_shutdown(position)
    text = "at a shutdown checkpoint" if shutdown else ""
    return replace(operation.result(Outcome.OK, text, position), shutdown=shutdown, replayed=_replayed(operation))


def _replayed(operation: Operation) -> int | None:
    """Return the LSN up to which the server has replayed: the start of the segment that it is reading, else its redo point."""
    with suppress(OperationFailed, OSError, ValueError):
        segment = parse_replay(operation.command("progress", timeout=STATUS_S)).segment
        return operation.inspector.control().redo if segment is None else segment_start(segment, operation.tools.volume.segment_size())
    return None
