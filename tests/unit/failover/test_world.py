"""What the agent knows changes by what is newer, and by the living supervisor's word alone."""

from __future__ import annotations

import pytest

from hapg_failover.adapters.ports import Hello
from hapg_failover.core.model import Holder, LeaseState, Pod, VolumeState
from hapg_failover.core.state import LeaseView, Phase
from hapg_failover.core.timing import Timing
from hapg_failover.metrics import render
from hapg_failover.world import VolumeFacts, World

TIMING = Timing()


@pytest.fixture
def world() -> World:
    return World(VolumeFacts(VolumeState.EMPTY, None, None, 0), hello=Hello("n1", "boot", 1.0))


def pod(version: str, uid: str = "u1", name: str = "pg-1") -> Pod:
    return Pod(name, uid, version, 1)


def test_an_older_word_about_a_pod_is_ignored(world: World) -> None:
    world.keep_pod(pod("10"))
    world.keep_pod(pod("9"))
    assert world.pods["pg-1"].version == "10"
    world.keep_pod(pod("3", uid="u2"))
    assert world.pods["pg-1"].uid == "u2"


def test_the_deletion_of_a_replaced_pod_is_not_that_of_its_replacement(world: World) -> None:
    world.keep_pod(pod("12", uid="u2"))
    world.keep_pod(pod("11", uid="u1"), deleted=True)
    assert world.pods["pg-1"].uid == "u2"
    world.keep_pod(pod("13", uid="u2"), deleted=True)
    assert world.pods == {}


def test_a_list_that_is_overtaken_by_a_watch_takes_nothing_back(world: World) -> None:
    world.keep_pod(pod("20"))
    world.keep_pod(pod("5", name="pg-2"))
    world.keep_pods([pod("19"), pod("7", name="pg-0")], asked=3.0)
    assert {name: p.version for name, p in world.pods.items()} == {"pg-1": "20", "pg-0": "7"}
    assert world.pods_listed_at == 3.0


def test_only_the_living_supervisor_is_heard(world: World) -> None:
    world.take_event("died", "n0", 5.0)
    world.take_event("terminating", "n0", 5.0)
    assert (world.down_at, world.terminating) == (0.0, False)
    world.take_event("fenced", "n1", 6.0)
    world.take_event("terminating", "n1", 6.0)
    assert (world.down_at, world.terminating) == (6.0, True)


def test_figures_name_the_phase_and_the_lease() -> None:
    text = render(Phase.FOLLOW, LeaseView("7", LeaseState(Holder("pg-0", "u0"), 4, TIMING.ttl), 10.0, 11.0), 12.5)
    assert 'ha_postgres_phase{phase="follow"} 1\n' in text
    assert 'ha_postgres_phase{phase="primary"} 0\n' in text
    assert "ha_postgres_term 4\n" in text
    assert "ha_postgres_lease_age_seconds 2.500\n" in text
    assert "ha_postgres_term 0\n" in render(Phase.BOOT, None, 1.0)
