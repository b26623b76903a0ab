"""The order in which standbys restart for a changed standby mode: one at a time, so that the others keep receiving WAL.

The pods' names give the order. A standby that follows in the new mode shows that on its pod, which lets the next one restart.
"""

from __future__ import annotations

from dataclasses import replace

from hapg_protocol import pods
from hapg_protocol.model import EligibleReplica, LeaseState

from .state.decision import Step
from .timing import RESTART_TURN_S


def show(step: Step) -> None:
    """Have our pod show the mode in which our server follows."""
    own, upstream = step.own_pod, step.m.upstream
    if upstream.mode is None:
        return
    if upstream.due_since is not None and upstream.mode == step.due_mode:
        step.keep(replace(upstream, due_since=None))
    if step.show(pods.STANDBY_MODE, own.standby_mode if own is not None else None, upstream.mode, upstream.shown_at):
        step.keep(replace(step.m.upstream, shown_at=step.o.now))


def is_our_turn(step: Step, s: LeaseState) -> bool:
    """True if our server, which follows in another mode than the due one, may restart now.

    It waits for those before it, but at most 15 s for each: they may be broken, or of a version that shows nothing. A mode that only this
    server needs, because it can't follow in the configured one, is nobody else's turn.
    """
    o, upstream = step.o, step.m.upstream
    if step.due_mode != o.standby_mode:
        return True
    since = o.now if upstream.due_since is None else upstream.due_since
    if upstream.due_since is None:
        step.keep(replace(upstream, due_since=since))
    before = [each for each in s.eligible if each.pod < o.me.pod]
    return all(_is_done(step, each) for each in before) or o.now - since >= RESTART_TURN_S * len(before)


def _is_done(step: Step, other: EligibleReplica) -> bool:
    """True if another standby streams, and its server has the configured mode."""
    return other.streaming and any(pod.name == other.pod and pod.standby_mode == step.o.standby_mode for pod in step.o.pods)
