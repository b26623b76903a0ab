"""The rules of the member that writes, stops writing, or has just lost its server."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hapg_protocol.lsn import Position
from hapg_protocol.model import LeaseState, Member, Release, SyncRecord

from . import disk_space, election, lease_extension, replication_slots, routing, switchover, synchronous
from .eligible_replicas import is_news, next_members, with_streaming
from .state import connections, recovery
from .state.actions import Announce, ChangeSlots, Checkpoint, CheckRecord, Exit, Kill, Op, Promote, PutKind, Stop
from .state.decision import Step, busy
from .state.memory import Phase
from .state.results import OpResult, Outcome
from .timing import (
    CHECKPOINT_AFTER_S,
    FAILED_S,
    KILL_AGAIN_S,
    LINGER_S,
    PROBE_FRESH_S,
    PROMOTION_SILENT_S,
    RECOVERY_TOLD_S,
    RETRY_PUT_S,
    SLOTS_AGAIN_S,
    STUCK_S,
    SUSPECT_S,
    UNPROVEN_S,
)


def promote(step: Step, claimed: LeaseState) -> None:
    """Our claim has succeeded in time: promote onto the reserved timeline."""
    step.go(Phase.PROMOTING, f"term {claimed.term} is ours")
    setting = synchronous.at_promotion(step, claimed)
    step.keep(replace(step.m.sync, ordered=setting))
    step.run(
        Promote(claimed.timeline, step.m.sealed.position, setting),
        f"term {claimed.term} is ours: promote onto timeline {claimed.timeline}",
        claimed.term,
    )


def promoted(step: Step, result: OpResult) -> None:
    """The promotion ended: the server writes, or it is killed and the Lease given back."""
    if step.m.phase is not Phase.PROMOTING:
        return
    if result.outcome is Outcome.OK:
        step.keep(
            replace(step.m.sealed, position=None, started=False),
            replace(step.m.report, promised=None),
            replace(step.m.reign, label_at=0.0, promoted_at=step.o.now, checkpointed=False),
            replace(step.m.succession, successor=None),
        )
        synchronous.promoted(step, result)
        step.go(Phase.PRIMARY, f"writable on timeline {result.position.timeline if result.position else '?'}")
        step.actions.append(Announce("Normal", "Promoted", f"primary since term {step.m.hold.held_term}: {result.text}"))
        routing.primary(step)
        return
    if result.unbegun and step.m.hold.held_term is not None:
        nothing_begun(step, step.m.hold.held_term)
    step.keep(replace(step.m.retry, failed_until=step.o.now + FAILED_S))
    step.actions.append(Announce("Warning", "PromotionFailed", result.text))
    step.kill(f"promotion failed: {result.text}", 0.0)


def nothing_begun(step: Step, term: int) -> None:
    """No promotion was ordered under `term`, or it was refused: the timeline that our claim reserved may be reserved again."""
    step.keep(replace(step.m.hold, unbegun=(term, step.m.hold.reserved)))


def writing(step: Step) -> None:
    """Promoting or primary: see that the Lease is ours, renew it, keep members and labels right."""
    o, m, s = step.o, step.m, step.state
    if s is not None and (s.holder != o.me or (not step.holds and m.writes.put is None)):
        step.kill(f"the Lease is {s.holder.identity}'s under term {s.term}" + (", released" if s.release else ""), 0.0)
        return
    # A promotion that we have ordered tells by itself how it has ended.
    lost = (m.phase is Phase.PRIMARY or not busy(step)) and o.server != "primary"
    if step.server_known and lost:
        step.forget_server()
        hold_s = disk_space.hold(o.room, o.segment, o.timing.restart)
        step.keep(replace(step.m.hold, dead_reason="the server died", hold_s=hold_s, held_term=None))
        step.go(Phase.DOWN, "the server is dead: every process of its container has been killed")
        step.actions.append(Announce("Warning", "ServerDied", "the primary's server died"))
        down(step)
        return
    if m.phase is Phase.PRIMARY:
        switchover.attend(step)
        if step.m.phase is not Phase.PRIMARY:
            return
    if m.phase is Phase.PROMOTING and not busy(step) and o.position is not None:
        # An agent that has started since the promotion was ordered.
        step.keep(replace(step.m.reign, checkpointed=False))
        step.go(Phase.PRIMARY, f"our server has recovered, and writes on timeline {o.position.timeline}")
        return
    if m.phase is Phase.PROMOTING and _recovers(step):
        return
    if m.phase is Phase.PRIMARY and _unfit(step):
        return
    _renew(step)
    _ask_for_grants(step)
    if m.phase is Phase.PRIMARY:
        if step.full:
            step.tell("DiskFull", disk_space.full_message(o))
        routing.primary(step)
        _slots(step)
        _checkpoint(step)


def _recovers(step: Step) -> bool:
    """Say how far the recovery is that comes before the first write; kill a server of which nothing moves. True if it was killed."""
    o, m = step.o, step.m
    silent_for = o.now - max(recovery.moved_since(o.recovery, m.phase_since), o.probe_at)
    if silent_for > PROMOTION_SILENT_S:
        step.keep(replace(step.m.retry, failed_until=o.now + FAILED_S))
        message = f"the server that is promoted shows no progress, and nothing could be written to the {o.probe_on}, for {silent_for:.0f} s"
        step.actions.append(Announce("Warning", "PromotionFailed", message))
        step.kill(message, 0.0)
        return True
    if step.progress is not None and o.now - m.phase_since >= RECOVERY_TOLD_S:
        step.tell("Recovering", f"nobody can write before the WAL of {o.me.pod} is replayed: {step.progress}")
    return False


def _unfit(step: Step) -> bool:
    """Kill a server that doesn't write, whose volume takes no writes, or that lets nobody in; False if it is none of these.

    The last may be well once it has been started again, and its volume is: so it is waited for like one that died, and goes first only if
    it has more WAL.
    """
    o, m = step.o, step.m
    if o.position is None and o.now - m.phase_since > UNPROVEN_S and not o.greeting.crowded:
        step.keep(replace(step.m.retry, failed_until=o.now + FAILED_S))
        step.kill(f"our server should write, but hasn't said so in {UNPROVEN_S:g} s", 0.0)
        return True
    if _is_stuck(step):
        step.keep(replace(step.m.retry, failed_until=o.now + FAILED_S))
        message = f"nothing could be written to the {o.probe_on} for {o.now - o.probe_at:.1f} s"
        step.actions.append(Announce("Warning", "StorageHung", f"{message}: the server is killed and the Lease given back"))
        step.kill(message, 0.0)
        return True
    refused = connections.trouble(o.greeting, m.phase_since)
    if refused is not None:
        step.keep(replace(step.m.retry, failed_until=o.now + SUSPECT_S))
        step.actions.append(Announce("Warning", "ServerUnresponsive", f"{refused}: the server is killed and the Lease given back"))
        step.kill(refused, disk_space.hold(o.room, o.segment, o.timing.restart))
        return True
    return False


def _is_stuck(step: Step) -> bool:
    """Tell whether the data volume takes no writes, and hasn't for a while in which we looked: one look after a freeze proves nothing."""
    o, m = step.o, step.m
    if not disk_space.is_silent(o, m.phase_since):
        step.keep(replace(step.m.storage, stuck_since=None))
        return False
    if m.storage.stuck_since is None:
        step.keep(replace(step.m.storage, stuck_since=o.now))
        return False
    return o.now - m.storage.stuck_since >= STUCK_S


