"""A switchover while the primary is running: the request, the order of steps, and refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from hapg_failover.core import candidacy, switchover
from hapg_failover.core.decide import decide
from hapg_failover.core.eligible_replicas import KEEPS_UP_BYTES
from hapg_failover.core.state.actions import Annotate, Announce, Label, Op, PutLease, Run, Seal
from hapg_failover.core.state.decision import Decision, Step
from hapg_failover.core.state.lease_view import LeaseView
from hapg_failover.core.state.memory import Memory
from hapg_failover.core.state.memory_parts import Switchover
from hapg_failover.core.state.observation import Observation
from hapg_failover.core.state.phases import Phase
from hapg_failover.core.state.results import OpResult, Outcome
from hapg_failover.core.state.streaming import Streaming
from hapg_failover.core.state.volume import DATA_VOLUME
from hapg_failover.core.timing import SUCCESSION_S
from hapg_protocol import requests
from hapg_protocol.lsn import Position
from hapg_protocol.model import EligibleReplica, LeaseState, Pod, PositionReport, Release, ReleaseCause
from hapg_protocol.wal_files import SEGMENT_SIZE
from tests.memories import changed
from tests.orders import said
from tests.unit.failover.test_decide import END, FOLLOWING, HELD, ME, MINE, NOW, POD, PRIMARY, SAID, SEALED, kinds, lease, remembered, seen

MEMBERS = (EligibleReplica("pg-0", "v0"), EligibleReplica("pg-2", "v2"), EligibleReplica("pg-3", "v3"))
OURS = replace(MINE, eligible=MEMBERS)
NAMED = replace(OURS, successor="pg-0")


def text(to: str | None = None, term: int = 5) -> str:
    return json.dumps({"id": "s1", "term": term} | ({"to": to} if to else {}))


def others(**changes: Any) -> tuple[Pod, ...]:
    return tuple(replace(Pod(f"pg-{n}", f"u{n}", "1", n, role="replica", report=says(n)), **changes) for n in (0, 2, 3))


def says(number: int) -> PositionReport:
    return replace(SAID, volume=f"v{number}", nonce=f"n{number}")


def live(number: int, flushed: int = END.lsn) -> Streaming:
    return Streaming(f"pg-{number}", NOW - 60, NOW, flushed)


def writing(own: Pod = POD, pods: tuple[Pod, ...] = others(), **changes: Any) -> Observation:
    base: dict[str, Any] = {
        "server": "primary",
        "lease": lease(OURS),
        "position": END,
        "pods": (replace(own, role="primary"), *pods),
        "streaming": (live(0), live(2), live(3)),
        "replicas": 4,
    }
    return seen(**{**base, **changes})


def asked(to: str | None = None, term: int = 5) -> Pod:
    return replace(POD, switchover=text(to, term))


def answers(decision: Decision) -> list[dict[str, Any]]:
    found = [dict(a.annotations) for a in decision.actions if isinstance(a, Annotate)]
    assert all(each.get(requests.SWITCHOVER, "") is None for each in found)
    return [json.loads(each[requests.ANSWER] or "") for each in found]


def test_a_request_is_taken_and_the_server_goes_on_serving() -> None:
    decision = decide(writing(asked()), PRIMARY)
    assert (decision.memory.phase, kinds(decision.actions)) == (Phase.PRIMARY, ["Annotate", "prepare"])
    assert answers(decision) == [{"id": "s1", "outcome": "taken", "reason": "switching over to pg-0"}]
    again = decide(replace(writing(asked()), now=NOW + 0.1), decision.memory)
    assert again.actions == ()


def test_a_request_that_is_still_shown_is_not_carried_out_twice() -> None:
    """The switchover has happened, the patch that removes the request is late, and we are the primary again."""
    decision = decide(writing(asked(term=5), lease=lease(replace(OURS, term=9))), changed(PRIMARY, held_term=9))
    assert [each["outcome"] for each in answers(decision)] == ["refused"]
    assert "prepare" not in kinds(decision.actions)


@pytest.mark.parametrize(
    ("own", "changes", "words"),
    [
        (asked(term=4), {}, "the request is for term 4, but this is term 5"),
        (asked(term=6), {}, "the request is for term 6, but this is term 5"),
        (asked("pg-1"), {}, "pg-1 is the primary already"),
        (asked("pg-9"), {}, "pod pg-9 not found"),
        (asked("pg-2"), {"pods": (POD, *others(deleting=True))}, "pg-2 is being deleted"),
        (asked("pg-2"), {"streaming": (live(0),)}, "pg-2 isn't an eligible replica that streams"),
        (asked("pg-2"), {"streaming": (live(0), Streaming("pg-2", None, NOW - 5, 1))}, "pg-2 isn't an eligible replica that streams"),
        (asked("pg-2"), {"lease": lease(replace(OURS, eligible=MEMBERS[:1]))}, "pg-2 isn't an eligible replica that streams"),
        (
            asked("pg-2"),
            {"position": replace(END, lsn=0x10 + KEEPS_UP_BYTES + 1), "streaming": (live(2, 0x10),)},
            "with a lag of at most 1 GiB",
        ),
        (asked(), {"streaming": ()}, "no eligible replica streams from the primary"),
        (replace(POD, switchover="{"), {}, "the request is unreadable: ha-postgres/switchover"),
        (replace(POD, switchover='{"id":"x"}'), {}, "ha-postgres/switchover.term"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_can_not_be_is_refused_once(own: Pod, changes: dict[str, Any], words: str) -> None:
    observation = writing(own, **changes)
    if "pods" in changes:
        observation = replace(observation, pods=(replace(own, role="primary"), *changes["pods"][1:]))
    decision = decide(observation, PRIMARY)
    assert decision.memory.phase is Phase.PRIMARY
    [answer] = answers(decision)
    assert answer["outcome"] == "refused"
    assert words in answer["reason"]
    assert [a.reason for a in decision.actions if isinstance(a, Announce)] == ["SwitchoverRefused"]
    assert not [a for a in decision.actions if isinstance(a, Run)]
    again = decide(replace(observation, now=NOW + 0.1), decision.memory)
    assert again.actions == ()
    answered = changed(decision.memory, put=None)
    later = decide(replace(observation, now=NOW + 2, heartbeat_at=NOW + 1.9, probe_at=NOW + 1.9), answered)
    assert not [a for a in later.actions if isinstance(a, Announce)]
    assert answers(later) == [answer]


PREPARING = changed(PRIMARY, op=Op.PREPARE, op_number=1, switchover=Switchover(ReleaseCause.SWITCHOVER, NOW - 1, "s1", None))
READY = changed(PREPARING, op=None, switchover=Switchover(ReleaseCause.SWITCHOVER, NOW - 1, "s1", None, stop_at=NOW - 0.1))


def result(op: Op, outcome: Outcome = Outcome.OK, position: Position | None = None) -> OpResult:
    return OpResult(1, op, outcome, "n1", "because", position, ended=NOW - 0.2)


def test_the_lease_names_the_successor_before_the_server_is_stopped() -> None:
    decision = decide(writing(op=result(Op.PREPARE)), PREPARING)
    assert (decision.memory.phase, kinds(decision.actions)) == (Phase.PRIMARY, ["renew"])
    [put] = [a for a in decision.actions if isinstance(a, PutLease)]
    assert put.state.successor == "pg-0"


def test_then_the_server_stops_and_clients_are_routed_to_the_successor() -> None:
    decision = decide(writing(lease=lease(NAMED)), READY)
    assert (decision.memory.phase, decision.memory.succession.successor) == (Phase.STOPPING, "pg-0")
    assert kinds(decision.actions) == ["switchover", "Label", "Label", "Announce"]
    labels = [(a.pod, a.role) for a in decision.actions if isinstance(a, Label)]
    assert labels == [("pg-0", "primary"), ("pg-1", "replica")]


def test_a_checkpoint_that_fails_ends_a_switchover_but_not_a_deletion() -> None:
    decision = decide(writing(op=result(Op.PREPARE, Outcome.FAILED)), PREPARING)
    assert [each["reason"] for each in answers(decision)] == ["the checkpoint failed: because"]
    assert (decision.memory.phase, decision.memory.succession.switchover) == (Phase.PRIMARY, None)
    leaving = changed(PREPARING, switchover=Switchover(ReleaseCause.DELETION, NOW - 1))
    decision = decide(writing(op=result(Op.PREPARE, Outcome.FAILED), terminating=True), leaving)
    assert kinds(decision.actions) == ["renew"]


def test_a_successor_that_stops_streaming_in_the_meantime_ends_a_switchover() -> None:
    named = changed(READY, switchover=Switchover(ReleaseCause.SWITCHOVER, NOW - 1, "s1", "pg-2", stop_at=NOW - 0.1))
    decision = decide(writing(streaming=(live(0),)), named)
    assert [each["reason"] for each in answers(decision)] == ["pg-2 has stopped streaming from the primary"]
    assert decision.memory.phase is Phase.PRIMARY


def test_a_lease_that_can_not_be_written_ends_a_switchover_but_not_a_deletion() -> None:
    late = changed(READY, switchover=Switchover(ReleaseCause.SWITCHOVER, NOW - 3, "s1", None, stop_at=NOW - 1.6))
    decision = decide(writing(), late)
    assert [each["reason"] for each in answers(decision)] == ["the Lease can't be written"]
    leaving = changed(late, switchover=Switchover(ReleaseCause.DELETION, NOW - 3, stop_at=NOW - 1.6))
    assert kinds(decide(writing(terminating=True), leaving).actions)[0] == "switchover"


def test_a_successor_that_is_named_no_more_is_taken_out_of_the_lease() -> None:
    decision = decide(writing(lease=lease(NAMED)), changed(PRIMARY, put_at=NOW - 0.5))
    [put] = [a for a in decision.actions if isinstance(a, PutLease)]
    assert put.state.successor is None


@pytest.mark.parametrize(("grace", "waits"), [(60, True), (15, True), (14, False), (None, False)])
def test_a_pod_that_is_going_away_serves_on_for_most_of_a_second_if_it_has_the_time(grace: int | None, waits: bool) -> None:
    own = replace(POD, deleting=True, grace=grace)
    begun = decide(writing(own), PRIMARY)
    assert kinds(begun.actions) == ["prepare"]
    done = decide(writing(own, now=NOW + 0.1, op=result(Op.PREPARE)), begun.memory)
    assert ("renew" not in kinds(done.actions)) is waits
    if waits:
        assert done.memory.phase is Phase.PRIMARY
        later = decide(writing(own, now=NOW + 0.81, heartbeat_at=NOW + 0.8, probe_at=NOW + 0.8), done.memory)
        assert kinds(later.actions) == ["renew"]


def test_clients_are_routed_to_the_successor_a_moment_before_a_leaving_pod_stops() -> None:
    own = replace(POD, deleting=True, grace=60)
    leaving = changed(READY, successor="pg-0", switchover=Switchover(ReleaseCause.DELETION, NOW - 0.6, stop_at=NOW + 0.2))
    routed = decide(writing(own, lease=lease(NAMED)), leaving)
    assert (routed.memory.phase, kinds(routed.actions)) == (Phase.PRIMARY, ["Label", "Label"])
    shown = (replace(Pod("pg-0", "u0", "1", 0, report=says(0)), role="primary"), *others()[1:])
    serving = decide(replace(writing(replace(own, role="replica"), shown, lease=lease(NAMED)), now=NOW + 0.1), routed.memory)
    assert serving.actions == ()
    last = decide(writing(own, shown, lease=lease(NAMED), now=NOW + 0.2, heartbeat_at=NOW + 0.1), serving.memory)
    assert kinds(last.actions) == ["switchover", "Announce"]


def test_a_long_checkpoint_is_not_followed_by_more_waiting() -> None:
    own = replace(POD, deleting=True, grace=60)
    leaving = changed(PREPARING, switchover=Switchover(ReleaseCause.DELETION, NOW - 5))
    assert kinds(decide(writing(own, op=result(Op.PREPARE)), leaving).actions) == ["renew"]


FULL_FOR_LONG = changed(PRIMARY, full_since=NOW - 5.1)
LEAVES_FULL = Switchover(ReleaseCause.FULL, NOW - 3, stop_at=NOW - 0.1)


def test_a_full_primary_hands_over_after_a_moment() -> None:
    """By then the replicas whose volumes are full, too, have stopped streaming."""
    first = decide(writing(room=0), PRIMARY)
    assert (first.memory.succession.switchover, first.memory.storage.full_since) == (None, NOW)
    assert decide(writing(room=0), changed(PRIMARY, full_since=NOW - 4.9)).memory.succession.switchover is None
    decision = decide(writing(room=0), FULL_FOR_LONG)
    assert decision.memory.succession.switchover == Switchover(ReleaseCause.FULL, NOW, stop_at=NOW)
    assert not [a for a in decision.actions if isinstance(a, Run)]
    named = decide(writing(room=0), decision.memory)
    assert [a.state.successor for a in named.actions if isinstance(a, PutLease)] == ["pg-0"]


@pytest.mark.parametrize("own", [replace(POD, deleting=True, grace=60), asked()], ids=["it goes away", "a switchover is asked for"])
def test_a_full_primary_makes_no_checkpoint_before_its_last_one_which_has_what_was_set_aside(own: Pod) -> None:
    begun = decide(writing(own, room=0), PRIMARY)
    assert begun.memory.succession.switchover is not None
    assert (begun.memory.succession.switchover.stop_at, [a for a in begun.actions if isinstance(a, Run)]) == (NOW, [])
    last = decide(writing(own, room=0, lease=lease(NAMED)), begun.memory)
    assert [a.op for a in last.actions if isinstance(a, Run)] == [Op.SWITCHOVER]
    assert "prepare" in kinds(decide(writing(own, room=SEGMENT_SIZE), PRIMARY).actions)


@pytest.mark.parametrize(
    ("words", "used", "segments", "goes"),
    [
        ("room again", False, 1, False),
        ("hardly more than the emergency WAL space", True, 5, True),
        ("room again beside the emergency WAL space", True, 6, False),
    ],
)
def test_what_counts_as_full_for_a_primary(words: str, used: bool, segments: int, goes: bool) -> None:
    decision = decide(writing(room=segments * SEGMENT_SIZE), changed(FULL_FOR_LONG, emergency_space_used=used))
    assert (decision.memory.succession.switchover is not None) is goes
    assert (decision.memory.storage.full_since is None) is not goes
    assert decision.memory.storage.emergency_space_used is goes


def test_no_client_comes_to_who_lives_on_emergency_space() -> None:
    """Until it is clear that no replica can take over."""
    labelled = replace(POD, role="primary")
    room = 3 * SEGMENT_SIZE
    started = OpResult(1, Op.START, Outcome.OK, "n1", position=END, emergency_spaces=(DATA_VOLUME,))
    back = decide(seen(op=started, room=room, pods=(labelled,)), remembered(Phase.BOOT, op=Op.START, op_number=1))
    assert [(a.pod, a.role) for a in back.actions if isinstance(a, Label)] == [("pg-1", "replica")]
    alone = changed(PRIMARY, emergency_space_used=True, promoted_at=NOW)
    stripped = (replace(POD, role="replica"), *others())
    for now, labels in ((NOW + 9.9, []), (NOW + 10.1, [("pg-1", "primary")])):
        o = writing(streaming=(), room=room, now=now, heartbeat_at=now, probe_at=now)
        decision = decide(replace(o, pods=stripped), alone)
        assert [(a.pod, a.role) for a in decision.actions if isinstance(a, Label)] == labels
    streams = decide(replace(writing(room=room), pods=stripped), alone)
    assert streams.memory.succession.switchover is not None, "who streams by now has made sure of its room"
    later = changed(streams.memory, promoted_at=NOW - 20)
    assert not [a for a in decide(replace(writing(room=room), pods=stripped), later).actions if isinstance(a, Label)]


@pytest.mark.parametrize("phase", [Phase.SEALED, Phase.FOLLOW])
def test_what_was_set_aside_is_forgotten_once_another_is_followed_not_by_a_restart(phase: Phase) -> None:
    m = remembered(phase, op=Op.FOLLOW, op_number=1, emergency_space_used=True)
    assert decide(seen(nonce="n2"), m).memory.storage.emergency_space_used
    assert not decide(seen(op=OpResult(1, Op.FOLLOW, Outcome.OK, "n1")), m).memory.storage.emergency_space_used


def test_a_full_primary_that_nobody_streams_from_serves_on() -> None:
    decision = decide(writing(room=0, streaming=()), FULL_FOR_LONG)
    assert (decision.memory.phase, decision.memory.succession.switchover) == (Phase.PRIMARY, None)


@pytest.mark.parametrize(
    ("memory", "changes", "words"),
    [
        (changed(PREPARING, switchover=LEAVES_FULL), {"op": result(Op.PREPARE, Outcome.FAILED)}, "the checkpoint failed: because"),
        (changed(READY, switchover=LEAVES_FULL), {"streaming": ()}, "every eligible replica has stopped streaming from the primary"),
        (changed(READY, switchover=replace(LEAVES_FULL, stop_at=NOW - 1.6)), {}, "the Lease can't be written"),
    ],
    ids=["no checkpoint", "nobody streams", "no Lease"],
)
def test_a_full_primary_that_can_not_switch_over_serves_on_and_tries_again_later(
    memory: Memory, changes: dict[str, Any], words: str
) -> None:
    decision = decide(writing(room=0, **changes), memory)
    m = decision.memory
    assert (m.phase, m.succession.switchover, m.succession.successor, m.storage.full_since) == (Phase.PRIMARY, None, None, NOW + 30)
    assert decision.reason == f"the volume is full, but no switchover takes place: {words}"
    assert answers(decision) == []


def test_who_hands_over_because_its_volume_is_full_comes_back_as_a_replica() -> None:
    stopped = changed(READY, phase=Phase.STOPPING, switchover=LEAVES_FULL, successor="pg-0", position=END, held_term=5)
    decision = decide(writing(server="down", room=0, lease=lease(NAMED)), stopped)
    [put] = [a for a in decision.actions if isinstance(a, PutLease)]
    assert put.state.release == Release(
        "the volume is full", clean=True, position=END, successor="pg-0", hold_s=3.0, cause=ReleaseCause.FULL
    )
    assert candidacy.cause_of(put.state, forced=False, ended=False) == "switchover"
    gone = changed(stopped, put_at=NOW - 0.6, renewed_at=NOW - 3)
    again = decide(writing(server="down", room=0, lease=lease(put.state)), gone)
    assert (again.memory.phase, again.memory.succession.switchover) == (Phase.BOOT, None)


def test_one_server_alone_hands_over_to_nobody() -> None:
    own = replace(POD, deleting=True, grace=60)
    alone = writing(own, pods=(), streaming=(), lease=lease(replace(OURS, eligible=())))
    leaving = changed(READY, switchover=Switchover(ReleaseCause.DELETION, NOW - 1, stop_at=NOW - 0.1))
    decision = decide(alone, leaving)
    assert (decision.memory.succession.successor, kinds(decision.actions)) == (None, ["switchover"])


@pytest.mark.parametrize(
    "changes",
    [{"gone": frozenset({ME.uid})}, {"own": replace(POD, deleting=True, grace=0)}],
    ids=["its object is gone", "it has no time"],
)
def test_a_pod_deleted_by_force_stops_at_once_and_names_its_successor_meanwhile(changes: dict[str, Any]) -> None:
    gone = writing(**changes)
    over = decide(gone, PRIMARY)
    assert (over.memory.phase, over.memory.succession.successor) == (Phase.STOPPING, "pg-0")
    assert kinds(over.actions)[0] == "switchover"
    assert kinds(decide(gone, over.memory).actions) == ["renew"]


STOPPED = changed(READY, phase=Phase.STOPPING, successor="pg-0", op=Op.SWITCHOVER)


def test_a_switched_over_server_gives_the_lease_back_and_starts_again_sealed() -> None:
    down = writing(server="down", lease=lease(NAMED), op=result(Op.SWITCHOVER, position=END))
    decision = decide(down, STOPPED)
    [put] = [a for a in decision.actions if isinstance(a, PutLease)]
    # a replica without the complete WAL waits for our restart
    assert put.state.release == Release("switchover", True, END, "pg-0", hold_s=3.0, cause=ReleaseCause.SWITCHOVER)
    claimed = writing(server="down", lease=lease(replace(NAMED, release=put.state.release), version="41"))
    waiting = decide(claimed, changed(decision.memory, put=None))
    assert (waiting.memory.phase, waiting.actions) == (Phase.STOPPING, ())
    again = decide(replace(claimed, now=NOW + 0.6, heartbeat_at=NOW + 0.5), changed(decision.memory, put=None))
    assert again.memory.phase is Phase.BOOT


def test_a_pod_deleted_during_its_switchover_ends() -> None:
    released = replace(NAMED, release=Release("switchover", True, END, "pg-0"))
    own = replace(POD, deleting=True, grace=60)
    late = writing(own, server="down", lease=lease(released), now=NOW + 9, heartbeat_at=NOW + 8.9)
    assert "Exit" in kinds(decide(late, changed(STOPPED, op=None)).actions)


def test_the_release_follows_the_naming_at_once() -> None:
    """The write that named the successor was sent a moment ago: that alone is no reason to delay the release."""
    down = writing(server="down", lease=lease(NAMED), op=result(Op.SWITCHOVER, position=END))
    assert kinds(decide(down, changed(STOPPED, put_at=NOW - 0.25)).actions) == ["release"]


# ---- the successor ----

TO_US = replace(HELD, successor="pg-1")
ENDED = changed(SEALED, promised=None, shutdown=END, phase_since=NOW - 1)
FOR_US = replace(TO_US, release=Release("switchover", True, END, "pg-1", 3.0))


def test_the_successor_seals_itself_when_the_stream_ends() -> None:
    decision = decide(seen(lease=lease(TO_US)), FOLLOWING)
    [run] = [a for a in decision.actions if isinstance(a, Run)]
    assert run.order == Seal(drain_s=SUCCESSION_S)


GONE = frozenset({"u0"})


def test_followers_of_a_primary_whose_pod_is_gone_seal_themselves_when_the_stream_ends() -> None:
    [run] = [a for a in decide(seen(gone=GONE), FOLLOWING).actions if isinstance(a, Run)]
    assert run.op is Op.SEAL
    assert said(run).drain_s == pytest.approx(4.635)
    assert "no longer exists" in decide(seen(gone=GONE), changed(SEALED, promised=None, phase_since=NOW - 1)).reason
    assert kinds(decide(seen(gone=frozenset({"u9"})), FOLLOWING).actions) == []


def test_it_keeps_the_label_that_the_primary_gives_it_beforehand() -> None:
    labelled = seen(lease=lease(TO_US), pods=(replace(POD, role="primary"),))
    assert not [a for a in decide(labelled, FOLLOWING).actions if isinstance(a, Label)]
    leaving = seen(gone=frozenset({"u0"}), pods=(replace(POD, role="primary"),))
    assert not [a for a in decide(leaving, changed(FOLLOWING, op=Op.SEAL)).actions if isinstance(a, Label)]
    strange = seen(pods=(replace(POD, role="primary"),))
    assert [a.role for a in decide(strange, FOLLOWING).actions if isinstance(a, Label)] == ["replica"]


@pytest.mark.parametrize(
    ("state", "age", "memory", "ordered", "words"),
    [
        (TO_US, 0.1, changed(SEALED, promised=None, phase_since=NOW - 1), [], "is about to switch over to us"),
        (TO_US, 0.1, changed(SEALED, promised=None, phase_since=NOW - 11), ["follow"], "follow it"),
        (TO_US, 4.0, changed(SEALED, promised=None, phase_since=NOW - 1), ["Report"], "our position for the election"),
        (FOR_US, 0.1, changed(SEALED, promised=None), ["claim"], "claim term 6: chosen successor at"),
        (FOR_US, 0.1, changed(SEALED, promised=None, position=Position(3, 0x400)), ["Report"], "our position for the election"),
        (replace(FOR_US, successor="pg-2"), 0.1, changed(SEALED, promised=None), ["claim"], "chosen successor"),
        (TO_US, 0.1, ENDED, ["claim"], "pg-0 has shut down, and our WAL ends with its checkpoint at 3:0/500"),
        (HELD, 0.1, ENDED, ["claim"], "pg-0 has shut down"),
        (replace(HELD, eligible=()), 0.1, ENDED, [], "neither an eligible replica"),
        (replace(TO_US, timeline=4), 0.1, ENDED, [], "is about to switch over to us"),
        (TO_US, 0.1, changed(ENDED, shutdown=Position(3, 0x400)), [], "is about to switch over to us"),
        (TO_US, 0.1, changed(ENDED, promised_until=NOW + 1), ["claim"], "pg-0 has shut down"),
    ],
    ids=[
        "waits",
        "not for ever",
        "the primary is silent",
        "claims without reporting",
        "falls short",
        "the release counts",
        "the shutdown checkpoint is a proof",
        "a replica that has it",
        "if it is a member",
        "not one of an older timeline",
        "nor one that isn't the end",
        "a promise binds as long as the holder lives",
    ],
)
def test_the_sealed_successor(state: LeaseState, age: float, memory: Memory, ordered: list[str], words: str) -> None:
    decision = decide(seen(lease=LeaseView("41", state, NOW - age, NOW)), memory)
    assert kinds(decision.actions) == ordered, decision.reason
    assert words in decision.reason


def test_what_is_asked_of_a_replica_is_refused() -> None:
    decision = decide(seen(pods=(asked(),)), FOLLOWING)
    assert [each["reason"] for each in answers(decision)] == ["this pod isn't the primary"]
    assert decision.reason == "following pg-0"


# ---- which one to choose ----


@pytest.mark.parametrize(
    ("why", "changes", "chosen"),
    [
        ("the lowest ordinal of equals", {}, "pg-0"),
        ("a few bytes decide nothing", {"streaming": (live(0, 0x480), live(2), live(3))}, "pg-0"),
        ("one far behind is passed over", {"streaming": (live(0, END.lsn), live(2, END.lsn + (32 << 20)))}, "pg-2"),
        ("one that stays when the release shrinks", {"replicas": 2, "streaming": (live(2), live(3), live(0, 0x480))}, "pg-0"),
        ("one that goes when none stays", {"replicas": 2, "streaming": (live(3),)}, "pg-3"),
        ("nobody who is going away", {"pods": (POD, *others(deleting=True))}, None),
        ("nobody who is not eligible", {"lease": lease(replace(OURS, eligible=()))}, None),
        ("nobody who doesn't stream", {"streaming": ()}, None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_choice(why: str, changes: dict[str, Any], chosen: str | None) -> None:
    observation = replace(writing(), **changes)
    found = switchover.choose_successor(Step(observation, remembered(Phase.PRIMARY)))
    assert (found.name if found else None) == chosen
    assert found is None or found.uid != ME.uid


# --- a terminating primary without an eligible replica that streams ---

ALONE = writing(streaming=(), terminating=True, grace=120)


@pytest.mark.parametrize(
    ("why", "o", "since", "waits"),
    [
        ("another pod stays", ALONE, NOW - 70, True),
        ("its grace is all but over", ALONE, NOW - 81, False),
        ("the pod shows a shorter one", replace(ALONE, pods=(replace(POD, deleting=True, grace=60), *others())), NOW - 30, False),
        ("all pods go", replace(ALONE, pods=(POD, *others(deleting=True))), NOW, False),
        ("it has no other pod", replace(ALONE, pods=(POD,)), NOW, False),
        ("a member streams", writing(terminating=True, grace=120), NOW, False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_leaving_primary_waits_for_a_member(why: str, o: Observation, since: float, waits: bool) -> None:
    decision = decide(o, changed(PRIMARY, leaving_since=since))
    assert ("waiting for one for another" in decision.reason) is waits
    assert (decision.memory.succession.switchover is None) is waits
    assert ([a.reason for a in decision.actions if isinstance(a, Announce)] == ["WaitingForEligibleReplica"]) is waits
