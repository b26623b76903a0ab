"""A pod whose server runs as a standby: sealed, or following the primary."""

from __future__ import annotations

from dataclasses import replace

from hapg_protocol.model import LeaseState, Release, ReleaseCause

from . import (
    candidacy,
    catching_up,
    cloning,
    disk_space,
    election,
    not_following,
    rejoin,
    restarts,
    routing,
    startup,
    switchover,
    synchronous,
)
from .state.actions import Announce, DeadHolder, Follow, ReadLease, Rewind, Seal, Stop
from .state.decision import Step, busy
from .state.lease_view import LeaseView
from .state.phases import Phase
from .state.results import OpResult, Outcome
from .timing import (
    FOLLOW_RETRY_S,
    HOT_AGAIN_UNDER_ANOTHER_S,
    LEASE_GONE_S,
    LEAVE_GRACE_S,
    LEAVE_S,
    OVERDUE_READ_S,
    RECHECK_S,
    SHORTEST_DRAIN_S,
    STAY_S,
    SUCCESSION_S,
)

UNGUARDED = "replication is synchronous: restart the server, so that it acknowledges no commit alone if it is promoted"


def sealed(step: Step) -> None:
    """Handle SEALED, in which the server runs without an upstream and its position is known: report, claim, or follow another pod."""
    o, s = step.o, step.state
    if _not_sealed_any_more(step):
        return
    if o.lease is None:
        step.because("the Lease hasn't been read yet")
        return
    if step.m.sealed.started and step.m.sealed.start_version is None:
        # An earlier incarnation of this agent may have reported for the version that is read first.
        step.keep(replace(step.m.sealed, start_version=step.version))
    if s is None:
        candidacy.resume(step)
        return
    for decides in (
        _belongs_elsewhere,
        _still_holds,
        _first_server_is_made,
        _gives_back,
        _starts_guarded,
        _has_the_end,
        _is_awaited,
        _joins,
    ):
        if decides(step, s):
            return
    _stand(step, s)


def _not_sealed_any_more(step: Step) -> bool:
    o, m = step.o, step.m
    if busy(step):
        step.because(f"{m.operation.op.value if m.operation.op else ''} is in progress")
    elif o.deleting:
        step.run(Stop(), "the pod is being deleted: stop the standby")
        step.go(Phase.STOPPING, step.reason)
    elif o.server != "standby" and step.server_known:
        _server_ended(step)
    else:
        return False
    return True


def _server_ended(step: Step) -> None:
    not_following.blame(step, not_following.ENDED)
    startup.ended(step)


def _belongs_elsewhere(step: Step, s: LeaseState) -> bool:
    """True if our data belongs to another cluster than the Lease's."""
    o = step.o
    if s.system_identifier in (None, o.system_identifier):
        return False
    stranger = f"our cluster is {o.system_identifier}, the Lease's {s.system_identifier}: this volume belongs to another cluster"
    step.tell("ForeignVolume", stranger)
    step.because(stranger)
    return True


def _still_holds(step: Step, s: LeaseState) -> bool:
    """True if the Lease is ours and it isn't yet known that our server can't write."""
    if s.holder != step.o.me or s.release is not None or (step.server_known and step.o.server == "standby"):
        return False
    step.because("the Lease is ours; waiting for the supervisor to confirm that the server can't write before it is released")
    return True


def _first_server_is_made(step: Step, s: LeaseState) -> bool:
    """True if the Lease has no cluster yet; release it if we have created the first server."""
    if s.system_identifier is not None:
        return False
    if s.holder.pod == step.o.me.pod:
        position = step.m.sealed.position
        begun = position.timeline if position is not None and position.timeline > election.INITDB_TIMELINE else 0
        release = Release("the first server is created", clean=False, cause=ReleaseCause.FIRST_SERVER)
        step.release("the first server is created", release, begun)
    else:
        step.because("another pod is creating the first server")
    return True


