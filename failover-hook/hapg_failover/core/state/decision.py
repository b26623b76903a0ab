"""A decision, and how it is made: `Step` collects the actions, the changes of memory and the reason while the rules are gone through."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hapg_protocol import requests
from hapg_protocol.model import NO_LEASE, LeaseState, Pod, PositionReport, Release, VolumeState
from hapg_protocol.recovery import Progress

from .. import disk_space, timing
from ..election import Candidate
from ..timing import (
    ANSWER_AGAIN_S,
    BUSY_AGAIN_S,
    HEARTBEAT_FRESH_S,
    LEASE_GONE_S,
    READ_AGAIN_S,
    READ_EVERY_S,
    REPORT_AGAIN_S,
    SHOW_AGAIN_S,
    SUSPECT_S,
    TELL_AGAIN_S,
)
from . import recovery
from .actions import (
    Action,
    Annotate,
    Announce,
    Clone,
    Kill,
    ListPods,
    Op,
    Order,
    PutKind,
    PutLease,
    ReadLease,
    Report,
    Rewind,
    Run,
    Start,
    WriteDeadline,
)
from .lease_view import without_lease
from .memory import Memory, Part
from .observation import Observation
from .phases import Phase, check

ANSWERS = 4


@dataclass(frozen=True)
class Decision:
    """What to do, in this order, why, and what to remember."""

    memory: Memory
    reason: str
    actions: tuple[Action, ...] = ()


class Step:
    """One decision in the making. `o` is what is seen, `m` what is remembered so far."""

    def __init__(self, observation: Observation, memory: Memory) -> None:
        """Start from what is seen and remembered."""
        self.o = observation
        self.m = memory
        self.actions: list[Action] = []
        self.reason = "nothing to do"

    def keep(self, *parts: Part) -> None:
        """Change the memory: each part takes the place of its kind."""
        for part in parts:
            self.m = self.m.having(part)

    def meet(self, nonce: str | None) -> None:
        """Speak to another incarnation of the supervisor from now on, or to none."""
        self.m = replace(self.m, nonce=nonce)

    def restart_phase(self) -> None:
        """Count the time in this phase from now."""
        self.m = replace(self.m, phase_since=self.o.now)

    def because(self, reason: str) -> None:
        """State the reason of this decision."""
        self.reason = reason

    def do(self, action: Action, reason: str) -> None:
        """Order an action."""
        self.actions.append(action)
        self.reason = reason

    def go(self, phase: Phase, reason: str) -> None:
        """Change the phase. Raise NoTransition if the table has no such change."""
        check(self.m.phase, phase)
        self.m = replace(self.m, phase=phase, phase_since=self.o.now)
        self.keep(replace(self.m.telling, blocked=None))
        self.reason = reason

    def run(self, order: Order, reason: str, term: int | None = None) -> None:
        """Begin an operation; one at a time. term: the highest known unless given."""
        number = self.m.operation.op_number + 1
        self.keep(replace(self.m.operation, op=order.op, op_number=number))
        self.do(Run(number, order, self.term if term is None else term), reason)

    def start(self, reason: str) -> None:
        """Start the server, sealed, in the standby mode that is due; that of the last holder even if that takes the emergency space."""
        mode = self.due_mode
        s = self.state
        emergency_space = s is not None and s.volume == self.o.volume
        self.run(Start(mode, self.guard, emergency_space, self.o.position), reason)
        self.keep(replace(self.m.upstream, mode=mode), replace(self.m.sync, guarded=self.guard > 0))

    def copy(self, order: Rewind | Clone, reason: str) -> None:
        """Begin a rewind or a clone; each one in a row makes the pause before the next longer."""
        self.keep(replace(self.m.copying, copies=self.m.copying.copies + 1))
        self.run(order, reason)

    def copied(self) -> None:
        """A rewind or a clone has ended."""
        self.keep(replace(self.m.copying, copy_at=self.o.now + timing.pause(self.m.copying.copies)))

    def not_copied(self) -> None:
        """A rewind or a clone has touched nothing: it doesn't count."""
        self.keep(replace(self.m.copying, copies=self.m.copying.copies - 1, copy_at=self.o.now + BUSY_AGAIN_S))

    def tell(self, reason: str, message: str) -> None:
        """Warn by an Event, every five minutes at most."""
        told = {known: at for known, at in self.m.telling.told if self.o.now - at < TELL_AGAIN_S}
        if reason not in told:
            self.keep(replace(self.m.telling, told=tuple(sorted({**told, reason: self.o.now}.items()))))
            self.actions.append(Announce("Warning", reason, message))

    def asks(self, text: str | None) -> bool:
        """Tell whether this request of an operator waits for an answer; one that is still shown after a while is answered again."""
        return text is not None and self.o.now - dict(self.m.telling.answered).get(text, -1e9) >= ANSWER_AGAIN_S

    def show(self, annotation: str, shown: str | None, text: str, shown_at: float) -> bool:
        """Have our pod show a text, '' for none; again if it doesn't after a while. True if that was ordered.

        shown: what it shows; shown_at: boot time at which it was last ordered.
        """
        if self.own_pod is None or (shown or "") == text or self.o.now - shown_at < SHOW_AGAIN_S:
            return False
        self.actions.append(Annotate(((annotation, text or None),)))
        return True

    def answer(self, annotation: str, text: str, id: str, outcome: str, reason: str) -> bool:
        """Take the request `text` off our pod and put the answer there; False if it was answered before."""
        others = tuple(pair for pair in self.m.telling.answered if pair[0] != text)
        first = len(others) == len(self.m.telling.answered)
        self.keep(replace(self.m.telling, answered=((text, self.o.now), *others)[:ANSWERS]))
        self.actions.append(Annotate(((annotation, None), (requests.ANSWER, requests.answer(id, outcome, reason)))))
        return first

    def kill(self, reason: str, hold_s: float) -> None:
        """Fence ourselves: every process of the server's container dies."""
        self.keep(replace(self.m.hold, dead_reason=reason, hold_s=hold_s, held_term=None))
        self.forget_server()
        self.go(Phase.DOWN, reason)
        self.do(Kill(), reason)

    def done(self) -> Decision:
        """Return the decision."""
        return Decision(self.m, self.reason, tuple(self.actions))

    @property
    def state(self) -> LeaseState | None:
        """The Lease's state as last read; None if it was never read, isn't there, or has been gone or gone back for a minute (rule 14)."""
        lease = self.o.lease
        if lease is None or (lease.missing_since is not None and self.o.now - lease.missing_since >= LEASE_GONE_S):
            return None
        return lease.state

    @property
    def guard(self) -> int:
        """How many standbys a server must be started to wait for, 0: replication is asynchronous (write_quorum: why it names nobody)."""
        s = self.state
        return s.sync.k if s is not None and s.sync is not None else self.o.policy.k

    @property
    def version(self) -> str:
        """The version position reports are bound to: the Lease's, or if there is none, the last one that is known."""
        lease = self.o.lease
        if lease is None:
            return NO_LEASE
        if self.state is not None:
            return lease.version
        return lease.instead.version if lease.instead is not None else without_lease(lease, self.o.pods)

    @property
    def age(self) -> float:
        """Seconds since this version of the Lease was seen first."""
        return self.o.now - self.o.lease.first_seen if self.o.lease is not None else 0.0

    @property
    def term(self) -> int:
        """The highest term known here."""
        return max(self.o.max_term, self.o.term_in_force, self.state.term if self.state is not None else 0)

    @property
    def supervised(self) -> bool:
        """The supervisor we speak to is alive and its word is fresh."""
        o = self.o
        return o.nonce is not None and o.nonce == self.m.nonce and o.now - o.heartbeat_at < HEARTBEAT_FRESH_S

    @property
    def server_known(self) -> bool:
        """The supervisor's word is fresh, and given since our last operation ended: it tells what that has brought about."""
        return self.supervised and self.o.heartbeat_at >= self.m.operation.op_ended

    @property
    def holds(self) -> bool:
        """The Lease, as read, is ours under the term we hold."""
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
        """The standby mode to start in: the one that is wanted, unless a hot start has failed a short while ago.

        A server that somebody has promoted is warm until it is rewound or cloned, so that nobody calls pg_promote() there once more.
        """
        return "warm" if self.o.foreign or self.o.now < self.m.retry.warm_until else self.o.standby_mode

    @property
    def live_holder(self) -> bool:
        """Somebody else holds the Lease and renews it."""
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
        """Our WAL ends with the shutdown checkpoint of the Lease's own timeline: its only writer has ended, and we have all of it.

        Each claim reserves a timeline of its own, so no other server has written on it, and none will again.
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
        """Our server failed as the primary within the last 10 s: the others go first, whatever they have."""
        return self.o.now < self.m.retry.failed_until - SUSPECT_S

    @property
    def full(self) -> bool:
        """Our data volume is full."""
        return disk_space.is_full(self.o.room, self.o.segment)

    @property
    def own_report(self) -> PositionReport | None:
        """What our own pod shows as reported."""
        own = self.own_pod
        return own.report if own is not None else None

    @property
    def own_pod(self) -> Pod | None:
        """Our own pod as the API shows it."""
        return next((p for p in self.o.pods if p.uid == self.o.me.uid), None)

    @property
    def replayed(self) -> int | None:
        """LSN up to which our sealed server has replayed its WAL, in bytes; None: not known."""
        seen = self.o.recovery.replayed if self.o.recovery is not None else None
        known = [lsn for lsn in (self.m.sealed.replayed, seen) if lsn is not None]
        return max(known, default=None)

    @property
    def backlog(self) -> Progress | None:
        """How far our server is in the WAL that it has to replay before it can write; None if that is soon done, or not known."""
        o, m = self.o, self.m
        target = m.sealed.position or (self.state.position if self.state is not None else None)
        seen = o.recovery
        if seen is None or seen.replayed is None:
            seen = recovery.Recovery(m.sealed.replayed, 0, o.now, m.sealed.replayed, o.now)
        return recovery.progress(seen, target, o.now, o.segment)

    @property
    def progress(self) -> Progress | None:
        """How far the recovery of our server is that is to write; None if it isn't recovering, or soon through."""
        return self.backlog if self.m.phase is Phase.PROMOTING else None

    @property
    def grace(self) -> int:
        """The seconds that our pod's deletion gives it: as the API shows it, or else as its template says."""
        own = self.own_pod
        return own.grace if own is not None and own.grace is not None else self.o.grace

    def candidate(self) -> Candidate | None:
        """Return ourselves as a candidate, None while we are not sealed with a known position."""
        o, m = self.o, self.m
        if m.sealed.position is None or o.volume is None or m.nonce is None:
            return None
        return Candidate(o.me.pod, o.me.uid, o.ordinal, o.volume, m.sealed.position, m.nonce, o.foreign)

    def read(self) -> None:
        """Read the Lease afresh when the watch has been silent, once a second, or sooner while the last read isn't answered.

        One read that hangs mustn't let the gap between two reads become so long that the Lease's age begins anew (rule 4C).
        """
        o, m = self.o, self.m
        quiet = o.lease is None or o.now - o.lease.last_read > o.timing.quiet_after
        unanswered = o.lease is None or o.lease.last_read < m.reads.read_at
        if quiet and o.now - m.reads.read_at >= (READ_AGAIN_S if unanswered else READ_EVERY_S):
            self.keep(replace(self.m.reads, read_at=o.now))
            self.actions.append(ReadLease())

    def list_pods(self) -> None:
        """Read the pods afresh, at most three times a second."""
        if self.o.now - self.m.reads.list_at >= 0.3:
            self.keep(replace(self.m.reads, list_at=self.o.now))
            self.actions.append(ListPods())

    def report(self, running: bool, reason: str) -> None:
        """State our position under the Lease's present version; again if our pod doesn't show it after a while."""
        o, m = self.o, self.m
        own = self.own_report
        said = (self.version, running, m.nonce or "", o.volume)
        shown = own is not None and (own.lease_version, own.running, own.nonce, own.volume) == said
        if m.reporting.promised == (self.version, running) and (shown or o.now - m.reporting.reported_at < REPORT_AGAIN_S):
            return
        position = m.sealed.position if o.volume_state is VolumeState.DATA else None
        self.keep(replace(self.m.reporting, promised=(self.version, running), reported_at=o.now))
        self.do(
            Report(
                PositionReport(
                    self.version,
                    m.nonce or "",
                    o.volume_state,
                    o.volume,
                    o.system_identifier,
                    position,
                    running,
                    o.max_term,
                    self.stands_down or self.full,
                    o.now < m.retry.failed_until,
                    self.replayed,
                    foreign=o.foreign,
                )
            ),
            reason,
        )

    def put(self, kind: PutKind, state: LeaseState, reason: str, create: bool = False) -> None:
        """Write the Lease on the version last read, on what is there in its place if it has gone back; one write at a time."""
        lease = self.o.lease
        found = lease.instead.version if lease is not None and lease.instead is not None else None
        version = found or (None if create or lease is None or self.state is None else lease.version)
        known = lease.state.serial if lease is not None and lease.state is not None else 0
        self.keep(replace(self.m.writes, put=kind, put_at=self.o.now, put_on=self.version))
        self.do(PutLease(kind, replace(state, serial=max(known, state.serial) + 1), version), reason)

    def release(self, why: str, release: Release) -> None:
        """Give the Lease back. Only for a server that is known not to be able to write."""
        s = self.state
        if s is None or self.m.writes.put is not None:
            return
        unbegun = self.m.hold.unbegun
        state = replace(
            s,
            release=release,
            volume=self.o.volume or s.volume,
            system_identifier=s.system_identifier or self.o.system_identifier,
            timeline=unbegun[1] if unbegun is not None and unbegun[0] == s.term else s.timeline,
            recovery=None,
        )
        self.put(PutKind.RELEASE, state, why)

    @property
    def lease_until(self) -> float:
        """Boot time up to which the last acknowledged write lets our server write."""
        return self.m.hold.renewed_at + self.o.timing.usable_lease(self.m.hold.recorded_ttl)

    @property
    def claimants(self) -> frozenset[str]:
        """The volumes that may be in the list of eligible replicas: as last read, and as written since on the version that was read."""
        s, m = self.state, self.m
        written = m.extensions.claimants if m.extensions.written_on == self.version else ()
        return frozenset(written) | frozenset(x.volume for x in (s.eligible if s is not None else ()))

    @property
    def granted_until(self) -> float | None:
        """Boot time up to which all that may claim have promised not to; None if one of them hasn't (rule 8)."""
        sent, claimants = dict(self.m.extensions.granted_at), self.claimants
        if not claimants or not claimants <= sent.keys():
            return None
        return min(sent[volume] for volume in claimants) + self.o.timing.usable_extension(self.m.hold.recorded_ttl)

    def fence(self, eligible: bool) -> None:
        """Write the deadline that follows from the last acknowledged write and from extensions; none if nobody else may claim."""
        m = self.m
        assert m.hold.held_term is not None
        deadline = max(self.lease_until, self.granted_until or 0.0) if eligible else None
        self.actions.append(WriteDeadline(deadline, m.hold.held_term))

    def forget_server(self) -> None:
        """The server's process is gone or new: nothing that was known of it holds any more."""
        self.keep(
            replace(self.m.operation, op=None),
            replace(self.m.sealed, position=None, start_version=None, started=False),
            replace(self.m.reporting, promised=None),
            replace(self.m.upstream, follow_term=None, mode=None, has_joined=False),
            replace(self.m.succession, switchover=None),
        )
        self.keep(
            replace(self.m.sync, guarded=False, recorded=False, setting=None, ordered=None, sync_told=None),
            replace(self.m.storage, full_since=None),
        )


def busy(step: Step, *ops: Op) -> bool:
    """Tell whether one of `ops` (any, if none is named) is under way."""
    return step.m.operation.op in ops if ops else step.m.operation.op is not None
