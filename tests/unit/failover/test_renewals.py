"""Renewals whose answers arrive late or never."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hapg_failover.core.decide import decide
from hapg_failover.core.state.actions import PutKind, WriteDeadline
from hapg_failover.core.state.results import PutOutcome, PutResult
from hapg_protocol.model import LeaseState
from tests.memories import changed

from .test_decide import MINE, NOW, PRIMARY, kinds, lease, seen

RENEWING = changed(PRIMARY, put=PutKind.RENEW, put_at=NOW - 1.3, renewed_at=NOW - 3.3)
WRITES = seen(server="primary", lease=lease(MINE, age=3.2), term_in_force=5)


def renewed(ago: float, outcome: PutOutcome = PutOutcome.OK, state: LeaseState = MINE) -> PutResult:
    return PutResult(PutKind.RENEW, outcome, NOW - ago, state, "41" if outcome is PutOutcome.OK else None)


def test_a_renewal_that_is_not_answered_in_time_is_followed_by_another() -> None:
    waiting = decide(WRITES, changed(RENEWING, put_at=NOW - 1.1))
    assert "renew" not in kinds(waiting.actions)
    given_up = decide(WRITES, RENEWING)
    assert (kinds(given_up.actions), given_up.memory.writes.renewals_failed) == (["ReadLease"], 1)
    again = decide(WRITES, given_up.memory)
    assert "renew" in kinds(again.actions)
    assert again.memory.writes.put_at == NOW


def test_an_answer_that_comes_late_counts_from_its_sending() -> None:
    second = changed(RENEWING, put_at=NOW - 0.6, recorded=False)
    decision = decide(replace(WRITES, put=renewed(1.9)), second)
    assert WriteDeadline(NOW - 1.9 + 4.7, 5) in decision.actions
    assert (decision.memory.writes.put, decision.memory.hold.renewed_at, decision.memory.sync.recorded) == (PutKind.RENEW, NOW - 1.9, False)


def test_answers_that_change_places_take_nothing_back() -> None:
    decision = decide(replace(WRITES, put=renewed(1.9)), changed(RENEWING, put=None, put_at=NOW - 0.6, renewed_at=NOW - 0.6))
    assert decision.memory.hold.renewed_at == NOW - 0.6
    earlier = decide(replace(WRITES, put=renewed(1.9, state=replace(MINE, term=4))), RENEWING)
    assert (earlier.memory.hold.held_term, earlier.memory.hold.renewed_at) == (5, NOW - 3.3)


@pytest.mark.parametrize("outcome", [PutOutcome.UNKNOWN, PutOutcome.CONFLICT])
def test_that_an_earlier_renewal_came_to_nothing_says_nothing_of_the_next(outcome: PutOutcome) -> None:
    second = changed(RENEWING, put_at=NOW - 0.6, read_at=NOW)
    assert decide(replace(WRITES, put=renewed(1.9, outcome)), second).memory.writes.put is PutKind.RENEW
    given_up = changed(RENEWING, put=None, put_at=NOW - 2.4, renewed_at=NOW - 1.0, read_at=NOW)
    assert decide(replace(WRITES, put=renewed(2.4, outcome)), given_up).memory.writes.renewals_failed == 0


def test_a_late_answer_from_before_there_were_members_does_not_take_the_fence_away() -> None:
    """Both renewals succeeded, one after the other; the first listed no replica, and its answer arrives last."""
    second = changed(RENEWING, put=None, put_at=NOW - 0.6, renewed_at=NOW - 0.6)
    decision = decide(replace(WRITES, put=renewed(1.9, state=replace(MINE, eligible=()))), second)
    assert [a for a in decision.actions if isinstance(a, WriteDeadline)] == [WriteDeadline(NOW - 0.6 + 4.7, 5)]
