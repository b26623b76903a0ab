"""The order in which servers restart for a changed standby mode or for changed start settings (docs/protocol.md, rule 18).

Standbys restart one at a time, so that the others keep receiving WAL; the pods' names give the order. A standby that follows in the new
mode or with the new settings shows that on its pod, which lets the next one restart, and in the end the primary switch over.
"""

from __future__ import annotations

from dataclasses import replace

from hapg_protocol import pods
from hapg_protocol.model import EligibleReplica, LeaseState, Pod
from hapg_protocol.start_settings import Shown

from .state.decision import Step
from .timing import RESTART_TURN_S


def show(step: Step) -> None:
    """Have our pod show the mode in which our server follows, and its start settings."""
    show_settings(step)
    own, upstream = step.own_pod, step.m.upstream
    if upstream.mode is None:
        return
    if upstream.due_since is not None and upstream.mode == step.due_mode:
        step.keep(replace(upstream, due_since=None))
    if step.show(pods.STANDBY_MODE, own.standby_mode if own is not None else None, upstream.mode, upstream.shown_at):
        step.keep(replace(step.m.upstream, shown_at=step.o.now))


def show_settings(step: Step) -> None:
    """Have our pod show the start settings that our server runs with, and those that it accepts for its next start."""
    own, settings = step.own_pod, step.o.start_settings
    if own is None or settings is None:
        return
    shown = own.start_settings.encode() if own.start_settings is not None else None
    text = Shown(settings.running, settings.wanted).encode()
    if step.show(pods.START_SETTINGS, shown, text, step.m.upstream.settings_shown_at):
        step.keep(replace(step.m.upstream, settings_shown_at=step.o.now))


def is_due_for_mode(step: Step, s: LeaseState) -> bool:
    """True if our server follows in another mode than the due one, and may restart now. It can't become hot while it lacks a limit."""
    mode, due = step.m.upstream.mode, step.due_mode
    return mode not in (None, due) and not (due == "hot" and step.lacks) and _is_our_turn(step, s)


def _is_our_turn(step: Step, s: LeaseState) -> bool:
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
    pod = _pod(step, other)
    return other.streaming and pod is not None and pod.standby_mode == step.o.standby_mode


def is_due_for_settings(step: Step, s: LeaseState) -> bool:
    """True if our standby has to restart for changed start settings, and may now.

    All pods want these settings, every other standby streams in its mode, and those before us have restarted. If the primary must be the
    first to run with a lower limit, only the standby that is to replace it restarts before that.
    """
    others = [each for each in s.eligible if each.pod != step.o.me.pod]
    if not _is_agreed(step, s) or s.successor is not None or len(others) == len(s.eligible) or not _is_complete(step, s):
        return False
    if _lowers(step) and any(has_settings(step, each) for each in others):
        return False
    # All of them are warm by now if our server lacks a limit and may restart nevertheless.
    if not all(each.streaming if step.lacks else _is_done(step, each) for each in others):
        return False
    return all(has_settings(step, each) for each in others if each.pod < step.o.me.pod)


def is_primary_due(step: Step, s: LeaseState) -> bool:
    """True if our primary has to restart for changed start settings, and may now, because the standbys have.

    If it must be the first to run with a lower limit, one of them is enough, which then replaces it.
    """
    if not _is_agreed(step, s) or any(pod.deleting for pod in step.o.pods) or not all(each.streaming for each in s.eligible):
        return False
    done = [each for each in s.eligible if has_settings(step, each)]
    return len(done) == len(s.eligible) or (bool(done) and _lowers(step))


def has_settings(step: Step, other: EligibleReplica) -> bool:
    """True if another pod's server runs with the start settings that we want."""
    pod, settings = _pod(step, other), step.o.start_settings
    shown = pod.start_settings if pod is not None else None
    return shown is not None and settings is not None and shown.running == settings.wanted


def _is_agreed(step: Step, s: LeaseState) -> bool:
    """True if our server needs a restart for changed settings, and every member's server accepts the same ones."""
    o, settings = step.o, step.o.start_settings
    if settings is None or not settings.changed or any(pod.refused for pod in o.pods):
        return False
    members = [pod for pod in o.pods if pod.name in _members(s) and pod.uid != o.me.uid]
    return all(pod.start_settings is not None and pod.start_settings.wanted == settings.wanted for pod in members)


def _is_complete(step: Step, s: LeaseState) -> bool:
    """True if every pod of the release is there to stay, and is the primary's or that of an eligible replica."""
    pods = step.o.pods
    there = {pod.ordinal for pod in pods if pod.name in _members(s)}
    return set(range(step.o.replicas)) <= there and not any(pod.deleting for pod in pods)


def _lowers(step: Step) -> bool:
    """True if the primary must be the first to run with the wanted settings: a hot standby would not start with them before.

    If another limit is raised as well, no order suits hot standbys: they all restart before the primary, and are warm until it has.
    """
    settings = step.o.start_settings
    return settings is not None and settings.lacks and not settings.raises and step.o.standby_mode == "hot"


def _members(s: LeaseState) -> set[str]:
    return {s.holder.pod, *(each.pod for each in s.eligible)}


def _pod(step: Step, other: EligibleReplica) -> Pod | None:
    return next((pod for pod in step.o.pods if pod.name == other.pod), None)
