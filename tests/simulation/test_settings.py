"""Settings that need a restart: standbys one by one, then one switchover; and never a server that would not start."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hapg_failover.core.write_quorum import Policy

from . import faults, mutants_settings
from .scenarios import primary_of
from .scenarios_settings import Watched
from .settings import postgresql_conf
from .signs import Patch, loses_anything
from .world import World

FEW = 3
CHANGES = [(100, 256), (200, 128), (50, 128), (50, 512)]


def is_well(watched: Watched) -> bool:
    """True if nothing was lost, no container ended, no two servers were starting at once, and none failed for its max_connections."""
    world = watched.world
    failed = any(reason == "StartedWarm" for _, reason in world.announced) or any("replay ends" in line for line in world.log)
    calm = not world.violations and not loses_anything(world) and not failed
    return calm and world.server == watched.begun and watched.restarting == 1


def changed(change: tuple[int, int], mode: str, seed: int, replicas: int = 3) -> Watched:
    """Change the settings of a release."""
    watched = Watched(replicas, seed, mode)
    watched.change(*change)
    return watched


@pytest.mark.parametrize("seed", range(FEW))
@pytest.mark.parametrize("mode", ["hot", "warm"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_restarts_one_standby_at_a_time_and_switches_over_once(change: tuple[int, int], mode: str, seed: int) -> None:
    watched = changed(change, mode, seed)
    assert is_well(watched)
    assert len(watched.world.promotions) == 2
    assert mode == "warm" or watched.answering == 1


@pytest.mark.parametrize("seed", range(FEW))
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("replicas", [2, 4])
def test_fewer_and_more_servers_do_the_same(replicas: int, change: tuple[int, int], seed: int) -> None:
    watched = changed(change, "hot", seed, replicas)
    assert is_well(watched)
    assert len(watched.world.promotions) == 2


@pytest.mark.parametrize("seed", range(FEW))
@pytest.mark.parametrize("change", CHANGES)
def test_with_synchronous_replication_nothing_is_lost_either(change: tuple[int, int], seed: int) -> None:
    """Each promotion checks what was acknowledged."""
    watched = Watched(3, seed, policy=Policy(1, strict=True))
    watched.change(*change)
    assert is_well(watched)
    assert len(watched.world.promotions) == 2


@pytest.mark.parametrize("seed", range(FEW))
@pytest.mark.parametrize("change", CHANGES)
def test_the_only_server_restarts_in_its_place(change: tuple[int, int], seed: int) -> None:
    watched = changed(change, "hot", seed, 1)
    assert is_well(watched)
    assert [reason for _, reason in watched.world.announced].count("ServerRestarts") == 1
    assert len(watched.world.promotions) == 2


def refused(seed: int) -> World:
    """One member doesn't accept the new settings; each member in turn."""
    watched = Watched(3, seed)
    world = watched.world
    world.refuses[seed % 3] = True
    world.reconfigure(postgresql_conf(200, 256))
    watched.watch(60.0)
    return world


@pytest.mark.parametrize("seed", range(FEW))
def test_settings_that_one_member_refuses_restart_nothing_anywhere(seed: int) -> None:
    world = refused(seed)
    assert {server.started for server in world.server} == {postgresql_conf(100, 128)}
    assert len(world.promotions) == 1
    world.refuses = [False] * 3
    world.reconfigure(postgresql_conf(200, 256))
    world.settle()
    assert world.violations == []
    assert len(world.promotions) == 2


@pytest.mark.parametrize("seed", range(FEW))
def test_nothing_restarts_while_a_standby_is_away(seed: int) -> None:
    watched = Watched(3, seed)
    world = watched.world
    away = next(server.member for server in world.server if not server.writable)
    faults.power_off(world, away)
    world.run(60.0)
    world.reconfigure(postgresql_conf(200, 256))
    world.run(60.0)
    assert {server.started for server in world.server if server.member != away} == {postgresql_conf(100, 128)}
    assert len(world.promotions) == 1
    world.settle()
    assert world.violations == []


@pytest.mark.parametrize("seed", range(FEW))
def test_a_switchover_whose_checkpoint_fails_is_called_off_and_made_up_for(seed: int) -> None:
    watched = Watched(2, seed)
    world = watched.world
    old = primary_of(world)
    world.reconfigure(postgresql_conf(100, 256))
    while (begun := world.agent[old].memory.succession.switchover) is None:
        world.run(0.01)
    assert begun.to == world.pod_name(1 - old)
    world.op_failure = 1.0
    world.run(20.0)
    assert any("no switchover takes place" in line for line in world.log)
    assert primary_of(world) == old
    world.settle(120.0)
    assert world.violations == []
    assert [member for _, member, _ in world.promotions] == [old, 1 - old]
    assert not loses_anything(world)


def a_refusal_restarts_nothing(seed: int) -> bool:
    world = refused(seed)
    return {server.started for server in world.server} == {postgresql_conf(100, 128)}


def one_at_a_time(seed: int) -> bool:
    return is_well(changed((100, 256), "warm", seed))


def raises_first_on_standbys(seed: int) -> bool:
    return is_well(changed((200, 128), "hot", seed, 4))


def lowers_without_a_failed_start(seed: int) -> bool:
    return is_well(changed((50, 128), "hot", seed))


def readers_are_answered(seed: int) -> bool:
    return changed((50, 128), "hot", seed).answering == 1


RULES: list[tuple[Patch, Callable[[int], bool]]] = [
    (mutants_settings.each_on_its_own, a_refusal_restarts_nothing),
    (mutants_settings.all_at_once, one_at_a_time),
    (mutants_settings.the_primary_first, raises_first_on_standbys),
    (mutants_settings.lower_limits_like_others, readers_are_answered),
    (mutants_settings.hot_in_any_case, lowers_without_a_failed_start),
]


@pytest.mark.parametrize(("leave_out", "holds"), RULES, ids=[rule[0].__name__ for rule in RULES])
def test_leaving_the_rule_out_is_found(leave_out: Patch, holds: Callable[[int], bool], monkeypatch: pytest.MonkeyPatch) -> None:
    assert holds(0)
    leave_out(monkeypatch)
    assert not all(found(holds, seed) for seed in range(FEW)), f"nothing found: {(leave_out.__doc__ or '').strip()}"


def found(holds: Callable[[int], bool], seed: int) -> bool:
    """True if the rule's consequence shows; a release that does not settle shows that it doesn't."""
    try:
        return holds(seed)
    except AssertionError:
        return False
