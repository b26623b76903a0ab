"""Why a replica doesn't stream from a primary that exists: reported in an Event within half a minute, and shown on its pod (rule 16)."""

from __future__ import annotations

from dataclasses import replace

from hapg_protocol import pods

from . import catching_up
from .state.actions import Announce, Op
from .state.decision import Step
from .state.memory_parts import Apart
from .state.phases import Phase
from .state.results import OpResult, Outcome
from .timing import CHANGED_S, PROGRESS_SHOWN_S, SETTLE_S, TELL_AFTER_S, TELL_AGAIN_S

UNKNOWN = "its server was told to follow: it is catching up, or its log says why it doesn't stream"
ENDED = "its server has exited: its log says why"


def note(step: Step, result: OpResult) -> None:
    """Remember why the last operation failed, or what it found in the way; a successful start is ignored, because it proves little."""
    if result.outcome is not Outcome.OK:
        blame(step, f"{result.op.value}: {result.text}")
    elif result.op is not Op.START:
        blame(step, result.hindrance)


def blame(step: Step, why: str) -> None:
    """Remember a possible reason why we don't stream."""
    step.keep(replace(step.m.telling, apart=replace(step.m.telling.apart, why=why)))


def attend(step: Step) -> None:
    """Report why we don't stream once that has lasted for a while; have our pod show it for exactly as long as it lasts."""
    o, m, own = step.o, step.m, step.own_pod
    if not _is_apart(step):
        rest = Apart(told_at=m.telling.apart.told_at, shown_at=m.telling.apart.shown_at)
        if rest != m.telling.apart:
            step.keep(replace(m.telling, apart=rest))
    elif m.telling.apart.since is None:
        step.keep(replace(step.m.telling, apart=replace(m.telling.apart, since=o.now)))
    else:
        _tell(step, o.now - m.telling.apart.since)
    apart = step.m.telling.apart
    if step.show(pods.NOT_FOLLOWING, own.not_following if own is not None else None, apart.told, apart.shown_at):
        step.keep(replace(step.m.telling, apart=replace(apart, shown_at=o.now)))


def _is_apart(step: Step) -> bool:
    """True if there is a primary that we should follow and it doesn't list us as streaming."""
    o, s = step.o, step.state
    if s is None or not step.live_holder or s.recovery is not None or o.deleting:
        return False
    return not any(x.volume == o.volume and x.streaming for x in s.eligible)


def _tell(step: Step, lasted: float) -> None:
    o, m, s = step.o, step.m, step.state
    if m.catching.is_due:
        _show_progress(step)
        return
    why = _why(step)
    if lasted < TELL_AFTER_S or why is None or s is None:
        return
    if o.now - m.telling.apart.told_at < (TELL_AGAIN_S if why == m.telling.apart.told else CHANGED_S):
        return
    step.actions.append(Announce("Warning", "NotFollowing", f"it doesn't stream from {s.holder.pod}: {why}"))
    step.keep(replace(step.m.telling, apart=replace(m.telling.apart, told=why, told_at=o.now)))


def _show_progress(step: Step) -> None:
    """Have our pod show how far it has caught up from the archive. The Events are those of `catching_up`."""
    apart, said = step.m.telling.apart, catching_up.words(step.m.catching)
    if said != apart.told and step.o.now - apart.told_at >= PROGRESS_SHOWN_S:
        step.keep(replace(step.m.telling, apart=replace(apart, told=said, told_at=step.o.now)))


def _why(step: Step) -> str | None:
    """Return why we don't stream; None while what is being done, or has just been done, may still lead to it."""
    o, m = step.o, step.m
    operation, known = m.operation, m.telling.apart.why
    if operation.op is not None:
        is_late = operation.is_short and o.now - operation.op_begun >= TELL_AFTER_S
        return f"{operation.op.value} does not end" if is_late else None
    if known or o.now - operation.op_ended >= SETTLE_S:
        return known or (UNKNOWN if m.phase is Phase.FOLLOW else step.reason)
    return None