def _gives_back(step: Step, s: LeaseState) -> bool:
    """Release the Lease if it is ours and our server is sealed. True if so."""
    if s.holder != step.o.me or s.release is not None:
        return False
    step.release(
        "the Lease is ours but our server can't write: release it and become a candidate",
        step.m.hold.of_the_dead("the failover container was restarted"),
    )
    return True


def _starts_guarded(step: Step, _: LeaseState) -> bool:
    """Restart our server if it may not be promoted without a restart (write quorum). True if so."""
    if not synchronous.unguarded(step):
        return False
    step.start(UNGUARDED)
    return True


def _has_the_end(step: Step, s: LeaseState) -> bool:
    """Stand as a candidate if our WAL ends with the holder's shutdown checkpoint. True if so."""
    if not step.holder_has_ended:
        return False
    candidacy.stand(step, s)
    return True


def _is_awaited(step: Step, s: LeaseState) -> bool:
    """True if a live holder is about to stop, so that we stay sealed for it."""
    o, m = step.o, step.m
    if not step.live_holder or o.now - m.phase_since >= SUCCESSION_S:
        return False
    if switchover.is_chosen(step):
        step.because(f"sealed at {m.sealed.position}; {s.holder.pod} is about to switch over to us")
    elif s.holder.uid in o.gone:
        step.because(f"sealed at {m.sealed.position}; the pod {s.holder.pod} no longer exists")
    else:
        return False
    return True


def _joins(step: Step, s: LeaseState) -> bool:
    """Show our volume and follow, if there is a live holder and we have reported nothing for this version. True if so."""
    o, m = step.o, step.m
    fresh = not (m.sealed.started and step.version == m.sealed.start_version) and (
        m.reporting.promised is None or m.reporting.promised[0] != step.version
    )
    if not step.live_holder or not fresh:
        return False
    told = step.own_report
    if told is None or told.volume != o.volume:
        step.report(True, "our volume isn't known to the primary yet")
        if not step.actions:
            step.because("waiting until our pod reports its volume")
    elif s.address is None:
        return False
    elif disk_space.has_room_again(o.room, o.segment):
        _follow(step, s)
    else:
        _wait_for_room(step)
    return True


def _stand(step: Step, s: LeaseState) -> None:
    """Report our position, and stand as a candidate."""
    m, me = step.m, step.candidate()
    if (
        s.release is None
        and step.age < step.o.timing.overdue
        and m.reporting.promised is not None
        and m.reporting.promised[0] == step.version
    ):
        step.because("reported; waiting for the Lease to change")
        return
    if me is None or not election.is_successor(me, s):
        step.report(True, f"sealed at {m.sealed.position}: our position for the election")
    if not step.actions:
        candidacy.stand(step, s)


def _wait_for_room(step: Step) -> None:
    """Stay sealed: receiving WAL onto a full volume would kill the server again and again."""
    message = disk_space.full_message(step.o)
    step.tell("DiskFull", f"no WAL is received: {message}")
    step.because(message)


def _follow(step: Step, s: LeaseState) -> None:
    o, m = step.o, step.m
    if o.now < m.retry.retry_at:
        step.because(f"waiting before the next attempt to follow {s.holder.pod}")
        return
    if s.recovery is not None:
        step.because(f"{s.holder.pod} can't be followed until it accepts writes: {s.recovery}")
        return
    assert s.address is not None
    if catching_up.attend(step, s):
        return
    step.keep(replace(step.m.upstream, follow_term=s.term))
    step.run(
        Follow(s.address, s.timeline, m.sealed.position, m.catching.fetched_to),
        f"{s.holder.pod} holds the Lease under term {s.term}: follow it",
    )


