"""Whose data is upgraded to the chart's major, when, and what becomes of the others' (rule 17)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hapg_failover.adapters.ports.volume import Marker
from hapg_failover.adapters.volume import Volume
from hapg_failover.core import major_upgrade
from hapg_failover.core.decide import decide
from hapg_failover.core.state.actions import Annotate, Announce, Clone, Look, Run, Upgrade
from hapg_failover.core.state.observation import Observation
from hapg_failover.core.state.phases import Phase
from hapg_failover.core.state.results import OpResult, Outcome
from hapg_failover.core.state.volume import FormerData
from hapg_protocol import pods
from hapg_protocol.hand_over import VerifiedBackup
from hapg_protocol.lsn import Position
from hapg_protocol.model import PROTOCOL, LeaseState, Pod, Release, VolumeState

from .test_decide import END, HELD, MINE, NOW, lease, remembered, seen

PAUSED = replace(MINE, release=Release("paused", clean=True, position=END), serial=9)
LOOKED = remembered(Phase.BOOT, looked="n1")
FORMER = FormerData("15", "v1", "system", own=True, shut_down=Position(3, END.lsn - 120))


@pytest.mark.parametrize(
    ("former", "state", "timeline", "words"),
    [
        (FORMER, PAUSED, 3, "shut down in order: upgrade it from PostgreSQL 15"),
        (replace(FORMER, shut_down=None, begun=(5, 9)), PAUSED, 3, "was begun: go on"),
        (replace(FORMER, shut_down=None, begun=(5, 8)), PAUSED, None, "pause the release"),
        (replace(FORMER, shut_down=None, begun=(4, 9)), PAUSED, None, "pause the release"),
        (replace(FORMER, shut_down=None), PAUSED, None, "pause the release"),
        (replace(FORMER, shut_down=Position(3, END.lsn)), PAUSED, None, "pause the release"),
        (replace(FORMER, shut_down=Position(3, END.lsn - 1000)), PAUSED, None, "pause the release"),
        (replace(FORMER, shut_down=Position(2, END.lsn - 120)), PAUSED, None, "pause the release"),
        (FORMER, replace(PAUSED, timeline=4), None, "pause the release"),
        (FORMER, None, None, "there is no Lease"),
        (FORMER, replace(PAUSED, release=None), None, "was not shut down in order"),
        (FORMER, replace(PAUSED, release=Release("died", clean=False)), None, "was not shut down in order"),
        (replace(FORMER, volume="v7"), PAUSED, None, "the last primary, is upgraded first"),
        (replace(FORMER, own=False), PAUSED, None, "was not made for this pod"),
        (replace(FORMER, system_identifier="another"), PAUSED, None, "was not made for this pod"),
    ],
    ids=[
        "the last primary's",
        "begun",
        "begun under another write of the Lease",
        "begun under another term",
        "not shut down",
        "written since",
        "older",
        "another timeline",
        "a timeline reserved since",
        "no Lease",
        "not released",
        "released after a death",
        "another volume",
        "a copy",
        "another cluster",
    ],
)
def test_the_last_primarys_data_is_upgraded_and_nobody_elses(
    former: FormerData, state: LeaseState | None, timeline: int | None, words: str
) -> None:
    verdict = major_upgrade.judge(former, state)
    assert verdict.timeline == timeline
    assert words in verdict.reason


def other_major(state: LeaseState | None, **changes: object) -> Observation:
    given: dict[str, object] = {"former": FORMER, "upgrades_from": "15", **changes}
    return seen(volume_state=VolumeState.OTHER_MAJOR, volume_reason="data of 15", volume=None, server="down", lease=lease(state), **given)


def test_an_upgrade_is_ordered_under_the_lease_that_allows_it() -> None:
    decision = decide(other_major(PAUSED), LOOKED)
    assert [action.order for action in decision.actions if isinstance(action, Run)] == [Upgrade("15", 3, "system", (5, 9))]


def test_an_upgrade_that_needs_a_verified_backup_is_ordered_with_that_and_one_that_was_begun_goes_on_without() -> None:
    begun = replace(FORMER, shut_down=None, begun=(5, 9))
    for former, expected in ((FORMER, 3600.0), (begun, None)):
        decision = decide(other_major(PAUSED, former=former, verified_s=3600.0), LOOKED)
        orders = [action.order for action in decision.actions if isinstance(action, Run)]
        assert orders == [Upgrade("15", 3, "system", (5, 9), expected)]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (VerifiedBackup(6400, "20261201-010000F"), ""),
        (
            VerifiedBackup(6399, "20261201-010000F"),
            "the last verified restore, of 20261201-010000F, is 1 h old, and may be 1 h old at most",
        ),
        (VerifiedBackup(20_000, "20261201-010000F"), ""),
        (None, "no restore of a backup was ever verified"),
    ],
    ids=["in time", "too old", "by a clock that is ahead", "none"],
)
def test_a_backup_counts_if_its_restore_was_verified_lately(found: VerifiedBackup | None, words: str) -> None:
    assert major_upgrade.unverified(found, 10_000.0, 3600.0) == words


@pytest.mark.parametrize(
    ("state", "changes", "words"),
    [
        (PAUSED, {"upgrades_from": None}, "data of 15"),
        (PAUSED, {"upgrades_from": "16"}, "data of 15"),
        (PAUSED, {"former": None}, "data of 15"),
        (replace(PAUSED, protocol=PROTOCOL + 1), {}, "upgrade the failover image"),
        (PAUSED, {"max_term": 6}, "this volume has obeyed term 6, and the Lease is of term 5"),
        (replace(PAUSED, release=Release("died", clean=False)), {}, "pause the release"),
        (replace(HELD, system_identifier="another"), {}, "not made for this pod"),
        (HELD, {"former": replace(FORMER, own=False)}, "not made for this pod"),
    ],
    ids=str,
)
def test_without_a_reason_to_upgrade_the_data_of_another_major_is_not_touched(
    state: LeaseState | None, changes: dict[str, object], words: str
) -> None:
    decision = decide(other_major(state, **changes), LOOKED)
    assert decision.memory.phase is Phase.BOOT
    assert not [action for action in decision.actions if isinstance(action, Run)]
    assert words in decision.reason


def test_data_of_another_major_is_read_again_once_its_supervisor_may_have_undone_an_upgrade() -> None:
    first = decide(other_major(PAUSED), remembered(Phase.BOOT))
    [look] = [action for action in first.actions if isinstance(action, Run)]
    assert look.order == Look()
    answered = decide(other_major(PAUSED, op=OpResult(look.number, Look.op, Outcome.OK, "n1", ended=NOW - 5)), first.memory)
    assert [action.order for action in answered.actions if isinstance(action, Run)] == [Upgrade("15", 3, "system", (5, 9))]


def test_a_lease_that_is_missing_allows_no_upgrade() -> None:
    away = replace(lease(PAUSED), missing_since=NOW - 1)
    decision = decide(replace(other_major(PAUSED), lease=away), LOOKED)
    assert not [action for action in decision.actions if isinstance(action, Run)]


def test_a_replicas_data_of_the_former_major_is_cloned_once_there_is_a_primary() -> None:
    decision = decide(other_major(HELD), LOOKED)
    assert decision.memory.phase is Phase.DAMAGED
    cloning = decide(other_major(HELD), decision.memory)
    assert [type(action.order) for action in cloning.actions if isinstance(action, Run)] == [Clone]
    assert "the data is of PostgreSQL 15, from before the upgrade" in cloning.reason


@pytest.mark.parametrize("outcome", [Outcome.OK, Outcome.FAILED])
def test_the_end_of_an_upgrade_is_told(outcome: Outcome) -> None:
    under_way = remembered(Phase.BOOT, op=Upgrade.op, op_number=1)
    observed = other_major(PAUSED, op=OpResult(1, Upgrade.op, outcome, "n1", "said"))
    decision = decide(observed, under_way)
    [event] = [action for action in decision.actions if isinstance(action, Announce)]
    expected = "MajorUpgraded" if outcome is Outcome.OK else "MajorUpgradeFailed"
    assert (event.reason, event.message.startswith("said")) == (expected, True)
    assert decision.memory.phase is Phase.BOOT
    shown = [action.annotations for action in decision.actions if isinstance(action, Annotate)]
    assert shown == ([] if outcome is Outcome.OK else [((pods.NOT_UPGRADED, "said"),)])


def test_a_pod_shows_why_its_data_is_not_upgraded_until_it_is() -> None:
    refused = decide(other_major(replace(PAUSED, release=Release("died", clean=False))), LOOKED)
    [shown] = [action.annotations for action in refused.actions if isinstance(action, Annotate)]
    assert shown[0][0] == pods.NOT_UPGRADED
    assert "pause the release" in str(shown[0][1])
    mine = Pod("pg-1", "u1", "1", 1, not_upgraded=str(shown[0][1]))
    upgraded = decide(seen(pods=(mine,), now=NOW + 60), refused.memory)
    assert ((pods.NOT_UPGRADED, None),) in [action.annotations for action in upgraded.actions if isinstance(action, Annotate)]


def test_an_upgrade_is_recorded_before_it_begins_and_data_that_was_made_for_another_pod_is_told(tmp_path: Path) -> None:
    (tmp_path / "pgdata").mkdir()
    (tmp_path / "pgdata/PG_VERSION").write_text("15\n")
    volume = Volume(tmp_path, "17", "pg_wal", claim="default/pg-1")
    assert volume.former() is None  # without a marker and a control file
    (tmp_path / "standby").write_text("5")
    volume.begin_upgrade(5, 9)
    assert (tmp_path / "upgrade").read_text() == "5 9\n"
    assert not (tmp_path / "standby").exists()  # the new directory has no standby.signal, and was not promoted by anybody
    volume.end_upgrade()
    assert not (tmp_path / "upgrade").exists()


def test_an_upgrade_that_was_interrupted_between_its_renames_is_not_damage(tmp_path: Path) -> None:
    volume = Volume(tmp_path, "15", "pg_wal", claim="default/pg-1")
    volume.write_marker(Marker("v1", "7000000000000000001"))
    (tmp_path / "pgdata.15").mkdir()
    assert volume.assess().state is VolumeState.OTHER_MAJOR
    assert volume.former() is None
    (tmp_path / "pgdata.15").rename(tmp_path / "elsewhere")
    assert volume.assess().state is VolumeState.DAMAGED
