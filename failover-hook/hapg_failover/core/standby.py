"""The rules of a member that isn't the primary, by phase."""

from __future__ import annotations

from . import causes, election, failsafe, force, rejoin, storage, switchover, synchronous
from .actions import Announce, Label, Op, PutKind, ReadLease
from .memory import Phase
from .model import LeaseState, Release, VolumeState
from .results import OpResult, Outcome
from .step import LEASE_GONE_S, Step, busy

START_TRIES = 5
START_AGAIN_S = 10.0
HOT_TRIES = 2
HOT_AGAIN_S = 300.0
HOT_AGAIN_UNDER_ANOTHER_S = 30.0
BOOTSTRAP_PATIENCE_S = 30.0
RECHECK_S = 15.0
FOLLOW_RETRY_S = 0.25
PODS_FRESH_S = 1.5
UNGUARDED = "replication is synchronous: restart the server, so that it acknowledges nothing by itself if it is promoted"
SUCCESSION_S = 10.0
LAST_S = 50.0
SHORTEST_DRAIN_S = 0.5
BLOCKED_PATIENCE_S = 10.0


def boot(step: Step) -> None:
    """A supervisor is there: find out what its server and its volume are."""
    o, m = step.o, step.m
    label_replica(step)
    if busy(step) or o.now < m.retry_at or not step.server_known:
        step.because("waiting" if busy(step) else "waiting for the supervisor, or before the next try")
        return
    if o.server == "primary":
        _resume_primary(step)
    elif o.deleting:
        step.go(Phase.STOPPING, "the pod is going away")
    elif o.volume_state is VolumeState.EMPTY:
        step.go(Phase.EMPTY, "the data volume is empty")
    elif o.volume_state is VolumeState.DAMAGED:
        step.actions.append(Announce("Warning", "VolumeDamaged", o.volume_reason))
        step.go(Phase.DAMAGED, f"the data volume is damaged: {o.volume_reason}")
    elif o.volume_state is VolumeState.OTHER_MAJOR:
        why = o.volume_reason or "the data is of another major of PostgreSQL"
        step.tell("OtherMajor", why)
        step.because(why)
    elif o.volume_state is VolumeState.MISMATCHED:
        step.tell("VolumesMismatched", f"{o.volume_reason}; to have the pod cloned anew, delete both of its claims and the pod")
        step.because(o.volume_reason)
    elif o.server == "standby" and not synchronous.unguarded(step):
        step.run(Op.SEAL, "a standby runs already: seal it and find its position", slow=True)
    else:
        step.start("start the server, sealed")


def start_failed(step: Step, result: OpResult) -> None:
    """The server didn't start: try again, differently if that may help; only data that can't be started is given up."""
    o, m = step.o, step.m
    if result.outcome in (Outcome.ROOM, Outcome.REFUSED):
        # It isn't the data: such a try doesn't count.
        step.remember(tries=m.tries - 1, retry_at=o.now + START_AGAIN_S)
        full = f"the server can't be started: {storage.full_message(o)}"
        step.tell(*(("DiskFull", full) if result.outcome is Outcome.ROOM else ("ConfigurationRefused", result.text)))
    elif m.mode == "hot" and m.tries >= HOT_TRIES:
        step.remember(warm_until=o.now + HOT_AGAIN_S)
        message = f"the server doesn't start as a hot standby, as when the primary has a higher max_connections: {result.text}"
        step.actions.append(Announce("Warning", "WarmStart", f"{message}; it is started warm, and hot again in {HOT_AGAIN_S:g} s"))
    elif m.tries >= START_TRIES and m.cloned:
        step.tell("StartFailed", f"a fresh clone doesn't start either, so it isn't the data: {result.text}")
    elif m.tries >= START_TRIES:
        step.actions.append(Announce("Warning", "VolumeDamaged", f"the server hasn't started in {m.tries} tries: {result.text}"))
        step.go(Phase.DAMAGED, f"{result.op.value} failed: {result.text}")
        return
    step.go(Phase.BOOT, f"{result.op.value} failed: {result.text}")


def copy_failed(step: Step, result: OpResult) -> None:
    """Say why a rewind or clone failed, what is kept, and when it is tried again."""
    o = step.o
    if o.volume_state is VolumeState.DATA:
        kept = "the old data is kept"
    elif o.volume_state is VolumeState.DAMAGED:
        kept = "the old data is kept, but can't be used any more: to do without it, delete the pod's claim and the pod"
    else:
        kept = "the volume is empty"
    pause = step.m.copy_at - o.now
    reason = "ClonePending" if result.outcome is Outcome.ROOM else f"{result.op.value.capitalize()}Failed"
    step.actions.append(Announce("Warning", reason, f"{result.text}; {kept}; next try in {pause:.0f} s"))


