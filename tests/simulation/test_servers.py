"""What PostgreSQL and a StatefulSet do on their own does no harm: recovery, shutdowns, crashes in place, copies, updates.

tests/rules removes the rules that ensure this one by one; this file has further ways in which some of them show.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from . import faults
from . import mutants_servers as mutants
from . import scenarios_servers as scenarios
from .scenarios import primary_of, running, wait_until
from .signs import (
    Patch,
    Scenario,
    Sign,
    keeps_clients_out,
    loses_anything,
    loses_more_than_the_wire_holds,
    nobody_writes,
    promotes_who_has_most_to_replay,
    stays,
    updates_too_soon,
    violated,
)
from .walk import walk

pytestmark = pytest.mark.slow

FEW, SOME, MANY = 4, 10, 25
FOREIGN_PROMOTED = violated("whose timeline nobody had reserved")
RECOVERY_KILLED = violated("killed its server's recovery")


@dataclass(frozen=True)
class Hole:
    """A scenario, the number of seeds to try, and the sign of harm that none of them may show."""

    scenario: Scenario
    seeds: int
    sign: Sign


HOLES = [
    Hole(scenarios.long_recovery, FEW, RECOVERY_KILLED),
    Hole(scenarios.long_recovery_of_one, FEW, nobody_writes),
    Hole(scenarios.backlog, FEW, RECOVERY_KILLED),
    Hole(scenarios.backlog_of_one, FEW, promotes_who_has_most_to_replay),
    Hole(scenarios.agent_restarted_in_recovery, FEW, RECOVERY_KILLED),
    Hole(scenarios.dies_as_it_begins_to_write, FEW, violated("was used before")),
    Hole(scenarios.replay_stands_still, FEW, nobody_writes),
    Hole(scenarios.everybody_stops, FEW, loses_anything),
    Hole(scenarios.everybody_stops_behind, FEW, loses_anything),
    Hole(scenarios.everybody_stops_for_good, FEW, nobody_writes),
    Hole(scenarios.switchover_with_a_slow_standby, FEW, keeps_clients_out),
    Hole(scenarios.switchover_with_a_slow_client, FEW, keeps_clients_out),
    Hole(scenarios.crash_in_place, MANY, violated("writable at once")),
    Hole(scenarios.crash_in_place_synchronous, MANY, violated("acknowledged commits")),
    Hole(scenarios.sql_hangs, FEW, stays),
    Hole(scenarios.promoted_by_hand, FEW, violated("a history that isn't its own")),
    Hole(scenarios.promoted_by_hand_and_lost, FEW, loses_more_than_the_wire_holds),
    Hole(scenarios.promoted_by_hand_and_lost, FEW, FOREIGN_PROMOTED),
    Hole(scenarios.promoted_by_hand_in_a_failover, FEW, violated("a history that isn't its own")),
    Hole(scenarios.promoted_by_hand_in_a_failover_and_lost, FEW, FOREIGN_PROMOTED),
    Hole(scenarios.copied_while_the_other_hangs, FEW, violated("acknowledged what 0 other volumes have")),
    Hole(scenarios.rolling_update, SOME, loses_anything),
    Hole(scenarios.rolling_update, SOME, updates_too_soon),
    Hole(scenarios.rolling_update_of_three, FEW, loses_anything),
    Hole(scenarios.drained, FEW, loses_anything),
    Hole(scenarios.killed_while_catching_up, FEW, violated("")),
    Hole(scenarios.fails_over_while_catching_up, FEW, violated("")),
]
RULES: list[tuple[Patch, Scenario, Sign]] = [
    (mutants.recovery_has_ten_seconds, scenarios.long_recovery_of_one, nobody_writes),
    (mutants.shutdowns_wait_for_all, scenarios.switchover_with_a_slow_standby, keeps_clients_out),
    (mutants.crashes_are_recovered_in_place, scenarios.crash_in_place_synchronous, violated("acknowledged commits")),
]


def shows(scenario: Scenario, sign: Sign, seeds: int) -> bool:
    """True if one of this many seeds shows the sign."""
    return any(sign(scenario(seed)) for seed in range(seeds))


@pytest.mark.parametrize("hole", [pytest.param(hole, id=hole.scenario.__name__) for hole in HOLES])
def test_no_harm_is_done(hole: Hole) -> None:
    assert not shows(hole.scenario, hole.sign, hole.seeds)


@pytest.mark.parametrize(("leave_out", "scenario", "sign"), RULES, ids=[f"{rule[0].__name__}-{rule[1].__name__}" for rule in RULES])
def test_leaving_the_rule_out_is_found(leave_out: Patch, scenario: Scenario, sign: Sign, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_out(monkeypatch)
    assert shows(scenario, sign, MANY), f"nothing found: {(leave_out.__doc__ or '').strip()}"


@pytest.mark.parametrize("seed", range(FEW))
def test_a_walk_with_promotions_by_hand_and_servers_that_let_nobody_in_does_no_harm(seed: int) -> None:
    assert walk(seed, rare=True).violations == []


@pytest.mark.parametrize("seed", range(FEW))
@pytest.mark.parametrize("scenario", [scenarios.starts_without_the_best, scenarios.starts_cold_without_the_best])
def test_nobody_starts_from_a_stale_volume_until_replicas_leaves_none_out(scenario: Scenario, seed: int) -> None:
    world = scenario(seed)
    assert world.primary() is None
    assert {member for member, reason in world.announced if reason == "NoEligibleCandidate"} == {0, 1}
    world.settle(120.0)
    assert world.violations == []
    assert [member for _, member, _ in world.promotions] == [0, 2, 2]
    assert not loses_anything(world)


@pytest.mark.parametrize("seed", range(FEW))
def test_a_release_starts_with_fewer_replicas_if_these_have_everything(seed: int) -> None:
    world = scenarios.starts_without_an_equal(seed)
    assert world.primary() in (0, 1)
    world.settle(120.0)
    assert world.violations == []
    assert not loses_anything(world)


def fewest_followers(seed: int) -> int:
    """Change the standby mode there and back; return the fewest standbys that streamed meanwhile. Every server has the mode in the end."""
    world = running(3, seed)
    fewest, begun = 2, list(world.server)
    for mode in ("warm", "hot"):
        world.standby_mode = mode
        for _ in range(400):
            world.run(0.05)
            fewest = min(fewest, len(world.server[primary_of(world)].followers()))
        assert [agent.memory.upstream.mode for agent in world.agent if agent.member != primary_of(world)] == [mode] * 2
    assert world.server == begun
    assert len(world.promotions) == 1
    assert world.violations == []
    return fewest


@pytest.mark.parametrize("seed", range(FEW))
def test_standbys_restart_one_at_a_time_for_another_mode(seed: int) -> None:
    assert fewest_followers(seed) == 1


def test_without_turns_no_standby_would_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    mutants.standbys_restart_together(monkeypatch)
    assert any(fewest_followers(seed) == 0 for seed in range(FEW))


@pytest.mark.parametrize("seed", range(FEW))
def test_a_kill_throws_replay_back_to_the_last_checkpoint(seed: int) -> None:
    world = running(3, seed)
    world.run(20.0)
    server = world.server[(primary_of(world) + 1) % 3]
    wal = server.volume.wal
    assert wal is not None
    assert server.redo.left < 100
    server.kill()
    server.start()
    assert server.redo.replayed == server.volume.redo < wal.end - 500
    world.run(1.0)
    assert server.redo.left < 100
    server.stop_fast(lambda: None)
    world.run(0.1)
    assert server.volume.redo == world.checkpoints.latest(wal, wal.end) > 0


@pytest.mark.parametrize("seed", range(FEW))
def test_a_server_that_shuts_down_has_nothing_to_replay(seed: int) -> None:
    """What a primary wrote just before its shutdown is no recovery, so that a kill of the shutdown is allowed."""
    world = running(3, seed)
    primary = primary_of(world)
    server = world.server[primary]
    faults.bulk_load(world, primary, 10.0)
    server.stop_fast(lambda: None)
    assert server.stopping
    assert server.redo.left == 0


@pytest.mark.parametrize("seed", range(FEW))
def test_a_rolling_update_goes_from_the_highest_ordinal_down_and_waits_for_readiness(seed: int) -> None:
    world = running(3, seed)
    wait_until(world, lambda: all(world.statefulset.is_ready(m) for m in range(3)))
    world.log.clear()
    world.statefulset.update()
    wait_until(world, lambda: not world.statefulset.updating, 400.0)
    assert [line.split()[2] for line in world.log if "the pod is deleted" in line] == ["2:", "1:", "0:"]
    assert world.generation == [1, 1, 1]
    world.settle()
    assert world.violations == []