def follow(step: Step) -> None:
    """Handle FOLLOW: stream from the primary, and seal once the Lease is released or its holder must have stopped."""
    o, s = step.o, step.state
    routing.replica(step)
    if busy(step):
        step.because(f"{step.m.operation.op.value if step.m.operation.op else ''} is in progress")
    elif o.server != "standby" and step.server_known:
        _server_ended(step)
    elif o.deleting:
        _leave(step, s)
    elif o.lease is None or o.lease.state is None:
        step.because("the Lease hasn't been read yet")
    elif s is None:
        step.run(Seal(slow=True), f"there has been no Lease for {LEASE_GONE_S:g} s, so no leader is left to recreate it: seal")
    elif not (_follows_another(step, s) or _expects_the_end(step, s, o.lease) or _needs_a_change(step, s)):
        if step.m.copying.copies and any(x.volume == o.volume for x in s.eligible):
            step.keep(replace(step.m.copying, copies=0, copy_at=0.0))
        restarts.show(step)
        step.because(f"following {s.holder.pod}")


def _follows_another(step: Step, s: LeaseState) -> bool:
    """Act if the Lease isn't that of the primary that we follow. True if so."""
    if s.release is not None:
        dead = DeadHolder(s.address, s.timeline, s.term) if s.address is not None and not s.release.clean else None
        step.run(Seal(dead=dead), f"{s.holder.pod} has released the Lease ({s.release.reason}): seal")
    elif s.holder == step.o.me:
        step.run(Seal(), "the Lease is ours but our server follows: seal")
    elif s.term != step.m.upstream.follow_term:
        _refollow(step, s)
    else:
        return False
    return True


def _expects_the_end(step: Step, s: LeaseState, lease: LeaseView) -> bool:
    """Act if the primary is switching over to us, its pod is gone, or its Lease is overdue. True if so."""
    if switchover.is_chosen(step):
        step.run(Seal(drain_s=SUCCESSION_S), f"{s.holder.pod} switches over to us: seal when it ends the stream")
    elif s.holder.uid in step.o.gone and step.age < (seal_at := _seal_at(step, s)) - SHORTEST_DRAIN_S:
        left = seal_at - step.age
        step.run(Seal(drain_s=left), f"the pod {s.holder.pod} no longer exists: seal when the stream ends, or in {left:.1f} s")
    elif step.age >= step.o.timing.overdue:
        _suspect(step, s, lease)
    else:
        return False
    return True


def _needs_a_change(step: Step, s: LeaseState) -> bool:
    """Act if something is wrong with our own server, or with how it follows. False if nothing is."""
    if step.full:
        step.run(Seal(), f"{disk_space.full_message(step.o)}: seal")
    elif restarts.is_due_for_mode(step, s):
        step.start(f"the standby must be {step.due_mode} now: restart it")
    elif restarts.is_due_for_settings(step, s):
        step.start("changed settings need a restart of the standby")
    elif synchronous.unguarded(step):
        step.start(UNGUARDED)
    elif _left_out(step, s):
        told = step.own_report
        if told is None or told.volume != step.o.volume:
            step.run(Seal(), "our pod doesn't report its volume: seal, to report it")
        else:
            _refollow(step, s)
    else:
        return False
    return True


def _leave(step: Step, s: LeaseState | None) -> None:
    """Our pod is being deleted. If the primary's is too, stay until it ends the stream, so that we have its last record.

    Pods that are deleted together are seen to be deleted one after the other. An agent that can't read the API any more, for example while
    the release is being uninstalled, doesn't see the primary's deletion.
    """
    o, m = step.o, step.m
    since = o.now if m.upstream.leaving_since is None else m.upstream.leaving_since
    left = since + min(STAY_S, step.grace - LEAVE_GRACE_S) - o.now
    knows = o.lease is not None and o.lease.last_read >= since
    primary_leaves = s is not None and (s.holder.uid in o.gone or any(p.uid == s.holder.uid and p.deleting for p in o.pods))
    if left > 0 and (primary_leaves or not knows) and o.now - since >= LEAVE_S:
        why = f"this pod and the primary's are being deleted: stay until it ends the stream, {left:.0f} s at most"
        step.run(Seal(drain_s=left), why)
    elif left > 0 and o.now - since < LEAVE_S:
        step.because("the pod is being deleted; waiting a moment to see whether the primary's is too")
    else:
        step.run(Stop(), "the pod is being deleted: stop the standby")
        step.go(Phase.STOPPING, step.reason)