def _resume_primary(step: Step) -> None:
    """Our agent is new, the server writes: renew if the Lease is ours under the term in force, else kill (section 5)."""
    o, s = step.o, step.state
    if o.lease is None:
        step.because("a primary runs; the Lease hasn't been read yet, so nothing is extended")
    elif s is not None and s.holder == o.me and s.release is None and s.term == o.term_in_force:
        step.remember(held_term=s.term, recorded_ttl=s.ttl_s, mode=o.standby_mode)
        step.go(Phase.PRIMARY, "our server is the primary and the Lease is ours: renew it")
    else:
        step.kill("our server writes, but the Lease isn't ours under the term in force", o.timing.restart)


def empty(step: Step) -> None:
    """Nothing on the volume: the first server is made by ordinal 0, any other is a clone."""
    o, m, s = step.o, step.m, step.state
    label_replica(step)
    if o.deleting:
        step.go(Phase.STOPPING, "the pod is going away")
        return
    if o.volume_state is not VolumeState.EMPTY:
        step.go(Phase.BOOT, "the data volume isn't empty any more")
        return
    if busy(step) or o.lease is None:
        step.because("waiting for " + (m.op.value if m.op else "the first read of the Lease"))
        return
    if s is not None and s.system_identifier is not None:
        _clone(step, s, "the volume is empty")
        return
    if s is not None and s.holder == o.me:
        if o.now >= m.retry_at:
            step.run(Op.INITDB, "all volumes are empty and the Lease is ours: make the first server")
        return
    step.publish(False, "our volume is empty")
    verdict = election.judge_bootstrap(o.ordinal, o.replicas, step.version, o.pods)
    if not verdict.claim:
        if o.ordinal == 0 and o.now - m.phase_since >= BOOTSTRAP_PATIENCE_S:
            step.tell("WaitingForVolumes", verdict.reason)
        if not step.actions:
            step.because(verdict.reason)
        return
    if m.put is None:
        term = (s.term if s is not None else 0) + 1
        state = LeaseState(o.me, term, o.timing.ttl, address=o.address)
        step.put(PutKind.BOOTSTRAP, state, verdict.reason)


def _clone(step: Step, s: LeaseState, why: str) -> None:
    o, m = step.o, step.m
    if not step.live_holder or s.address is None:
        step.publish(False, f"{why}, and there is no primary to clone")
        if not step.actions:
            step.because(f"{why}; waiting for a primary to clone")
    elif o.now < max(m.retry_at, m.copy_at):
        step.because(f"{why}; waiting before the next try to clone")
    else:
        if o.volume_state is not VolumeState.EMPTY:
            step.actions.append(Announce("Warning", "Clone", f"{why}: it is cloned anew"))
        _copy_from(step, s, s.address, why)


def _copy_from(step: Step, s: LeaseState, primary: str, why: str) -> None:
    o = step.o
    source = rejoin.clone_source(o.me.pod, s, o.pods, o.standby_mode, step.m.copies + 1)
    name = s.holder.pod if source is None else source.name
    step.copy(Op.CLONE, f"{why}: clone {name}", primary, source=None if source is None else source.ip, timeline=s.timeline)


def damaged(step: Step) -> None:
    """The volume can't be started: only a clone helps; without a primary to clone, starting is tried again."""
    o, m, s = step.o, step.m, step.state
    label_replica(step)
    if busy(step) or o.lease is None:
        step.because("waiting")
    elif o.deleting:
        step.go(Phase.STOPPING, "the pod is going away")
    elif s is not None and s.system_identifier is not None and s.holder != o.me:
        _clone(step, s, "the volume is damaged")
    elif o.volume_state is VolumeState.DATA and o.now >= m.retry_at:
        step.go(Phase.BOOT, "no primary to clone: try to start once more")
    else:
        step.publish(False, "our volume is damaged")


