"""A sealed pod as a candidate: it claims the Lease when the rules allow it, or recreates the Lease."""

from __future__ import annotations

from dataclasses import replace

from hapg_protocol import requests
from hapg_protocol.model import LeaseState, ReleaseCause

from . import bootstrap, disk_space, election, forced_failover, lease_extension
from .election import Candidate, Verdict
from .state.actions import PutKind, ReadLease
from .state.decision import Step
from .state.memory_parts import PromotionCause
from .state.phases import Phase
from .timing import BLOCKED_PATIENCE_S, LEASE_GONE_S, LIST_AGAIN_S, LIST_AHEAD_S, NO_LEASE_WAIT_S, PODS_FRESH_S, RUN_OUT_READ_S, SUSPECT_S


def stand(step: Step, s: LeaseState) -> None:
    """Claim the Lease if rule 4 allows it, else say what we are waiting for."""
    o, me = step.o, step.candidate()
    if _may_not_stand(step, s, me):
        return
    assert o.lease is not None
    assert me is not None
    free_since = o.lease.first_seen + (0.0 if s.release is not None else o.timing.claim_after(s.ttl_s))
    forced = forced_failover.request(step)
    verdict = _judge(step, s, me, free_since, forced is not None)
    if verdict.blocked:
        step.keep(replace(step.m.telling, blocked_at=o.now))
    if verdict.leaves_out:
        step.keep(replace(step.m.telling, left_out_at=o.now))
    step.keep(replace(step.m.telling, blocked=verdict.blocked if o.now >= free_since else None))
    if not verdict.claim:
        _say_why_not(step, s, verdict, free_since, forced)
    elif _has_looked_once_more(step, s, verdict, free_since):
        _claim(step, s, me, verdict, forced)


def _may_not_stand(step: Step, s: LeaseState, me: Candidate | None) -> bool:
    """True if something rules out a claim before rule 4 is checked: our own state, a write in progress, a promise (rule 8)."""
    o, m = step.o, step.m
    if _too_full(step):
        return True
    why = None
    if o.lease is not None and o.lease.missing_since is not None:
        why = "the Lease is missing: it can't be claimed until a pod recreates it, or it has been missing for a minute"
    elif (newer := _newest_term(step, s)) > s.term:
        why = f"the Lease shows term {s.term}, a replica knows term {newer}: rolled back, recreated after a minute without change"
    elif me is None:
        why = "no position to claim with"
    elif m.writes.put is not None:
        why = "a Lease write is in progress"
    elif not _is_proven(step, s) and (promise := lease_extension.waits(step)) is not None:
        why = promise
    elif step.stands_down:
        again = m.retry.failed_until - SUSPECT_S - o.now
        why = f"our server failed as the primary; a candidate again in {again:.0f} s, behind replicas with as much WAL"
    if why is not None:
        step.because(why)
    return why is not None


def _newest_term(step: Step, s: LeaseState) -> int:
    """Return the highest term that a pod with data of the Lease's cluster reports, or 0 if none does."""
    said = (p.report for p in step.o.pods if p.report is not None and p.report.system_identifier == s.system_identifier)
    return max((report.max_term for report in said), default=0)


def _is_proven(step: Step, s: LeaseState) -> bool:
    """True if nobody needs to wait for the TTL: the Lease was released, or its holder has shut down."""
    return s.release is not None or step.holder_has_ended


def _judge(step: Step, s: LeaseState, me: Candidate, free_since: float, forced: bool) -> Verdict:
    o, m = step.o, step.m
    if forced:
        return forced_failover.judge(me, s, step.version, o.pods, age=step.age, ttl=o.timing.ttl, ended=step.holder_has_ended)
    return election.judge(
        me,
        s,
        step.version,
        o.pods,
        age=step.age,
        ttl=o.timing.ttl,
        waited=o.now - free_since,
        reported_for=o.now - _others_could_report_since(step, s),
        cold=m.reads.first_version == step.version,
        max_lag=o.max_lag,
        ended=step.holder_has_ended,
        unblocked_for=o.now - m.telling.blocked_at,
        hold=o.timing.hold,
        replicas=o.replicas,
        included_for=o.now - m.telling.left_out_at,
    )


def _say_why_not(step: Step, s: LeaseState, verdict: Verdict, free_since: float, forced: requests.Force | None) -> None:
    o, m = step.o, step.m
    step.because(verdict.reason)
    if forced is not None and m.telling.blocked:
        forced_failover.refuse(step, forced, verdict.reason)
    elif m.telling.blocked and o.now - free_since > BLOCKED_PATIENCE_S:
        step.tell("NoEligibleCandidate", f"{verdict.reason}; {forced_failover.hint(o.me.pod, m.telling.blocked, s)}")
    if (s.release is not None or step.age >= o.timing.ttl - LIST_AHEAD_S) and o.now - o.pods_listed_at > LIST_AGAIN_S:
        step.list_pods()


