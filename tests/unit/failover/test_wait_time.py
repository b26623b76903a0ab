"""How long an agent sleeps when nothing is reported."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hapg_failover.core.decide import longest_wait
from hapg_failover.core.state.actions import Op
from hapg_failover.core.state.lease_view import LeaseView
from hapg_failover.core.state.memory_parts import Switchover
from hapg_failover.core.state.phases import Phase
from hapg_failover.core.timing import FOLLOWING_TURN_S, LEAST_TURN_S, RETRY_PUT_S, STEADY_TURN_S, SWITCHOVER_TURN_S, TURN_S, Timing
from hapg_protocol.model import Holder, LeaseState, ReleaseCause
from tests.memories import changed, remembering

TIMING = Timing()
LEASE = LeaseView("1", LeaseState(Holder("pg-0", "u0"), 5, 6.0), 100.0, 100.0)
PRIMARY = remembering(phase=Phase.PRIMARY, renewed_at=100.0, put_at=100.0)


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase not in (Phase.PRIMARY, Phase.FOLLOW)])
def test_a_server_that_neither_writes_nor_follows_looks_often(phase: Phase) -> None:
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


def test_nobody_sleeps_so_long_that_it_seems_to_hang() -> None:
    slow = Timing(ttl=60, lease=50, renew=20, call=10, overdue=40)
    assert longest_wait(PRIMARY, slow, LEASE, 100.1) == STEADY_TURN_S
    assert longest_wait(replace(PRIMARY, phase=Phase.FOLLOW), slow, LEASE, 100.1) == FOLLOWING_TURN_S


def test_a_renewal_that_is_under_way_or_has_failed_is_attended_to() -> None:
    assert longest_wait(changed(PRIMARY, put_at=102.0), TIMING, LEASE, 102.1) == TURN_S
    assert longest_wait(changed(PRIMARY, put_at=101.0), TIMING, LEASE, 101.1) == TURN_S


def test_members_that_are_gone_leave_the_lease_between_two_renewals() -> None:
    """A due renewal is written with the eligible replicas as they are; only an earlier turn changes the list."""
    due = PRIMARY.hold.renewed_at + TIMING.renew
    turn = PRIMARY.hold.renewed_at + longest_wait(PRIMARY, TIMING, LEASE, PRIMARY.hold.renewed_at)
    assert PRIMARY.writes.put_at + RETRY_PUT_S < turn < due


def test_a_switch_over_is_attended_to_closely() -> None:
    under_way = changed(PRIMARY, switchover=Switchover(ReleaseCause.SWITCHOVER, 100.0))
    assert longest_wait(under_way, TIMING, LEASE, 100.1) == SWITCHOVER_TURN_S


@pytest.mark.parametrize(
    ("now", "read", "wait"),
    [
        pytest.param(100.1, 100.0, 2.3, id="it was renewed a moment ago"),
        pytest.param(102.0, 100.0, 0.4, id="it wasn't"),
        pytest.param(102.4 - 1e-12, 100.0, LEAST_TURN_S, id="nothing is all but heard for too long"),
        pytest.param(102.5, 100.0, TURN_S, id="nothing was heard for too long"),
        pytest.param(103.3, 102.6, 0.2, id="it is read, and soon overdue"),
        pytest.param(103.5, 103.4, TURN_S, id="it is read, and overdue"),
    ],
)
def test_a_replica_sleeps_while_it_hears_of_renewals(now: float, read: float, wait: float) -> None:
    following = replace(PRIMARY, phase=Phase.FOLLOW)
    assert longest_wait(following, TIMING, replace(LEASE, last_read=read), now) == pytest.approx(wait)
    assert longest_wait(changed(following, op=Op.FOLLOW), TIMING, replace(LEASE, last_read=read), now) <= TURN_S


@pytest.mark.parametrize(
    ("now", "wait"),
    [
        pytest.param(103.4, 0.1, id="overdue"),
        pytest.param(103.5, TURN_S, id="overdue already"),
        pytest.param(104.6, 0.1, id="its holder's time is up"),
        pytest.param(105.6, 0.035, id="its holder is dead"),
        pytest.param(105.9, 0.1, id="run out"),
        pytest.param(106.0 - 1e-12, LEAST_TURN_S, id="all but run out"),
        pytest.param(107.0, TURN_S, id="run out already"),
    ],
)
def test_a_standby_wakes_at_each_age_of_the_lease_that_means_something(now: float, wait: float) -> None:
    assert longest_wait(replace(PRIMARY, phase=Phase.SEALED), TIMING, LEASE, now) == pytest.approx(wait)


def test_without_a_lease_there_is_no_age() -> None:
    following = replace(PRIMARY, phase=Phase.FOLLOW)
    assert longest_wait(following, TIMING, None, 103.4) == TURN_S
    assert longest_wait(following, TIMING, replace(LEASE, state=None), 103.4) == TURN_S