def _healthy(step: Step) -> str | None:
    """Return what is wrong with our server, None if nothing is."""
    o = step.o
    if not step.supervised:
        return "the supervisor gives no sign of life"
    if step.m.phase is Phase.PRIMARY and o.now - o.probe_at > PROBE_FRESH_S:
        if o.probe_at < step.m.phase_since:
            return f"the {o.probe_on} has not answered a write yet"
        return f"nothing could be written to the {o.probe_on} for {o.now - o.probe_at:.1f} s"
    return None


@dataclass(frozen=True)
class _Content:
    """What a renewal would write beside what stands there. named: the successor changes; gone_back: the API shows an older Lease."""

    members: tuple[Member, ...]
    record: SyncRecord | None
    successor: str | None
    named: bool
    writes: bool
    gone_back: bool


def _renew(step: Step) -> None:
    o, m, s = step.o, step.m, step.state
    if s is None or m.writes.put is not None or not step.holds:
        return
    content = _content(step, s)
    if not _is_due(step) and not _is_news(step, s, content):
        return
    why = _why(s, content)
    trouble = _healthy(step)
    if trouble is not None:
        step.because(f"not renewed: {trouble}")
        return
    if content.members and not s.members:
        step.fence(True)
    term = s.term
    if content.gone_back:
        term, why = s.term + 1, f"the Lease has gone back: written anew, under term {s.term + 1}"
        step.tell("LeaseRolledBack", f"the Lease in the API is an older one, as after a restore of etcd; {why}")
    lease_extension.remember_written(step, content.members)
    state = replace(
        s,
        term=term,
        members=content.members,
        sync=content.record,
        ttl_s=o.timing.ttl,
        address=o.address,
        position=o.position or s.position,
        successor=content.successor,
        recovery=step.progress,
    )
    synchronous.record_sent(step, state)
    step.put(PutKind.RENEW, state, why)
    if content.named:
        switchover.asked(step)


