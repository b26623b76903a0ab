"""The failover protocol of one pod's agent, as a pure function.

`decide(observation, memory)` returns what to do, why, and what to remember. It is called whenever something has happened, and at least as
often as `longest_wait` says; extra calls change nothing. Invariants that it keeps, in whatever order events arrive:

- a server can become writable in only one way: sealed, reported, claimed by compare-and-swap, promoted within the usable lease;
- nothing extends the deadline but the answer to our own write of the Lease, or extensions from all peers (rule 8), counted from the send;
- a position report stands until the version that it names is replaced: until then, no streaming and no second claim for that version;
- the Lease is released only when our own server is known to be unable to write.

The phases and their changes are in `state.phases`; `startup`, `cloning`, `replica`, `candidacy`, `promotion`, `primary` and `demotion`
contain the rules for each phase.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from . import (
    catching_up,
    cloning,
    conditions,
    demotion,
    forced_failover,
    lease_extension,
    major_upgrade,
    not_following,
    primary,
    promotion,
    readiness,
    replica,
    routing,
    startup,
    switchover,
    synchronous,
)
from .state.actions import Announce, LetGo, Op, PutKind, ReadLease
from .state.decision import Decision, Step
from .state.lease_view import LeaseView
from .state.memory import Memory
from .state.observation import Observation
from .state.phases import Phase
from .state.results import OpResult, Outcome, PutOutcome, PutResult
from .timing import FOLLOWING_TURN_S, LEAST_TURN_S, STEADY_TURN_S, SWITCHOVER_TURN_S, TURN_S, Timing, retry_pause

WRITING = (Phase.PROMOTING, Phase.PRIMARY)


def decide(observation: Observation, memory: Memory) -> Decision:
    """Return the decision for an observation and the memory.

    Raise NoTransition if a rule attempts a phase change that the table doesn't allow: the agent then exits, and the deadline fences the
    server.
    """
    step = Step(observation, memory)
    if memory.reads.first_version is None and observation.lease is not None:
        step.keep(replace(step.m.reads, first_version=observation.lease.version))
    if memory.extensions.promised_until is None:
        # an earlier incarnation of this agent may have just made a promise
        step.keep(replace(step.m.extensions, promised_until=observation.now + observation.timing.promise(observation.timing.extension)))
    if observation.deleting and memory.upstream.leaving_since is None:
        step.keep(replace(step.m.upstream, leaving_since=observation.now))
    if observation.put is not None:
        _put_answered(step, observation.put)
    elif memory.writes.put is PutKind.RENEW and observation.now - memory.writes.put_at >= observation.timing.call:
        _renewal_unanswered(step)
    if observation.container_dead:
        _container_dead(step)
        lease_extension.answer_all(step)
        return step.done()
    _supervisor_changed(step)
    if step.m.nonce is None:
        step.because("waiting for the supervisor of the postgres container")
        if step.m.phase is Phase.DOWN:
            demotion.tell_what_is_left(step)
        lease_extension.answer_all(step)
        step.read()
        return step.done()
    if observation.op is not None and step.m.operation.op is not None and observation.op.number == step.m.operation.op_number:
        step.keep(replace(step.m.operation, op=None, op_ended=observation.op.ended or observation.now))
        _op_answered(step)
    if observation.granted:
        lease_extension.take(step, observation.granted)
    if not step.actions:
        _by_phase(step)
    forced_failover.attend(step)
    readiness.note(step)
    routing.reads(step)
    conditions.tell_configuration(step)
    conditions.show_uncreated(step)
    conditions.show_not_upgraded(step)
    conditions.tell_tablespaces(step)
    not_following.attend(step)
    lease_extension.answer_all(step)
    step.read()
    return step.done()


def _by_phase(step: Step) -> None:
    phase = step.m.phase
    match phase:
        case Phase.BOOT:
            startup.boot(step)
        case Phase.EMPTY:
            cloning.empty(step)
        case Phase.DAMAGED:
            cloning.damaged(step)
        case Phase.SEALED:
            replica.sealed(step)
            switchover.refuse_elsewhere(step)
        case Phase.FOLLOW:
            replica.follow(step)
            switchover.refuse_elsewhere(step)
        case Phase.CLAIMING:
            step.because("the claim is in progress")
            if step.m.writes.put is None:
                step.go(Phase.SEALED, "the claim failed")
        case Phase.PROMOTING | Phase.PRIMARY:
            primary.writing(step)
        case Phase.STOPPING:
            demotion.stopping(step)
        case Phase.DOWN:
            demotion.down(step)
        case _:
            assert_never(phase)


def _supervisor_changed(step: Step) -> None:
    """Notice a new incarnation of the supervisor: it holds both locks, so no process of the previous one is alive."""
    o, m = step.o, step.m
    if o.nonce is None or o.nonce == m.nonce:
        return
    if m.nonce is not None and (m.phase in WRITING or m.hold.held_term is not None):
        step.keep(replace(step.m.hold, dead_reason=m.hold.dead_reason or "the postgres container was restarted", hold_s=o.timing.restart))
    step.forget_server()
    step.meet(o.nonce)
    step.keep(replace(step.m.hold, held_term=None), replace(step.m.retry, tries=0, retry_at=0.0, starts=0))
    step.go(Phase.BOOT, "a new supervisor")


def _container_dead(step: Step) -> None:
    """No process of the postgres container is alive, and none can start while we hold its locks: release the Lease, then the locks."""
    o, s = step.o, step.state
    if step.m.phase is not Phase.DOWN or step.m.nonce is not None:
        step.meet(None)
        step.keep(
            replace(
                step.m.hold,
                held_term=None,
                gave_back=False,
                dead_reason="every process of the postgres container is dead",
                hung=False,
                hold_s=0.0 if o.deleting else o.timing.restart,
            )
        )
        step.forget_server()
        step.go(Phase.DOWN, "the postgres container is dead")
    ours = s is not None and s.holder == o.me and s.release is None and s.system_identifier is not None
    if step.m.writes.put is not None:
        step.because("the postgres container is dead; a Lease write is in progress")
    elif ours and not step.m.hold.gave_back:
        step.keep(replace(step.m.hold, gave_back=True))
        step.release(
            "the postgres container is dead: release the Lease, with proof",
            step.m.hold.of_the_dead(""),
        )
    else:
        step.actions.append(LetGo())
        step.because("the postgres container is dead and may start again")


def _put_answered(step: Step, put: PutResult) -> None:
    o, m = step.o, step.m
    newest = put.sent_at >= m.writes.put_at
    if newest:
        step.keep(replace(step.m.writes, put=None))
    if put.outcome is not PutOutcome.OK:
        if newest and m.writes.put is not None:
            _put_failed(step, put)
        return
    lease = o.timing.usable_lease(put.state.ttl_s)
    match put.kind:
        case PutKind.RENEW if (step.m.phase in WRITING or step.m.phase is Phase.STOPPING) and put.state.term >= (m.hold.held_term or 0):
            lease_extension.ended(step)
            if newest:
                synchronous.record_answered(step)
            _hold(step, put)
            step.because("the Lease is renewed")
        case PutKind.CLAIM:
            if step.m.phase is Phase.CLAIMING and o.now < put.sent_at + lease and o.server == "standby" and step.supervised:
                step.keep(replace(step.m.extensions, granted_at=(), by_extensions=False, serial=0))
                _hold(step, put)
                promotion.promote(step, put.state)
            else:
                promotion.nothing_begun(step, put.state.term)
                late = "the claim succeeded too late to be used"
                if step.m.phase is Phase.CLAIMING:
                    step.go(Phase.SEALED, late)
                else:
                    step.because(late)
        case PutKind.BOOTSTRAP:
            step.because("the Lease is ours: create the first server")
        case PutKind.RELEASE:
            step.keep(replace(step.m.hold, held_term=None))
            step.because("the Lease is released")
        case PutKind.RENEW:  # the server is no longer one that it would keep alive
            pass
        case _:
            assert_never(put.kind)


def _hold(step: Step, put: PutResult) -> None:
    """We hold the Lease by this write: count the usable lease from its send, and move the deadline."""
    eligible = put.state.eligible
    again = put.state.term == step.m.hold.held_term
    step.keep(
        replace(
            step.m.hold,
            held_term=put.state.term,
            renewed_at=max(put.sent_at, step.m.hold.renewed_at) if again else put.sent_at,
            recorded_ttl=put.state.ttl_s,
        )
    )
    step.fence(bool(eligible or step.claimants))


def _renewal_unanswered(step: Step) -> None:
    """A renewal wasn't answered in time: continue as if it never will be. A later answer still counts, from the renewal's send."""
    step.keep(
        replace(step.m.writes, put=None, renewals_failed=step.m.writes.renewals_failed + 1), replace(step.m.reads, read_at=step.o.now)
    )
    step.actions.append(ReadLease())


def _put_failed(step: Step, put: PutResult) -> None:
    """A missing answer counts as a refusal: the Lease is read again, and only the result of that read is acted on."""
    step.keep(replace(step.m.reads, read_at=step.o.now))
    if put.kind is PutKind.RENEW:
        step.keep(replace(step.m.writes, renewals_failed=step.m.writes.renewals_failed + 1))
    if put.kind is PutKind.CLAIM and step.m.phase is Phase.CLAIMING:
        step.go(Phase.SEALED, f"the claim: {put.outcome.value}")
    if put.kind is PutKind.RENEW and put.outcome is PutOutcome.NOT_FOUND and step.m.phase is Phase.PRIMARY:
        state = replace(put.state, term=put.state.term + 1)
        step.put(PutKind.RENEW, state, "the Lease is missing: recreated under the next term", create=True)
        return
    step.do(ReadLease(), f"{put.kind.value}: {put.outcome.value}, so the Lease is read again")


def _op_answered(step: Step) -> None:
    result = step.o.op
    assert result is not None
    not_following.note(step, result)
    if result.outcome is Outcome.OK:
        step.keep(replace(step.m.retry, tries=0, retry_at=0.0))
    else:
        step.keep(
            replace(
                step.m.retry,
                tries=step.m.retry.tries + 1,
                retry_at=step.o.now + retry_pause(step.m.retry.tries),
            )
        )
    if result.emergency_spaces:
        step.keep(replace(step.m.storage, emergency_space_used=True))
        message = f"{' and '.join(result.emergency_spaces)} full: the emergency WAL space there was released ({result.op.value})"
        step.actions.append(Announce("Warning", "EmergencyWALSpaceReleased", message))
        routing.withdraw(step)
    _dispatch(step, result)


def _dispatch(step: Step, result: OpResult) -> None:
    match result.op:
        case Op.START | Op.SEAL:
            _seal_answered(step, result)
        case Op.FOLLOW:
            replica.follow_answered(step, result)
        case Op.CATCH_UP:
            catching_up.answered(step, result)
        case Op.REWIND | Op.CLONE | Op.INITDB | Op.RESTORE | Op.SEED:
            cloning.copy_answered(step, result)
        case Op.LOOK | Op.UPGRADE:
            major_upgrade.answered(step, result)
        case Op.PROMOTE:
            promotion.promoted(step, result)
        case Op.STANDBYS:
            synchronous.answered(step, result)
        case Op.PREPARE:
            switchover.prepared(step, result)
        case Op.ADOPT:
            startup.adopted(step, result)
        case Op.MARK:
            startup.marked(step, result)
        case Op.SWITCHOVER | Op.STOP:
            demotion.stopped(step, result)
        case _:
            assert_never(result.op)


def _seal_answered(step: Step, result: OpResult) -> None:
    """A server that was started or sealed now has a fixed position, or the operation failed."""
    is_start = result.op is Op.START
    if result.outcome is not Outcome.OK:
        if is_start:
            startup.start_failed(step, result)
        else:
            step.go(Phase.BOOT, f"{result.op.value} failed: {result.text}")
        return
    at_start = is_start or step.m.phase is Phase.BOOT
    step.keep(
        replace(
            step.m.sealed,
            position=result.position,
            shutdown=result.position if result.shutdown else None,
            replayed=result.replayed,
            started=at_start,
            start_version=step.version if at_start and step.o.lease is not None else None,
        ),
        replace(step.m.upstream, follow_term=None),
        replace(step.m.reporting, promised=None),
    )
    if is_start:
        step.keep(replace(step.m.copying, cloned=False))
    step.go(Phase.SEALED, f"sealed at {result.position}")


def longest_wait(m: Memory, timing: Timing, lease: LeaseView | None, now: float) -> float:
    """Return how long the agent may sleep, in seconds.

    It is at least LEAST_TURN_S, so that the agent reaches a deadline with one sleep instead of ever shorter ones.

    A primary whose last write of the Lease was acknowledged has little to do before the next is due: it writes earlier only when eligible
    replicas have come or gone. A following replica has nothing to do while it sees renewals. Events wake both of them. In every other phase
    there are retries to make, and the right action for another pod's Lease changes with its age.

    m: the memory; timing: the release's times; lease: as last read; now: CLOCK_BOOTTIME in seconds.
    """
    if m.succession.switchover is not None:
        return SWITCHOVER_TURN_S
    steady_for = _steady_for(m, timing, lease, now)
    turn = STEADY_TURN_S if m.phase is Phase.PRIMARY else FOLLOWING_TURN_S
    longest = min(turn, steady_for) if steady_for > 0 else min(TURN_S, _next_age(timing, lease, now))
    return max(LEAST_TURN_S, longest)


def _steady_for(m: Memory, timing: Timing, lease: LeaseView | None, now: float) -> float:
    """Return for how many seconds there is nothing to do unless an event arrives; 0 or less if there may be something now."""
    if m.phase is Phase.PRIMARY and m.hold.renewed_at >= m.writes.put_at:
        return m.hold.renewed_at + timing.renew - now
    if m.phase is Phase.FOLLOW and m.operation.op is None and lease is not None and lease.state is not None:
        return min(lease.last_read + timing.quiet_after, lease.first_seen + timing.overdue) - now
    return 0.0


def _next_age(timing: Timing, lease: LeaseView | None, now: float) -> float:
    """Return the seconds until the Lease's next threshold: overdue, past its usable part, old enough to seal, or expired."""
    if lease is None or lease.state is None:
        return TURN_S
    recorded = lease.state.ttl_s
    ages = (timing.overdue, timing.lease, timing.seal_after(recorded), timing.claim_after(recorded))
    left = (lease.first_seen + age - now for age in ages)
    return min((each for each in left if each > 0), default=TURN_S)