def sealed(step: Step) -> None:
    """The server runs without an upstream and its position is known: publish, claim, or follow somebody else."""
    o, m, s = step.o, step.m, step.state
    if busy(step):
        step.because(f"{m.op.value if m.op else ''} is under way")
        return
    if o.deleting:
        step.run(Op.STOP, "the pod is going away: stop the standby")
        step.go(Phase.STOPPING, step.reason)
        return
    if o.server != "standby" and step.server_known:
        step.forget_server()
        step.go(Phase.BOOT, "the standby isn't running any more")
        return
    if o.lease is None:
        step.because("the Lease hasn't been read yet")
        return
    if m.started and m.start_version is None:
        # Whatever is read first may be what an agent before us has published under.
        step.remember(start_version=step.version)
        m = step.m
    if s is None:
        _resume(step)
        return
    if s.system_identifier is not None and s.system_identifier != o.system_identifier:
        stranger = f"our cluster is {o.system_identifier}, the Lease's {s.system_identifier}: this volume belongs elsewhere"
        step.tell("ForeignVolume", stranger)
        step.because(stranger)
        return
    if s.holder == o.me and s.release is None and not (step.server_known and o.server == "standby"):
        step.because("the Lease is ours; waiting for the supervisor's word that the server can't write before it is given back")
        return
    if s.system_identifier is None:
        if s.holder.pod == o.me.pod:
            step.release("the first server is made", Release("the first server is made", clean=False))
        else:
            step.because("the first server is being made elsewhere")
        return
    if s.holder == o.me and s.release is None:
        step.release(
            "the Lease is ours but our server can't write: give it back and stand as a candidate",
            Release(m.dead_reason or "the failover container was restarted", clean=False, hold_s=m.hold_s),
        )
        return
    if synchronous.unguarded(step):
        step.start(UNGUARDED)
        return
    if step.holder_has_ended:
        _stand(step, s)
        return
    if step.live_holder and switchover.is_chosen(step) and o.now - m.phase_since < SUCCESSION_S:
        step.because(f"sealed at {m.position}; {s.holder.pod} is about to hand over to us")
        return
    if step.live_holder and s.holder.uid in o.gone and o.now - m.phase_since < SUCCESSION_S:
        step.because(f"sealed at {m.position}; the pod {s.holder.pod} is gone")
        return
    fresh = not (m.started and step.version == m.start_version) and (m.promised is None or m.promised[0] != step.version)
    told = step.own_publication
    if step.live_holder and fresh and (told is None or told.volume != o.volume):
        step.publish(True, "our volume isn't known to the primary yet")
        if not step.actions:
            step.because("waiting until our pod shows which volume it has")
        return
    if step.live_holder and fresh and s.address is not None:
        if storage.has_room_again(o.room, o.segment):
            _follow(step, s)
        else:
            _wait_for_room(step)
        return
    if s.release is None and step.age < o.timing.overdue and m.promised is not None and m.promised[0] == step.version:
        step.because("published; waiting for the Lease to change")
        return
    me = step.candidate()
    if me is None or not election.is_successor(me, s):
        step.publish(True, f"sealed at {m.position}: our position for the election")
    if not step.actions:
        _stand(step, s)


def _wait_for_room(step: Step) -> None:
    """Receiving WAL onto a full volume makes the server die again and again: stay sealed."""
    message = storage.full_message(step.o)
    step.tell("DiskFull", f"no WAL is received: {message}")
    step.because(message)


def _follow(step: Step, s: LeaseState) -> None:
    o, m = step.o, step.m
    if o.now < m.retry_at:
        step.because(f"waiting before the next try to follow {s.holder.pod}")
        return
    assert s.address is not None
    step.remember(follow_term=s.term)
    step.run(
        Op.FOLLOW,
        f"{s.holder.pod} holds the Lease under term {s.term}: follow it",
        host=s.address,
        timeline=s.timeline,
        own=m.position,
    )


