"""A decision and how it is built: while the rules run, `Step` collects the actions, the changes to memory and the reason."""

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
    LIST_EVERY_S,
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
from .memory import Memory
from .memory_parts import Part
from .observation import Observation
from .phases import Phase, check

ANSWERS = 4


@dataclass(frozen=True)
class Decision:
    """What to do (in this order), why, and what to remember."""

    memory: Memory
    reason: str
    actions: tuple[Action, ...] = ()


class Step:
    """A decision being built. `o` is the observation, `m` the memory as changed so far."""

    def __init__(self, observation: Observation, memory: Memory) -> None:
        """Start from an observation and the memory."""
        self.o = observation
        self.m = memory
        self.actions: list[Action] = []
        self.reason = "nothing to do"

    def keep(self, *parts: Part) -> None:
        """Change the memory: each part replaces the part of the same type."""
        for part in parts:
            self.m = self.m.having(part)

    def meet(self, nonce: str | None) -> None:
        """Address the supervisor incarnation `nonce` from now on; None: no supervisor."""
        self.m = replace(self.m, nonce=nonce)

    def restart_phase(self) -> None:
        """Restart the time counted in this phase."""
        self.m = replace(self.m, phase_since=self.o.now)

    def because(self, reason: str) -> None:
        """Set the reason of this decision."""
        self.reason = reason

    def do(self, action: Action, reason: str) -> None:
        """Order an action and set the reason."""
        self.actions.append(action)
        self.reason = reason

    def go(self, phase: Phase, reason: str) -> None:
        """Change the phase. Raise NoTransition if the table doesn't allow this change."""
        check(self.m.phase, phase)
        self.m = replace(self.m, phase=phase, phase_since=self.o.now)
        self.keep(replace(self.m.telling, blocked=None))
        self.reason = reason

    def run(self, order: Order, reason: str, term: int | None = None) -> None:
        """Start an operation; only one runs at a time. term: the highest known term unless given."""
        number = self.m.operation.op_number + 1
        self.keep(replace(self.m.operation, op=order.op, op_number=number, op_begun=self.o.now))
        self.do(Run(number, order, self.term if term is None else term), reason)

    def start(self, reason: str) -> None:
        """Start the server, sealed, in the due standby mode. The last holder's server may use the emergency WAL space to start.

        With a limit below the primary's it starts warm, because it wouldn't start hot.
        """
        mode = "warm" if self.lacks else self.due_mode
        s = self.state
        emergency_space = s is not None and s.volume == self.o.volume
        self.run(Start(mode, self.guard, emergency_space, self.o.position), reason)
        self.keep(replace(self.m.upstream, mode=mode), replace(self.m.sync, guarded=self.guard > 0))

    def copy(self, order: Rewind | Clone, reason: str) -> None:
        """Start a rewind or a clone; each consecutive one makes the pause before the next longer."""
        self.keep(replace(self.m.copying, copies=self.m.copying.copies + 1))
        self.run(order, reason)

    def copied(self) -> None:
        """Record that a rewind or a clone has ended."""
        self.keep(replace(self.m.copying, copy_at=self.o.now + timing.pause(self.m.copying.copies)))

    def not_copied(self) -> None:
        """Record that a rewind or a clone changed nothing, so it doesn't count."""
        self.keep(replace(self.m.copying, copies=self.m.copying.copies - 1, copy_at=self.o.now + BUSY_AGAIN_S))

    def tell(self, reason: str, message: str) -> None:
        """Record a warning Event, at most once every five minutes per reason."""
        told = {known: at for known, at in self.m.telling.told if self.o.now - at < TELL_AGAIN_S}
        if reason not in told:
            self.keep(replace(self.m.telling, told=tuple(sorted({**told, reason: self.o.now}.items()))))
            self.actions.append(Announce("Warning", reason, message))

    def asks(self, text: str | None) -> bool:
        """True if this operator request needs an answer; a request that is still on the pod after a while is answered again."""
        return text is not None and self.o.now - dict(self.m.telling.answered).get(text, -1e9) >= ANSWER_AGAIN_S

    def show(self, annotation: str, shown: str | None, text: str, shown_at: float) -> bool:
        """Have our pod show a text, '' for none; repeat if the pod doesn't show it after a while. Return True if that was ordered.

        annotation: the key; shown: the text that the pod shows now; text: the text that it should show; shown_at: CLOCK_BOOTTIME at which
        that was last ordered.
        """
        if self.own_pod is None or (shown or "") == text or self.o.now - shown_at < SHOW_AGAIN_S:
            return False
        self.actions.append(Annotate(((annotation, text or None),)))
        return True

    def answer(self, annotation: str, text: str, id: str, outcome: str, reason: str) -> bool:
        """Remove the request `text` from our pod and write the answer there. Return False if it was answered before."""
        others = tuple(pair for pair in self.m.telling.answered if pair[0] != text)
        first = len(others) == len(self.m.telling.answered)
        self.keep(replace(self.m.telling, answered=((text, self.o.now), *others)[:ANSWERS]))
        self.actions.append(Annotate(((annotation, None), (requests.ANSWER, requests.answer(id, outcome, reason)))))
        return first

    def kill(self, reason: str, hold_s: float, hung: bool = False) -> None:
        """Fence our own server: every process in its container is killed.

        hold_s: how long others should wait for it, in seconds; hung: because a volume hangs.
        """
        self.keep(replace(self.m.hold, dead_reason=reason, hung=hung, hold_s=hold_s, held_term=None))
        self.forget_server()
        self.go(Phase.DOWN, reason)
        self.do(Kill(), reason)

    def done(self) -> Decision:
        """Return the decision."""
        return Decision(self.m, self.reason, tuple(self.actions))

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

    def read(self) -> None:
        """Read the Lease if the watch has been silent: once a second, or more often while the last read is unanswered.

        A single hanging read must not make the gap between two reads so long that the Lease's age is counted from zero again (rule 4C).
        """
        o, m = self.o, self.m
        quiet = o.lease is None or o.now - o.lease.last_read > o.timing.quiet_after
        unanswered = o.lease is None or o.lease.last_read < m.reads.read_at
        if quiet and o.now - m.reads.read_at >= (READ_AGAIN_S if unanswered else READ_EVERY_S):
            self.keep(replace(self.m.reads, read_at=o.now))
            self.actions.append(ReadLease())

    def list_pods(self) -> None:
        """List the pods, unless that was done a moment ago."""
        if self.o.now - self.m.reads.list_at >= LIST_EVERY_S:
            self.keep(replace(self.m.reads, list_at=self.o.now))
            self.actions.append(ListPods())

    def report(self, running: bool, reason: str) -> None:
        """Report our position for the Lease's current version. running: the server is running.

        The report is repeated if our pod doesn't show it after a while.
        """
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
                ),
                m.upstream.mode if self.own_pod is not None and self.own_pod.standby_mode is None else None,
            ),
            reason,
        )

    def put(self, kind: PutKind, state: LeaseState, reason: str, create: bool = False, routine: bool = False) -> None:
        """Write the Lease, creating or updating it; only one write at a time. routine: as in PutLease.

        It is based on the version last read, or on the older Lease found in its place if it was rolled back.
        """
        lease = self.o.lease
        found = lease.instead.version if lease is not None and lease.instead is not None else None
        version = found or (None if create or lease is None or self.state is None else lease.version)
        known = lease.state.serial if lease is not None and lease.state is not None else 0
        self.keep(replace(self.m.writes, put=kind, put_at=self.o.now, put_on=self.version))
        self.do(PutLease(kind, replace(state, serial=max(known, state.serial) + 1), version, routine), reason)

    def release(self, why: str, release: Release, begun: int = 0) -> None:
        """Release the Lease. Only for a server that is known to be unable to write.

        begun: the timeline of a restored server, which no claim has reserved. The term becomes at least as high, because a Lease that is
        created over existing volumes takes the highest term for a bound of all timelines (bootstrap.resume_state).
        """
        s = self.state
        if s is None or self.m.writes.put is not None:
            return
        unbegun = self.m.hold.unbegun
        state = replace(
            s,
            release=release,
            volume=self.o.volume or s.volume,
            system_identifier=s.system_identifier or self.o.system_identifier,
            term=max(s.term, begun),
            timeline=max(begun, unbegun[1] if unbegun is not None and unbegun[0] == s.term else s.timeline),
            recovery=None,
        )
        self.put(PutKind.RELEASE, state, why)

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

    def fence(self, eligible: bool) -> None:
        """Write the deadline that follows from the last acknowledged write and from lease extensions; none if nobody else may claim."""
        m = self.m
        assert m.hold.held_term is not None
        deadline = max(self.lease_until, self.granted_until or 0.0) if eligible else None
        self.actions.append(WriteDeadline(deadline, m.hold.held_term))

    def forget_server(self) -> None:
        """Forget the server's state: its process has ended or was replaced, so nothing known about it still holds."""
        self.keep(
            replace(self.m.operation, op=None),
            replace(self.m.sealed, position=None, start_version=None, started=False),
            replace(self.m.reporting, promised=None),
            replace(self.m.upstream, follow_term=None, mode=None, has_joined=False),
            replace(self.m.succession, switchover=None),
        )
        self.keep(
            replace(self.m.sync, guarded=False, recorded=False, setting=None, ordered=None, sync_told=None),
            replace(self.m.storage, full_since=None, died_at=None),
        )


def busy(step: Step, *ops: Op) -> bool:
    """True if one of `ops` is running (any operation, if none is named)."""
    return step.m.operation.op in ops if ops else step.m.operation.op is not None
