"""The inequalities between the protocol's times, and how much of a TTL the leader uses."""

from __future__ import annotations

import pytest

from hapg_failover.core.timing import Timing, bounds


def test_the_defaults_hold_together() -> None:
    assert Timing().violations() == []


@pytest.mark.parametrize(
    ("timing", "words"),
    [
        (Timing(lease=5.05), "5.05 * 1.05 + 0.7 is not less than 6"),
        (Timing(ttl=10.0, lease=9.3, fence=0.7, clock_ratio=0.0), "9.3 * 1 + 0.7 is not less than 10"),
        (Timing(call=1.5), "2 + 2 * 1.5 exceeds 4.7"),
        (Timing(overdue=2.0), "2 is not between 2 and 6"),
        (Timing(overdue=6.0, extension=-1.0), "6 is not between 2 and 6"),
        (Timing(extension=1.8), "3.5 + 1.8 * 1.05 + 0.7 exceeds 6"),
    ],
)
def test_a_broken_inequality_is_said_in_words(timing: Timing, words: str) -> None:
    [found] = timing.violations()
    assert words in found


@pytest.mark.parametrize("recorded", [6.0, 8.0])
def test_the_lease_is_used_in_full_once_the_ttl_is_recorded(recorded: float) -> None:
    assert Timing().usable_lease(recorded) == 4.7


@pytest.mark.parametrize("recorded", [2.0, 6.0, 8.0])
def test_a_replica_seals_once_the_holder_is_dead_and_before_it_may_claim(recorded: float) -> None:
    timing = Timing()
    assert timing.usable_lease(recorded) * (1 + timing.clock_ratio) + timing.fence <= timing.seal_after(recorded)
    assert timing.seal_after(recorded) < max(timing.ttl, recorded)


def test_a_replica_does_not_seal_before_the_lease_is_overdue() -> None:
    assert Timing(ttl=20.0, overdue=12.0).seal_after(20.0) == 12.0


@pytest.mark.parametrize("recorded", [2.0, 4.0, 5.5, 5.9])
def test_a_longer_ttl_is_not_used_before_it_is_recorded(recorded: float) -> None:
    timing = Timing()
    usable = timing.usable_lease(recorded)
    assert usable * (1 + timing.clock_ratio) + timing.fence < recorded


@pytest.mark.parametrize("recorded", [4.5, 5.5, 6.0, 9.0])
def test_a_forgotten_promise_is_over_before_an_agent_that_restarts_may_claim(recorded: float) -> None:
    timing = Timing()
    extension = timing.usable_extension(recorded)
    assert timing.overdue + timing.promise(extension) <= max(recorded, timing.ttl) + 1e-9
    assert extension <= timing.extension


def test_the_protocols_times_fit_each_other_and_the_default_values() -> None:
    assert [words for words, holds in bounds(Timing()).items() if not holds] == []


def test_an_inequality_that_does_not_hold_is_named() -> None:
    assert not bounds(Timing(lease=3.9))["a hung volume is noticed before the Lease's usable part is over"]
