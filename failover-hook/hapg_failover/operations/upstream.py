"""What several operations ask of the primary: how to rejoin it, and a replication slot."""

from __future__ import annotations

from contextlib import suppress

from hapg_protocol.lsn import Position
from hapg_protocol.wal_files import History, parse_history

from ..adapters.ports.sql import SqlError
from ..core import rejoin
from .tools import Tools

REMOTE_S = 5.0


def plan_rejoin(tools: Tools, host: str, timeline: int, own: Position) -> tuple[rejoin.Plan, History]:
    """Return how to rejoin the primary at `host`, and the history of its timeline. own: our end of WAL. Raise SqlError."""
    history = parse_history(tools.sql.remote_history(host, tools.port, timeline, REMOTE_S))
    known = tools.volume.read_history(own.timeline) if own.timeline == timeline else None
    return rejoin.plan(own, timeline, history, parse_history(known) if known else None, tools.volume.foreign()), history


def own_slot(tools: Tools, host: str) -> tuple[str, ...]:
    """Return the name of our slot on the primary, created if needed; () if it can't be created: streaming works without one."""
    if tools.slot is None:
        return ()
    with suppress(SqlError):
        if tools.sql.remote_slot(host, tools.port, tools.slot, REMOTE_S):
            return (tools.slot,)
    return ()
