"""Switchover by a primary that still serves: on an operator's request, its pod's deletion, a full volume, or changed start settings
(docs/protocol.md, rules 9 and 18).

Everything slow happens before the server stops: a checkpoint, the choice of the successor, and the Lease's naming it. The successor then
seals itself as soon as the stream ends.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace

from hapg_protocol import requests
from hapg_protocol.model import Pod, Release, ReleaseCause

from . import disk_space, restarts
from .eligible_replicas import KEEPS_UP_BYTES
from .state.actions import Announce, Label, Prepare, ShutDown
from .state.decision import Step, busy
from .state.memory_parts import Switchover
from .state.phases import Phase
from .state.results import OpResult, Outcome
from .timing import (
    ANNOUNCE_S,
    ASK_AGAIN_S,
    FULL_AGAIN_S,
    FULL_S,
    LAST_CHECKPOINT_S,
    LAST_RECORD_LEAVING_S,
    LAST_RECORD_S,
    LEAST_GRACE_S,
    REJOIN_AFTER_S,
    ROUTE_AHEAD_S,
    SERVE_ON_S,
    SETTINGS_AGAIN_S,
    SHUTDOWN_S,
    SWITCHOVER_CHECKPOINT_S,
)

# Why a deleted primary serves on for SERVE_ON_S: the deletion makes its endpoint 'terminating', which kube-proxy applies at once. Later
# changes wait until a second has passed (--iptables-min-sync-period, default 1s: kubernetes.io/docs/reference/networking/virtual-ips,
# 'Performance mode'). A server that stops towards the end of that second is replaced at its end, and has served until then. The labels
# must be in the EndpointSlice by then, so they are written first (ROUTE_AHEAD_S).
# The grace period pays for the last checkpoint while the server serves, the shutdown, and the 10 s that the supervisor reserves for itself.
# LAST_RECORD_S limits how long a server keeps sending its shutdown checkpoint, the end of its WAL, to standbys that hang.
NEAR_BYTES = 16 * 1024 * 1024
CHANGED = "changed settings need a restart"


def attend(step: Step) -> None:
    """As the primary: begin a switchover that is due, or take the next step of the one in progress; the last step stops the server."""
    o, h = step.o, step.m.succession.switchover
    if h is None:
        _begin(step)
    elif busy(step) or h.stop_at is None:
        step.because(f"{h.why}: checkpoint before the server is stopped")
    elif o.now < h.stop_at - ROUTE_AHEAD_S:
        step.because(f"{h.why}: serving until its endpoint can be replaced")
    else:
        _announce(step, h, h.stop_at)


def _begin(step: Step) -> None:
    o = step.o
    own = step.own_pod
    if o.me.uid in o.gone or (own is not None and own.deleting and own.grace == 0):
        # The kubelet kills within two seconds, and the shutdown runs a checkpoint anyway. Our token is invalid, or will be in a moment.
        begun = Switchover(ReleaseCause.DELETION, o.now)
        step.keep(replace(step.m.succession, switchover=begun))
        _stop(step, begun, choose_successor(step))
        return
    if o.deleting:
        if _awaits_a_replica(step):
            return
        if not busy(step):
            grace = own.grace if own is not None and own.grace is not None else LEAST_GRACE_S
            _prepare(step, Switchover(ReleaseCause.DELETION, o.now), ReleaseCause.DELETION.words, min(LAST_CHECKPOINT_S, grace / 4))
        return
    text = own.switchover if own is not None else None
    if text is None or not step.asks(text):
        _make_way(step)
        return
    try:
        request = requests.switchover(text)
    except ValueError as error:
        refuse(step, text, "", f"the request is unreadable: {error}")
        return
    trouble = _trouble(step, request)
    if trouble is not None:
        refuse(step, text, request.id, trouble)
    elif not busy(step):
        chosen = choose_successor(step, request.to)
        assert chosen is not None
        step.answer(requests.SWITCHOVER, text, request.id, requests.TAKEN, f"switching over to {chosen.name}")
        _prepare(
            step,
            Switchover(ReleaseCause.SWITCHOVER, o.now, request.id, request.to),
            f"switchover to {chosen.name}",
            SWITCHOVER_CHECKPOINT_S,
        )


def _awaits_a_replica(step: Step) -> bool:
    """True if we keep serving: no pod can take over without loss yet, but another one stays that may soon be able to, and grace is left."""
    o = step.o
    left = (step.m.upstream.leaving_since or o.now) + step.grace - SHUTDOWN_S - o.now
    stays = [p for p in o.pods if p.uid != o.me.uid and not p.deleting]
    if choose_successor(step) is not None or not stays or left <= 0:
        return False
    step.tell("WaitingForEligibleReplica", f"the pod is being deleted, and no eligible replica streams: {left:.0f} s left to wait for one")
    step.because(f"{ReleaseCause.DELETION.words}, and no eligible replica streams: waiting for one for another {left:.0f} s")
    return True


def _prepare(step: Step, h: Switchover, reason: str, seconds: float) -> None:
    """Start with a checkpoint, unless our volume is full: a checkpoint needs disk space, without which PostgreSQL panics.

    The shutdown's own checkpoint can use the emergency WAL space, which is released only when no client can consume it any more.
    """
    if step.full:
        step.keep(replace(step.m.succession, switchover=replace(h, stop_at=step.o.now)))
        step.because(f"{reason}: {disk_space.full_message(step.o)}, so no checkpoint is made first")
    else:
        step.keep(replace(step.m.succession, switchover=h))
        step.run(Prepare(seconds), f"{reason}: checkpoint")


def _make_way(step: Step) -> None:
    """Switch over if our volume is full, after giving replicas whose volume is full as well time to stop streaming.

    There is no such wait after a start with the emergency WAL space: replicas that stream since then checked their own disk space first.
    """
    o, m = step.o, step.m
    if not step.full and not lives_on_emergency_space(step):
        step.keep(replace(step.m.storage, full_since=None, emergency_space_used=False))
        _change_settings(step)
        return
    since = o.now if m.storage.full_since is None else m.storage.full_since
    step.keep(replace(step.m.storage, full_since=since))
    patience = 0.0 if m.storage.emergency_space_used else FULL_S
    if o.now - since >= patience and not busy(step) and (chosen := choose_successor(step)) is not None:
        _prepare(step, Switchover(ReleaseCause.FULL, o.now), f"switch over to {chosen.name}", SWITCHOVER_CHECKPOINT_S)


def _change_settings(step: Step) -> None:
    """Switch over to a standby that runs with changed start settings already; the only server restarts in its place instead."""
    o, s = step.o, step.state
    if busy(step) or s is None or o.now < step.m.succession.not_before or not restarts.is_primary_due(step, s):
        return
    able = {each.pod for each in s.eligible if restarts.has_settings(step, each)}
    chosen = choose_successor(step, among=able)
    if chosen is not None:
        begun = Switchover(ReleaseCause.SWITCHOVER, o.now, to=chosen.name, reason=CHANGED)
        _prepare(step, begun, f"{CHANGED}: switch over to {chosen.name}", SWITCHOVER_CHECKPOINT_S)
    elif o.replicas == len(o.pods) == 1:
        _prepare(step, Switchover(ReleaseCause.SWITCHOVER, o.now, reason=CHANGED, alone=True), CHANGED, SWITCHOVER_CHECKPOINT_S)


def lives_on_emergency_space(step: Step) -> bool:
    """True if our server was started with the emergency WAL space and has no other free space yet."""
    return step.m.storage.emergency_space_used and disk_space.has_emergency_space_alone(step.o.room, step.o.segment)


def _trouble(step: Step, request: requests.Switchover) -> str | None:
    """Return why the request can't be carried out, or None if it can."""
    o, m = step.o, step.m
    if request.term != m.hold.held_term:
        return f"the request is for term {request.term}, but this is term {m.hold.held_term}"
    if request.to == o.me.pod:
        return f"{request.to} is the primary already"
    if choose_successor(step, request.to) is not None:
        return None
    if request.to is None:
        return "no eligible replica streams from the primary"
    pod = next((p for p in o.pods if p.name == request.to), None)
    if pod is None:
        return f"pod {request.to} not found"
    if pod.deleting:
        return f"{request.to} is being deleted"
    return f"{request.to} isn't an eligible replica that streams from the primary with a lag of at most {KEEPS_UP_BYTES >> 30} GiB"


