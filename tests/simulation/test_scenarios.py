"""Named scenarios: the required result of each fault, regardless of clocks and delays."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hapg_failover.core import election, projection
from hapg_failover.core.timing import Timing
from hapg_failover.projection import Projection

from . import faults, scenarios
from .configmap import ConfigMap
from .scenarios import primary_of, running
from .seeds import seeds
from .signs import ON_THE_WIRE_S, loses_more_than_the_wire_holds
from .world import World

SEEDS = seeds(4)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("replicas", [1, 2, 3, 5])
def test_empty_volumes_become_a_release(replicas: int, seed: int) -> None:
    world = World(replicas, seed, fresh=True)
    world.settle(60.0)
    assert world.violations == []
    assert world.primary() == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_happens_when_nothing_happens(seed: int) -> None:
    world = running(3, seed)
    promotions, lines = len(world.promotions), len(world.log)
    world.run(120.0)
    assert world.violations == []
    assert len(world.promotions) == promotions
    assert [line for line in world.log[lines:] if "seal" in line] == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_deleted_pod_hands_over_without_a_loss(seed: int) -> None:
    world = scenarios.handed_over(seed)
    assert world.lost[-1] == []
    assert len(world.promotions) == 2
    assert world.settle(60.0) < 60.0
    assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
def test_replicas_that_lag_as_under_load_are_members_and_are_handed_over_to(seed: int) -> None:
    world = scenarios.handed_over_under_load(seed)
    assert [line for line in world.log if "switch over to pg-1" in line]
    assert world.lost[-1] == []
    assert len(world.promotions) == 2
    assert world.settle(60.0) < 60.0
    assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_switchover_goes_to_the_named_member_without_a_loss_and_keeps_every_pod(seed: int) -> None:
    world = scenarios.switched_over(seed)
    assert world.lost[-1] == []
    assert [member for _, member, _ in world.promotions] == [0, 2]
    assert world.generation == [0, 0, 0]
    assert [member for member, answer in world.answers if '"taken"' in answer] == [0]
    assert world.settle(60.0) < 60.0
    assert world.primary() == 2
    assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_primary_that_is_scaled_away_hands_over_once_to_one_that_stays(seed: int) -> None:
    world = scenarios.scaled_away(seed)
    assert [member for _, member, _ in world.promotions[:2]] == [0, 4]
    assert world.primary() in (0, 1)
    assert len(world.promotions) == 3
    assert world.lost[-1] == []
    world.settle()
    assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_stale_switchover_is_refused_and_changes_nothing(seed: int) -> None:
    world = running(3, seed)
    faults.switchover(world, 0, 1, term=0)
    faults.switchover(world, 1, 2)
    world.run(15.0)
    assert world.primary() == 0
    assert len(world.promotions) == 1
    assert {member: answer.count('"refused"') for member, answer in world.answers} == {0: 1, 1: 1}
    assert [pod.switchover for pod in world.api.pods.values()] == [None] * 3
    assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
def test_nobody_is_promoted_who_is_too_far_behind_until_an_operator_forces_it(seed: int) -> None:
    world = scenarios.too_far_behind(seed)
    assert world.primary() is None
    assert {reason for _, reason in world.announced} >= {"NoEligibleCandidate"}
    faults.force(world, 2)
    world.run(5.0)
    assert world.primary() == 2
    assert world.lost[-1] != []
    assert (2, "ForcedFailover") in world.announced
    world.settle()
    assert world.violations == []
    assert world.primary() == 2
    assert [pod.force for pod in world.api.pods.values()] == [None] * 3


@pytest.mark.parametrize("seed", SEEDS)
def test_force_takes_nothing_from_a_living_primary_nor_on_another_occasion(seed: int) -> None:
    world = running(3, seed)
    faults.force(world, 1)
    world.run(10.0)
    assert world.primary() == 0
    assert [member for member, answer in world.answers if '"refused"' in answer] == [1]
    faults.power_off(world, 0)
    world.run(3.0)
    faults.force(world, 1, version="7")
    world.run(1.0)
    assert [pod.force for pod in world.api.pods.values()] == [None] * 3
    world.settle()
    assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_primary_that_lets_nobody_in_loses_the_lease(seed: int) -> None:
    world = scenarios.lets_nobody_in(seed)
    assert len(world.promotions) == 2
    assert [reason for member, reason in world.announced if member == world.promotions[0][1]][1:] == ["ServerUnresponsive"]
    assert world.lost[-1] == []
    world.settle()
    assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_server_killed_in_place_loses_nothing(seed: int) -> None:
    world = scenarios.server_dies(seed)
    assert world.lost[-1] == []
    world.settle()
    assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_found_after_an_earlier_death_says_nothing_about_a_later_one(seed: int) -> None:
    world = scenarios.dies_twice(seed)
    assert all(lost == [] for lost in world.lost)
    world.settle()
    assert world.violations == []


@pytest.mark.parametrize("scenario", [scenarios.disk_full, scenarios.disk_full_long_recovery])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_full_volume_loses_nothing_and_is_left_for_one_with_room(seed: int, scenario: Callable[[int], World]) -> None:
    """The server dies from it once, uses the emergency WAL space to come back, accepts no clients, and switches over."""
    world = scenario(seed)
    assert sum("dies for want of room" in line for line in world.log) == 1
    assert world.primary() not in (None, world.promotions[0][1])
    assert all(lost == [] for lost in world.lost)
    world.settle()
    assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_volume_that_fills_up_between_two_looks_loses_nothing(seed: int) -> None:
    world = scenarios.disk_fills_between_looks(seed)
    assert world.primary() not in (None, world.promotions[0][1])
    assert all(lost == [] for lost in world.lost)
    world.settle()
    assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_container_killed_without_lag_loses_nothing(seed: int) -> None:
    world = running(3, seed)
    faults.container_kill(world, primary_of(world))
    world.run(15.0)
    assert world.lost[-1] == []
    world.settle()
    assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_lost_node_is_replaced_and_comes_back_as_a_replica(seed: int) -> None:
    world = running(3, seed)
    old, began = primary_of(world), world.engine.now
    faults.power_off(world, old)
    world.run(15.0)
    new = primary_of(world)
    assert new != old
    assert world.promotions[-1][0] - began < 12.0
    world.settle()
    assert world.violations == []
    assert world.primary() == new


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "scenario",
    [scenarios.cut_off, scenarios.cut_off_from_sealed_ones, scenarios.ttl_shortened, scenarios.writes_refused, scenarios.disk_hangs],
)
def test_a_primary_that_cannot_go_on_is_replaced(scenario: Callable[[int], World], seed: int) -> None:
    world = scenario(seed)
    assert len(world.promotions) == 2
    world.settle()
    assert world.violations == []


@pytest.mark.parametrize("scenario", [scenarios.cut_from_the_api, scenarios.agent_stands_still])
@pytest.mark.parametrize("seed", SEEDS)
def test_what_a_primary_writes_while_it_may_is_received(scenario: Callable[[int], World], seed: int) -> None:
    world = scenario(seed)
    assert len(world.promotions) == 2
    assert not loses_more_than_the_wire_holds(world)
    world.settle()
    assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
def test_an_agent_frozen_before_it_promotes_wakes_up_harmless(seed: int) -> None:
    world = scenarios.frozen_before_promotion(seed)
    assert world.violations == []
    world.settle()
    assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
def test_an_outage_of_the_api_seals_nobody(seed: int) -> None:
    world = scenarios.outage(seed)
    assert [line for line in world.log if "old: seal" in line] == []
    assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_failed_promotion_is_given_up(seed: int) -> None:
    world = scenarios.promotion_fails(seed)
    world.settle()
    assert world.violations == []


@pytest.mark.parametrize("seed", seeds(6))
@pytest.mark.parametrize(
    "scenario", [scenarios.cut_off, scenarios.ttl_shortened, scenarios.writes_refused, scenarios.frozen_before_promotion]
)
def test_the_second_for_reports_is_not_what_keeps_it_safe(
    scenario: Callable[[int], World], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(election, "REPORT_WAIT_S", 0.0)
    assert [v for v in scenario(seed).violations if "writable" in v or "released" in v] == []


@pytest.mark.parametrize("after", [0.0, 3.0, 10.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_without_lease_and_primary_the_members_make_a_lease_anew(seed: int, after: float) -> None:
    world = scenarios.lease_deleted(seed, after)
    assert world.primary() in (1, 2)
    world.settle()
    assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_primary_that_lives_makes_a_deleted_lease_anew(seed: int) -> None:
    world = running(3, seed)
    for _ in range(2):
        faults.delete_lease(world)
        world.run(80.0)
    assert len(world.promotions) == 1
    assert world.settle(20.0) < 20.0
    assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
def test_while_the_lease_is_lowered_no_more_is_lost_than_what_the_former_one_allows_beyond_it(seed: int) -> None:
    """A known limit (docs/protocol.md, section 7): replicas know the leader's TTL, but not its L."""
    world = scenarios.lease_lowered(seed)
    before = Timing()
    dead_by = before.lease * (1 + before.clock_ratio) + before.fence
    lost = [each.at for each in world.lost[-1]]
    assert not lost or max(lost) - min(lost) <= dead_by - faults.LOWER_LEASE.seal_after(before.ttl) + ON_THE_WIRE_S
    world.settle()
    assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
