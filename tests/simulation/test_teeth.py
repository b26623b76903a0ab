"""The simulation finds each rule that is left out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hapg_failover.core import election

from . import mutants, scenarios
from .walk import walk
from .world import World

Patch = Callable[[pytest.MonkeyPatch], None]
Scenario = Callable[[int], World]


def walked(seed: int) -> World:
    """A short walk."""
    return walk(seed, 30)


def violated(words: str) -> Callable[[World], bool]:
    """Return a test for a violation with these words."""
    return lambda world: any(words in violation for violation in world.violations)


def loses(world: World) -> bool:
    """Tell whether the last promotion lost acknowledged rows."""
    return bool(world.lost[-1])


def stays(world: World) -> bool:
    """Tell whether nobody took over."""
    return len(world.promotions) == 1


def seals(world: World) -> bool:
    """Tell whether a replica suspected the primary."""
    return any("old: seal" in line for line in world.log)


RULES: list[tuple[Patch, Scenario, Callable[[World], bool]]] = [
    (mutants.whole_ttl, scenarios.cut_off, violated("writable at once")),
    (mutants.no_waiting, scenarios.cut_off, violated("writable at once")),
    (mutants.reads_extend, scenarios.writes_refused, violated("writable at once")),
    (mutants.promoted_late, scenarios.frozen_before_promotion, violated("writable at once")),
    (mutants.timelines_again, walked, violated("was used before")),
    (mutants.unsealed_early, scenarios.follower_agents_crash, violated("under which it has published")),
    (mutants.no_proof, scenarios.promotion_fails, violated("has released the Lease")),
    (mutants.ranks_from_release, scenarios.server_dies, loses),
    (mutants.sick_renewals, scenarios.disk_hangs, stays),
    (mutants.age_goes_on, scenarios.short_outage, seals),
]
SEEDS = range(25)


def found(scenario: Scenario, sign: Callable[[World], bool]) -> bool:
    """Tell whether one of the seeds shows the sign."""
    return any(sign(scenario(seed)) for seed in SEEDS)


@pytest.mark.parametrize(("leave_out", "scenario", "sign"), RULES, ids=[rule[0].__name__ for rule in RULES])
def test_leaving_the_rule_out_is_found(
    leave_out: Patch, scenario: Scenario, sign: Callable[[World], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The second that is waited for publications hides a fence that comes too late: safety must not hang on it.
    monkeypatch.setattr(election, "PUBLISH_WAIT_S", 0.0 if sign is not loses else election.PUBLISH_WAIT_S)
    leave_out(monkeypatch)
    assert found(scenario, sign), f"nothing found: {(leave_out.__doc__ or '').strip()}"


@pytest.mark.parametrize("scenario", [scenarios.cut_off, scenarios.writes_refused, scenarios.frozen_before_promotion])
def test_the_second_for_publications_is_not_what_keeps_it_safe(scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(election, "PUBLISH_WAIT_S", 0.0)
    assert [v for seed in SEEDS[:6] for v in scenario(seed).violations if "writable" in v or "released" in v] == []
