"""What follows from what a member sees and remembers, without changing either."""

from __future__ import annotations

from hapg_protocol.model import NO_LEASE, LeaseState, Pod, PositionReport
from hapg_protocol.recovery import Progress

from .. import disk_space
from ..election import Candidate
from ..timing import (
    HEARTBEAT_FRESH_S,
    LEASE_GONE_S,
    SUSPECT_S,
)
from . import recovery
from .lease_view import without_lease
from .memory import Memory
from .observation import Observation
from .phases import Phase


class Known:
    """What a member knows in one turn: the observation `o`, the memory `m`, and what follows from them."""

    def __init__(self, observation: Observation, memory: Memory) -> None:
        self.o = observation
        self.m = memory

    @property
    def state(self) -> LeaseState | None:
        """The Lease's state as last read.

        None if it was never read, doesn't exist, or has been missing or rolled back for a minute (rule 14).
        """
        lease = self.o.lease
        if lease is None or (lease.missing_since is not None and self.o.now - lease.missing_since >= LEASE_GONE_S):
            return None
        return lease.state

    @property
    def patience(self) -> float:
        """How long a write to a volume may take before the primary counts as hung, in seconds."""
        return disk_space.patience(self.state.hangs if self.state is not None else 0)

    @property
    def guard(self) -> int:
        """How many standbys a server must wait for from its start, 0: replication is asynchronous.

        The module `write_quorum` explains why it starts with a setting that names nobody.
        """
        s = self.state
        return s.sync.k if s is not None and s.sync is not None else self.o.policy.k

    @property
    def version(self) -> str:
        """The version that position reports are bound to: the Lease's, or the last one known if there is no Lease."""
        lease = self.o.lease
        if lease is None:
            return NO_LEASE
        if self.state is not None:
            return lease.version
        return lease.instead.version if lease.instead is not None else without_lease(lease, self.o.pods)

    @property
    def age(self) -> float:
        """Seconds since this version of the Lease was first seen."""
        return self.o.now - self.o.lease.first_seen if self.o.lease is not None else 0.0

    @property
    def term(self) -> int:
        """The highest term known to this agent."""
        return max(self.o.max_term, self.o.term_in_force, self.state.term if self.state is not None else 0)

    @property
    def supervised(self) -> bool:
        """The supervisor that we address is alive: its heartbeat is fresh."""
        o = self.o
        return o.nonce is not None and o.nonce == self.m.nonce and o.now - o.heartbeat_at < HEARTBEAT_FRESH_S

    @property
    def server_known(self) -> bool:
        """The supervisor's state report is fresh and newer than the end of our last operation, so it includes that operation's effects."""
        return self.supervised and self.o.heartbeat_at >= self.m.operation.op_ended

    @property
    def holds(self) -> bool:
        """The Lease, as last read, is ours in the term that we hold."""
        s = self.state
        return (
            s is not None
            and s.release is None
            and s.holder == self.o.me
            and self.m.hold.held_term is not None
            and s.term == self.m.hold.held_term
        )

    @property
    def due_mode(self) -> str:
        """The standby mode to start in: the configured one, unless a hot start failed recently.

        A server that was promoted by someone else stays warm until it is rewound or cloned, so that nobody calls pg_promote() on it again.
        """
        return "warm" if self.o.foreign or self.o.now < self.m.retry.warm_until else self.o.standby_mode

    @property
    def lacks(self) -> bool:
        """A limit of the wanted settings is below that of the primary whose WAL we have: a hot standby would not start with them."""
        settings = self.o.start_settings
        return settings is not None and settings.lacks

    @property
    def live_holder(self) -> bool:
        """Another pod holds the Lease and renews it."""
        s = self.state
        return (
            s is not None
            and s.release is None
            and s.holder != self.o.me
            and s.system_identifier is not None
            and self.age < self.o.timing.overdue
        )

    @property
    def holder_has_ended(self) -> bool:
        """Our WAL ends with the shutdown checkpoint of the Lease's own timeline: its only writer has ended, and we have all its WAL.

        Each claim reserves its own timeline, so no other server has written on it, and none ever will.
        """
        s, end = self.state, self.m.sealed.position
        return (
            s is not None
            and s.release is None
            and s.holder != self.o.me
            and end is not None
            and not self.o.foreign
            and end == self.m.sealed.shutdown
            and end.timeline == s.timeline
        )

    @property
    def stands_down(self) -> bool:
        """Our server failed as the primary within the last 10 s: the other candidates go first, whatever WAL they have."""
        return self.o.now < self.m.retry.failed_until - SUSPECT_S

    @property
    def full(self) -> bool:
        """Our data volume is full."""
        return disk_space.is_full(self.o.room, self.o.segment)

    @property
    def own_report(self) -> PositionReport | None:
        """The position report on our own pod."""
        own = self.own_pod
        return own.report if own is not None else None

    @property
    def own_pod(self) -> Pod | None:
        """Our own pod, as the API shows it."""
        return next((p for p in self.o.pods if p.uid == self.o.me.uid), None)

    @property
    def replayed(self) -> int | None:
        """The LSN up to which our sealed server has replayed its WAL, in bytes; None: not known."""
        seen = self.o.recovery.replayed if self.o.recovery is not None else None
        known = [lsn for lsn in (self.m.sealed.replayed, seen) if lsn is not None]
        return max(known, default=None)

    @property
    def backlog(self) -> Progress | None:
        """Progress through the WAL that our server must replay before it can write; None if little is left, or if it isn't known."""
        o, m = self.o, self.m
        target = m.sealed.position or (self.state.position if self.state is not None else None)
        seen = o.recovery
        if seen is None or seen.replayed is None:
            seen = recovery.Recovery(m.sealed.replayed, 0, o.now, m.sealed.replayed, o.now)
        return recovery.progress(seen, target, o.now, o.segment)

    @property
    def progress(self) -> Progress | None:
        """Recovery progress of a server that is being promoted; None if it isn't recovering, or is nearly done."""
        return self.backlog if self.m.phase is Phase.PROMOTING else None

    @property
    def grace(self) -> int:
        """Our pod's deletion grace period in seconds: from the API if it is being deleted, else from its template."""
        own = self.own_pod
        return own.grace if own is not None and own.grace is not None else self.o.grace

    def candidate(self) -> Candidate | None:
        """Return ourselves as a candidate, or None unless we are sealed with a known position."""
        o, m = self.o, self.m
        if m.sealed.position is None or o.volume is None or m.nonce is None:
            return None
        return Candidate(o.me.pod, o.me.uid, o.ordinal, o.volume, m.sealed.position, m.nonce, o.foreign)

    @property
    def lease_until(self) -> float:
        """CLOCK_BOOTTIME until which the last acknowledged write lets our server write."""
        return self.m.hold.renewed_at + self.o.timing.usable_lease(self.m.hold.recorded_ttl)

    @property
    def claimants(self) -> frozenset[str]:
        """The volumes that may be in the list of eligible replicas.

        These are the ones last read, plus those that we have since written on top of that version.
        """
        s, m = self.state, self.m
        written = m.extensions.claimants if m.extensions.written_on == self.version else ()
        return frozenset(written) | frozenset(x.volume for x in (s.eligible if s is not None else ()))

    @property
    def granted_until(self) -> float | None:
        """CLOCK_BOOTTIME until which every possible claimant has promised not to claim; None unless all of them have (rule 8)."""
        sent, claimants = dict(self.m.extensions.granted_at), self.claimants
        if not claimants or not claimants <= sent.keys():
            return None
        return min(sent[volume] for volume in claimants) + self.o.timing.usable_extension(self.m.hold.recorded_ttl)