def _has_looked_once_more(step: Step, s: LeaseState, verdict: Verdict, free_since: float) -> bool:
    """Read the API once more before a claim that relies on an expired Lease or on missing positions. True if that has been done."""
    o, m = step.o, step.m
    assert o.lease is not None
    if not _is_proven(step, s) and o.lease.last_read < free_since:
        if m.reads.read_at < free_since or o.now - m.reads.read_at >= RUN_OUT_READ_S:
            step.keep(replace(step.m.reads, read_at=o.now))
            step.do(ReadLease(), "the Lease has expired: read it once more before the claim")
        return False
    if not verdict.complete and o.pods_listed_at < max(free_since, o.now - PODS_FRESH_S):
        step.list_pods()
        step.because("the Lease is free: read the pods once more before the claim")
        return False
    return True


def _claim(step: Step, s: LeaseState, me: Candidate, verdict: Verdict, forced: requests.Force | None) -> None:
    o = step.o
    state = replace(election.claim(me, o.address, s, o.pods, o.max_term, o.timing.ttl), recovery=step.backlog)
    step.go(Phase.CLAIMING, verdict.reason)
    step.keep(
        replace(step.m.reign, cause=cause_of(s, forced is not None, step.holder_has_ended)),
        replace(step.m.hold, former=s.volume, reserved=s.timeline),
    )
    step.put(PutKind.CLAIM, state, f"claim term {state.term}: {verdict.reason}")
    if forced is not None:
        forced_failover.taken(step, forced, verdict.reason)


def _others_could_report_since(step: Step, s: LeaseState) -> float:
    """Return the CLOCK_BOOTTIME since which the others have had as much reason to report as we have.

    Pods that were sealed while the holder was alive may have reported long before. The others, which were following, seal once they have
    read that the Lease is so old that the holder is dead, and once no promise of theirs stands; their promises end when ours do.
    """
    o, m = step.o, step.m
    if s.release is not None or o.lease is None:
        return m.reporting.reported_at
    return max(m.reporting.reported_at, m.extensions.promised_until or 0.0, o.lease.first_seen + o.timing.seal_after(s.ttl_s))


def resume(step: Step) -> None:
    """Report our position while there is no Lease, and recreate the Lease once enough volumes have reported (section 5)."""
    o, m = step.o, step.m
    lease = o.lease
    if lease is not None and lease.instead is not None and o.now - (lease.missing_since or o.now) < LEASE_GONE_S:
        shown = lease.instead.state
        text = f"the Lease shows term {shown.term} of {shown.holder.pod}, which has ended: rolled back, as by an etcd restore"
        step.tell("LeaseRolledBack", text)
        step.because(f"{text}; it is recreated after {LEASE_GONE_S:g} s without change")
        return
    step.report(True, f"no Lease; our volume is at {m.sealed.position}")
    me = step.candidate()
    if _too_full(step):
        return
    if step.actions or me is None or m.writes.put is not None or o.lease is None or o.system_identifier is None:
        return
    waited = o.now - o.lease.first_seen
    promise = lease_extension.waits(step)
    if promise is not None:
        step.because(promise)
        return
    last = o.lease.state
    newer = election.too_new(last)
    if newer is not None:
        step.tell("NoEligibleCandidate", f"{newer.reason}; a forced failover is not possible")
        step.because(newer.reason)
        return
    # The last holder doesn't ask pods that aren't eligible for extensions, so it may still be writing.
    strict = o.policy.k > 0 or (last is not None and o.volume not in {last.volume, *(x.volume for x in last.eligible)})
    verdict = bootstrap.judge_resume(me, o.system_identifier, o.replicas, step.version, o.pods, waited, strict)
    if not verdict.claim:
        if verdict.blocked and waited >= NO_LEASE_WAIT_S:
            step.tell("NoEligibleCandidate", verdict.reason)
        step.because(verdict.reason)
        return
    state = bootstrap.resume_state(me, o.address, o.system_identifier, step.version, o.pods, o.max_term, o.timing.ttl)
    step.go(Phase.CLAIMING, verdict.reason)
    step.keep(
        replace(step.m.reign, cause=PromotionCause.START),
        # If no promotion begins under this claim, its timeline is free again, but none below that any volume may be on.
        replace(step.m.hold, former=None, reserved=state.timeline - 1),
    )
    step.put(PutKind.CLAIM, replace(state, recovery=step.backlog), f"recreate the Lease: {verdict.reason}", create=True)


def _too_full(step: Step) -> bool:
    """True if our volume is too full for a promotion, which would fail and cost the others another election."""
    if step.full:
        step.tell("DiskFull", f"the server is not promoted: {disk_space.full_message(step.o)}")
        step.because(f"our {step.o.room_on} is full: we are not a candidate")
    return step.full


def cause_of(lease: LeaseState, forced: bool, ended: bool) -> PromotionCause:
    """Return why we can claim the Lease, given the Lease before our claim.

    forced: an operator forced the failover; ended: the holder has shut down without releasing the Lease.
    """
    if forced:
        return PromotionCause.FORCED
    if ended:
        return PromotionCause.DELETION
    if lease.release is None:
        return PromotionCause.EXPIRY
    match lease.release.cause:
        case ReleaseCause.SWITCHOVER | ReleaseCause.FULL:
            return PromotionCause.SWITCHOVER
        case ReleaseCause.DELETION:
            return PromotionCause.DELETION
        case ReleaseCause.FIRST_SERVER:
            return PromotionCause.START
        case ReleaseCause.DEATH | ReleaseCause.HUNG:
            return PromotionCause.DEATH if lease.timeline else PromotionCause.START
