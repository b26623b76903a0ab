"""Which pod gets which request, and how its progress is reported."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hapg.operate import plan
from hapg.operate.release import OperateError
from hapg_protocol import requests
from hapg_protocol.lsn import Position
from hapg_protocol.model import Holder, LeaseState, VolumeState
from hapg_protocol.model import Release as Released
from tests.unit.operate.conftest import GIVEN_BACK, HELD, VERSION, FakeCluster, lease, pod, pods, said

FREE = replace(HELD, release=GIVEN_BACK)
TAKEN = replace(HELD, holder=Holder("pg-2", "u2"), term=8)
WAITING = [pod(0, "primary", ready=False), pod(1, position_report=said(1, 200)), pod(2, position_report=said(2, 100))]


def going(number: int) -> dict[str, Any]:
    found = pod(number)
    found["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z"
    return found


def test_a_switchover_is_asked_of_the_primary_for_its_term() -> None:
    order = plan.switchover(FakeCluster().read(), "pg-2", "id1")
    assert (order.pod.name, order.pod.uid, order.annotation) == ("pg-0", "u0", requests.SWITCHOVER)
    assert requests.switchover(order.value) == requests.Switchover("id1", 7, "pg-2")
    anyone = plan.switchover(FakeCluster().read(), None, "id2")
    assert requests.switchover(anyone.value) == requests.Switchover("id2", 7)


@pytest.mark.parametrize(
    ("cluster", "to", "words"),
    [
        (FakeCluster(lease=None), None, "pg has no Lease"),
        (FakeCluster(lease=lease(FREE)), None, "pg has no primary: its Lease is free"),
        (FakeCluster(lease=lease(age=7.0)), None, "pg has no primary: its Lease is free"),
        (FakeCluster(pods(1, 2)), None, "the Lease's holder, pod pg-0, no longer exists"),
        (FakeCluster(lease=lease(replace(HELD, eligible=()))), None, "pg has no eligible replica to switch over to"),
        (FakeCluster(), "pg-7", "--to pg-7: pod not found; the pods of pg are pg-0, pg-1, pg-2"),
        (FakeCluster(), "pg-0", "--to pg-0: already the primary"),
        (FakeCluster([*pods(0, 1), going(2)]), "pg-2", "--to pg-2: the pod is being deleted"),
        (
            FakeCluster(lease=lease(replace(HELD, eligible=HELD.eligible[:1]))),
            "pg-2",
            "--to pg-2: not an eligible replica; eligible are pg-1",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)
def test_a_switchover_that_can_not_be(cluster: FakeCluster, to: str | None, words: str) -> None:
    with pytest.raises(OperateError) as caught:
        plan.switchover(cluster.read(), to, "id")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_force_is_asked_of_the_most_advanced_for_this_version_of_the_lease() -> None:
    order = plan.force(FakeCluster(WAITING, lease(FREE)).read(), None, "id1")
    assert (order.pod.name, order.annotation, order.target) == ("pg-1", requests.FORCE, "pg-1")
    assert requests.force(order.value) == requests.Force("id1", 7, VERSION)
    assert plan.force(FakeCluster(WAITING, lease(FREE)).read(), "pg-2", "id1").pod.name == "pg-2"


def test_one_whose_agent_knows_the_leases_protocol_is_preferred() -> None:
    newer = [WAITING[0], WAITING[1], pod(2, position_report=said(2, 100, protocol=2))]
    cluster = FakeCluster(newer, lease(replace(FREE, protocol=2)))
    assert plan.force(cluster.read(), None, "id").pod.name == "pg-2"
    with pytest.raises(OperateError) as caught:
        plan.force(cluster.read(), "pg-1", "id")
    assert str(caught.value) == "--to pg-1: its agent doesn't know protocol 2 of the Lease; upgrade its failover image"


def test_one_that_may_be_forced_is_preferred() -> None:
    strange = FakeCluster([pod(1, position_report=said(1, 200, volume="new")), pod(2, position_report=said(2, 100))], lease(age=9.0))
    assert plan.force(strange.read(), None, "id").pod.name == "pg-2"


@pytest.mark.parametrize(
    ("cluster", "to", "words"),
    [
        (FakeCluster(), None, "pg-0 holds the Lease and renewed it 1.0 s ago, so a forced failover is not possible"),
        (FakeCluster(lease=None), None, "pg has no Lease"),
        (FakeCluster(lease=lease(FREE)), None, "no pod of pg has reported its WAL position"),
        (FakeCluster(lease=lease(FREE)), "pg-1", "--to pg-1: it has not reported its WAL position"),
        (FakeCluster(lease=lease(FREE)), "pg-9", "--to pg-9: pod not found"),
        (
            FakeCluster([pod(1, position_report=said(1, 200, volume="new"))], lease(age=9.0)),
            None,
            "--to pg-1: not an eligible replica, and the Lease expired without being released, so pg-0 may still write",
        ),
        (
            FakeCluster([pod(0, position_report=said(0, 0, state=VolumeState.DAMAGED, position=None))], lease(FREE)),
            "pg-0",
            "its volume is damaged and can't be promoted",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)
def test_a_force_that_can_not_be(cluster: FakeCluster, to: str | None, words: str) -> None:
    with pytest.raises(OperateError) as caught:
        plan.force(cluster.read(), to, "id")
    assert words in str(caught.value)


def lost(state: LeaseState, *shown: dict[str, Any]) -> list[str]:
    seen = FakeCluster(list(shown), lease(state)).read()
    return plan.losses(seen, plan.force(seen, "pg-2", "id"))


def test_what_is_lost_is_said_as_far_as_it_is_known() -> None:
    assert lost(FREE, *WAITING) == [
        "pg-2 would be promoted; its WAL ends at 4:0/64",
        "pg-0: its WAL position is unknown",
        "pg-1: its WAL ends at 4:0/C8",
        "LOST FOR CERTAIN: 100 bytes of WAL up to 4:0/C8",
        "POSSIBLY LOST: rows that pg-0, the last primary, acknowledged and pg-2 has not received",
    ]
    clean = replace(HELD, release=Released("switchover", True, Position(5, 300), None))
    text = "\n".join(lost(clean, *WAITING))
    assert "pg-0, the last primary, shut down at 5:0/12C" in text
    assert "LOST FOR CERTAIN: all after timeline 4 up to 5:0/12C" in text
    assert "POSSIBLY" not in text


def test_the_last_primarys_own_word_counts_too() -> None:
    renewed = replace(FREE, position=Position(4, 130))
    text = "\n".join(lost(renewed, WAITING[0], WAITING[2]))
    assert "LOST FOR CERTAIN: 30 bytes of WAL that pg-0, the last primary, had at its last renewal of the Lease" in text


def test_nothing_is_lost_by_promoting_one_that_has_everything() -> None:
    clean = replace(HELD, release=Released("switchover", True, Position(4, 100), None))
    assert not [line for line in lost(clean, WAITING[0], WAITING[2]) if "LOST" in line]


def answer(outcome: str, reason: str = "because", id: str = "id") -> str:
    return requests.answer(id, outcome, reason)


@pytest.mark.parametrize(
    ("cluster", "words", "done"),
    [
        (FakeCluster(), "waiting for pg-0 to answer", False),
        (FakeCluster([pod(0, "primary", answer=answer("refused", id="older")), *pods(1, 2)]), "waiting for pg-0 to answer", False),
        (
            FakeCluster([pod(0, answer=answer("taken", "switching over to pg-2")), *pods(1, 2)]),
            "pg-0: switching over to pg-2",
            False,
        ),
        (FakeCluster(lease=lease(FREE)), "pg-0 is shut down; waiting for an eligible replica to claim the Lease", False),
        (FakeCluster(lease=lease(TAKEN)), "pg-2 holds the Lease under term 8; waiting for its role label", False),
        (FakeCluster([pod(0), pod(1), pod(2, "primary")], lease(TAKEN)), "pg-2 is the primary under term 8; it was pg-0", True),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_progress_of_a_switchover(cluster: FakeCluster, words: str, done: bool) -> None:
    order = plan.switchover(FakeCluster().read(), "pg-2", "id")
    assert plan.progress(cluster.read(), order) == plan.Progress(words, done)


@pytest.mark.parametrize(
    ("cluster", "words"),
    [
        (FakeCluster([pod(0, "primary", answer=answer("refused")), *pods(1, 2)]), "pg-0 refused: because"),
        (FakeCluster(lease=lease(replace(HELD, term=8))), "the switchover failed: pg-0 has claimed the Lease again, under term 8"),
        (
            FakeCluster(lease=lease(replace(HELD, holder=Holder("pg-1", "u1"), term=8))),
            "pg-1 has claimed the Lease under term 8, not pg-2",
        ),
        (FakeCluster(lease=None), "pg has no Lease"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_switchover_that_failed(cluster: FakeCluster, words: str) -> None:
    order = plan.switchover(FakeCluster().read(), "pg-2", "id")
    with pytest.raises(OperateError) as caught:
        plan.progress(cluster.read(), order)
    assert words in str(caught.value)


def test_progress_of_a_forced_failover() -> None:
    order = plan.force(FakeCluster(WAITING, lease(FREE)).read(), "pg-2", "id")
    assert not plan.progress(FakeCluster(WAITING, lease(FREE)).read(), order).done
    reached = plan.progress(FakeCluster([pod(0), pod(1), pod(2, "primary")], lease(TAKEN)).read(), order)
    assert reached == plan.Progress("pg-2 is the primary under term 8; it was pg-0", True)


def test_the_values_are_json_objects_of_the_contract() -> None:
    assert plan.switchover(FakeCluster().read(), None, "id").value == '{"id": "id", "term": 7}'
    assert plan.switchover(FakeCluster().read(), "pg-2", "id").value == '{"id": "id", "term": 7, "to": "pg-2"}'
    assert plan.force(FakeCluster(WAITING, lease(FREE)).read(), None, "id").value == '{"id": "id", "term": 7, "leaseVersion": "50"}'
