"""How a former primary or a standby gets onto the primary's timeline (docs/protocol.md, rule 10)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from hapg_protocol.lsn import Position, format_lsn
from hapg_protocol.model import LeaseState, Pod

from ..pgdata.wal import History, fork_point

REWIND_TRIES = 3


class Way(Enum):
    """follow: repoint; rewind: pg_rewind first; clone: only a new copy helps."""

    FOLLOW = "follow"
    REWIND = "rewind"
    CLONE = "clone"


@dataclass(frozen=True)
class Plan:
    """The way, and why."""

    way: Way
    reason: str


def plan(own: Position, timeline: int, history: History, own_history: History | None = None, foreign: bool = False) -> Plan:
    """Compare our end of WAL with where the primary's history left our timeline.

    timeline: the primary's; history: (timeline, LSN at which it was left), in order, of the primary's history file
    (PostgreSQL, src/backend/access/transam/timeline.c: a server may follow if it hasn't passed the switch point); own_history: of ours,
    None: not known. Each timeline is reserved in the Lease, so one above the primary's was begun by somebody else, as by pg_promote();
    foreign: ours was, whatever its number.
    """
    if foreign and own.timeline in {timeline, *(each for each, _ in history)}:
        return Plan(
            Way.CLONE, f"our timeline {own.timeline} was created outside the Lease, and the primary has a different one of that number"
        )
    if foreign:
        return Plan(Way.REWIND, f"our timeline {own.timeline} was created outside the Lease: the primary is on {timeline}")
    if own.timeline > timeline:
        return Plan(Way.REWIND, f"our timeline {own.timeline} was never reserved: the primary is on {timeline}")
    if own.timeline == timeline and own_history not in (None, history):
        # pg_rewind takes two servers on timelines of one number for the same (src/bin/pg_rewind/pg_rewind.c)
        return Plan(Way.CLONE, f"our timeline {timeline} is not the primary's: it branched elsewhere")
    if own.timeline == timeline:
        return Plan(Way.FOLLOW, f"on the primary's timeline {timeline}")
    fork = fork_point(history, own.timeline)
    if fork is None:
        return Plan(Way.REWIND, f"our timeline {own.timeline} isn't in the history of {timeline}")
    if own.lsn <= fork:
        return Plan(Way.FOLLOW, f"our WAL ends at {own}, not past the fork at {format_lsn(fork)}")
    return Plan(Way.REWIND, f"our WAL ends at {own}, {own.lsn - fork} bytes past the fork at {format_lsn(fork)}")


def clone_source(me: str, lease: LeaseState, pods: tuple[Pod, ...], standby_mode: str, copies: int) -> Pod | None:
    """Return the standby that `me` (a pod's name) should copy rather than the primary, None: the primary.

    It has to accept connections and to be eligible, that is, to stream. One is tried the first time only, and whether it is on the
    primary's timeline is asked when it is copied.
    """
    if standby_mode != "hot" or copies > 1:
        return None
    volumes = {member.pod: member.volume for member in lease.eligible}
    fit = [
        pod
        for pod in pods
        if pod.name not in (me, lease.holder.pod)
        and pod.ip is not None
        and pod.ready
        and not pod.deleting
        and pod.report is not None
        and volumes.get(pod.name) == pod.report.volume
    ]
    return min(fit, key=lambda pod: pod.ordinal, default=None)
