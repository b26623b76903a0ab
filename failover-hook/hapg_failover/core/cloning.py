"""A pod whose volume has no data that can be started: it creates the first server or a clone.

Also reports rewinds and clones that failed.
"""

from __future__ import annotations

from dataclasses import replace

from hapg_protocol.model import LeaseState, VolumeState

from . import bootstrap, election, rejoin, routing, startup
from .state.actions import Announce, Clone, Initdb, Op, Order, PutKind, Restore, Seed
from .state.decision import Step, busy
from .state.memory_parts import CatchingUp
from .state.observation import Observation
from .state.phases import Phase
from .state.results import OpResult, Outcome
from .state.volume import Origin
from .timing import BOOTSTRAP_PATIENCE_S

COPY_HELP = (
    "It is not used, and is cloned once there is a primary; to keep its data, create a file `accept` beside pgdata and delete the pod"
)

_UNCREATED = {Op.INITDB: "InitdbFailed", Op.RESTORE: "RestoreFailed", Op.SEED: "CloneFailed"}
_CREATED = {Op.RESTORE: "Restored", Op.SEED: "Cloned"}
"""Reasons of the Events about a first server that was not made, or made from another."""


def empty(step: Step) -> None:
    """Handle an empty volume: ordinal 0 creates the first server, every other pod clones."""
    o, m, s = step.o, step.m, step.state
    routing.replica(step)
    if o.deleting:
        step.go(Phase.STOPPING, "the pod is being deleted")
        return
    if o.volume_state is not VolumeState.EMPTY:
        step.go(Phase.BOOT, "the data volume is no longer empty")
        return
    if busy(step) or o.lease is None:
        step.because("waiting for " + (m.operation.op.value if m.operation.op else "the first read of the Lease"))
        return
    if s is not None and s.system_identifier is not None:
        _clone(step, s, "the volume is empty")
        return
    if s is not None and s.holder == o.me:
        if o.now >= m.retry.retry_at:
            order, way = _creation(step)
            step.run(order, f"all volumes are empty and the Lease is ours: {way} the first server")
        return
    step.report(False, "our volume is empty")
    verdict = election.too_new(s) or bootstrap.judge_bootstrap(o.ordinal, o.replicas, step.version, o.pods)
    if not verdict.claim:
        if o.ordinal == 0 and o.now - m.phase_since >= BOOTSTRAP_PATIENCE_S:
            step.tell("WaitingForVolumes", verdict.reason)
        if not step.actions:
            step.because(verdict.reason)
        return
    if m.writes.put is None:
        term = (s.term if s is not None else 0) + 1
        state = LeaseState(o.me, term, o.timing.ttl, address=o.address)
        step.put(PutKind.BOOTSTRAP, state, verdict.reason)


def _creation(step: Step) -> tuple[Order, str]:
    """Return the order that makes the first server's directory, and a verb for it."""
    if step.o.restores:
        return Restore(), "restore"
    return (Seed(), "clone a live server as") if step.o.seeded else (Initdb(), "create")


def damaged(step: Step) -> None:
    """Handle a volume that can't be started: clone it. While there is no primary to clone, data that failed to start is tried again."""
    o, m, s = step.o, step.m, step.state
    routing.replica(step)
    if o.origin is Origin.COPIED:
        step.tell("VolumeCopied", f"{o.volume_reason}. {COPY_HELP}")
    if busy(step) or o.lease is None:
        step.because("waiting")
    elif o.deleting:
        step.go(Phase.STOPPING, "the pod is being deleted")
    elif o.volume_state is VolumeState.DATA and not step.live_holder and o.now >= m.retry.retry_at:
        step.go(Phase.BOOT, "no primary to clone: try to start again")
    elif o.volume_state is VolumeState.DATA and not step.live_holder and m.retry.retried != step.version and _others_start(step):
        step.keep(replace(step.m.retry, retry_at=0.0, retried=step.version))
        step.go(Phase.BOOT, "another server has started: try to start ours again")
    elif s is not None and s.system_identifier is not None and s.holder != o.me:
        _clone(step, s, _trouble(o))
    else:
        step.report(False, o.volume_reason if o.origin is Origin.COPIED else "our volume is damaged")