def test_servers_that_could_not_start_do_once_they_can(seed: int) -> None:
    world = scenarios.none_starts(seed)
    assert world.primary() is not None
    world.settle()
    assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_timeline_that_nobody_followed_is_not_used_again(seed: int) -> None:
    world = scenarios.lost_before_it_is_followed(seed)
    assert len(world.promotions) == 3
    world.settle()
    assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("times", [faults.SHORT_TIMES, faults.LONG_TIMES], ids=["shorter", "longer"])
def test_an_upgrade_brings_other_times_to_every_member(times: Timing, seed: int) -> None:
    world = running(3, seed)
    faults.upgrade(world, times)
    world.run(240.0)
    assert world.timings == [times] * 3
    assert world.settle() < 20.0
    assert world.violations == []
    assert world.api.lease is not None
    assert world.api.lease.state.ttl_s == times.ttl


def reconfigured(seed: int) -> World:
    """Five seconds after the release was upgraded with other times."""
    world = running(3, seed)
    faults.upgrade(world, faults.SHORT_TIMES)
    world.run(5.0)
    return world


def lags(world: World) -> bool:
    """True if a member still has the former times."""
    return world.timings != [world.timing] * 3


@pytest.mark.parametrize("seed", SEEDS)
def test_changed_values_are_in_every_pod_within_five_seconds(seed: int) -> None:
    assert not lags(reconfigured(seed))


