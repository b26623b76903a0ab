"""The member that stops writing, or has just lost its server: it gives the Lease back, with what is known of its WAL."""

from __future__ import annotations

from dataclasses import replace

from hapg_protocol.lsn import Position
from hapg_protocol.model import Release

from . import election, renewal, switchover
from .state.actions import CheckRecord, Exit, Kill, Op, Stop
from .state.decision import Step, busy
from .state.phases import Phase
from .state.results import OpResult, Outcome
from .timing import KILL_AGAIN_S, LINGER_S, RETRY_PUT_S


def stopping(step: Step) -> None:
    """We switch over, or end: keep the Lease while the server stops, then give it back, and end or start again as a replica."""
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
    # After TTL anybody may claim: a release has no use any more, and may be refused for ever, as when the release was uninstalled.
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
        step.go(Phase.STOPPING, "the pod is being deleted")
        return
    if busy(step, Op.START):
        # Sealed, it writes no WAL: what the volume holds is what the dead server had written.
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
            Release(m.hold.dead_reason or "the server died", clean=False, hold_s=m.hold.hold_s),
        )
    if not busy(step) and o.now >= m.retry.retry_at:
        step.start("start the server again, sealed")
    tell_what_is_left(step)


def tell_what_is_left(step: Step) -> None:
    """If a member has reported all that our volume may hold, say so at once: nobody need wait for our restart (rule 9)."""
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
    if o.checked is not None and o.checked.position == best and not o.checked.exists:
        step.keep(replace(step.m.sealed, position=best))
        step.report(False, f"our volume has no WAL beyond {best}")
        step.keep(replace(step.m.sealed, position=None))
    elif m.reads.checked != best:
        step.keep(replace(step.m.reads, checked=best))
        step.actions.append(CheckRecord(best))