def _trouble(o: Observation) -> str:
    """Return in words why the volume has to be cloned."""
    if o.volume_state is VolumeState.OTHER_MAJOR and o.former is not None:
        return f"the data is of PostgreSQL {o.former.major}, from before the upgrade"
    return "the volume is a copy" if o.origin is Origin.COPIED else "the volume is damaged"


def _others_start(step: Step) -> bool:
    """True if another server has started for this version of the Lease: the reason why ours didn't start may be gone."""
    reported = election.reports(step.o.pods, step.version).values()
    return any(q.running and p.uid != step.o.me.uid for p, q in reported)


def _clone(step: Step, s: LeaseState, why: str) -> None:
    o, m = step.o, step.m
    if not step.live_holder or s.address is None:
        step.report(False, f"{why}, and there is no primary to clone")
        if not step.actions:
            step.because(f"{why}; waiting for a primary to clone")
    elif o.now < max(m.retry.retry_at, m.copying.copy_at):
        step.because(f"{why}; waiting before the next attempt to clone")
    else:
        if o.volume_state is not VolumeState.EMPTY:
            step.actions.append(Announce("Warning", "Clone", f"{why}: it is cloned"))
        clone_from(step, s, s.address, why)


def clone_from(step: Step, s: LeaseState, primary: str, why: str) -> None:
    """Clone from a suitable standby if there is one, else from the primary.

    s: the Lease; primary: the primary's address; why: in words.
    """
    o = step.o
    source = rejoin.clone_source(o.me.pod, s, o.pods, o.standby_mode, step.m.copying.copies + 1)
    name = s.holder.pod if source is None else source.name
    step.copy(Clone(primary, s.timeline, None if source is None else source.ip), f"{why}: clone {name}")


def copy_answered(step: Step, result: OpResult) -> None:
    """Handle the end of a rewind, a clone, an initdb, a restore or a seed: the volume's content decides what follows."""
    ok, is_copy = result.outcome is Outcome.OK, result.op in (Op.REWIND, Op.CLONE)
    step.forget_server()
    if is_copy:
        if result.outcome is Outcome.BUSY:
            step.not_copied()
        else:
            step.copied()
        step.keep(replace(step.m.copying, cloned=ok and result.op is Op.CLONE), CatchingUp())
        if ok:
            step.keep(replace(step.m.retry, starts=0))
    if not ok and is_copy:
        copy_failed(step, result)
    elif not ok:
        pause = step.m.retry.retry_at - step.o.now
        reason = _UNCREATED[result.op]
        step.actions.append(Announce("Warning", reason, f"{result.text}; nothing is kept; next attempt in {pause:.0f} s"))
        step.keep(replace(step.m.telling, uncreated=f"{result.op.value} failed: {result.text}"))
    elif result.op in _CREATED:
        step.actions.append(Announce("Normal", _CREATED[result.op], result.text))
    if ok:
        step.keep(replace(step.m.telling, uncreated=""))
    damaged = not ok and step.o.volume_state is VolumeState.DAMAGED and not startup.created_unmarked(step)
    empty = step.o.volume_state is VolumeState.EMPTY
    text = f"{result.op.value}: {result.outcome.value} {result.text}".rstrip()
    step.go(Phase.DAMAGED if damaged else Phase.EMPTY if empty else Phase.BOOT, text)


def copy_failed(step: Step, result: OpResult) -> None:
    """Say why a rewind or clone failed, what is kept, and when the next attempt is."""
    o = step.o
    if o.volume_state is VolumeState.DATA:
        kept = "the old data is kept"
    elif o.volume_state is VolumeState.DAMAGED:
        kept = "the old data is kept, but is no longer usable: to discard it, delete the pod's PVC and the pod"
    else:
        kept = "the volume is empty"
    if result.outcome is Outcome.BUSY:
        step.tell("RewindPending", f"{result.text}; {kept}; retried until there is one")
        return
    pause = step.m.copying.copy_at - o.now
    reason = "ClonePending" if result.outcome is Outcome.ROOM else f"{result.op.value.capitalize()}Failed"
    step.actions.append(Announce("Warning", reason, f"{result.text}; {kept}; next attempt in {pause:.0f} s"))