def _content(step: Step, s: LeaseState) -> _Content:
    """Return what a renewal would write now; a change of the synchronous setting that goes before it is ordered."""
    o, m = step.o, step.m
    members, record = s.members, s.sync
    if m.phase is Phase.PRIMARY and not o.blind:
        flushed = o.position.lsn if o.position else None
        members = next_members(s.members, o.streaming, o.pods, flushed, o.now, o.now - m.phase_since, m.hold.former)
        members = synchronous.keep_recorded(s.members, members, s.sync)
        if o.now - m.hold.renewed_at >= o.timing.renew:
            members = with_streaming(s.members, members)
        record = synchronous.next_record(step, members)
    successor = step.m.succession.successor if step.m.succession.handover is not None else None
    named = successor != s.successor and switchover.may_ask(step)
    writes = m.phase is Phase.PRIMARY and s.recovery is not None
    return _Content(members, record, successor, named, writes, o.lease is not None and o.lease.instead is not None)


def _is_due(step: Step) -> bool:
    o, m = step.o, step.m
    return o.now - m.hold.renewed_at >= o.timing.renew and o.now - m.writes.put_at >= RETRY_PUT_S


def _is_news(step: Step, s: LeaseState, content: _Content) -> bool:
    """Something is to be written before the next renewal is due."""
    changed = content.gone_back or is_news(s.members, content.members) or content.record != s.sync or content.writes
    return content.named or (changed and step.o.now - step.m.writes.put_at >= RETRY_PUT_S)


def _why(s: LeaseState, content: _Content) -> str:
    record = content.record
    if record != s.sync:
        return f"synchronous volumes are {', '.join(record.volumes) if record is not None else 'none'}"
    if is_news(s.members, content.members):
        return f"members are {', '.join(x.pod for x in content.members) or 'none'}"
    if content.writes:
        return "our server has recovered and writes"
    if content.named:
        return f"the Lease names {content.successor or 'nobody'} as the successor"
    return "renew the Lease"


def _ask_for_grants(step: Step) -> None:
    may_write = step.o.server == "primary" or step.m.phase is Phase.PROMOTING
    if step.holds and may_write and _healthy(step) is None:
        lease_extension.ask(step)


def _checkpoint(step: Step) -> None:
    """Have the new timeline begin with a checkpoint soon: before it has one, pg_rewind takes our server for one of the timeline before.

    The one that PostgreSQL makes at a promotion takes its time (checkpoint_completion_target). Not on a full volume (see switchover).
    """
    o, m = step.o, step.m
    if not m.reign.checkpointed and o.now - m.reign.promoted_at >= CHECKPOINT_AFTER_S and not step.full:
        step.keep(replace(step.m.reign, checkpointed=True))
        step.actions.append(Checkpoint())


def _slots(step: Step) -> None:
    """Keep a replication slot for each other member."""
    o, m, s = step.o, step.m, step.state
    if o.slots is None or s is None or o.now - m.reign.slots_at < SLOTS_AGAIN_S:
        return
    change = replication_slots.plan(o.me.pod, o.replicas, s.members, o.streaming, o.slots)
    if change.make or change.drop:
        step.keep(replace(step.m.reign, slots_at=o.now))
        step.actions.append(ChangeSlots(change.make, change.drop))


