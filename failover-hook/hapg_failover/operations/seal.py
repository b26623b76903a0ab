"""Seal the server: stop its WAL receiver, find its end of WAL, and fetch what a dead primary had not sent."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from hapg_protocol.lsn import Position

from ..adapters.ports.peers import NotNow, PeerError
from ..core.state.actions import DeadHolder, Seal
from ..core.state.results import OpResult
from ..core.timing import FETCH_AGAIN_S, FETCH_PATIENCE_S, FETCH_S
from ..core.unreplicated_wal import MOST, WalRequest
from .operation import Operation
from .own_volume import note_standby
from .sealed import sealed_position, sealed_result
from .tools import AskWal


def seal(operation: Operation, order: Seal) -> OpResult:
    """Stop the WAL receiver and find the end of WAL, with the dead holder's WAL if there is one to ask."""
    # From now on the supervisor rejects lower terms, even from a later agent that finds no Lease to learn the term from.
    with suppress(OSError):
        operation.tools.volume.write_term(operation.run.term)
    position = sealed_position(operation, "slow" if order.slow else "fast", order.drain_s)
    note_standby(operation)
    ask, dead = operation.tools.ask_wal, order.dead
    if dead is None or ask is None or position is None or position.timeline != dead.timeline:
        return sealed_result(operation, position)
    position, fetched = _with_fetched_wal(operation, ask, dead, position)
    result = sealed_result(operation, position)
    return replace(result, text=f"{result.text} {fetched} bytes of unreplicated WAL fetched".lstrip()) if fetched else result


def _with_fetched_wal(operation: Operation, ask: AskWal, dead: DeadHolder, position: Position) -> tuple[Position, int]:
    """Fetch the dead server's WAL beyond `position`; return the new end of WAL, and the number of bytes fetched."""
    runtime, fetched = operation.tools.runtime, 0
    end = runtime.now() + FETCH_S
    while fetched < MOST and (left := end - runtime.now()) > 0:
        place = position.lsn + fetched
        try:
            data = ask(WalRequest(dead.term, position.timeline, place), dead.host, left)
        except NotNow:
            if fetched or left < FETCH_S - FETCH_PATIENCE_S:
                break
            runtime.sleep(FETCH_AGAIN_S)  # it may not know yet that its release of the Lease was accepted
            continue
        except PeerError:
            break
        if not data:
            break
        operation.tools.volume.add_wal(position.timeline, place, data)
        fetched += len(data)
    found = operation.inspector.end_of_wal(position.lsn) if fetched else None
    return (position, 0) if found is None or found <= position else (found, found.lsn - position.lsn)
