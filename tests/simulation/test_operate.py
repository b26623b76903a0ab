"""An operator's request is carried out once and only when it was meant to be, and a switchover waits for the replica that has
everything."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from . import mutants_operate as mutants
from . import scenarios
from .signs import Patch, Scenario, found, loses, violated
from .world import World

pytestmark = pytest.mark.slow


def switches(world: World) -> bool:
    """True if any member was promoted after the first primary."""
    return len(world.promotions) > 1


def takes_the_worse(world: World) -> bool:
    """True if the member that was behind was promoted though the other had everything."""
    return world.promotions[-1][1] == 1


RULES: list[tuple[Patch, Scenario, Callable[[World], bool]]] = [
    (mutants.any_term_will_do, scenarios.asked_again, switches),
    (mutants.any_version_will_do, scenarios.forced_long_ago, takes_the_worse),
    (mutants.strangers_may_be_forced, scenarios.forced_stranger, violated("writable at once")),
    (mutants.a_short_successor_will_do, scenarios.successor_falls_short, loses),
    (mutants.nobody_waits_for_the_former_primary, scenarios.successor_falls_short, loses),
]


@cache
def shown_by_itself(scenario: Scenario, sign: Callable[[World], bool]) -> bool:
    """True if the sign appears though every rule is there: two rows may ask for the same."""
    return found(scenario, sign)


@pytest.mark.parametrize(("leave_out", "scenario", "sign"), RULES, ids=[rule[0].__name__ for rule in RULES])
def test_leaving_the_rule_out_is_found(
    leave_out: Patch, scenario: Scenario, sign: Callable[[World], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not shown_by_itself(scenario, sign), "found although the rule is there"
    leave_out(monkeypatch)
    assert found(scenario, sign), f"nothing found: {(leave_out.__doc__ or '').strip()}"


def test_wal_that_an_operator_gave_up_is_no_lag() -> None:
    """After a forced promotion, the member that was chosen takes over again from one that has more WAL of the timeline before."""
    worlds = [scenarios.forced_and_gone(seed) for seed in range(6)]
    assert [world.violations for world in worlds] == [[]] * 6
    assert any(world.promotions[-1][1] == world.promotions[-2][1] for world in worlds)
