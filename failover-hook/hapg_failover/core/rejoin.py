"""How a former primary or a standby moves to the primary's timeline (docs/protocol.md, rule 10)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from hapg_protocol.lsn import Position, format_lsn
from hapg_protocol.model import LeaseState, Pod
from hapg_protocol.wal_files import History

from ..pgdata.wal import fork_point

REWIND_TRIES = 3


class Way(Enum):
    """FOLLOW: repoint to the primary; REWIND: run pg_rewind first; CLONE: only a new copy helps."""

    FOLLOW = "follow"
    REWIND = "rewind"
    CLONE = "clone"


@dataclass(frozen=True)
class Plan:
    """The way to take, and why."""

    way: Way
    reason: str


def plan(own: Position, timeline: int, history: History, own_history: History | None = None, foreign: bool = False) -> Plan:
    """Return how to rejoin, comparing our end of WAL with the point where the primary's history left our timeline.

    own: our end of WAL; timeline: the primary's; history: the primary's history file, as (timeline, LSN at which it was left), in order
    (PostgreSQL, src/backend/access/transam/timeline.c: a server may follow if it hasn't passed the switch point); own_history: ours, None:
    not known; foreign: our timeline was begun by someone else, whatever its number. Every timeline is reserved in the Lease, so one above
    the primary's was begun by someone else, as with pg_promote().
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
        # pg_rewind treats two timelines with the same number as the same timeline (src/bin/pg_rewind/pg_rewind.c)
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
    """Return the standby that `me` (a pod's name) should copy instead of the primary, or None to copy the primary.

    The standby must accept connections and be eligible, which means that it streams. A standby is tried only the first time; whether it is
    on the primary's timeline is checked when copying. lease, pods: as read; standby_mode: warm or hot; copies: consecutive copies,
    including this one.
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
