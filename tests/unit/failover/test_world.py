"""The agent's state is changed only by newer information, and only by the living supervisor's messages."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hapg_failover.adapters.ports.supervisor import Hello
from hapg_failover.core.candidacy import cause_of
from hapg_failover.core.state.actions import Op
from hapg_failover.core.state.lease_view import LeaseView
from hapg_failover.core.state.memory import Memory
from hapg_failover.core.state.memory_parts import PromotionCause
from hapg_failover.core.state.phases import Phase
from hapg_failover.core.state.results import OpResult, Outcome
from hapg_failover.core.state.volume import DATA_VOLUME
from hapg_failover.core.timing import Timing
from hapg_failover.events import (
    DiskProbed,
    LeaseSeen,
    OperationEnded,
    PodSeen,
    PodsListed,
    ServerLooked,
    SpaceChecked,
    SupervisorSaid,
    VolumeFacts,
)
from hapg_failover.metrics import render
from hapg_failover.world import GONE_KEPT, World
from hapg_protocol.lsn import Position
from hapg_protocol.model import Holder, LeaseObject, LeaseState, Pod, Release, ReleaseCause, VolumeState
from hapg_protocol.recovery import Progress
from tests.memories import remembering

TIMING = Timing()


@pytest.fixture
def world() -> World:
    return World(VolumeFacts(VolumeState.EMPTY, None, None, 0), hello=Hello("n1", "boot", 1.0))


def pod(version: str, uid: str = "u1", name: str = "pg-1") -> Pod:
    return Pod(name, uid, version, 1)


def test_an_older_word_about_a_pod_is_ignored(world: World) -> None:
    world.apply(PodSeen(pod("10"), False, 0.0))
    world.apply(PodSeen(pod("9"), False, 0.0))
    assert world.pods["pg-1"].version == "10"
    world.apply(PodSeen(pod("3", uid="u2"), False, 0.0))
    assert world.pods["pg-1"].uid == "u2"


def test_the_deletion_of_a_replaced_pod_is_not_that_of_its_replacement(world: World) -> None:
    world.apply(PodSeen(pod("12", uid="u2"), False, 0.0))
    world.apply(PodSeen(pod("11", uid="u1"), True, 0.0))
    assert world.pods["pg-1"].uid == "u2"
    world.apply(PodSeen(pod("13", uid="u2"), True, 0.0))
    assert world.pods == {}
    assert world.gone == ("u1", "u2")


def test_of_the_pods_that_have_gone_the_last_are_kept(world: World) -> None:
    for number in range(GONE_KEPT + 1):
        world.apply(PodSeen(pod("11", uid=f"u{number}"), True, 0.0))
    assert len(world.gone) == GONE_KEPT
    assert "u0" not in world.gone


def test_a_list_that_is_overtaken_by_a_watch_takes_nothing_back(world: World) -> None:
    world.apply(PodSeen(pod("20"), False, 3.1))
    world.apply(PodSeen(pod("5", name="pg-2"), False, 0.0))
    world.apply(
        PodsListed(
            (
                pod("19"),
                pod("7", name="pg-0"),
            ),
            3.0,
        )
    )
    assert {name: p.version for name, p in world.pods.items()} == {"pg-1": "20", "pg-0": "7"}
    assert world.pods_listed_at == 3.0


def test_a_list_that_was_asked_for_later_is_what_there_is_whatever_its_versions(world: World) -> None:
    world.apply(PodSeen(pod("20"), False, 2.9))
    world.apply(PodsListed((pod("12"),), 3.0))
    assert world.pods["pg-1"].version == "12"


def test_once_etcd_has_gone_back_the_pods_versions_begin_anew(world: World) -> None:
    later = LeaseState(Holder("pg-0", "u0"), 3, 6.0, "system", serial=8)
    world.apply(LeaseSeen(LeaseObject("40", later), 1.0, 1.1, 9.0))
    world.apply(PodSeen(pod("30"), False, 1.0))
    world.apply(LeaseSeen(LeaseObject("20", replace(later, serial=4)), 2.0, 2.1, 9.0))
    world.apply(PodSeen(pod("19"), False, 2.2))
    assert world.pods["pg-1"].version == "19"
    world.apply(PodSeen(pod("18"), False, 2.3))
    assert world.pods["pg-1"].version == "19"


def test_a_volume_knows_which_terms_of_its_own_cluster_are_over() -> None:
    for cluster, gone_back in (("system", True), ("another", False)):
        world = World(VolumeFacts(VolumeState.DATA, "v1", cluster, 5))
        world.apply(LeaseSeen(LeaseObject("40", LeaseState(Holder("pg-0", "u0"), 4, 6.0, "system")), 1.0, 1.1, 9.0))
        assert world.lease is not None
        assert (world.lease.instead is not None) == gone_back


def test_only_the_living_supervisor_is_heard(world: World) -> None:
    world.apply(SupervisorSaid("died", "n0", 5.0))
    world.apply(SupervisorSaid("terminating", "n0", 5.0))
    assert (world.down_at, world.terminating) == (0.0, False)
    world.apply(SupervisorSaid("died", "n1", 5.5, 1))
    assert (world.down_at, world.exit_code) == (5.5, 1)
    world.apply(SupervisorSaid("fenced", "n1", 6.0))
    world.apply(SupervisorSaid("terminating", "n1", 6.0))
    assert (world.down_at, world.exit_code, world.terminating) == (6.0, None, True)


@pytest.mark.parametrize(
    ("op", "outcome", "known"),
    [
        (Op.START, Outcome.FAILED, True),
        (Op.START, Outcome.OK, False),
        (Op.SEAL, Outcome.OK, False),
        (Op.REWIND, Outcome.FAILED, False),
        (Op.CLONE, Outcome.OK, False),
        (Op.PREPARE, Outcome.OK, True),
        (Op.SWITCHOVER, Outcome.OK, True),
    ],
)
def test_what_a_primary_flushed_is_forgotten_once_it_has_started_as_a_standby(world: World, op: Op, outcome: Outcome, known: bool) -> None:
    flushed = Position(1, 0x4000)
    world.apply(ServerLooked((), flushed, "", None, False, 1.0))
    world.apply(OperationEnded(OpResult(1, op, outcome, "n1"), world.volume, DATA_VOLUME, 0))
    assert world.position == (flushed if known else None)


def test_a_probe_that_ends_late_does_not_replace_a_later_look_at_the_free_space(world: World) -> None:
    world.apply(SpaceChecked(DATA_VOLUME, 0, 5.2))
    world.apply(DiskProbed(DATA_VOLUME, 1 << 40, None, None, 5.1, 5.1))
    assert (world.room, world.room_at, world.probe_at) == (0, 5.2, 5.1)
    world.apply(DiskProbed(DATA_VOLUME, 1 << 30, None, None, 6.1, 6.1))
    assert (world.room, world.room_at) == (1 << 30, 6.1)


def test_figures_name_the_phase_and_the_lease() -> None:
    view = LeaseView("7", LeaseState(Holder("pg-0", "u0"), 4, TIMING.ttl), 10.0, 11.0)
    text = render(remembering(Phase.FOLLOW, blocked="lag"), view, TIMING, 12.5, 1_700_000_000.0, {"PUT": 7, "GET": 2})
    assert 'ha_postgres_api_requests_total{verb="PUT"} 7\n' in text
    assert "ha_postgres_primary 0\n" in text
    assert "ha_postgres_lease_remaining_seconds 0.000\n" in text
    assert 'ha_postgres_claim_blocked{why="lag"} 1\n' in text
    assert 'ha_postgres_claim_blocked{why="not-eligible"} 0\n' in text
    assert 'ha_postgres_promoted_timestamp_seconds{cause="expiry"} 0\n' in text
    assert 'ha_postgres_phase{phase="follow"} 1\n' in text
    assert 'ha_postgres_phase{phase="primary"} 0\n' in text
    assert "ha_postgres_term 4\n" in text
    assert "ha_postgres_lease_age_seconds 2.500\n" in text
    assert "ha_postgres_term 0\n" in render(Memory(), None, TIMING, 1.0, 1_700_000_000.0, {})


@pytest.mark.parametrize(("phase", "slow_at", "shown"), [(Phase.PRIMARY, 1.0, 1), (Phase.PRIMARY, -50.0, 0), (Phase.FOLLOW, 1.0, 0)])
def test_figures_say_that_a_primarys_volumes_are_slow(phase: Phase, slow_at: float, shown: int) -> None:
    text = render(remembering(phase, slow_at=slow_at), None, TIMING, 12.5, 1_700_000_000.0, {})
    assert f"ha_postgres_storage_slow {shown}\n" in text


def test_figures_of_a_recovery() -> None:
    recovering = LeaseState(Holder("pg-0", "u0"), 4, TIMING.ttl, recovery=Progress(100, 300, 1000, 50))
    text = render(Memory(Phase.SEALED), LeaseView("7", recovering, 10.0, 11.0), TIMING, 12.5, 1_700_000_000.0, {})
    assert "ha_postgres_recovery_remaining_bytes 700\n" in text
    assert "ha_postgres_recovery_bytes_per_second 50\n" in text
    assert "ha_postgres_recovery_remaining_bytes 0\n" in render(Memory(), None, TIMING, 1.0, 1_700_000_000.0, {})


def test_figures_of_a_primary() -> None:
    reign = remembering(
        Phase.PRIMARY, held_term=4, renewed_at=100.0, recorded_ttl=6.0, renewals_failed=3, cause="switchover", promoted_at=90.0
    )
    text = render(reign, None, TIMING, 101.0, 1_700_000_000.0, {})
    assert "ha_postgres_primary 1\n" in text
    assert "ha_postgres_lease_remaining_seconds 3.700\n" in text
    assert "# TYPE ha_postgres_renewals_failed_total counter\nha_postgres_renewals_failed_total 3\n" in text
    assert 'ha_postgres_promoted_timestamp_seconds{cause="switchover"} 1699999989\n' in text


@pytest.mark.parametrize(
    ("release", "timeline", "forced", "ended", "cause"),
    [
        (None, 4, False, False, "expiry"),
        (None, 4, False, True, "deletion"),
        (None, 4, True, False, "forced"),
        (Release("switchover", True, cause=ReleaseCause.SWITCHOVER), 4, False, False, "switchover"),
        (Release("the pod is being deleted", True, cause=ReleaseCause.DELETION), 4, False, False, "deletion"),
        (Release("the server died", False), 4, False, False, "death"),
        (Release("the first server is created", False), 0, False, False, "start"),
    ],
)
def test_a_promotion_has_a_cause(release: Release | None, timeline: int, forced: bool, ended: bool, cause: str) -> None:
    state = LeaseState(Holder("pg-0", "u0"), 4, TIMING.ttl, timeline=timeline, release=release)
    assert cause_of(state, forced, ended) == cause
    assert cause in list(PromotionCause)