def choose_successor(step: Step, to: str | None = None, among: Set[str] | None = None) -> Pod | None:
    """Return the pod to switch over to, or None if there is none.

    It is `to` if given; otherwise, in this order: a pod that remains when the release is scaled, that is not far behind, with a low
    ordinal. A streaming replica receives what it lacks before the server is down, so a few bytes more or less don't matter.

    among: the names of the pods that are considered, None: all.
    """
    o, s = step.o, step.state
    eligible = {member.pod: member.volume for member in s.eligible} if s is not None else {}
    flushed = {x.pod: x.flushed or 0 for x in o.streaming if x.since is not None}
    head = o.position.lsn if o.position is not None else max(flushed.values(), default=0)
    able = [
        p
        for p in o.pods
        if _shows(p, eligible.get(p.name))
        and (among is None or p.name in among)
        and p.uid != o.me.uid
        and not p.deleting
        and p.name in flushed
        and head - flushed[p.name] <= KEEPS_UP_BYTES
    ]
    if to is not None:
        return next((p for p in able if p.name == to), None)
    most = max((flushed[p.name] for p in able), default=0)
    return min(able, key=lambda p: (p.ordinal >= o.replicas, most - flushed[p.name] > NEAR_BYTES, p.ordinal), default=None)


def _shows(pod: Pod, volume: str | None) -> bool:
    """True if a pod shows that it has `volume`, which the Lease lists under that pod's name; None: none is listed."""
    return volume is not None and pod.report is not None and pod.report.volume == volume


