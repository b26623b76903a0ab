"""The label by which the Service for reads finds hot standbys."""

from __future__ import annotations

import queue
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import pytest

from hapg_failover.adapters.ports.sql import SqlError
from hapg_failover.adapters.threads import Threads
from hapg_failover.api_calls import ApiCalls
from hapg_failover.core.decide import decide
from hapg_failover.core.state.actions import Label, LabelReads, Op
from hapg_failover.core.state.memory import Memory
from hapg_failover.core.state.observation import Observation
from hapg_failover.core.state.phases import Phase
from hapg_failover.core.state.results import OpResult, Outcome
from hapg_failover.core.timing import Timing
from hapg_failover.events import Event, OperationEnded, ReadsAnswered, VolumeFacts
from hapg_failover.server_probes import ServerProbes
from hapg_failover.world import World
from hapg_protocol import pods
from hapg_protocol.model import Holder, PodPatch, VolumeState
from hapg_protocol.version_profile import VersionProfile
from tests.memories import changed

from .test_decide import FOLLOWING, HELD, MINE, NOW, POD, PRIMARY, SEALED, lease, seen

APART = replace(HELD, eligible=tuple(replace(each, streaming=False) for each in HELD.eligible))
"""The Lease of a primary from which nobody streams."""
JOINED = changed(FOLLOWING, has_joined=True, joined_at=NOW - 1)
LIMIT_S = 10.0


def ordered(o: Observation, m: Memory) -> bool | None:
    """Whether our pod is to be labelled as a hot standby; None: nothing is ordered."""
    found = [action.reads for action in decide(o, m).actions if isinstance(action, LabelReads)]
    return found[0] if found else None


def reading(reads: bool = False, **changes: object) -> Observation:
    """An observation of a standby that has just answered a query. reads: its pod has the label."""
    return seen(**{"pods": (replace(POD, reads=reads),), "reads_at": NOW - 0.5, "lease": lease(HELD), **changes})


def test_a_hot_standby_that_has_joined_and_answers_is_labelled_once() -> None:
    assert ordered(reading(), JOINED) is True
    assert ordered(reading(reads=True), JOINED) is None
    assert ordered(reading(), decide(reading(), JOINED).memory) is None
    assert ordered(reading(), changed(JOINED, labelled_at=NOW - 1.5)) is True


@pytest.mark.parametrize(
    ("seen_so", "remembered_so"),
    [
        pytest.param({"reads_at": NOW - 5}, {}, id="it has not answered for 5 s"),
        pytest.param({}, {"has_joined": False}, id="its server has not joined"),
        pytest.param({}, {"joined_at": NOW - 30}, id="it has not followed for 30 s"),
        pytest.param({}, {"joined_at": None}, id="the primary has taken it off the list"),
        pytest.param({"foreign": True}, {}, id="its server was promoted by someone else"),
    ],
)
def test_any_other_standby_is_not(seen_so: dict[str, Any], remembered_so: dict[str, Any]) -> None:
    for has_label in (False, True):
        o, m = reading(reads=has_label, lease=lease(APART), **seen_so), changed(JOINED, **remembered_so)
        assert ordered(o, m) is (False if has_label else None)


def test_a_server_that_starts_is_not() -> None:
    assert ordered(reading(reads=True, server="down"), changed(JOINED, phase=Phase.BOOT, has_joined=False)) is False


def test_during_an_election_a_standby_stays_what_it_was() -> None:
    """Readers keep the standbys while there is no primary; and no call to the API delays a position report."""
    sealed = changed(SEALED, has_joined=True, joined_at=NOW - 5)
    for has_label in (False, True):
        assert ordered(reading(reads=has_label, reads_at=NOW - 20), sealed) is None
    assert ordered(reading(reads=True), changed(sealed, joined_at=NOW - 30)) is False


def test_a_pod_that_is_being_deleted_is_left_alone() -> None:
    assert ordered(reading(pods=(replace(POD, deleting=True),)), JOINED) is None


