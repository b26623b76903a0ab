"""The pods' labels, which route traffic and prove nothing (docs/protocol.md, rule 12)."""

from __future__ import annotations

from dataclasses import replace

from hapg_protocol.model import LeaseState, Pod

from . import lease_extension, readiness, switchover
from .state.actions import Label, LabelReads
from .state.decision import Step
from .state.phases import Phase
from .timing import LABEL_AGAIN_S, PARTING_S, PROXY_S, READS_AGAIN_S, READS_FRESH_S, STRIP_AGAIN_S

_STANDING_BY = (Phase.SEALED, Phase.CLAIMING, Phase.PROMOTING)


def primary(step: Step) -> None:
    """Label ourselves primary first, then remove every other primary label; route no client to a server that is about to be stopped."""
    o, m = step.o, step.m
    own = step.own_pod
    if switchover.lives_on_emergency_space(step) and (m.succession.switchover is not None or o.now - m.reign.promoted_at < PARTING_S):
        withdraw(step)
        return
    if (
        own is None
        or o.now - m.reign.label_at < LABEL_AGAIN_S
        or (m.succession.switchover is not None and m.succession.switchover.routed is not None)
    ):
        return
    others = [p for p in o.pods if p.uid != o.me.uid and p.role == "primary"]
    is_missing = own.role != "primary" or own.reads
    if is_missing:
        step.actions.append(Label(own.name, own.uid, "primary"))
    for pod in others:
        step.actions.append(Label(pod.name, pod.uid, "replica"))
    if is_missing or others:
        step.keep(replace(step.m.reign, label_at=o.now))


def withdraw(step: Step) -> None:
    """Route no clients to our server while it has only the emergency WAL space left: they would use it up."""
    own = step.own_pod
    if own is not None and own.role == "primary" and step.o.now - step.m.reign.label_at >= LABEL_AGAIN_S:
        _strip(step, own)


def replica(step: Step) -> None:
    """Make sure that our own pod's role is replica, unless the holder may have labelled it in preparation for a takeover."""
    o, m, s = step.o, step.m, step.state
    own = step.own_pod
    if own is None or own.role == "replica" or o.now - m.reign.label_at < STRIP_AGAIN_S:
        return
    if switchover.is_chosen(step) or (s is not None and s.release is None and s.holder.uid in o.gone):
        return
    if own.role is None or m.phase in (Phase.FOLLOW, Phase.EMPTY, Phase.DAMAGED):
        _strip(step, own)


def reads(step: Step) -> None:
    """Have our pod labelled as a hot standby for as long as the Service for reads may lead to it.

    A primary takes that label away with the one that makes it the primary, because another call would delay that.
    """
    o, m, own = step.o, step.m, step.own_pod
    if own is None or o.deleting or m.phase is Phase.PRIMARY or o.now - m.upstream.labelled_at < READS_AGAIN_S:
        return
    wanted = _serves_reads(step, own)
    if own.reads != wanted:
        step.keep(replace(m.upstream, labelled_at=o.now))
        step.actions.append(LabelReads(wanted))


def _serves_reads(step: Step, own: Pod) -> bool:
    """True if our server is a hot standby that has joined and answers. During an election it stays what it was."""
    o, m = step.o, step.m
    if own.role == "primary" or o.foreign or not m.upstream.has_joined or not readiness.is_ready(m, o.now, o.timing.unready):
        return False
    if m.phase is Phase.FOLLOW:
        return o.now - o.reads_at < READS_FRESH_S
    return own.reads and m.phase in _STANDING_BY


def time_is_up(step: Step, s: LeaseState) -> None:
    """Remove the primary label from a holder whose time is up: its clients are then refused instead of waiting for an answer in vain.

    Not within the last second before the Lease may be claimed: kube-proxy syncs at most once per second, which would delay the label of the
    next primary.
    """
    o, m = step.o, step.m
    latest = o.timing.claim_after(s.ttl_s) - PROXY_S
    if not o.timing.lease <= step.age < latest or lease_extension.waits(step) is not None or o.now - m.reign.label_at < STRIP_AGAIN_S:
        return
    for pod in o.pods:
        if pod.uid == s.holder.uid and pod.role == "primary":
            _strip(step, pod)


def _strip(step: Step, pod: Pod) -> None:
    step.keep(replace(step.m.reign, label_at=step.o.now))
    step.actions.append(Label(pod.name, pod.uid, "replica"))
