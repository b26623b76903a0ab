"""Forced failover: an operator names the pod to promote when none may claim on its own (docs/protocol.md, rule 4).

It overrides the limit on missing WAL (4D), the write quorum (4E), the order of candidates (4F), the waits of 4G and 4H, and, if the Lease
was released with proof, eligibility (4A). It never overrides that the candidate must be sealed and have reported (4B), or that the Lease
must have been released or have expired (4C), and it never promotes a damaged volume. If our own WAL proves that the holder has shut down
(4C), nothing else is checked.

For a pod that isn't eligible, an expired Lease proves nothing: a holder without eligible replicas has no deadline, and a holder whose
eligible replicas extend its lease continues without asking this pod. A request is bound to one version of the Lease, so it can't take
effect in a later situation.
"""

from __future__ import annotations

from hapg_protocol import requests
from hapg_protocol.lsn import format_lsn
from hapg_protocol.model import LeaseState, Pod

from .election import Block, Candidate, Verdict, is_expired, is_reported, reports, too_new
from .state.actions import Annotate, Announce
from .state.decision import Step
from .state.phases import Phase


def attend(step: Step) -> None:
    """Refuse a request that can no longer be carried out, or never could."""
    m = step.m
    text = step.own_pod.force if step.own_pod is not None else None
    if text is None or not step.asks(text):
        return
    try:
        request = requests.force(text)
    except ValueError as error:
        _refuse(step, text, "", f"the request is unreadable: {error}")
        return
    if m.phase in (Phase.PROMOTING, Phase.PRIMARY) and m.hold.held_term is not None and m.hold.held_term > request.term:
        step.answer(requests.FORCE, text, request.id, requests.TAKEN, f"promoted under term {m.hold.held_term}")
    elif m.phase in (Phase.EMPTY, Phase.DAMAGED):
        _refuse(step, text, request.id, f"the volume is {step.o.volume_state.value} and can't be promoted")
    elif step.o.lease is not None and m.phase in (Phase.SEALED, Phase.FOLLOW, Phase.PRIMARY) and request.version != step.version:
        _refuse(step, text, request.id, "the Lease has changed since this request: check the status again")


def request(step: Step) -> requests.Force | None:
    """Return the request to promote us, if it is valid for the current version of the Lease."""
    text = step.own_pod.force if step.own_pod is not None else None
    try:
        found = requests.force(text) if text is not None else None
    except ValueError:
        return None
    return found if found is not None and found.version == step.version else None


def judge(me: Candidate, lease: LeaseState, version: str, pods: tuple[Pod, ...], *, age: float, ttl: float, ended: bool = False) -> Verdict:
    """Return whether `me` may claim because an operator forced it; the arguments are those of election.judge."""
    newer = too_new(lease)
    if newer is not None:
        return newer
    if ended:
        return Verdict(
            True, f"forced by an operator: {lease.holder.pod} has shut down, and our WAL ends with its checkpoint at {me.position}"
        )
    if lease.release is None and not is_expired(ttl, lease.ttl_s, age):
        return Verdict(False, f"{lease.holder.pod} holds the Lease, last changed {age:.1f} s ago: a forced failover is not possible")
    if lease.release is None and me.volume not in {x.volume for x in lease.eligible} | {lease.volume}:
        reason = f"volume {me.volume} is not an eligible replica's, and the Lease was not released: {lease.holder.pod} may still write"
        return Verdict(False, reason, blocked=Block.NOT_ELIGIBLE)
    if not is_reported(me, version, pods):
        return Verdict(False, "our own position isn't reported under this version of the Lease yet")
    return Verdict(True, f"forced by an operator at {me.position}: {what_is_lost(me, lease, version, pods)}")


def what_is_lost(me: Candidate, lease: LeaseState, version: str, pods: tuple[Pod, ...]) -> str:
    """Return, in words, what a promotion of `me` loses, as far as positions are known."""
    known = [said.position for _, said in reports(pods, version).values() if said.position is not None]
    known += [lease.position] if lease.position is not None else []
    known += [lease.release.position] if lease.release is not None and lease.release.position is not None else []
    best = max(known, default=me.position)
    unknown = "" if lease.release is not None and lease.release.position is not None else ", and possibly WAL that no pod has reported"
    if best <= me.position:
        return f"no known WAL is lost{unknown and ', but possibly WAL that no pod has reported'}"
    if best.timeline == me.position.timeline:
        return f"{best.lsn - me.position.lsn} bytes of WAL up to {format_lsn(best.lsn)} are lost{unknown}"
    return f"WAL from {me.position} to {best} is lost{unknown}"


def hint(pod: str, blocked: Block, lease: LeaseState) -> str:
    """Return the hint for an Event: the command that forces the failover, if there is one."""
    if blocked is Block.NOT_ELIGIBLE and lease.release is None:
        return f"the Lease was not released, so {lease.holder.pod} may still write and a forced failover is not possible"
    if blocked is Block.PROTOCOL:
        return "a forced failover is not possible"
    return f"`hapg failover {pod.rpartition('-')[0]} --force --to {pod}` promotes this pod anyway"


def refuse(step: Step, forced: requests.Force, reason: str) -> None:
    """Refuse the forced promotion: waiting won't help."""
    text = step.own_pod.force if step.own_pod is not None else None
    if text is not None and step.asks(text):
        _refuse(step, text, forced.id, reason)


def taken(step: Step, forced: requests.Force, reason: str) -> None:
    """Announce in the answer and in an Event that the claim was forced."""
    step.actions.append(Annotate(((requests.ANSWER, requests.answer(forced.id, requests.TAKEN, reason)),)))
    step.actions.append(Announce("Warning", "ForcedFailover", reason))


def _refuse(step: Step, text: str, id: str, reason: str) -> None:
    if step.answer(requests.FORCE, text, id, requests.REFUSED, reason):
        step.actions.append(Announce("Warning", "ForceRefused", reason))
