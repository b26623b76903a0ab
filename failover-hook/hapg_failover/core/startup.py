"""A pod whose server hasn't been started yet, or failed to start."""

from __future__ import annotations

from dataclasses import replace

from hapg_protocol.model import VolumeState

from . import disk_space, major_upgrade, routing, synchronous
from .state.actions import Adopt, Announce, Mark, Seal
from .state.decision import Step, busy
from .state.phases import Phase
from .state.results import OpResult, Outcome
from .state.volume import Origin
from .timing import FAILED_START_AGAIN_S, HOT_AGAIN_S, retry_pause

START_TRIES = 5
HOT_TRIES = 2
KILLED_CODE = 129
"""A shell gives a process that a signal has killed the exit code 128 and the signal's number (bash(1), 'EXIT STATUS')."""


def was_killed(code: int) -> bool:
    """True if this exit code, as a shell reports it, is that of a process which a signal has ended."""
    return code >= KILLED_CODE


def boot(step: Step) -> None:
    """Handle BOOT, with a supervisor present: find out the state of its server and its volume."""
    o, m = step.o, step.m
    routing.replica(step)
    if busy(step) or o.now < m.retry.retry_at or not step.server_known:
        step.because("waiting" if busy(step) else "waiting for the supervisor, or before the next attempt")
        return
    if o.server == "primary":
        _resume_primary(step)
    elif o.deleting:
        step.go(Phase.STOPPING, "the pod is being deleted")
    elif o.volume_state is VolumeState.EMPTY:
        step.go(Phase.EMPTY, "the data volume is empty")
    elif o.volume_state is VolumeState.DAMAGED:
        _damaged(step)
    elif o.volume_state is VolumeState.OTHER_MAJOR:
        major_upgrade.attend(step)
    elif o.volume_state is VolumeState.MISMATCHED:
        step.tell("VolumesMismatched", f"{o.volume_reason}; to have the pod cloned again, delete both of its PVCs and the pod")
        step.because(o.volume_reason)
    elif o.origin is Origin.ADOPTABLE and o.lease is None:
        step.because("the volume was made for another PVC; the Lease, which decides how it is used, hasn't been read yet")
    elif o.origin is Origin.ADOPTABLE:
        step.run(Adopt(), "the volume was made for another PVC, and is restored here: adopt it")
    elif o.server == "standby" and not synchronous.unguarded(step):
        step.run(Seal(slow=True), "a standby is already running: seal it and find its position")
    else:
        step.start("start the server, sealed")


def _damaged(step: Step) -> None:
    """Handle a volume that isn't one of finished data: give it up, unless it only lacks the first server's marker."""
    o = step.o
    if o.origin is Origin.COPIED:
        step.go(Phase.DAMAGED, o.volume_reason)
    elif o.unmarked and o.lease is None:
        step.because("the data directory isn't marked; the Lease, which shows whether we were creating it, hasn't been read yet")
    elif created_unmarked(step):
        step.run(Mark(), "we were creating the first server, and its directory is finished but not marked: mark it")
    else:
        step.actions.append(Announce("Warning", "VolumeDamaged", o.volume_reason))
        step.go(Phase.DAMAGED, f"the data volume is damaged: {o.volume_reason}")


def _resume_primary(step: Step) -> None:
    """Our agent is new and the server writes: renew if the Lease is ours in the supervisor's term, else kill the server (section 5)."""
    o, s = step.o, step.state
    if o.lease is None:
        step.because("a primary is running; the Lease hasn't been read yet, so its deadline is not extended")
    elif s is not None and s.holder == o.me and s.release is None and s.term == o.term_in_force:
        step.keep(replace(step.m.hold, held_term=s.term, recorded_ttl=s.ttl_s), replace(step.m.upstream, mode=o.standby_mode))
        if o.in_production or o.position is not None:
            step.go(Phase.PRIMARY, "our server is the primary and the Lease is ours: renew it")
        else:
            step.go(Phase.PROMOTING, "our server is recovering and the Lease is ours: renew it")
    else:
        step.kill("our server writes, but the Lease isn't ours under the current term", o.timing.restart)


