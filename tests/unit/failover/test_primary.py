"""The primary's tasks besides renewing: eligible replicas, labels, the choice of a successor, giving up, shutting down."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hapg_failover.core.decide import decide
from hapg_failover.core.eligible_replicas import KEEPS_UP_BYTES
from hapg_failover.core.state.actions import Announce, Checkpoint, Kill, Label, Op, PutKind, PutLease, Run, WriteDeadline
from hapg_failover.core.state.connections import Greeting
from hapg_failover.core.state.decision import Step
from hapg_failover.core.state.lease_view import LeaseView
from hapg_failover.core.state.memory import Memory
from hapg_failover.core.state.observation import Observation
from hapg_failover.core.state.phases import Phase
from hapg_failover.core.state.results import OpResult, Outcome
from hapg_failover.core.state.streaming import Streaming
from hapg_failover.core.switchover import choose_successor
from hapg_failover.core.timing import Timing
from hapg_protocol.lsn import Position
from hapg_protocol.model import EligibleReplica, Holder, LeaseState, Pod, PositionReport, VolumeState
from tests.memories import changed, remembering

NOW = 1000.0
ME = Holder("pg-1", "u1")
END = Position(3, 0x500)
MINE = LeaseState(ME, 5, 6.0, "system", "v1", "10.0.0.2", 3, (EligibleReplica("pg-0", "v0"), EligibleReplica("pg-2", "v2")))


def pod(number: int, role: str = "replica", deleting: bool = False) -> Pod:
    said = PositionReport("39", f"n{number}", VolumeState.DATA, f"v{number}", "system", END, True, 5)
    return Pod(f"pg-{number}", f"u{number}", "1", number, f"10.0.0.{number}", role=role, deleting=deleting, report=said)


def live(number: int, flushed: int) -> Streaming:
    return Streaming(f"pg-{number}", NOW - 5, NOW, flushed)


def seen(lease: LeaseState = MINE, **changes: object) -> Observation:
    base = Observation(
        now=NOW,
        me=ME,
        ordinal=1,
        address="10.0.0.2",
        replicas=3,
        standby_mode="hot",
        max_lag=1000,
        timing=Timing(),
        nonce="n1",
        server="primary",
        heartbeat_at=NOW - 0.1,
        volume_state=VolumeState.DATA,
        volume="v1",
        system_identifier="system",
        max_term=5,
        lease=LeaseView("40", lease, NOW - 1, NOW - 0.1),
        pods=(pod(0), pod(1, "primary"), pod(2)),
        streaming=(live(0, 0x400), live(2, 0x450)),
        position=END,
        probe_at=NOW - 0.5,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


WRITING = remembering(Phase.PRIMARY, NOW - 100, "n1", held_term=5, renewed_at=NOW - 1, recorded_ttl=6.0, put_at=NOW - 1, first_version="1")


def test_a_pod_of_our_name_but_another_uid_is_somebody_else() -> None:
    others = replace(MINE, holder=Holder("pg-1", "an earlier pod"))
    decision = decide(seen(others, term_in_force=5), Memory(Phase.BOOT, NOW - 1, "n1"))
    assert decision.memory.phase is Phase.DOWN
    assert Kill() in decision.actions


def test_the_first_member_is_fenced_against_before_it_may_claim() -> None:
    decision = decide(seen(replace(MINE, eligible=())), WRITING)
    deadline, put = decision.actions
    assert deadline == WriteDeadline(NOW - 1 + 4.7, 5)
    assert isinstance(put, PutLease)
    assert put.state.eligible == MINE.eligible


def test_we_label_ourselves_before_we_strip_the_others() -> None:
    decision = decide(seen(pods=(pod(0, "primary"), pod(1), pod(2))), WRITING)
    assert decision.actions == (Label("pg-1", "u1", "primary"), Label("pg-0", "u0", "replica"))


def test_the_successor_is_a_member_that_streams_and_stays() -> None:
    def chosen(**changes: Any) -> str | None:
        successor = choose_successor(Step(seen(**changes), WRITING))
        return successor.name if successor is not None else None

    assert chosen() == "pg-0"
    assert chosen(streaming=(replace(live(0, 0x450), since=None), live(2, 0x400))) == "pg-2"
    assert chosen(pods=(pod(0, deleting=True), pod(1), pod(2))) == "pg-2"
    assert chosen(lease=replace(MINE, eligible=MINE.eligible[1:])) == "pg-2"
    assert chosen(max_lag=1) == "pg-0", "what a failover may lose doesn't matter: a switchover waits for what is lacking"
    far = replace(END, lsn=0x400 + KEEPS_UP_BYTES + 1)
    assert chosen(position=far) == "pg-2"
    assert chosen(streaming=()) is None


def test_a_new_timeline_gets_a_checkpoint_once_and_not_on_a_full_volume() -> None:
    """Before this checkpoint, pg_rewind assumes that the server is on the previous timeline, and fails."""

    def ordered(**changes: Any) -> bool:
        room = changes.pop("room", None)
        decision = decide(seen(room=room), changed(WRITING, promoted_at=NOW - 1, **changes))
        return Checkpoint() in decision.actions

    assert ordered(checkpointed=False)
    assert not ordered(checkpointed=True)
    assert not ordered(checkpointed=False, room=0)
    early = decide(seen(), changed(WRITING, promoted_at=NOW - 0.9, checkpointed=False))
    assert (Checkpoint() in early.actions, early.memory.reign.checkpointed) == (False, False)
    done = OpResult(7, Op.PROMOTE, Outcome.OK, "n1", position=Position(3, 0x500))
    assert not decide(seen(op=done), changed(WRITING, phase=Phase.PROMOTING, op=Op.PROMOTE, op_number=7)).memory.reign.checkpointed


def test_a_promotion_that_fails_is_killed_and_stands_back_for_a_minute() -> None:
    result = OpResult(7, Op.PROMOTE, Outcome.FAILED, "n1", "not writable within 10 s")
    promoting = changed(WRITING, phase=Phase.PROMOTING, op=Op.PROMOTE, op_number=7)
    decision = decide(seen(op=result), promoting)
    assert [type(action) for action in decision.actions] == [Announce, Kill]
    assert (decision.memory.phase, decision.memory.hold.held_term, decision.memory.retry.failed_until) == (Phase.DOWN, None, NOW + 60)


def test_a_server_that_lets_nobody_in_is_killed_and_waited_for_like_a_dead_one() -> None:
    for greeting in (Greeting(NOW - 15, silent=15.0), Greeting(NOW - 1, refusing=60.0)):
        decision = decide(seen(greeting=greeting), WRITING)
        (told, kill) = decision.actions
        assert isinstance(told, Announce)
        assert (told.reason, kill) == ("ServerUnresponsive", Kill())
        assert (decision.memory.phase, decision.memory.hold.held_term, decision.memory.hold.hold_s) == (Phase.DOWN, None, 3.0)
        after = Step(seen(), decision.memory)
        assert not after.stands_down  # its volume is fine: it is as good as before


def test_a_shorter_silence_or_an_earlier_servers_is_borne() -> None:
    for greeting in (Greeting(NOW - 14, silent=14.0), Greeting(NOW - 1, refusing=59.0), Greeting(NOW - 101, silent=15.0)):
        assert decide(seen(greeting=greeting), WRITING).memory.phase is Phase.PRIMARY


def test_a_server_whose_slots_are_all_taken_stays_in_office() -> None:
    crowded = Greeting(NOW - 1, crowded=True)
    assert decide(seen(position=None, greeting=crowded), WRITING).memory.phase is Phase.PRIMARY
    assert decide(seen(position=None), WRITING).memory.phase is Phase.DOWN


def test_members_stay_while_nobody_knows_who_streams() -> None:
    due = changed(WRITING, renewed_at=NOW - 1.9, put_at=NOW - 2, former="v9")
    for lately, members in ((False, ("pg-0",)), (True, ("pg-0", "pg-2"))):
        decision = decide(seen(streaming=(live(0, 0x400), replace(live(2, 0x400), since=None, seen=NOW - 31)), blind=lately), due)
        renewals = [a for a in decision.actions if isinstance(a, PutLease)]
        written = renewals[0].state.eligible if renewals else MINE.eligible
        assert tuple(x.pod for x in written) == members


def test_the_dead_is_not_given_back_before_the_supervisor_says_so() -> None:
    down = remembering(Phase.DOWN, NOW - 0.5, "n1", dead_reason="the promotion failed")
    assert decide(seen(), down).actions == ()
    given_back, start = decide(seen(server="down"), down).actions
    assert isinstance(given_back, PutLease)
    assert given_back.kind is PutKind.RELEASE
    assert isinstance(start, Run)
    assert start.op is Op.START


def test_a_pod_that_has_handed_over_refuses_clients_for_two_seconds() -> None:
    handed_over = remembering(Phase.STOPPING, NOW - 5, "n1", successor="pg-2", put_at=NOW - 1.9, first_version="1")
    others = replace(MINE, holder=Holder("pg-2", "u2"), term=6)
    assert decide(seen(others, server="down"), handed_over).actions == ()
    assert len(decide(seen(others, server="down"), changed(handed_over, put_at=NOW - 2)).actions) == 1


def test_each_renewal_says_who_streams() -> None:
    """That a replica no longer streams is no reason for an extra write."""
    silent = seen(streaming=(live(0, 0x400), Streaming("pg-2", None, NOW - 6, None)))
    assert not [a for a in decide(silent, WRITING).actions if isinstance(a, PutLease)]
    due = decide(silent, changed(WRITING, renewed_at=NOW - 2.1, put_at=NOW - 2.1))
    [put] = [a for a in due.actions if isinstance(a, PutLease)]
    assert [(m.pod, m.streaming) for m in put.state.eligible] == [("pg-0", True), ("pg-2", False)]