def _stand(step: Step, s: LeaseState) -> None:
    o, m = step.o, step.m
    me = step.candidate()
    if _too_full(step):
        return
    if o.lease is not None and o.lease.missing_since is not None:
        step.because("the Lease is gone: it can't be claimed before somebody makes it anew, or it has been gone for a minute")
        return
    if me is None or m.put is not None:
        step.because("no position to stand with" if me is None else "a write of the Lease is under way")
        return
    proven = s.release is not None or step.holder_has_ended
    promise = failsafe.waits(step)
    if promise is not None and not proven:
        step.because(promise)
        return
    if o.now < m.failed_until - LAST_S:
        step.because(f"our server failed as the primary; standing again in {m.failed_until - LAST_S - o.now:.0f} s, behind all others")
        return
    assert o.lease is not None
    free_since = o.lease.first_seen + (0.0 if s.release is not None else max(o.timing.ttl, s.ttl_s))
    forced = force.request(step)
    if forced is not None:
        verdict = force.judge(me, s, step.version, o.pods, age=step.age, ttl=o.timing.ttl)
    else:
        verdict = election.judge(
            me,
            s,
            step.version,
            o.pods,
            age=step.age,
            ttl=o.timing.ttl,
            waited=o.now - free_since,
            published_for=o.now - m.published_at,
            cold=m.first_version == step.version,
            max_lag=o.max_lag,
            ended=step.holder_has_ended,
        )
    step.remember(blocked=verdict.blocked if o.now >= free_since else "")
    if not verdict.claim:
        step.because(verdict.reason)
        if forced is not None and step.m.blocked:
            force.refuse(step, forced, verdict.reason)
        elif step.m.blocked and o.now - free_since > BLOCKED_PATIENCE_S:
            step.tell("NobodyMayClaim", f"{verdict.reason}; {force.hint(o.me.pod, step.m.blocked, s)}")
        if s.release is not None or step.age >= o.timing.ttl - 1.0:
            step.list_pods() if o.now - o.pods_listed_at > 1.0 else None
        return
    if not proven and o.lease.last_read < o.lease.first_seen + max(o.timing.ttl, s.ttl_s):
        if o.now - m.read_at >= 0.3:
            step.remember(read_at=o.now)
            step.do(ReadLease(), "the Lease has run out: read it once more before the claim")
        return
    if not verdict.complete and o.pods_listed_at < max(free_since, o.now - PODS_FRESH_S):
        step.list_pods()
        step.because("the Lease is free: read the pods once more before the claim")
        return
    state = election.claim(me, o.address, s, o.pods, o.max_term, o.timing.ttl)
    step.go(Phase.CLAIMING, verdict.reason)
    step.remember(cause=causes.cause_of(s, forced is not None, step.holder_has_ended), former=s.volume)
    step.put(PutKind.CLAIM, state, f"claim term {state.term}: {verdict.reason}")
    if forced is not None:
        force.taken(step, forced, verdict.reason)


def _too_full(step: Step) -> bool:
    """Tell whether our volume is too full for a promotion, which would fail and cost the others another election."""
    if step.full:
        step.tell("DiskFull", f"the server isn't promoted: {storage.full_message(step.o)}")
        step.because(f"our {step.o.room_on} is full: we don't stand")
    return step.full


def _resume(step: Step) -> None:
    o, m = step.o, step.m
    step.publish(True, f"there is no Lease; our volume is at {m.position}")
    me = step.candidate()
    if _too_full(step):
        return
    if step.actions or me is None or m.put is not None or o.lease is None or o.system_identifier is None:
        return
    waited = o.now - o.lease.first_seen
    promise = failsafe.waits(step)
    if promise is not None:
        step.because(promise)
        return
    last = o.lease.state
    # One that was no member of the last Lease isn't asked by its holder, which may be writing.
    strict = o.policy.k > 0 or (last is not None and o.volume not in {last.volume, *(x.volume for x in last.members)})
    verdict = election.judge_resume(me, o.system_identifier, o.replicas, step.version, o.pods, waited, strict)
    if not verdict.claim:
        if verdict.blocked and waited >= election.NO_LEASE_WAIT_S:
            step.tell("NobodyMayClaim", verdict.reason)
        step.because(verdict.reason)
        return
    state = election.resume_state(me, o.address, o.system_identifier, step.version, o.pods, o.max_term, o.timing.ttl)
    step.go(Phase.CLAIMING, verdict.reason)
    step.remember(cause="start")
    step.put(PutKind.CLAIM, state, f"make the Lease anew: {verdict.reason}", create=True)


