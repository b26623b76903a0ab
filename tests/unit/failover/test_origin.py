"""A volume that was made for another PVC: a copy, or a restore."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hapg_failover.core import volumes
from hapg_failover.core.decide import decide
from hapg_failover.core.state.actions import Announce, Op, Report, Run
from hapg_failover.core.state.lease_view import LeaseView
from hapg_failover.core.state.observation import Observation
from hapg_failover.core.state.phases import Phase
from hapg_failover.core.state.results import Outcome
from hapg_failover.core.state.volume import Origin
from hapg_failover.events import VolumeFacts
from hapg_failover.world import World
from hapg_protocol.model import VolumeState

from .test_decide import HELD, NOW, RELEASED, answered, kinds, lease, remembered, seen

CLAIM = "demo/pg-1"
NONE = lease(None)


@pytest.mark.parametrize(
    ("made_for", "accepted", "known", "found"),
    [
        (None, False, lease(HELD), Origin.OWN),
        (CLAIM, False, lease(HELD), Origin.OWN),
        (CLAIM, True, NONE, Origin.OWN),
        ("demo/pg-0", False, lease(HELD), Origin.COPIED),
        ("demo/pg-0", False, NONE, Origin.COPIED),
        ("demo/pg-0", False, None, Origin.COPIED),
        ("demo/pg-0", True, lease(HELD), Origin.ADOPTABLE),
        ("demo/other-1", False, NONE, Origin.ADOPTABLE),
        ("demo/other-0", False, NONE, Origin.ADOPTABLE),
        ("demo2/pg-1", False, NONE, Origin.ADOPTABLE),
        ("demo/other-1", False, lease(HELD), Origin.COPIED),
        ("demo/other-1", False, lease(replace(HELD, system_identifier=None)), Origin.COPIED),
        ("demo/other-1", False, lease(replace(HELD, system_identifier="another")), Origin.OWN),
    ],
)
def test_for_whom_a_volume_was_made(made_for: str | None, accepted: bool, known: LeaseView | None, found: Origin) -> None:
    """Data of another cluster than the Lease's is no copy of anything here, so it is not touched."""
    assert volumes.origin_of(made_for, CLAIM, accepted, "system", known) is found


def test_without_a_claim_of_ours_nothing_is_a_copy() -> None:
    assert volumes.origin_of("demo/pg-0", None, False, "system", NONE) is Origin.OWN


def facts(made_for: str, state: VolumeState = VolumeState.DATA) -> VolumeFacts:
    return VolumeFacts(state, "v0", "system", 5, made_for=made_for, claim=CLAIM)


def test_a_copy_counts_as_damaged_and_not_as_the_volume_it_is_a_copy_of() -> None:
    copy = World(facts("demo/pg-0"), lease=lease(HELD)).own_volume
    assert (copy.state, copy.uuid, copy.system_identifier) == (VolumeState.DAMAGED, None, "system")
    assert copy.reason.startswith("the volume was made for demo/pg-0, this pod is demo/pg-1: it is a copy")
    assert World(facts(CLAIM), lease=lease(HELD)).own_volume.uuid == "v0"
    mismatched = facts("demo/pg-0", VolumeState.MISMATCHED)
    assert World(mismatched, lease=lease(HELD)).own_volume is mismatched


def copied(**changes: object) -> Observation:
    return seen(server="down", origin=Origin.COPIED, volume_state=VolumeState.DAMAGED, volume=None, volume_reason="a copy", **changes)


def test_a_copy_is_never_started_and_is_cloned_anew_from_the_primary() -> None:
    found = decide(copied(), remembered(Phase.BOOT))
    assert (found.memory.phase, kinds(found.actions)) == (Phase.DAMAGED, [])
    cloned = decide(copied(), found.memory)
    assert [run.op for run in cloned.actions if isinstance(run, Run)] == [Op.CLONE]
    [told] = [action.message for action in cloned.actions if isinstance(action, Announce) and action.reason == "VolumeCopied"]
    assert told.startswith("a copy. It is not used, and is cloned once there is a primary; to keep its data")


@pytest.mark.parametrize("known", [NONE, lease(RELEASED, 200.0)])
def test_a_copy_without_a_primary_stands_for_nothing(known: LeaseView) -> None:
    waiting = decide(copied(lease=known), remembered(Phase.DAMAGED))
    [said] = [action.report for action in waiting.actions if isinstance(action, Report)]
    assert (said.state, said.volume, said.position, said.running) == (VolumeState.DAMAGED, None, None, False)
    again = decide(copied(lease=known, now=NOW + 100), waiting.memory)
    assert again.memory.phase is Phase.DAMAGED
    assert "VolumeCopied" not in [action.reason for action in again.actions if isinstance(action, Announce)]


def test_a_restored_volume_becomes_ours_before_it_is_started() -> None:
    restored = seen(server="down", origin=Origin.ADOPTABLE, lease=NONE)
    unread = decide(replace(restored, lease=None), remembered(Phase.BOOT))
    assert not [action for action in unread.actions if isinstance(action, Run)]
    assert "the Lease, which decides" in unread.reason
    adopts = decide(restored, remembered(Phase.BOOT))
    assert kinds(adopts.actions) == ["adopt"]
    done = decide(replace(restored, origin=Origin.OWN, op=answered(Op.ADOPT)), adopts.memory)
    assert [action.reason for action in done.actions if isinstance(action, Announce)] == ["VolumeAdopted"]
    later = replace(restored, origin=Origin.OWN, now=NOW + 1, heartbeat_at=NOW + 0.9)
    assert kinds(decide(later, done.memory).actions) == ["start"]


def test_an_adoption_that_fails_is_tried_again() -> None:
    restored = seen(server="down", origin=Origin.ADOPTABLE, lease=NONE)
    adopts = decide(restored, remembered(Phase.BOOT)).memory
    failed = decide(replace(restored, op=answered(Op.ADOPT, Outcome.FAILED)), adopts)
    assert failed.memory.phase is Phase.BOOT
    assert kinds(decide(replace(restored, now=NOW + 1, heartbeat_at=NOW + 0.9), failed.memory).actions) == ["adopt"]
