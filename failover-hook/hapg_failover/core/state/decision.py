"""A decision and how it is built: while the rules run, `Step` collects the actions, the changes to memory and the reason."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hapg_protocol import requests
from hapg_protocol.model import LeaseState, PositionReport, Release, VolumeState

from .. import timing
from ..timing import (
    ANSWER_AGAIN_S,
    BUSY_AGAIN_S,
    LIST_EVERY_S,
    READ_AGAIN_S,
    READ_EVERY_S,
    REPORT_AGAIN_S,
    SHOW_AGAIN_S,
    TELL_AGAIN_S,
)
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
from .known import Known
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


class Step(Known):
    """A decision being built: what is known, with the memory `m` as changed so far, and the actions and the reason that were collected."""

    def __init__(self, observation: Observation, memory: Memory) -> None:
        """Start from an observation and the memory."""
        super().__init__(observation, memory)
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