def test_a_primary_takes_the_label_away_with_the_one_that_makes_it_the_primary() -> None:
    own = replace(POD, role="primary", reads=True)
    decision = decide(seen(server="primary", lease=lease(MINE), pods=(own,)), changed(PRIMARY, label_at=NOW - 1))
    assert [a for a in decision.actions if isinstance(a, Label | LabelReads)] == [Label(own.name, own.uid, "primary")]
    assert ordered(reading(pods=(replace(own, reads=False),)), JOINED) is None, "the successor of a switchover is labelled ahead"


def test_the_labels_that_are_written() -> None:
    patches: queue.SimpleQueue[PodPatch] = queue.SimpleQueue()

    class Api:
        def patch_pod(self, patch: PodPatch, _timeout: float) -> None:
            patches.put(patch)

    settings = SimpleNamespace(timing=Timing(), label_role="role")
    made = ApiCalls(Threads(), cast("Any", Api()), cast("Any", lambda: settings), lambda _: None, cast("Any", lambda *_, **__: None))
    for role in ("primary", "replica"):
        made.label("pg-0", "u0", role)
    for reads in (True, False):
        made.label_reads(Holder("pg-1", "u1"), reads)
    assert [patches.get(timeout=LIMIT_S) for _ in range(4)] == [
        PodPatch("pg-0", "u0", labels={"role": "primary", pods.HOT_STANDBY: None}),
        PodPatch("pg-0", "u0", labels={"role": "replica"}),
        PodPatch("pg-1", "u1", labels={pods.HOT_STANDBY: "true"}),
        PodPatch("pg-1", "u1", labels={pods.HOT_STANDBY: None}),
    ]


@pytest.mark.parametrize(("labels", "reads"), [({}, False), ({pods.HOT_STANDBY: "true"}, True), ({pods.HOT_STANDBY: "false"}, False)])
def test_the_label_that_is_read(labels: dict[str, str], reads: bool) -> None:
    pod = pods.from_object({"metadata": {"name": "db-0", "labels": labels}}, "db", "role")
    assert pod is not None
    assert pod.reads is reads


class Asked:
    """The probes of a pod in FOLLOW, with their reports."""

    def __init__(self, mode: str = "hot", phase: Phase = Phase.FOLLOW) -> None:
        self.now = NOW
        self.sql = Mock()
        self.reported: list[tuple[Event, bool]] = []
        runtime: Any = Mock(now=lambda: self.now)
        settings: Any = SimpleNamespace(profile=VersionProfile(major="15", bounds_slots=False), standby_mode=mode)
        self.looks = ServerProbes(
            runtime, lambda: settings, lambda: phase, self.sql, Mock(), Mock(), Mock(), lambda *told: self.reported.append(told), Mock()
        )

    def look(self, after: float, answer: bool | Exception) -> None:
        self.now += after
        self.sql.reads.side_effect = [answer]
        self.looks._look_at_server()


def test_a_hot_standby_that_follows_is_asked_every_second() -> None:
    asked = Asked()
    for after, answer in ((0.0, True), (0.5, True), (0.5, True), (1.0, False), (1.0, SqlError("refused")), (3.0, True)):
        asked.look(after, answer)
    assert asked.reported == [(ReadsAnswered(NOW), True), (ReadsAnswered(NOW + 1), False), (ReadsAnswered(NOW + 6), True)]


@pytest.mark.parametrize(("mode", "phase"), [("warm", Phase.FOLLOW), ("hot", Phase.SEALED)])
def test_no_other_standby_is_asked(mode: str, phase: Phase) -> None:
    asked = Asked(mode, phase)
    asked.look(0.0, True)
    assert (asked.sql.reads.called, asked.reported) == (False, [])


def test_what_a_server_answered_says_nothing_about_the_next_one() -> None:
    facts = VolumeFacts(VolumeState.DATA, "v1", "system", 5)
    world = World(facts)
    world.apply(ReadsAnswered(NOW))
    assert world.reads_at == NOW
    world.apply(OperationEnded(OpResult(1, Op.START, Outcome.OK, "n1"), facts, "data volume", 1))
    assert world.reads_at < 0