def _seal_at(step: Step, s: LeaseState) -> float:
    """Return the Lease's age, in seconds, at which sealing loses nothing: its holder is dead, whatever extension we granted it."""
    o, m = step.o, step.m
    promised = m.extensions.promised_until - o.lease.first_seen if m.extensions.promised_until is not None and o.lease is not None else 0.0
    return max(o.timing.seal_after(s.ttl_s), promised)


def _suspect(step: Step, s: LeaseState, lease: LeaseView) -> None:
    """The Lease is overdue: keep receiving what its holder may still write, and seal once it must have stopped; each after a fresh read."""
    o, m = step.o, step.m
    seal_at = _seal_at(step, s)
    since = lease.first_seen + (seal_at if step.age >= seal_at else o.timing.overdue)
    if lease.last_read >= since and step.age >= seal_at:
        step.run(Seal(slow=True), f"the Lease of {s.holder.pod} is {step.age:.1f} s old: seal")
    elif lease.last_read >= since:
        routing.time_is_up(step, s)
        step.because(f"the Lease of {s.holder.pod} is overdue; it may write, and is followed, for another {seal_at - step.age:.1f} s")
    elif m.reads.read_at < since or o.now - m.reads.read_at >= OVERDUE_READ_S:
        step.keep(replace(step.m.reads, read_at=o.now))
        step.do(ReadLease(), "the Lease is overdue: read it again before suspecting the primary")


def _refollow(step: Step, s: LeaseState) -> None:
    if step.o.now >= step.m.retry.retry_at and s.address is not None:
        step.restart_phase()
        step.keep(replace(step.m.upstream, follow_term=s.term))
        step.run(Follow(s.address, s.timeline), f"follow {s.holder.pod}, which holds term {s.term}")


def _left_out(step: Step, s: LeaseState) -> bool:
    """True if the primary doesn't list us as eligible and streaming although we follow: something may be wrong with how we follow."""
    return step.o.now - step.m.phase_since > RECHECK_S and not any(x.volume == step.o.volume and x.streaming for x in s.eligible)


def follow_answered(step: Step, result: OpResult) -> None:
    """Act on the result of comparing our WAL with the primary's history: follow, retry, rewind or clone."""
    s = step.state
    host = s.address if s is not None else None
    if result.outcome is Outcome.OK:
        step.keep(
            replace(step.m.sealed, position=None, started=False),
            replace(step.m.upstream, mode=step.m.upstream.mode or step.o.standby_mode),
            replace(step.m.storage, emergency_space_used=False),
        )
        if step.m.retry.warm_until > step.o.now:
            step.keep(replace(step.m.retry, warm_until=min(step.m.retry.warm_until, step.o.now + HOT_AGAIN_UNDER_ANOTHER_S)))
        catching_up.ended(step)
        step.go(Phase.FOLLOW, f"following: {result.text}")
    elif result.outcome is Outcome.LACKS_WAL and step.live_holder and catching_up.begin(step, result):
        pass
    elif result.outcome is Outcome.FAILED or s is None or host is None or not step.live_holder or step.o.now < step.m.copying.copy_at:
        retry_at = max(step.o.now + FOLLOW_RETRY_S, 0.0 if result.outcome is Outcome.FAILED else step.m.copying.copy_at)
        step.keep(
            replace(step.m.retry, retry_at=retry_at),
            replace(step.m.sealed, position=result.position),
            replace(step.m.upstream, follow_term=None),
        )
        step.go(Phase.SEALED if result.position is not None else Phase.BOOT, f"can't follow yet: {result.text}")
    elif result.outcome is Outcome.DIVERGED and step.m.copying.copies < rejoin.REWIND_TRIES:
        step.actions.append(Announce("Normal", "Rewind", result.text))
        step.copy(Rewind(host, s.timeline), f"rewind: {result.text}")
    else:
        why = "; ".join(each for each in (result.text, step.m.catching.unfit) if each)
        step.actions.append(Announce("Warning", "Clone", why))
        cloning.clone_from(step, s, host, why)