def prepared(step: Step, result: OpResult) -> None:
    """The checkpoint has ended: allow the stop now or, on a deletion with LEAST_GRACE_S or more, SERVE_ON_S after the switchover began."""
    o, h = step.o, step.m.succession.switchover
    step.keep(replace(step.m.retry, retry_at=0.0, tries=0))
    if h is None:
        return
    if result.outcome is not Outcome.OK and _call_off(step, h, f"the checkpoint failed: {result.text}"):
        return
    own = step.own_pod
    patient = h.request is None and own is not None and own.grace is not None and own.grace >= LEAST_GRACE_S
    step.keep(replace(step.m.succession, switchover=replace(h, stop_at=max(o.now, h.since + SERVE_ON_S) if patient else o.now)))


def _announce(step: Step, h: Switchover, stop_at: float) -> None:
    """Have the Lease name the successor, route clients to it, then stop: by the time the routing takes effect, it accepts writes."""
    o, s = step.o, step.state
    chosen = choose_successor(step, h.to) if not h.alone else None
    if chosen is None and not h.alone and _call_off(step, h, f"{h.to or 'every eligible replica'} has stopped streaming from the primary"):
        return
    named = chosen is not None and s is not None and s.successor == chosen.name
    late = o.now - stop_at > ANNOUNCE_S
    if late and not named and _call_off(step, h, "the Lease can't be written"):
        return
    if o.now >= stop_at and (chosen is None or named or late):
        _stop(step, h, chosen)
    elif chosen is not None and named:
        _route(step, h, chosen)
        step.because(f"{h.why}: serving until its endpoint can be replaced")
    elif chosen is not None:
        step.keep(replace(step.m.succession, successor=chosen.name))
        step.because(f"{h.why}: waiting for the Lease to name {chosen.name}")


def _call_off(step: Step, h: Switchover, reason: str) -> bool:
    """Keep serving if the switchover can't be carried out and the pod isn't being deleted. True if so."""
    if h.request is not None:
        refuse(step, h.request, h.request, reason)
    elif h.cause is ReleaseCause.FULL:
        step.keep(
            replace(step.m.succession, switchover=None, successor=None), replace(step.m.storage, full_since=step.o.now + FULL_AGAIN_S)
        )
        step.because(f"{h.why}, but no switchover takes place: {reason}")
    elif h.cause is ReleaseCause.SWITCHOVER:
        step.keep(replace(step.m.succession, switchover=None, successor=None, not_before=step.o.now + SETTINGS_AGAIN_S))
        step.because(f"{h.why}, but no switchover takes place: {reason}")
    return step.m.succession.switchover is None


