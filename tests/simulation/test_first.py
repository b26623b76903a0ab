"""A restore is a kind of initdb: on ordinal 0 only, whole or not at all, tried again; the other pods neither create nor claim meanwhile."""

from __future__ import annotations

import os

import pytest

from . import mutants_first as mutants
from . import scenarios_first as scenarios
from .commands import RESTORED, RESTORED_END
from .points import Interruption
from .seeds import seeds
from .signs import Patch, Sign, nobody_writes, violated
from .world import World

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
HOW = {"a crash": None, "a freeze beyond the TTL": 9.0}


def assert_restored(world: World) -> None:
    """The release is healthy, everybody has what was restored, and the first claim was that of ordinal 0."""
    assert world.violations == []
    assert world.promotions[0][1] == 0
    histories = {volume.wal.branches[:4] for volume in world.volumes if volume.wal is not None}
    assert len(histories) == 1
    [branches] = histories
    assert tuple((branch.timeline, branch.start) for branch in branches[:3]) == RESTORED
    assert branches[3].start == RESTORED_END


@pytest.mark.parametrize("seed", seeds(4))
def test_empty_volumes_become_a_release_that_is_restored_once(seed: int) -> None:
    world = scenarios.interrupted(seed, None)
    assert_restored(world)
    assert world.invariants.creations == 1
    assert world.primary() == 0
    assert [member for member, reason in world.announced if reason == "Restored"] == [0]


@pytest.mark.parametrize("seed", seeds(2))
@pytest.mark.parametrize("fault", scenarios.FAULTS.values(), ids=scenarios.FAULTS.keys())
def test_a_fault_during_the_restore_leaves_nothing_that_counts(fault: scenarios.Fault, seed: int) -> None:
    assert_restored(scenarios.disturbed(fault, seed))


@pytest.mark.parametrize("seed", seeds(2))
def test_a_restore_that_fails_is_tried_again_and_says_so(seed: int) -> None:
    world = scenarios.disturbed(scenarios.FAULTS["the restore fails for a while"], seed)
    assert_restored(world)
    assert world.invariants.creations > 1
    assert {member for member, reason in world.announced if reason == "RestoreFailed"} == {0}


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.parametrize("how", HOW)
def test_a_restore_interrupted_at_many_points_ends_well(how: str) -> None:
    """At every 40th call of any agent; with HYPOTHESIS_PROFILE=nightly at every one."""
    counted = scenarios.interrupted(0, None).points.counted
    assert counted > 100
    for point in range(1, counted + 1, 1 if NIGHTLY else 40):
        assert_restored(scenarios.interrupted(0, Interruption(point, HOW[how])))


@pytest.mark.parametrize("seed", seeds(4))
def test_a_restored_server_is_followed_by_another_on_a_timeline_of_its_own(seed: int) -> None:
    world = scenarios.fails_over_at_once(seed)
    assert len(world.promotions) == 2
    world.settle()
    assert_restored(world)


@pytest.mark.parametrize("fault", ["the agent crashes", "the agent freezes", "the pod is deleted by force", "the node is off for a while"])
def test_a_restored_directory_that_was_not_marked_yet_is_marked_and_not_lost(fault: str) -> None:
    world = scenarios.unmarked(scenarios.FAULTS[fault], 0)
    assert_restored(world)
    assert world.invariants.creations == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("leave_out", "sign"),
    [(mutants.anybody_creates, violated("creates a first server")), (mutants.restored_timelines_are_unreserved, nobody_writes)],
)
def test_leaving_the_rule_out_is_found(leave_out: Patch, sign: Sign, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_out(monkeypatch)
    assert any(sign(scenarios.interrupted(seed, None)) for seed in range(4))


def test_without_the_mark_the_release_stays_down(monkeypatch: pytest.MonkeyPatch) -> None:
    mutants.unmarked_ones_are_damaged(monkeypatch)
    assert nobody_writes(scenarios.unmarked_by_a_crash(0))
