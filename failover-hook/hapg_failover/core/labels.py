"""The pods' labels, which route traffic and prove nothing (docs/protocol.md, rule 12)."""

from __future__ import annotations

from . import switchover
from .actions import Label
from .memory import Phase
from .step import Step


def primary(step: Step) -> None:
    """Label ourselves primary first, then strip every other primary label."""
    o, m = step.o, step.m
    own = step.own_pod
    if own is None or o.now - m.label_at < 0.5 or (m.handover is not None and m.handover.routed is not None):
        return
    others = [p for p in o.pods if p.uid != o.me.uid and p.role == "primary"]
    if own.role != "primary":
        step.actions.append(Label(own.name, own.uid, "primary"))
    for pod in others:
        step.actions.append(Label(pod.name, pod.uid, "replica"))
    if own.role != "primary" or others:
        step.remember(label_at=o.now)


def replica(step: Step) -> None:
    """See to it that our own pod's role says replica, unless the holder may have labelled it for what comes next."""
    o, m, s = step.o, step.m, step.state
    own = step.own_pod
    if own is None or own.role == "replica" or o.now - m.label_at < 1.0:
        return
    if switchover.is_chosen(step) or (s is not None and s.release is None and s.holder.uid in o.gone):
        return
    if own.role is None or m.phase in (Phase.FOLLOW, Phase.EMPTY, Phase.DAMAGED):
        step.remember(label_at=o.now)
        step.actions.append(Label(own.name, own.uid, "replica"))
