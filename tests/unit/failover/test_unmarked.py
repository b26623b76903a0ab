"""A data directory without a marker: the first server's, which was finished just before its agent ended; or anything else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hapg_failover.core.decide import decide
from hapg_failover.core.state.actions import Announce, Op, Run
from hapg_failover.core.state.observation import Observation
from hapg_failover.core.state.phases import Phase
from hapg_failover.core.state.results import Outcome
from hapg_protocol.model import Holder, LeaseState, Release, VolumeState

from .test_decide import HELD, ME, NOW, answered, lease, remembered, seen

CREATING = LeaseState(ME, 1, 6.0, address="10.0.0.2")


def unmarked(state: LeaseState | None) -> Observation:
    return seen(
        server="down",
        volume_state=VolumeState.DAMAGED,
        volume=None,
        system_identifier=None,
        unmarked=True,
        volume_reason="unmarked",
        lease=lease(state),
    )


def orders(o: Observation, phase: Phase = Phase.BOOT) -> list[Op]:
    return [action.op for action in decide(o, remembered(phase)).actions if isinstance(action, Run)]


@pytest.mark.parametrize("holder", [ME, Holder(ME.pod, "a pod before this one")])
def test_the_first_servers_directory_is_marked_if_the_lease_says_that_we_were_creating_it(holder: Holder) -> None:
    assert orders(unmarked(replace(CREATING, holder=holder))) == [Op.MARK]


@pytest.mark.parametrize(
    "state",
    [
        None,
        HELD,
        replace(CREATING, system_identifier="another"),
        replace(CREATING, holder=Holder("pg-0", "u0")),
        replace(CREATING, release=Release("it gave up", clean=False)),
    ],
)
def test_any_other_is_damaged(state: LeaseState | None) -> None:
    found = decide(unmarked(state), remembered(Phase.BOOT))
    assert found.memory.phase is Phase.DAMAGED
    assert [action.reason for action in found.actions if isinstance(action, Announce)] == ["VolumeDamaged"]


def test_nothing_is_said_of_it_before_the_lease_is_read() -> None:
    found = decide(replace(unmarked(None), lease=None), remembered(Phase.BOOT))
    assert (found.memory.phase, [a for a in found.actions if isinstance(a, Announce | Run)]) == (Phase.BOOT, [])


def test_a_marker_that_cannot_be_written_is_tried_again_and_said() -> None:
    first = decide(unmarked(CREATING), remembered(Phase.BOOT))
    failed = decide(replace(unmarked(CREATING), op=answered(Op.MARK, Outcome.FAILED)), first.memory)
    assert failed.memory.phase is Phase.BOOT
    assert [action.reason for action in failed.actions if isinstance(action, Announce)] == ["VolumeDamaged"]
    later = replace(unmarked(CREATING), now=NOW + 60, heartbeat_at=NOW + 59.9)
    assert Op.MARK in [action.op for action in decide(later, failed.memory).actions if isinstance(action, Run)]


def test_a_creation_whose_marker_could_not_be_written_is_marked_and_not_begun_again() -> None:
    creating = decide(replace(unmarked(CREATING), volume_state=VolumeState.EMPTY, unmarked=False), remembered(Phase.EMPTY))
    assert [action.op for action in creating.actions if isinstance(action, Run)] == [Op.INITDB]
    failed = decide(replace(unmarked(CREATING), op=answered(Op.INITDB, Outcome.FAILED)), creating.memory)
    assert failed.memory.phase is Phase.BOOT
