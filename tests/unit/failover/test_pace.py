"""How long an agent sleeps when nothing is reported."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hapg_failover.core.memory import HandOver, Memory, Phase
from hapg_failover.core.model import Holder, LeaseState
from hapg_failover.core.observation import LeaseView
from hapg_failover.core.pace import HAND_OVER_TURN_S, LEAST_TURN_S, STEADY_TURN_S, TURN_S, longest_wait
from hapg_failover.core.timing import Timing

TIMING = Timing()
LEASE = LeaseView("1", LeaseState(Holder("pg-0", "u0"), 5, 6.0), 100.0, 100.0)
PRIMARY = Memory(phase=Phase.PRIMARY, renewed_at=100.0, put_at=100.0)


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.PRIMARY])
def test_whoever_is_no_primary_looks_often(phase: Phase) -> None:
    assert longest_wait(replace(PRIMARY, phase=phase), TIMING, LEASE, 100.1) == TURN_S


@pytest.mark.parametrize(
    ("now", "wait"),
    [
        pytest.param(100.1, STEADY_TURN_S, id="long before the next renewal"),
        pytest.param(101.7, 0.3, id="shortly before it"),
        pytest.param(102.0 - 1e-12, LEAST_TURN_S, id="it is all but due"),
        pytest.param(102.0, TURN_S, id="it is due"),
        pytest.param(109.0, TURN_S, id="it is overdue"),
    ],
)
def test_a_primary_sleeps_until_its_renewal_is_due(now: float, wait: float) -> None:
    assert longest_wait(PRIMARY, TIMING, LEASE, now) == pytest.approx(wait)


def test_a_renewal_that_is_under_way_or_has_failed_is_attended_to() -> None:
    assert longest_wait(replace(PRIMARY, put_at=102.0), TIMING, LEASE, 102.1) == TURN_S
    assert longest_wait(replace(PRIMARY, put_at=101.0), TIMING, LEASE, 101.1) == TURN_S


def test_a_hand_over_is_attended_to_closely() -> None:
    under_way = replace(PRIMARY, handover=HandOver("switchover", 100.0))
    assert longest_wait(under_way, TIMING, LEASE, 100.1) == HAND_OVER_TURN_S


@pytest.mark.parametrize(
    ("now", "wait"),
    [
        pytest.param(103.4, 0.1, id="overdue"),
        pytest.param(103.5, TURN_S, id="overdue already"),
        pytest.param(105.6, 0.035, id="its holder is dead"),
        pytest.param(105.9, 0.1, id="run out"),
        pytest.param(106.0 - 1e-12, LEAST_TURN_S, id="all but run out"),
        pytest.param(107.0, TURN_S, id="run out already"),
    ],
)
def test_a_standby_wakes_at_each_age_of_the_lease_that_means_something(now: float, wait: float) -> None:
    assert longest_wait(replace(PRIMARY, phase=Phase.FOLLOW), TIMING, LEASE, now) == pytest.approx(wait)


def test_without_a_lease_there_is_no_age() -> None:
    following = replace(PRIMARY, phase=Phase.FOLLOW)
    assert longest_wait(following, TIMING, None, 103.4) == TURN_S
    assert longest_wait(following, TIMING, replace(LEASE, state=None), 103.4) == TURN_S
