"""A replica that doesn't stream from an available primary: an Event and its pod give the reason within half a minute."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hapg_failover.core import not_following
from hapg_failover.core.decide import decide
from hapg_failover.core.state.actions import Annotate, Announce, Op
from hapg_failover.core.state.decision import Decision
from hapg_failover.core.state.memory import Memory
from hapg_failover.core.state.memory_parts import Apart
from hapg_failover.core.state.observation import Observation
from hapg_failover.core.state.phases import Phase
from hapg_failover.core.state.results import OpResult, Outcome
from hapg_protocol import pods
from hapg_protocol.model import EligibleReplica
from hapg_protocol.recovery import Progress
from tests.memories import changed

from .test_decide import FOLLOWING, HELD, ME, NOW, POD, PRIMARY, SEALED, lease, seen

STREAMS = replace(HELD, eligible=(EligibleReplica("pg-1", "v1", streaming=True),))
SILENT = replace(HELD, eligible=(EligibleReplica("pg-1", "v1", streaming=False),))
WRONG_PASSWORD = "follow: the primary at 10.0.0.1 can't be queried: password authentication failed"


def told(decision: Decision) -> list[str]:
    return [a.message for a in decision.actions if isinstance(a, Announce) and a.reason == "NotFollowing"]


def shown(decision: Decision) -> list[str | None]:
    pairs = [pair for a in decision.actions if isinstance(a, Annotate) for pair in a.annotations]
    return [value for name, value in pairs if name == pods.NOT_FOLLOWING]


def apart(m: Memory, since: float = NOW - 21.0, **changes: object) -> Memory:
    return changed(m, apart=Apart(since=since, **changes))  # type: ignore[arg-type]


def test_what_failed_is_told_and_shown() -> None:
    decision = decide(seen(lease=lease(SILENT)), apart(SEALED, why=WRONG_PASSWORD))
    assert told(decision) == [f"it doesn't stream from pg-0: {WRONG_PASSWORD}"]
    assert shown(decision) == [WRONG_PASSWORD]


def test_the_reason_is_that_of_the_last_operation_that_failed() -> None:
    failed = OpResult(1, Op.FOLLOW, Outcome.FAILED, "n1", "no route to host", None)
    decision = decide(seen(op=failed, lease=lease(SILENT)), apart(changed(FOLLOWING, op=Op.FOLLOW, op_number=1), why="another"))
    assert told(decision) == ["it doesn't stream from pg-0: follow: no route to host"]


def test_what_hinders_a_server_that_has_been_told_to_follow() -> None:
    done = OpResult(1, Op.FOLLOW, Outcome.OK, "n1", "on its timeline", None, hindrance="its replay is paused")
    again = decide(seen(op=done, lease=lease(SILENT)), apart(changed(FOLLOWING, op=Op.FOLLOW, op_number=1)))
    assert told(again) == ["it doesn't stream from pg-0: its replay is paused"]


def test_a_server_that_ends_again_and_again_is_told_of_though_each_start_succeeds() -> None:
    started = OpResult(1, Op.START, Outcome.OK, "n1", "", SEALED.sealed.position)
    again = decide(seen(op=started, lease=lease(SILENT)), apart(changed(SEALED, phase=Phase.BOOT, op=Op.START, op_number=1)))
    assert told(decide(seen(server="down", heartbeat_at=NOW, lease=lease(SILENT)), changed(again.memory, op=None))) == [
        f"it doesn't stream from pg-0: {not_following.ENDED}"
    ]


def test_an_operation_that_does_not_end_is_told() -> None:
    m = apart(changed(SEALED, op=Op.FOLLOW, op_begun=NOW - 21.0))
    assert told(decide(seen(lease=lease(SILENT)), m)) == ["it doesn't stream from pg-0: follow does not end"]


def test_one_that_follows_for_no_known_reason_in_vain() -> None:
    decision = decide(seen(lease=lease(SILENT)), apart(FOLLOWING))
    assert told(decision) == [f"it doesn't stream from pg-0: {not_following.UNKNOWN}"]


@pytest.mark.parametrize(
    ("why", "o", "m"),
    [
        ("it streams", seen(lease=lease(STREAMS)), apart(FOLLOWING, why=WRONG_PASSWORD)),
        ("it hasn't lasted", seen(lease=lease(SILENT)), apart(FOLLOWING, NOW - 19.0, why=WRONG_PASSWORD)),
        ("nobody writes", seen(lease=lease(SILENT, 30.0)), apart(SEALED, why=WRONG_PASSWORD)),
        ("its primary recovers", seen(lease=lease(replace(SILENT, recovery=Progress(0, 1, 9, 0)))), apart(SEALED, why=WRONG_PASSWORD)),
        ("its pod is going away", seen(lease=lease(SILENT), terminating=True), apart(SEALED, why=WRONG_PASSWORD)),
        ("a copy is in progress", seen(lease=lease(SILENT)), apart(changed(SEALED, phase=Phase.BOOT, op=Op.CLONE))),
        ("it is being told to follow", seen(lease=lease(SILENT)), apart(changed(SEALED, op=Op.FOLLOW, op_begun=NOW - 19.0))),
        ("it has just been told to follow", seen(lease=lease(SILENT)), apart(changed(FOLLOWING, op_ended=NOW - 5.0))),
        ("it was told a moment ago", seen(lease=lease(SILENT)), apart(SEALED, why="B", told="A", told_at=NOW - 20.0)),
        ("it was told", seen(lease=lease(SILENT)), apart(SEALED, why="A", told="A", told_at=NOW - 200.0)),
        ("it is the primary", seen(lease=lease(replace(HELD, holder=ME))), apart(PRIMARY, why="A")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_nothing_is_told_if(why: str, o: Observation, m: Memory) -> None:
    assert told(decide(o, m)) == []


@pytest.mark.parametrize(("why", "ago"), [("another", 31.0), ("the same", 301.0)])
def test_it_is_told_again(why: str, ago: float) -> None:
    decision = decide(seen(lease=lease(SILENT)), apart(SEALED, why=why, told="the same", told_at=NOW - ago))
    assert told(decision) == [f"it doesn't stream from pg-0: {why}"]


def test_who_streams_shows_nothing_any_more() -> None:
    pod = replace(POD, not_following=WRONG_PASSWORD)
    decision = decide(seen(lease=lease(STREAMS), pods=(pod,)), apart(FOLLOWING, told=WRONG_PASSWORD))
    assert shown(decision) == [None]
    assert decision.memory.telling.apart.since is None
    assert decision.memory.telling.apart.told == ""
