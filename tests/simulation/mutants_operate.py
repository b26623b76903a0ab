"""The rules of operators' requests, removed one at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hapg_failover.core import election, forced_failover, switchover
from hapg_failover.core.state.decision import Step
from hapg_protocol import requests
from hapg_protocol.model import EligibleReplica, LeaseState, Pod

from .mutants_servers import nobody_holds


def any_term_will_do(patch: pytest.MonkeyPatch) -> None:
    """A switchover is carried out even if it was requested for another term."""
    trouble = switchover._trouble

    def forgiving(step: Step, request: requests.Switchover) -> str | None:
        return trouble(step, replace(request, term=step.m.hold.held_term or 0))

    patch.setattr(switchover, "_trouble", forgiving)


def any_version_will_do(patch: pytest.MonkeyPatch) -> None:
    """A request for a forced failover stays in effect after the Lease has been written."""

    def anytime(step: Step) -> requests.Force | None:
        text = step.own_pod.force if step.own_pod is not None else None
        return requests.force(text) if text is not None else None

    patch.setattr(forced_failover, "request", anytime)
    patch.setattr(forced_failover, "attend", lambda step: None)


def strangers_may_be_forced(patch: pytest.MonkeyPatch) -> None:
    """A server that is not eligible may claim an expired Lease."""
    judge = forced_failover.judge

    def anyone(me: election.Candidate, lease: LeaseState, version: str, pods: tuple[Pod, ...], **rest: Any) -> election.Verdict:
        return judge(me, replace(lease, eligible=(*lease.eligible, EligibleReplica(me.pod, me.volume))), version, pods, **rest)

    patch.setattr(forced_failover, "judge", anyone)


def a_short_successor_will_do(patch: pytest.MonkeyPatch) -> None:
    """The named successor claims at once, even if it lacks the primary's last WAL."""
    patch.setattr(election, "has_clean_end", lambda me, lease: lease.release is not None and lease.release.clean)


def nobody_waits_for_the_former_primary(patch: pytest.MonkeyPatch) -> None:
    """After a switchover whose successor lacks WAL, the others don't wait longer for it or for a clean shutdown."""
    nobody_holds(patch)
    release = switchover.release
    patch.setattr(switchover, "release", lambda step: replace(release(step), hold_s=0.0))