def may_ask(step: Step) -> bool:
    """True if it is time to write the Lease only to name the successor, or to remove its name."""
    o, m = step.o, step.m
    return o.now - (m.succession.switchover.asked if m.succession.switchover is not None else m.writes.put_at) >= ASK_AGAIN_S


def asked(step: Step) -> None:
    """Record that the Lease is being written with our successor in it."""
    if step.m.succession.switchover is not None:
        step.keep(replace(step.m.succession, switchover=replace(step.m.succession.switchover, asked=step.o.now)))


def _stop(step: Step, h: Switchover, chosen: Pod | None) -> None:
    name = chosen.name if chosen is not None else None
    step.keep(replace(step.m.succession, successor=name))
    step.go(Phase.STOPPING, h.why)
    seconds = LAST_RECORD_S if h.cause is not ReleaseCause.DELETION else LAST_RECORD_LEAVING_S
    if h.alone:
        step.run(ShutDown(None, seconds), f"{h.why}: the only server restarts")
        step.actions.append(Announce("Normal", "ServerRestarts", f"{h.why}: the release's only server, so clients wait for it"))
        return
    step.run(ShutDown(name, seconds), f"{h.why}: switch over to {name or 'nobody, since no eligible replica streams'}")
    if chosen is not None:
        _route(step, h, chosen)
        step.actions.append(Announce("Normal", "Switchover", f"{h.why}: switch over to {name}"))


def _route(step: Step, h: Switchover, chosen: Pod) -> None:
    """Label the successor primary, then ourselves replica, unless that has been done."""
    own = step.own_pod
    if h.routed == chosen.name:
        return
    step.keep(replace(step.m.succession, switchover=replace(h, routed=chosen.name)))
    step.actions.append(Label(chosen.name, chosen.uid, "primary"))
    if own is not None:
        step.actions.append(Label(own.name, own.uid, "replica"))


def is_chosen(step: Step) -> bool:
    """True if the holder is about to switch over to us, or has done so."""
    s = step.state
    if s is None or s.holder == step.o.me:
        return False
    return step.o.me.pod == (s.successor if s.release is None else s.release.successor)


def release(step: Step) -> Release:
    """Return the release for a server that was stopped; it is clean if the end of WAL is known.

    If our server will come back as a replica, others that lack part of its WAL wait for its restart.
    """
    m = step.m
    cause = m.succession.switchover.cause if m.succession.switchover is not None else ReleaseCause.DELETION
    hold_s = step.o.timing.restart if stays(step) else 0.0
    return Release(cause.words, m.sealed.position is not None, m.sealed.position, m.succession.successor, hold_s, cause)


def stays(step: Step) -> bool:
    """True if our server will come back as a replica instead of ending with its pod."""
    h = step.m.succession.switchover
    return h is not None and h.cause is not ReleaseCause.DELETION and not step.o.deleting


def start_again(step: Step) -> None:
    """Start again, sealed, now that the Lease is released; after REJOIN_AFTER_S, so as not to disturb the successor's first moments."""
    o, m = step.o, step.m
    if o.now - m.writes.put_at < REJOIN_AFTER_S:
        step.because(f"the Lease is released to {m.succession.successor or 'whoever claims it'}")
        return
    step.forget_server()
    to = m.succession.successor
    step.go(Phase.BOOT, f"switched over to {to}: start again as a replica" if to is not None else "the server is down: start it again")


def refuse(step: Step, text: str, request: str, reason: str) -> None:
    """Don't switch over, and say why: to the operator who asked, and in an Event."""
    step.keep(replace(step.m.succession, switchover=None, successor=None))
    step.because(f"switchover refused: {reason}")
    if step.answer(requests.SWITCHOVER, text, request, requests.REFUSED, reason):
        step.actions.append(Announce("Warning", "SwitchoverRefused", reason))


def refuse_elsewhere(step: Step) -> None:
    """As a replica: refuse a switchover request, which only the primary can carry out; it came too late or was sent to the wrong pod."""
    own = step.own_pod
    text = own.switchover if own is not None else None
    if text is None or not step.asks(text):
        return
    try:
        request = requests.switchover(text).id
    except ValueError:
        request = ""
    reason = step.reason
    refuse(step, text, request, "this pod isn't the primary")
    step.because(reason)
