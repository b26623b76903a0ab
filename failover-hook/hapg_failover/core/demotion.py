"""A pod that stops being primary, or has just lost its server: it releases the Lease with what is known about its WAL."""

from __future__ import annotations

from dataclasses import replace

from hapg_protocol.lsn import Position

from . import disk_space, election, renewal, switchover
from .state.actions import CheckRecord, CheckSpace, Exit, Kill, Op, Stop
from .state.decision import Step, busy
from .state.phases import Phase
from .state.results import OpResult, Outcome, RecordCheck
from .timing import KILL_AGAIN_S, LINGER_S, RETRY_PUT_S, SPACE_LOOK_S


def stopping(step: Step) -> None:
    """Handle a switchover or a deletion: keep the Lease while the server stops, release it, then exit or start again as a replica."""
    o, m, s = step.o, step.m, step.state
    if busy(step):
        if m.hold.held_term is not None:
            renewal.renew(step)
            renewal.ask_for_extensions(step)
        return
    if not step.server_known:
        step.because("waiting for the supervisor to report on the server")
        return
    if o.server != "down":
        if o.now >= m.retry.retry_at:
            step.run(Stop(), "stop the server")
        return
    ours = s is not None and s.holder == o.me and s.release is None and s.system_identifier is not None
    # After the TTL anyone may claim: releasing the Lease is pointless then, and may be refused forever, as after `helm uninstall`.
    if ours and o.now - max(m.hold.renewed_at, m.operation.op_ended, m.phase_since) <= o.timing.ttl:
        if m.writes.put is None and (m.writes.put_at <= m.operation.op_ended or o.now - m.writes.put_at >= RETRY_PUT_S):
            step.release("the server is down: release the Lease", switchover.release(step))
        return
    if m.writes.put is None and switchover.stays(step):
        switchover.start_again(step)
        return
    if m.succession.successor is not None and o.now - m.writes.put_at < LINGER_S:
        step.because(f"the Lease is released to {m.succession.successor}; our address refuses clients until they are routed there")
        return
    if m.writes.put is None:
        step.do(Exit(), "the server is down and the Lease " + ("has run out" if ours else "isn't ours") + ": the container may end")


def stopped(step: Step, result: OpResult) -> None:
    """Handle the end of the final shutdown; if the end of WAL is clean, it goes into the Lease's release."""
    step.keep(replace(step.m.sealed, position=result.position if result.outcome is Outcome.OK else None))
    step.because(f"{result.op.value}: {result.outcome.value} {result.text}".rstrip())
    if step.m.phase is not Phase.STOPPING:
        step.forget_server()
        step.go(Phase.BOOT, step.reason)
        return
    stopping(step)


def died(step: Step) -> None:
    """Handle a server that was found dead: how long the others wait for it depends on the free space, which is looked at again."""
    o = step.o
    step.keep(replace(step.m.storage, died_at=o.now))
    if o.room is not None and not _is_short(step):
        step.actions.append(CheckSpace())
    down(step)


def _is_short(step: Step) -> bool:
    """True if, as far as we know, our volumes have so little free space that the server may have died of it."""
    return step.o.room is not None and not disk_space.has_room_for_emergency_space(step.o.room, step.o.segment)


def _waits_for_space(step: Step) -> bool:
    """True while the release has to wait for a look at the free space, because a volume may have filled up since the last one.

    Afterwards `hold_s` says how long the others wait. A volume that doesn't answer isn't waited for.
    """
    o, storage = step.o, step.m.storage
    if storage.died_at is None:
        return False
    is_old = o.room is not None and not _is_short(step) and o.room_at < storage.died_at
    if is_old and o.now - storage.died_at < SPACE_LOOK_S:
        return True
    hold_s = disk_space.hold(o.room, o.segment, step.m.hold.hold_s)
    step.keep(replace(step.m.hold, hold_s=hold_s), replace(storage, died_at=None))
    return False


def down(step: Step) -> None:
    """Handle the death of our writable server: release the Lease, report the WAL on the volume, and start the server again, sealed."""
    o, m, s = step.o, step.m, step.state
    if o.deleting:
        step.keep(replace(step.m.sealed, position=None))
        step.go(Phase.STOPPING, "the pod is being deleted")
        return
    if busy(step, Op.START):
        # A sealed server writes no WAL, so the volume still holds exactly what the dead server wrote.
        step.because("the server is being started, sealed")
        tell_what_is_left(step)
        return
    if not step.server_known or o.server != "down":
        step.because("waiting for the supervisor to confirm that the server is dead")
        if step.server_known and not busy(step) and o.now - m.phase_since >= KILL_AGAIN_S:
            step.restart_phase()
            step.do(Kill(), "the server still runs: kill it again")
        return
    if _waits_for_space(step):
        step.because("the server is dead; the free space is looked at before the Lease is released")
        return
    ours = s is not None and s.holder == o.me and s.release is None and s.system_identifier is not None
    if ours and m.writes.put is None and (m.writes.put_at <= m.phase_since or o.now - m.writes.put_at >= RETRY_PUT_S):
        step.release(
            "the server is dead: release the Lease, with proof",
            step.m.hold.of_the_dead("the server died"),
        )
    if not busy(step) and o.now >= m.retry.retry_at:
        step.start("start the server again, sealed")
    tell_what_is_left(step)


def tell_what_is_left(step: Step) -> None:
    """Report it once another pod has reported everything that our volume may hold: nobody then needs to wait for our restart (rule 9)."""
    o, m, s = step.o, step.m, step.state
    if s is None or s.release is None or s.volume != o.volume or m.sealed.position is not None:
        return
    best: Position | None = max(
        (
            p.report.position
            for p in o.pods
            if p.report
            and p.report.lease_version == step.version
            and p.report.position
            and p.report.running
            and not election.is_foreign(p.report, s)
        ),
        default=None,
    )
    if best is None:
        return
    if o.checked == RecordCheck(s.term, best, exists=False):
        step.keep(replace(step.m.sealed, position=best))
        step.report(False, f"our volume has no WAL beyond {best}")
        step.keep(replace(step.m.sealed, position=None))
    elif m.reads.checked != (s.term, best):
        step.keep(replace(step.m.reads, checked=(s.term, best)))
        step.actions.append(CheckRecord(s.term, best))
