"""The rules that keep PostgreSQL's own behaviour from doing harm, removed one at a time."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from hapg_failover.agent import Agent
from hapg_failover.core import catching_up, election, promotion, readiness, rejoin, replica, restarts, switchover
from hapg_failover.core.state.decision import Step, busy
from hapg_failover.core.state.phases import Phase
from hapg_failover.core.state.results import OpResult, Outcome
from hapg_protocol.model import LeaseState

from . import commands
from .server import Server
from .world import World


def crashes_are_recovered_in_place(patch: pytest.MonkeyPatch) -> None:
    """After a backend's crash the postmaster recovers by itself and continues after a shutdown checkpoint."""
    patch.setattr(World, "restart_after_crash", True)


def standbys_restart_together(patch: pytest.MonkeyPatch) -> None:
    """A standby restarts for another mode without waiting for its turn."""
    patch.setattr(restarts, "_is_our_turn", lambda step, s: True)


def recovery_has_ten_seconds(patch: pytest.MonkeyPatch) -> None:
    """A promotion fails after ten seconds, even if it makes progress."""
    tools = Agent._tools
    patch.setattr(Agent, "_tools", lambda self, missing: replace(tools(self, missing), stall=10.0, moved_at=lambda: 0.0))


def backlogs_decide_nothing(patch: pytest.MonkeyPatch) -> None:
    """Among replicas with the same WAL the lowest ordinal goes first, however much it has left to replay."""
    patch.setattr(election, "_backlog", lambda position, replayed: 0)


def archive_moves_whom_elections_count(patch: pytest.MonkeyPatch) -> None:
    """WAL from the archive is also put where a position is reported."""
    stand = replica._stand

    def moved(step: Step, s: LeaseState) -> None:
        stand(step, s)
        if step.o.archives and step.live_holder and not busy(step):
            step.keep(replace(step.m.catching, is_due=True))
            catching_up.attend(step, s)

    patch.setattr(replica, "_stand", moved)


def numbers_are_given_back(patch: pytest.MonkeyPatch) -> None:
    """The timeline of any failed promotion may be reserved again."""
    promoted = promotion.promoted

    def giving_back(step: Step, result: OpResult) -> None:
        if result.outcome is not Outcome.OK and step.m.hold.held_term is not None:
            promotion.nothing_begun(step, step.m.hold.held_term)
        promoted(step, result)

    patch.setattr(promotion, "promoted", giving_back)


def sealed_is_ready(patch: pytest.MonkeyPatch) -> None:
    """A pod is ready as soon as its server runs, before it follows a primary."""
    phases = (Phase.SEALED, Phase.FOLLOW, Phase.CLAIMING, Phase.PROMOTING, Phase.PRIMARY)
    patch.setattr(readiness, "is_ready", lambda memory, now, unready_s: memory.phase in phases)


def nobody_holds(patch: pytest.MonkeyPatch) -> None:
    """After a clean shutdown, replicas that lack WAL claim as soon as all pods have reported."""
    judge = election.judge

    def at_once(*args: Any, hold: float, **rest: Any) -> election.Verdict:
        return judge(*args, hold=0.0, **rest)

    patch.setattr(election, "judge", at_once)


def nobody_is_left_out(patch: pytest.MonkeyPatch) -> None:
    """A release with fewer replicas than volumes starts from those that it has."""
    patch.setattr(election.Case, "leaves_out", False)


def returning_pods_have_no_time(patch: pytest.MonkeyPatch) -> None:
    """Once `replicas` leaves no volume out, those that waited claim at once."""
    judge = election.judge

    def at_once(*args: Any, included_for: float, **rest: Any) -> election.Verdict:
        return judge(*args, **rest)

    patch.setattr(election, "judge", at_once)


def standbys_leave_first(patch: pytest.MonkeyPatch) -> None:
    """A standby whose pod is deleted stops at once, even if the primary's pod is being deleted too."""
    patch.setattr(replica, "LEAVE_S", math.inf)
    patch.setattr(replica, "STAY_S", 0.0)


def shutdowns_wait_for_all(patch: pytest.MonkeyPatch) -> None:
    """A switchover waits for every streaming replica."""
    patch.setattr(switchover, "LAST_RECORD_S", 60.0)


def foreign_timelines_win(patch: pytest.MonkeyPatch) -> None:
    """A server that was promoted outside the protocol counts as the most advanced."""
    promotions_by_hand_are_forgotten(patch)
    patch.setattr(election, "is_foreign", lambda report, lease: False)


def numbers_tell_timelines(patch: pytest.MonkeyPatch) -> None:
    """A claim reserves one above the timeline in the Lease, and two timelines with the same number count as one."""
    claim, plan = election.claim, rejoin.plan

    def blind(me: election.Candidate, address: str, lease: LeaseState, *rest: Any) -> LeaseState:
        return replace(claim(me, address, lease, *rest), timeline=lease.timeline + 1)

    patch.setattr(election, "claim", blind)
    patch.setattr(rejoin, "plan", lambda own, timeline, history, own_history=None, foreign=False: plan(own, timeline, history))


def promotions_by_hand_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A supervisor ends a server that was promoted outside the protocol without recording it."""
    patch.setattr(Server, "_mark", lambda self: None)


def copies_stream_as_standbys(patch: pytest.MonkeyPatch) -> None:
    """A base backup streams under its pod's name."""
    patch.setattr(commands, "CLONE_NAME", "{}")
