"""Forced failover: which rules it overrides, and which it never does."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from hapg_failover.core.decide import decide
from hapg_failover.core.forced_failover import judge, what_is_lost
from hapg_failover.core.state.actions import Annotate, Announce
from hapg_failover.core.state.decision import Decision
from hapg_failover.core.state.phases import Phase
from hapg_protocol import requests
from hapg_protocol.lsn import Position
from hapg_protocol.model import EligibleReplica, Holder, LeaseState, Pod, Release, VolumeState
from tests.memories import changed
from tests.unit.failover import test_decide
from tests.unit.failover.test_decide import (
    CLAIMED,
    END,
    FOLLOWING,
    HELD,
    NOW,
    POD,
    PRIMARY,
    RELEASED,
    SAID,
    kinds,
    lease,
    remembered,
    seen,
)
from tests.unit.failover.test_election import me, pod

AHEAD = Pod("pg-2", "u2", "1", 2, report=replace(SAID, nonce="n2", volume="v2", position=Position(3, 0x9000)))
SEALED = changed(test_decide.SEALED, promised_until=0.0)
NEWER = replace(AHEAD, report=replace(SAID, volume="v2", position=Position(4, 1)))
OTHER_NONCE = replace(POD, report=replace(SAID, nonce="x"))


def forced(version: str = "40", term: int = 5) -> Pod:
    return replace(POD, force=json.dumps({"id": "f1", "term": term, "leaseVersion": version}))


def answers(decision: Decision) -> list[dict[str, Any]]:
    return [json.loads(dict(a.annotations)[requests.ANSWER] or "") for a in decision.actions if isinstance(a, Annotate)]


def test_one_too_far_behind_is_promoted_by_force_only() -> None:
    blocked = seen(lease=lease(RELEASED, 20.0), pods=(POD, AHEAD))
    behind = replace(blocked, lease=lease(replace(RELEASED, volume="v2"), 20.0))
    waiting = decide(behind, SEALED)
    assert "more than maxLagBytes" in waiting.reason
    decision = decide(replace(behind, pods=(forced(), AHEAD)), SEALED)
    assert (decision.memory.phase, kinds(decision.actions)) == (Phase.CLAIMING, ["claim", "Annotate", "Announce"])
    assert [a.reason for a in decision.actions if isinstance(a, Announce)] == ["ForcedFailover"]
    [answer] = answers(decision)
    assert answer["outcome"] == "taken"
    assert "35584 bytes of WAL up to 0/9000 are lost" in answer["reason"]


def test_one_that_is_no_member_is_promoted_by_force_only() -> None:
    outside = replace(RELEASED, eligible=())
    assert "neither an eligible replica" in decide(seen(lease=lease(outside, 20.0)), SEALED).reason
    decision = decide(seen(lease=lease(outside, 20.0), pods=(forced(),)), SEALED)
    assert kinds(decision.actions)[0] == "claim"


def test_one_that_has_the_holders_shutdown_need_not_wait_or_report() -> None:
    held = replace(HELD, timeline=END.timeline)
    proven = changed(SEALED, shutdown=END, promised=None)
    decision = decide(seen(lease=lease(held, 1.0), pods=(replace(forced(), report=None),)), proven)
    assert kinds(decision.actions)[0] == "claim"


@pytest.mark.parametrize(
    ("why", "observation"),
    [
        ("the Lease is held", seen(lease=lease(HELD, 1.0), pods=(forced(),))),
        ("the Lease is overdue", seen(lease=lease(HELD, 5.9), pods=(forced(),))),
        ("another version", seen(lease=lease(RELEASED, 20.0, version="41"), pods=(forced(),))),
        ("not reported", seen(lease=lease(RELEASED, 20.0), pods=(replace(forced(), report=None),))),
        (
            "reported for another supervisor",
            seen(lease=lease(RELEASED, 20.0), pods=(replace(OTHER_NONCE, force=forced().force),)),
        ),
        ("another cluster's volume", seen(lease=lease(RELEASED, 20.0), pods=(forced(),), system_identifier="another")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_force_never_does(why: str, observation: Any) -> None:
    assert "claim" not in kinds(decide(observation, SEALED).actions)


def test_a_lease_that_has_run_out_is_read_once_more_first() -> None:
    expired = lease(HELD, 7.0, read=2.0)
    assert kinds(decide(seen(lease=expired, pods=(forced(),)), SEALED).actions)[0] == "ReadLease"
    fresh = lease(HELD, 7.0, read=0.1)
    assert kinds(decide(seen(lease=fresh, pods=(forced(),)), SEALED).actions)[0] == "claim"


def test_a_lease_that_has_run_out_is_free_for_members_only() -> None:
    """A leader without eligible replicas has no deadline, and one whose Lease its peers extend continues: a pod outside can't know that
    it has ended."""
    decision = decide(seen(lease=lease(replace(HELD, eligible=()), 9.0), pods=(forced(),)), SEALED)
    assert "claim" not in kinds(decision.actions)
    assert [each["outcome"] for each in answers(decision)] == ["refused"]
    assert "pg-0 may still write" in answers(decision)[0]["reason"]


def test_a_promise_to_the_holder_is_kept_even_so() -> None:
    expired = seen(lease=lease(HELD, 7.0), pods=(forced(),))
    assert "claim" not in kinds(decide(expired, changed(SEALED, promised_until=NOW + 1)).actions)


@pytest.mark.parametrize(
    ("observation", "memory", "words"),
    [
        (seen(lease=lease(HELD, version="41"), pods=(forced(),)), FOLLOWING, "the Lease has changed since this request"),
        (
            seen(volume_state=VolumeState.DAMAGED, lease=lease(RELEASED, 20.0), pods=(forced(),)),
            remembered(Phase.DAMAGED),
            "the volume is damaged and can't be promoted",
        ),
        (
            seen(volume_state=VolumeState.EMPTY, volume=None, lease=lease(RELEASED, 20.0), pods=(forced(),)),
            remembered(Phase.EMPTY),
            "the volume is empty and can't be promoted",
        ),
        (seen(pods=(replace(POD, force="nonsense"),)), FOLLOWING, "the request is unreadable: ha-postgres/force"),
    ],
    ids=["another version", "damaged", "empty", "unreadable"],
)
def test_a_request_that_can_not_be_carried_out_is_answered_and_taken_away(observation: Any, memory: Any, words: str) -> None:
    decision = decide(observation, memory)
    [answer] = answers(decision)
    assert answer["outcome"] == "refused"
    assert words in answer["reason"]
    assert "ForceRefused" in [a.reason for a in decision.actions if isinstance(a, Announce)]
    assert decide(observation, decision.memory).actions == () or answers(decide(observation, decision.memory)) == []


def test_the_request_is_taken_away_once_it_is_carried_out() -> None:
    promoted = seen(server="primary", lease=lease(CLAIMED, version="41"), position=END, pods=(replace(forced(), role="primary"),))
    decision = decide(promoted, changed(PRIMARY, held_term=6))
    assert [dict(a.annotations)[requests.FORCE] for a in decision.actions if isinstance(a, Annotate)] == [None]
    assert not [a for a in decision.actions if isinstance(a, Announce)]


LEASE = LeaseState(Holder("pg-0", "u0"), 7, 6.0, "system", "v0", "10.0.0.1", 4, (EligibleReplica("pg-1", "v1"),))
GIVEN_BACK = replace(LEASE, release=Release("the server died", clean=False))


@pytest.mark.parametrize(
    ("state", "pods", "words"),
    [
        (GIVEN_BACK, (pod(1, 100), pod(2, 160)), "60 bytes of WAL up to 0/A0 are lost, and possibly WAL that no pod has reported"),
        (
            replace(LEASE, position=Position(4, 130)),
            (pod(1, 100),),
            "30 bytes of WAL up to 0/82 are lost, and possibly WAL that no pod has reported",
        ),
        (
            replace(LEASE, release=Release("switchover", True, Position(4, 160))),
            (pod(1, 100),),
            "60 bytes of WAL up to 0/A0 are lost",
        ),
        (replace(LEASE, release=Release("switchover", True, Position(5, 10))), (pod(1, 100),), "WAL from 4:0/64 to 5:0/A is lost"),
        (replace(LEASE, release=Release("switchover", True, Position(4, 100))), (pod(1, 100),), "no known WAL is lost"),
        (GIVEN_BACK, (pod(1, 100),), "no known WAL is lost, but possibly WAL that no pod has reported"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_lost_is_said(state: LeaseState, pods: tuple[Pod, ...], words: str) -> None:
    assert what_is_lost(me(1, 100), state, "50", pods) == words


def test_the_longer_ttl_counts() -> None:
    longer = replace(LEASE, ttl_s=9.0)
    assert not judge(me(1, 100), longer, "50", (pod(1, 100),), age=8.0, ttl=6.0).claim
    assert judge(me(1, 100), longer, "50", (pod(1, 100),), age=9.0, ttl=6.0).claim


@pytest.mark.parametrize(
    ("lease_state", "pods", "word"),
    [
        (replace(RELEASED, eligible=()), (POD,), "not-eligible"),
        (replace(RELEASED, volume="v2"), (POD, AHEAD), "lag"),
        (
            replace(RELEASED, volume="v2", timeline=4),
            (POD, replace(AHEAD, report=replace(SAID, volume="v2", position=Position(4, 1)))),
            "timeline",
        ),
    ],
)
def test_who_may_not_claim_for_long_says_so_and_names_the_forced_way(lease_state: LeaseState, pods: tuple[Pod, ...], word: str) -> None:
    soon = decide(seen(lease=lease(lease_state, 9.0), pods=pods), SEALED)
    assert soon.memory.telling.blocked == word
    assert not [a for a in soon.actions if isinstance(a, Announce)]
    late = decide(seen(lease=lease(lease_state, 11.0), pods=pods), SEALED)
    [event] = [a for a in late.actions if isinstance(a, Announce)]
    assert (event.kind, event.reason) == ("Warning", "NoEligibleCandidate")
    assert "`hapg failover pg --force --to pg-1` promotes this pod anyway" in event.message