def follow(step: Step) -> None:
    """The server streams from the primary: seal when the Lease is released, overdue, or somebody else's."""
    o, m, s = step.o, step.m, step.state
    label_replica(step)
    if busy(step):
        step.because(f"{m.op.value if m.op else ''} is under way")
    elif o.deleting:
        step.run(Op.STOP, "the pod is going away: stop the standby")
        step.go(Phase.STOPPING, step.reason)
    elif o.server != "standby" and step.server_known:
        step.forget_server()
        step.go(Phase.BOOT, "the standby isn't running any more")
    elif o.lease is None or o.lease.state is None:
        step.because("the Lease hasn't been read yet")
    elif s is None:
        step.run(Op.SEAL, f"there has been no Lease for {LEASE_GONE_S:g} s, so nobody lives who makes it anew: seal", slow=True)
    elif s.release is not None:
        step.run(Op.SEAL, f"{s.holder.pod} has given the Lease back ({s.release.reason}): seal")
    elif s.holder == o.me:
        step.run(Op.SEAL, "the Lease is ours but our server follows: seal")
    elif s.term != m.follow_term:
        _refollow(step, s)
    elif switchover.is_chosen(step):
        step.run(Op.SEAL, f"{s.holder.pod} hands over to us: seal when it ends the stream", drain=True, seconds=SUCCESSION_S)
    elif s.holder.uid in o.gone and step.age < o.timing.overdue - SHORTEST_DRAIN_S:
        left = o.timing.overdue - step.age
        step.run(Op.SEAL, f"the pod {s.holder.pod} is gone: seal when the stream ends, or in {left:.1f} s", drain=True, seconds=left)
    elif step.age >= o.timing.overdue:
        if o.lease.last_read >= o.lease.first_seen + o.timing.overdue:
            step.run(Op.SEAL, f"the Lease of {s.holder.pod} is {step.age:.1f} s old: seal", slow=True)
        elif o.now - m.read_at >= 0.4:
            step.remember(read_at=o.now)
            step.do(ReadLease(), "the Lease is overdue: read it afresh before suspecting anybody")
    elif step.full:
        step.run(Op.SEAL, f"{storage.full_message(o)}: seal")
    elif m.mode is not None and m.mode != step.due_mode:
        step.start(f"the standby is to be {step.due_mode} now: restart it")
    elif synchronous.unguarded(step):
        step.start(UNGUARDED)
    elif _left_out(step, s):
        told = step.own_publication
        if told is None or told.volume != o.volume:
            step.run(Op.SEAL, "our pod doesn't show which volume we have: seal, to publish it")
        else:
            _refollow(step, s)
    else:
        if m.copies and any(x.volume == o.volume for x in s.members):
            step.remember(copies=0, copy_at=0.0)
        step.because(f"following {s.holder.pod}")


def _refollow(step: Step, s: LeaseState) -> None:
    if step.o.now >= step.m.retry_at and s.address is not None:
        step.remember(follow_term=s.term, phase_since=step.o.now)
        step.run(Op.FOLLOW, f"follow {s.holder.pod}, which holds term {s.term}", host=s.address, timeline=s.timeline)


def _left_out(step: Step, s: LeaseState) -> bool:
    """The primary hasn't made us a member though we follow: we may not be streaming."""
    return step.o.now - step.m.phase_since > RECHECK_S and all(x.volume != step.o.volume for x in s.members)


def follow_answered(step: Step, result: OpResult) -> None:
    """Go the way that comparing our WAL with the primary's history has shown."""
    s = step.state
    host = s.address if s is not None else None
    if result.outcome is Outcome.OK:
        step.remember(position=None, started=False, mode=step.m.mode or step.o.standby_mode)
        if step.m.warm_until > step.o.now:
            step.remember(warm_until=min(step.m.warm_until, step.o.now + HOT_AGAIN_UNDER_ANOTHER_S))
        step.go(Phase.FOLLOW, f"following: {result.text}")
    elif result.outcome is Outcome.FAILED or s is None or host is None or not step.live_holder or step.o.now < step.m.copy_at:
        retry_at = max(step.o.now + FOLLOW_RETRY_S, 0.0 if result.outcome is Outcome.FAILED else step.m.copy_at)
        step.remember(retry_at=retry_at, position=result.position, follow_term=None)
        step.go(Phase.SEALED if result.position is not None else Phase.BOOT, f"can't follow yet: {result.text}")
    elif result.outcome is Outcome.FORKED and step.m.copies < rejoin.REWIND_TRIES:
        step.actions.append(Announce("Normal", "Rewind", result.text))
        step.copy(Op.REWIND, f"rewind: {result.text}", host, timeline=s.timeline)
    else:
        step.actions.append(Announce("Warning", "Clone", result.text))
        _copy_from(step, s, host, result.text)


def label_replica(step: Step) -> None:
    """See to it that our own pod's role says replica, unless the holder may have labelled it for what comes next."""
    o, m, s = step.o, step.m, step.state
    own = step.own_pod
    if own is None or own.role == "replica" or o.now - m.label_at < 1.0:
        return
    if switchover.is_chosen(step) or (s is not None and s.release is None and s.holder.uid in o.gone):
        return
    if own.role is None or m.phase in (Phase.FOLLOW, Phase.EMPTY, Phase.DAMAGED):
        step.remember(label_at=o.now)
        step.actions.append(Label(own.name, own.uid, "replica"))
