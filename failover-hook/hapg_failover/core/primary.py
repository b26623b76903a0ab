"""The primary: whether it may still write, and what it maintains besides its Lease."""

from __future__ import annotations

from dataclasses import replace

from . import demotion, disk_space, renewal, replication_slots, restarts, routing, switchover
from .state import connections, recovery
from .state.actions import Announce, ChangeSlots, Checkpoint
from .state.decision import Step, busy
from .state.phases import Phase
from .timing import (
    CHECKPOINT_AFTER_S,
    FAILED_S,
    PROMOTION_SILENT_S,
    RECOVERY_TOLD_S,
    SLOTS_AGAIN_S,
    STUCK_S,
    SUSPECT_S,
    UNPROVEN_S,
)


def writing(step: Step) -> None:
    """Handle PROMOTING and PRIMARY: check that the Lease is ours, renew it, and maintain the labels, slots and checkpoints."""
    o, m, s = step.o, step.m, step.state
    if s is not None and (s.holder != o.me or (not step.holds and m.writes.put is None)):
        step.kill(f"the Lease is {s.holder.identity}'s under term {s.term}" + (", released" if s.release else ""), 0.0)
        return
    # A promotion that we ordered reports its own result.
    lost = (m.phase is Phase.PRIMARY or not busy(step)) and o.server != "primary"
    if step.server_known and lost:
        step.forget_server()
        step.keep(replace(step.m.hold, dead_reason="the server died", hung=False, hold_s=o.timing.restart, held_term=None))
        step.go(Phase.DOWN, "the server is dead: every process of its container has been killed")
        step.actions.append(Announce("Warning", "ServerDied", "the primary's server died"))
        demotion.died(step)
        return
    if m.phase is Phase.PRIMARY:
        switchover.attend(step)
        if step.m.phase is not Phase.PRIMARY:
            return
    if m.phase is Phase.PROMOTING and not busy(step) and o.position is not None:
        # This agent has started since the promotion was ordered.
        step.keep(replace(step.m.reign, checkpointed=False))
        step.go(Phase.PRIMARY, f"our server has recovered, and writes on timeline {o.position.timeline}")
        return
    if m.phase is Phase.PROMOTING and _recovers(step):
        return
    if m.phase is Phase.PRIMARY and _unfit(step):
        return
    renewal.renew(step)
    renewal.ask_for_extensions(step)
    if m.phase is Phase.PRIMARY:
        if step.full:
            step.tell("DiskFull", disk_space.full_message(o))
        routing.primary(step)
        restarts.show_settings(step)
        _slots(step)
        _checkpoint(step)


def _recovers(step: Step) -> bool:
    """Report the progress of the recovery before the first write; kill a server that makes no progress. True if it was killed.

    An operation of ours notices by itself that it makes none; a promotion that an agent before us has ordered is watched here.
    """
    o, m = step.o, step.m
    moved_at = recovery.moved_since(o.recovery, m.phase_since)
    silent_for = o.now - max(moved_at, o.probe_at)
    # One whose slots are full is in production: it has nothing more to replay.
    stalled = not busy(step) and not o.greeting.crowded and o.now - moved_at > o.timing.stall
    if silent_for > PROMOTION_SILENT_S or stalled:
        step.keep(replace(step.m.retry, failed_until=o.now + FAILED_S))
        if stalled:
            message = f"the server being promoted has made no progress for {o.now - moved_at:.0f} s"
        else:
            message = (
                f"the server being promoted shows no progress, and nothing could be written to the {o.probe_on}, for {silent_for:.0f} s"
            )
        step.actions.append(Announce("Warning", "PromotionFailed", message))
        step.kill(message, 0.0)
        return True
    if step.progress is not None and o.now - m.phase_since >= RECOVERY_TOLD_S:
        step.tell("Recovering", f"writes wait until {o.me.pod} has replayed its WAL: {step.progress}")
    return False


def _unfit(step: Step) -> bool:
    """Kill a server that doesn't write, whose volume accepts no writes, or that accepts no connections; False if none of these apply.

    A server that accepts no connections may be healthy after a restart, and its volume is fine. So the others wait for it as for one that
    died, and it goes first only if it has more WAL.
    """
    o, m = step.o, step.m
    if o.position is None and o.now - m.phase_since > UNPROVEN_S and not o.greeting.crowded:
        step.keep(replace(step.m.retry, failed_until=o.now + FAILED_S))
        step.kill(f"our server should accept writes, but has not confirmed it for {UNPROVEN_S:g} s", 0.0)
        return True
    if _is_stuck(step):
        step.keep(replace(step.m.retry, failed_until=o.now + FAILED_S))
        message = disk_space.nothing_written(o)
        step.actions.append(Announce("Warning", "StorageHung", f"{message}: the server is killed and the Lease released"))
        step.kill(message, 0.0, hung=True)
        return True
    refused = connections.trouble(o.greeting, m.phase_since)
    if refused is not None:
        step.keep(replace(step.m.retry, failed_until=o.now + SUSPECT_S))
        step.actions.append(Announce("Warning", "ServerUnresponsive", f"{refused}: the server is killed and the Lease released"))
        step.kill(refused, disk_space.hold(o.room, o.segment, o.timing.restart))
        return True
    return False


def _is_stuck(step: Step) -> bool:
    """True if the data volume has accepted no writes for some time while we were watching: one check after a freeze proves nothing."""
    o, m = step.o, step.m
    slow = disk_space.is_silent(o, m.phase_since)
    if slow:
        step.keep(replace(step.m.storage, slow_at=o.now))
    if not disk_space.is_silent(o, m.phase_since, step.patience):
        step.keep(replace(step.m.storage, stuck_since=None))
        if slow:
            step.tell("StorageSlow", f"{disk_space.nothing_written(o)}: waited for, because the last primary's volume was as slow")
        return False
    if m.storage.stuck_since is None:
        step.keep(replace(step.m.storage, stuck_since=o.now))
        return False
    return o.now - m.storage.stuck_since >= STUCK_S


def _checkpoint(step: Step) -> None:
    """Have the new timeline start with an early checkpoint: until it has one, pg_rewind sees our server as still on the previous timeline.

    The checkpoint that PostgreSQL itself starts at a promotion is slow (checkpoint_completion_target). A full volume gets none (see
    switchover).
    """
    o, m = step.o, step.m
    if not m.reign.checkpointed and o.now - m.reign.promoted_at >= CHECKPOINT_AFTER_S and not step.full:
        step.keep(replace(step.m.reign, checkpointed=True))
        step.actions.append(Checkpoint())


def _slots(step: Step) -> None:
    """Maintain a replication slot for every other pod."""
    o, m, s = step.o, step.m, step.state
    if o.slots is None or s is None or o.now - m.reign.slots_at < SLOTS_AGAIN_S:
        return
    change = replication_slots.plan(o.me.pod, o.replicas, s.eligible, o.streaming, o.slots)
    if change.make or change.drop:
        step.keep(replace(step.m.reign, slots_at=o.now))
        step.actions.append(ChangeSlots(change.make, change.drop))