def stopping(step: Step) -> None:
    """We hand over, or end: keep the Lease while the server stops, then give it back, and end or start again as a replica."""
    o, m, s = step.o, step.m, step.state
    if busy(step):
        if m.hold.held_term is not None:
            _renew(step)
            _ask_for_grants(step)
        return
    if not step.server_known:
        step.because("waiting for the supervisor's word on the server")
        return
    if o.server != "down":
        if o.now >= m.retry.retry_at:
            step.run(Stop(), "stop the server")
        return
    ours = s is not None and s.holder == o.me and s.release is None and s.system_identifier is not None
    # After TTL anybody may claim: a release has no use any more, and may be refused for ever, as when the release was uninstalled.
    if ours and o.now - max(m.hold.renewed_at, m.operation.op_ended, m.phase_since) <= o.timing.ttl:
        if m.writes.put is None and (m.writes.put_at <= m.operation.op_ended or o.now - m.writes.put_at >= RETRY_PUT_S):
            step.release("the server is down: the Lease is given back", switchover.release(step))
        return
    if m.writes.put is None and switchover.stays(step):
        switchover.start_again(step)
        return
    if m.succession.successor is not None and o.now - m.writes.put_at < LINGER_S:
        step.because(f"the Lease is given back to {m.succession.successor}; our address refuses clients until they are routed there")
        return
    if m.writes.put is None:
        step.do(Exit(), "the server is down and the Lease " + ("has run out" if ours else "isn't ours") + ": the container may end")


def stopped(step: Step, result: OpResult) -> None:
    """The server was stopped for good; a clean end of WAL goes into the release."""
    step.keep(replace(step.m.sealed, position=result.position if result.outcome is Outcome.OK else None))
    step.because(f"{result.op.value}: {result.outcome.value} {result.text}".rstrip())
    if step.m.phase is not Phase.STOPPING:
        step.forget_server()
        step.go(Phase.BOOT, step.reason)
        return
    stopping(step)


def down(step: Step) -> None:
    """Our server, which could write, is dead: give the Lease back, tell what the volume has, start it again sealed."""
    o, m, s = step.o, step.m, step.state
    if o.deleting:
        step.keep(replace(step.m.sealed, position=None))
        step.go(Phase.STOPPING, "the pod is going away")
        return
    if busy(step, Op.START):
        # Sealed, it writes no WAL: what the volume holds is what the dead server had written.
        step.because("the server is being started, sealed")
        tell_what_is_left(step)
        return
    if not step.server_known or o.server != "down":
        step.because("waiting for the supervisor's word that the server is dead")
        if step.server_known and not busy(step) and o.now - m.phase_since >= KILL_AGAIN_S:
            step.restart_phase()
            step.do(Kill(), "the server still runs: kill it again")
        return
    ours = s is not None and s.holder == o.me and s.release is None and s.system_identifier is not None
    if ours and m.writes.put is None and (m.writes.put_at <= m.phase_since or o.now - m.writes.put_at >= RETRY_PUT_S):
        step.release(
            "the server is dead: the Lease is given back with proof",
            Release(m.hold.dead_reason or "the server died", clean=False, hold_s=m.hold.hold_s),
        )
    if not busy(step) and o.now >= m.retry.retry_at:
        step.start("start the server again, sealed")
    tell_what_is_left(step)


def tell_what_is_left(step: Step) -> None:
    """If a member has published all that our volume may hold, say so at once: nobody need wait for our restart (rule 9)."""
    o, m, s = step.o, step.m, step.state
    if s is None or s.release is None or s.volume != o.volume or m.sealed.position is not None:
        return
    best: Position | None = max(
        (
            p.publication.position
            for p in o.pods
            if p.publication
            and p.publication.lease_version == step.version
            and p.publication.position
            and p.publication.running
            and not election.is_foreign(p.publication, s)
        ),
        default=None,
    )
    if best is None:
        return
    if o.checked is not None and o.checked.position == best and not o.checked.exists:
        step.keep(replace(step.m.sealed, position=best))
        step.publish(False, f"our volume holds nothing beyond {best}")
        step.keep(replace(step.m.sealed, position=None))
    elif m.reads.checked != best:
        step.keep(replace(step.m.reads, checked=best))
        step.actions.append(CheckRecord(best))
