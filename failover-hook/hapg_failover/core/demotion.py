"""A pod that stops being primary, or has just lost its server: it releases the Lease with what is known about its WAL."""

from __future__ import annotations

from dataclasses import replace

from hapg_protocol.lsn import Position

from . import election, renewal, switchover
from .state.actions import CheckRecord, Exit, Kill, Op, Stop
from .state.decision import Step, busy
from .state.phases import Phase
from .state.results import OpResult, Outcome, RecordCheck
from .timing import KILL_AGAIN_S, LINGER_S, RETRY_PUT_S


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
    ours = s is not None and s.holder == o.me and s.release is None and s.system_identifier is not None
    if ours and m.writes.put is None and (m.writes.put_at <= m.phase_since or o.now - m.writes.put_at >= RETRY_PUT_S):
        step.release(
            "the server is dead: release the Lease, with proof",
            m.hold.of_the_dead("the server died"),
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