def created_unmarked(step: Step) -> bool:
    """True if the unmarked directory is that of the first server, which this pod was creating.

    The Lease shows that: it names us and no cluster, and was claimed while our volume was empty. The directory is renamed into place once
    it is finished (`child_initdb.sh`, `child_restore.sh`, `child_seed.sh`).
    """
    o, s = step.o, step.state
    return o.unmarked and s is not None and s.system_identifier is None and s.release is None and s.holder.pod == o.me.pod


def marked(step: Step, result: OpResult) -> None:
    """Handle the result of Mark: the first server is created; or its marker couldn't be written, and that is tried again."""
    if result.outcome is not Outcome.OK:
        step.tell("VolumeDamaged", f"the first server's directory can't be marked as finished, which is tried again: {result.text}")
    step.go(Phase.BOOT, f"{result.op.value}: {result.outcome.value} {result.text}".rstrip())


def adopted(step: Step, result: OpResult) -> None:
    """Handle the result of Adopt: the volume now belongs to our claim; or its marker couldn't be written, and that is tried again."""
    if result.outcome is Outcome.OK:
        step.actions.append(Announce("Normal", "VolumeAdopted", f"the volume was made for another PVC: {result.text}"))
        step.go(Phase.BOOT, "the volume is ours now")


def start_failed(step: Step, result: OpResult) -> None:
    """Handle a failed start: try again, with a change if that may help; give up only data that can't be started."""
    o, m = step.o, step.m
    reason = f"{result.op.value} failed: {result.text}"
    if result.outcome not in (Outcome.ROOM, Outcome.REFUSED, Outcome.UNPROVEN):
        _count(step, m.upstream.mode, f"it doesn't start: {result.text}", reason)
        return
    # Nothing shows that the data is the cause, so this attempt doesn't count.
    step.keep(replace(step.m.retry, tries=m.retry.tries - 1, retry_at=o.now + FAILED_START_AGAIN_S))
    if result.outcome is Outcome.ROOM:
        step.tell("DiskFull", f"the server can't be started: {disk_space.full_message(o)}")
    elif result.outcome is Outcome.UNPROVEN:
        step.tell("StartFailed", f"the server does not start, its data is kept: {result.text}")
    step.go(Phase.BOOT, reason)


def ended(step: Step) -> None:
    """Handle the end of a standby's server.

    If it ended by itself before it had joined or been promoted, that counts as a failed start: a record that can't be replayed ends it
    every time. A server that was killed proves nothing about its data.
    """
    m = step.m
    step.forget_server()
    reason = "the standby is no longer running"
    code = step.o.exit_code
    by_itself = code is not None and code > 0 and not was_killed(code)
    if m.upstream.has_joined or not by_itself:
        step.go(Phase.BOOT, reason)
        return
    pause = retry_pause(m.retry.starts) if m.retry.starts else 0.0
    step.keep(replace(step.m.retry, retry_at=step.o.now + pause))
    _count(step, m.upstream.mode, "it exits soon after its start; its log says why", reason)


def _count(step: Step, mode: str | None, why: str, reason: str) -> None:
    """Count a failed start. mode: the start's standby mode; why: in words, for people; reason: of this decision."""
    starts = step.m.retry.starts + 1
    step.keep(replace(step.m.retry, starts=starts))
    if mode == "hot" and starts >= HOT_TRIES:
        step.keep(replace(step.m.retry, warm_until=step.o.now + HOT_AGAIN_S))
        message = f"the server doesn't run as a hot standby, for example because the primary has a higher max_connections: {why}"
        step.actions.append(
            Announce("Warning", "StartedWarm", f"{message}; it is started as a warm standby, and as a hot one again in {HOT_AGAIN_S:g} s")
        )
    elif starts >= START_TRIES and step.m.copying.cloned:
        step.tell("StartFailed", f"a fresh clone fails too, so it isn't the data: {why}")
    elif starts >= START_TRIES:
        message = f"the server has failed {starts} times in a row: {why}"
        if starts == START_TRIES:
            step.actions.append(Announce("Warning", "VolumeDamaged", message))
        else:
            step.tell("VolumeDamaged", message)
        step.go(Phase.DAMAGED, reason)
        return
    step.go(Phase.BOOT, reason)
