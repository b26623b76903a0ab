"""How a former primary or a standby gets onto the primary's timeline (docs/protocol.md, rule 10)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .lsn import Position, format_lsn
from .wal import History, fork_point


class Way(Enum):
    """follow: repoint; rewind: pg_rewind first; clone: only a new copy helps; wait: the primary isn't ready."""

    FOLLOW = "follow"
    REWIND = "rewind"
    CLONE = "clone"
    WAIT = "wait"


@dataclass(frozen=True)
class Plan:
    """The way, and why."""

    way: Way
    reason: str


def plan(own: Position, timeline: int, history: History) -> Plan:
    """Compare our end of WAL with where the primary's history left our timeline.

    timeline: the primary's; history: (timeline, LSN at which it was left), in order, of the primary's history file
    (PostgreSQL, src/backend/access/transam/timeline.c: a server may follow if it hasn't passed the switch point).
    """
    if own.timeline > timeline:
        return Plan(Way.WAIT, f"the primary is still on timeline {timeline}, we are on {own.timeline}")
    if own.timeline == timeline:
        return Plan(Way.FOLLOW, f"on the primary's timeline {timeline}")
    fork = fork_point(history, own.timeline)
    if fork is None:
        return Plan(Way.REWIND, f"our timeline {own.timeline} isn't in the history of {timeline}")
    if own.lsn <= fork:
        return Plan(Way.FOLLOW, f"our WAL ends at {own}, not past the fork at {format_lsn(fork)}")
    return Plan(Way.REWIND, f"our WAL ends at {own}, {own.lsn - fork} bytes past the fork at {format_lsn(fork)}")