def test_without_the_touch_changed_values_wait_for_kubelet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Projection, "seen", lambda self, found: None)
    assert any(lags(reconfigured(seed)) for seed in range(4))


def test_one_touch_would_not_be_enough_for_a_kubelet_that_learns_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "TOUCHES", 1)
    assert any(lags(reconfigured(seed)) for seed in range(4))


@pytest.mark.parametrize("seed", SEEDS)
def test_pods_are_not_touched_while_nothing_changes(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    world, touched = reconfigured(seed), []
    monkeypatch.setattr(ConfigMap, "annotated", lambda self, member, value: touched.append(member))
    world.run(60.0)
    assert touched == []


@pytest.mark.parametrize("seed", SEEDS)
def test_what_a_dead_server_had_not_sent_is_fetched_and_nobody_waits_for_its_restart(seed: int) -> None:
    world = scenarios.server_dies_for_good(seed)
    [_, (at, member, _)] = world.promotions
    assert member != 0
    assert world.lost[-1] == []
    assert at - max(c.at for c in world.commits if c.at < at) < 3.0
    world.settle()
    assert world.violations == []


@pytest.mark.parametrize("seed", SEEDS)
def test_reads_leave_a_standby_whose_promotion_hangs(seed: int) -> None:
    """Not yet while its silent primary may write, and then within `failover.unreadySeconds`."""
    world = scenarios.promotion_hangs(seed)
    assert world.violations == []
    assert not any(pod.reads for pod in world.api.pods.values())
