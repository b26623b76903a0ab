"""Single decisions: the ordered actions, and the sentence that gives the reason."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapg_failover.core.decide import decide
from hapg_failover.core.state.actions import (
    Action,
    Announce,
    Exit,
    Kill,
    LetGo,
    Op,
    PutKind,
    PutLease,
    ReadLease,
    Report,
    Run,
    WriteDeadline,
)
from hapg_failover.core.state.lease_view import LeaseView
from hapg_failover.core.state.memory import Memory
from hapg_failover.core.state.memory_parts import Switchover
from hapg_failover.core.state.observation import Observation
from hapg_failover.core.state.phases import NoTransition, Phase
from hapg_failover.core.state.results import OpResult, Outcome, PutOutcome, PutResult
from hapg_failover.core.state.streaming import Streaming
from hapg_failover.core.timing import Timing
from hapg_protocol.lsn import Position
from hapg_protocol.model import (
    NO_LEASE,
    EligibleReplica,
    Holder,
    LeaseObject,
    LeaseState,
    Pod,
    PositionReport,
    Release,
    ReleaseCause,
    VolumeState,
)
from tests.memories import changed, remembering

NOW = 1000.0
ME, OTHER = Holder("pg-1", "u1"), Holder("pg-0", "u0")
END = Position(3, 0x500)
HELD = LeaseState(OTHER, 5, 6.0, "system", "v0", "10.0.0.1", 3, (EligibleReplica("pg-1", "v1"),))
MINE = replace(HELD, holder=ME, volume="v1", eligible=(EligibleReplica("pg-0", "v0"),))
SAID = PositionReport("40", "n1", VolumeState.DATA, "v1", "system", END, True, 5)
POD = Pod("pg-1", "u1", "1", 1, "10.0.0.2", role="replica", report=SAID, standby_mode="hot")

LABELLED = (POD, Pod("pg-0", "u0", "1", 0, role="primary"))


def lease(state: LeaseState | None, age: float = 1.0, read: float = 0.1, version: str = "40") -> LeaseView:
    return LeaseView(version, state, NOW - age, NOW - read)


def seen(**changes: object) -> Observation:
    base = Observation(
        now=NOW,
        me=ME,
        ordinal=1,
        address="10.0.0.2",
        replicas=2,
        standby_mode="hot",
        max_lag=1000,
        timing=Timing(),
        nonce="n1",
        server="standby",
        heartbeat_at=NOW - 0.1,
        volume_state=VolumeState.DATA,
        volume="v1",
        system_identifier="system",
        max_term=5,
        lease=lease(HELD),
        pods=(POD,),
        pods_listed_at=NOW - 0.5,
        probe_at=NOW - 0.5,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def remembered(phase: Phase, **changes: object) -> Memory:
    base = remembering(phase, NOW - 10, "n1", first_version="1", read_at=NOW - 10, reported_at=NOW - 0.1, promised_until=0.0)
    return changed(base, **changes)


FOLLOWING = remembered(Phase.FOLLOW, follow_term=5, mode="hot")
SEALED = remembered(Phase.SEALED, position=END, promised=("40", True))
PRIMARY = remembered(Phase.PRIMARY, held_term=5, renewed_at=NOW - 1, recorded_ttl=6.0, put_at=NOW - 1, label_at=NOW)
CLAIMED = replace(MINE, term=6, timeline=4)
CLAIMING = remembered(Phase.CLAIMING, position=END, promised=("40", True), put=PutKind.CLAIM, put_at=NOW - 0.2)
RELEASED = replace(HELD, release=Release("the server died", clean=False))


def claimed(outcome: PutOutcome = PutOutcome.OK, ago: float = 0.2) -> PutResult:
    return PutResult(PutKind.CLAIM, outcome, NOW - ago, CLAIMED, "41" if outcome is PutOutcome.OK else None)


def answered(op: Op, outcome: Outcome = Outcome.OK, position: Position | None = None) -> OpResult:
    return OpResult(1, op, outcome, "n1", "because", position)


@pytest.mark.parametrize(("asked", "again"), [(0.4, False), (0.6, True)])
def test_a_read_that_is_not_answered_is_followed_by_another(asked: float, again: bool) -> None:
    """Well before the gap between two reads gets so long that the Lease's age would start again from zero."""
    quiet = seen(lease=lease(HELD, 2.9, 2.9))
    decision = decide(quiet, changed(FOLLOWING, read_at=NOW - asked))
    assert (kinds(decision.actions) == ["ReadLease"]) is again


@pytest.mark.parametrize("shutdown", [True, False])
def test_a_seal_tells_whether_our_wal_ends_with_a_shutdown_checkpoint(shutdown: bool) -> None:
    sealing = changed(FOLLOWING, op=Op.SEAL, op_number=1)
    decision = decide(seen(op=replace(answered(Op.SEAL, position=END), shutdown=shutdown)), sealing)
    assert (decision.memory.sealed.position, decision.memory.sealed.shutdown) == (END, END if shutdown else None)


def kinds(actions: tuple[Action, ...]) -> list[str]:
    """Name the actions: an operation and a write of the Lease by their kind."""
    return [a.op.value if isinstance(a, Run) else a.kind.value if isinstance(a, PutLease) else type(a).__name__ for a in actions]


@pytest.mark.parametrize(
    ("why", "o", "m", "phase", "ordered", "words"),
    [
        ("no supervisor", seen(nonce=None), Memory(), Phase.BOOT, [], "waiting for the supervisor"),
        ("a start is always sealed", seen(server="down"), remembered(Phase.BOOT), Phase.BOOT, ["start"], "sealed"),
        ("a standby is found", seen(), remembered(Phase.BOOT), Phase.BOOT, ["seal"], "seal it"),
        ("a stranger writes", seen(server="primary"), remembered(Phase.BOOT), Phase.DOWN, ["Kill"], "isn't ours"),
        (
            "our primary, another term in force",
            seen(server="primary", lease=lease(MINE), term_in_force=4),
            remembered(Phase.BOOT),
            Phase.DOWN,
            ["Kill"],
            "isn't ours under the current term",
        ),
        (
            "our primary",
            seen(server="primary", lease=lease(MINE), term_in_force=5),
            remembered(Phase.BOOT),
            Phase.PRIMARY,
            [],
            "renew it",
        ),
        (
            "our primary, the Lease unread",
            seen(server="primary", lease=None),
            remembered(Phase.BOOT, read_at=NOW),
            Phase.BOOT,
            [],
            "its deadline is not extended",
        ),
        ("a healthy primary is followed", seen(), FOLLOWING, Phase.FOLLOW, [], "following pg-0"),
        (
            "overdue, not read since",
            seen(lease=lease(HELD, 3.6, 0.2)),
            FOLLOWING,
            Phase.FOLLOW,
            ["ReadLease"],
            "again before suspecting the primary",
        ),
        ("overdue and read", seen(lease=lease(HELD, 3.6, 0.05)), FOLLOWING, Phase.FOLLOW, [], "followed, for another 2.0 s"),
        ("its holder's time is up", seen(lease=lease(HELD, 4.75, 0.1), pods=LABELLED), FOLLOWING, Phase.FOLLOW, ["Label"], "is followed"),
        ("it may be up", seen(lease=lease(HELD, 4.65, 0.1), pods=LABELLED), FOLLOWING, Phase.FOLLOW, [], "is followed"),
        ("it has been up", seen(lease=lease(HELD, 5.05, 0.1), pods=LABELLED), FOLLOWING, Phase.FOLLOW, [], "is followed"),
        (
            "it goes on by our promise",
            seen(lease=lease(HELD, 4.75, 0.1), pods=LABELLED),
            changed(FOLLOWING, promised_until=NOW + 0.1),
            Phase.FOLLOW,
            [],
            "is followed",
        ),
        ("its holder may write", seen(lease=lease(HELD, 5.6, 0.0)), FOLLOWING, Phase.FOLLOW, [], "is followed"),
        ("its holder is dead", seen(lease=lease(HELD, 5.64, 0.0)), FOLLOWING, Phase.FOLLOW, ["seal"], "5.6 s old: seal"),
        ("a longer TTL is recorded", seen(lease=lease(replace(HELD, ttl_s=9.0), 8.6, 0.0)), FOLLOWING, Phase.FOLLOW, [], "is followed"),
        (
            "it may write by our promise",
            seen(lease=lease(HELD, 5.7, 0.0)),
            changed(FOLLOWING, promised_until=NOW + 0.1),
            Phase.FOLLOW,
            [],
            "another 0.1 s",
        ),
        (
            "its holder is dead, not read since",
            seen(lease=lease(HELD, 5.7, 0.1)),
            changed(FOLLOWING, read_at=NOW - 0.1),
            Phase.FOLLOW,
            ["ReadLease"],
            "again before suspecting the primary",
        ),
        (
            "its holder is dead, being read",
            seen(lease=lease(HELD, 5.9, 0.3)),
            changed(FOLLOWING, read_at=NOW - 0.2),
            Phase.FOLLOW,
            [],
            "",
        ),
        ("released", seen(lease=lease(RELEASED)), FOLLOWING, Phase.FOLLOW, ["seal"], "released the Lease"),
        ("another holder", seen(lease=lease(replace(HELD, term=6))), FOLLOWING, Phase.FOLLOW, ["follow"], "holds term 6"),
        (
            "no Lease for a moment",
            seen(lease=replace(lease(HELD), missing_since=NOW - 59)),
            FOLLOWING,
            Phase.FOLLOW,
            [],
            "following",
        ),
        (
            "no Lease for a minute",
            seen(lease=replace(lease(HELD), missing_since=NOW - 60)),
            FOLLOWING,
            Phase.FOLLOW,
            ["seal"],
            "no Lease for 60 s",
        ),
        ("reported under this version", seen(), SEALED, Phase.SEALED, [], "waiting for the Lease to change"),
        ("another version", seen(lease=lease(HELD, version="41")), SEALED, Phase.SEALED, ["follow"], "follow it"),
        (
            "started before the Lease was read",
            seen(),
            changed(SEALED, promised=None, started=True),
            Phase.SEALED,
            ["Report"],
            "our position",
        ),
        (
            "started under this version",
            seen(),
            changed(SEALED, promised=None, started=True, start_version="40"),
            Phase.SEALED,
            ["Report"],
            "our position",
        ),
        (
            "released to us",
            seen(lease=lease(RELEASED, 4.0)),
            changed(SEALED, reported_at=NOW - 3.9),
            Phase.CLAIMING,
            ["claim"],
            "claim term 6: best of 1",
        ),
        ("a promotion failed here", seen(lease=lease(RELEASED)), changed(SEALED, failed_until=NOW + 59), Phase.SEALED, [], "again in 9 s"),
        ("ours though sealed", seen(lease=lease(MINE)), SEALED, Phase.SEALED, ["release"], "our server can't write"),
        (
            "the claim succeeded",
            seen(lease=lease(CLAIMED, version="41"), put=claimed()),
            CLAIMING,
            Phase.PROMOTING,
            ["WriteDeadline", "promote"],
            "onto timeline 4",
        ),
        ("the claim succeeded too late", seen(put=claimed(ago=4.8)), CLAIMING, Phase.SEALED, [], "waiting for the Lease"),
        ("the claim met another's", seen(put=claimed(PutOutcome.CONFLICT)), CLAIMING, Phase.SEALED, ["ReadLease"], "conflict"),
        ("no answer to the claim", seen(put=claimed(PutOutcome.UNKNOWN)), CLAIMING, Phase.SEALED, ["ReadLease"], "unknown"),
        ("nothing is due", seen(server="primary", lease=lease(MINE)), PRIMARY, Phase.PRIMARY, [], ""),
        (
            "a renewal is due",
            seen(server="primary", lease=lease(MINE), position=END),
            changed(PRIMARY, renewed_at=NOW - 2, put_at=NOW - 2),
            Phase.PRIMARY,
            ["renew"],
            "renew the Lease",
        ),
        (
            "the disk hangs",
            seen(server="primary", lease=lease(MINE), probe_at=NOW - 3),
            changed(PRIMARY, renewed_at=NOW - 2, put_at=NOW - 2),
            Phase.PRIMARY,
            [],
            "nothing could be written to the data volume for 3.0 s",
        ),
        (
            "the disk has yet to answer",
            seen(server="primary", lease=lease(MINE), probe_at=0.0),
            changed(PRIMARY, phase_since=NOW - 0.5, renewed_at=NOW - 2, put_at=NOW - 2),
            Phase.PRIMARY,
            [],
            "not renewed: the data volume has not answered a write yet",
        ),
        (
            "the supervisor is silent",
            seen(server=None, heartbeat_at=NOW - 1, lease=lease(MINE)),
            changed(PRIMARY, renewed_at=NOW - 2, put_at=NOW - 2),
            Phase.PRIMARY,
            [],
            "is not responding",
        ),
        ("another holds the Lease", seen(server="primary"), PRIMARY, Phase.DOWN, ["Kill"], "pg-0/u0's"),
        ("the server died", seen(server="down", lease=lease(MINE)), PRIMARY, Phase.DOWN, ["Announce", "release", "start"], "start"),
        ("an old word", seen(server="standby", lease=lease(MINE)), changed(PRIMARY, op_ended=NOW), Phase.PRIMARY, [], ""),
        (
            "the pod is being deleted",
            seen(server="primary", lease=lease(MINE), terminating=True),
            PRIMARY,
            Phase.PRIMARY,
            ["prepare"],
            "the pod is being deleted: checkpoint",
        ),
        (
            "never writable",
            seen(server="primary", lease=lease(MINE)),
            replace(PRIMARY, phase_since=NOW - 21),
            Phase.DOWN,
            ["Kill"],
            "has not confirmed it",
        ),
        ("not dead yet", seen(server="primary"), remembered(Phase.DOWN, phase_since=NOW - 0.5), Phase.DOWN, [], "waiting for"),
        ("still not dead", seen(server="primary"), remembered(Phase.DOWN), Phase.DOWN, ["Kill"], "kill it again"),
        ("stopped", seen(server="down"), remembered(Phase.STOPPING), Phase.STOPPING, ["Exit"], "may end"),
        (
            "stopped, and the Lease is ours",
            seen(server="down", lease=lease(MINE)),
            remembered(Phase.STOPPING, phase_since=NOW - 5),
            Phase.STOPPING,
            ["release"],
            "release the Lease",
        ),
        (
            "stopped, and the Lease that can't be given back has run out",
            seen(server="down", lease=lease(MINE)),
            remembered(Phase.STOPPING, phase_since=NOW - 7),
            Phase.STOPPING,
            ["Exit"],
            "has run out",
        ),
        (
            "stopped, says an old word",
            seen(),
            remembered(Phase.STOPPING, op_ended=NOW),
            Phase.STOPPING,
            [],
            "supervisor to report on the server",
        ),
        (
            "the container is dead",
            seen(container_dead=True, lease=lease(MINE)),
            PRIMARY,
            Phase.DOWN,
            ["release"],
            "with proof",
        ),
        ("dead, and not the holder", seen(container_dead=True), FOLLOWING, Phase.DOWN, ["LetGo"], "may start again"),
        (
            "a rewind is needed",
            seen(op=answered(Op.FOLLOW, Outcome.DIVERGED, END)),
            changed(SEALED, op=Op.FOLLOW, op_number=1),
            Phase.SEALED,
            ["Announce", "rewind"],
            "rewind",
        ),
        (
            "only a clone helps",
            seen(op=answered(Op.FOLLOW, Outcome.NEEDS_CLONE, END)),
            changed(SEALED, op=Op.FOLLOW, op_number=1),
            Phase.SEALED,
            ["Announce", "clone"],
            "clone",
        ),
        (
            "following can't be known to have failed",
            seen(op=answered(Op.FOLLOW, Outcome.FAILED)),
            changed(SEALED, op=Op.FOLLOW, op_number=1),
            Phase.BOOT,
            [],
            "",
        ),
        (
            "empty, with a primary",
            seen(volume_state=VolumeState.EMPTY, volume=None),
            remembered(Phase.EMPTY),
            Phase.EMPTY,
            ["clone"],
            "empty",
        ),
        (
            "didn't start, with a primary",
            seen(),
            remembered(Phase.DAMAGED, tries=5),
            Phase.DAMAGED,
            ["Announce", "clone"],
            "damaged",
        ),
        (
            "didn't start, without a primary",
            seen(lease=lease(RELEASED)),
            remembered(Phase.DAMAGED, tries=5),
            Phase.BOOT,
            [],
            "try to start again",
        ),
        (
            "didn't start, without a primary, a moment ago",
            seen(lease=lease(RELEASED)),
            remembered(Phase.DAMAGED, tries=5, retry_at=NOW + 1),
            Phase.DAMAGED,
            ["Report"],
            "no primary to clone",
        ),
        (
            "damaged, without a primary",
            seen(lease=lease(RELEASED), volume_state=VolumeState.DAMAGED),
            remembered(Phase.DAMAGED),
            Phase.DAMAGED,
            ["Report"],
            "no primary to clone",
        ),
        ("damaged", seen(volume_state=VolumeState.DAMAGED), remembered(Phase.DAMAGED), Phase.DAMAGED, ["Announce", "clone"], "damaged"),
        (
            "another major's data",
            seen(volume_state=VolumeState.OTHER_MAJOR, volume_reason="data of 15", volume=None, server="down"),
            remembered(Phase.BOOT, looked="n1"),
            Phase.BOOT,
            ["Announce", "Annotate"],
            "data of 15",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_decision(why: str, o: Observation, m: Memory, phase: Phase, ordered: list[str], words: str) -> None:
    decision = decide(o, m)
    assert (decision.memory.phase, kinds(decision.actions)) == (phase, ordered), decision.reason
    assert words in decision.reason


def test_a_renewal_moves_the_deadline_by_its_sending() -> None:
    renewed = PutResult(PutKind.RENEW, PutOutcome.OK, NOW - 0.4, MINE, "41")
    decision = decide(seen(server="primary", lease=lease(MINE, version="41"), put=renewed), changed(PRIMARY, put=PutKind.RENEW))
    assert decision.actions[0] == WriteDeadline(NOW - 0.4 + 4.7, 5)


def test_a_holder_without_members_has_no_fence() -> None:
    alone = replace(MINE, eligible=())
    renewed = PutResult(PutKind.RENEW, PutOutcome.OK, NOW - 0.4, alone, "41")
    decision = decide(seen(server="primary", lease=lease(alone, version="41"), put=renewed), changed(PRIMARY, put=PutKind.RENEW))
    assert decision.actions[0] == WriteDeadline(None, 5)


@pytest.mark.parametrize(("instead", "routine"), [(None, True), (LeaseObject("39", MINE), False)], ids=["as it was", "rolled back"])
def test_only_a_renewal_that_changes_nothing_else_is_routine(instead: LeaseObject | None, routine: bool) -> None:
    found = replace(lease(MINE), instead=instead)
    decision = decide(seen(server="primary", lease=found, position=END), changed(PRIMARY, renewed_at=NOW - 2, put_at=NOW - 2))
    assert [action.routine for action in decision.actions if isinstance(action, PutLease)] == [routine]


def test_a_deleted_lease_is_made_again_under_the_next_term() -> None:
    gone = PutResult(PutKind.RENEW, PutOutcome.NOT_FOUND, NOW - 0.4, MINE)
    decision = decide(seen(server="primary", lease=lease(MINE), put=gone), changed(PRIMARY, put=PutKind.RENEW))
    assert decision.actions[0] == PutLease(PutKind.RENEW, replace(MINE, term=6, serial=1), None)


def test_a_report_that_is_not_shown_is_repeated() -> None:
    hidden = seen(lease=lease(RELEASED, 0.2), pods=(replace(POD, report=None),))
    assert not any(isinstance(a, Report) for a in decide(hidden, SEALED).actions)
    assert [type(a) for a in decide(hidden, changed(SEALED, reported_at=NOW - 2)).actions] == [Report]


def test_a_new_supervisor_makes_everything_of_the_old_one_void() -> None:
    decision = decide(seen(nonce="n2", server="down", lease=lease(MINE)), PRIMARY)
    m = decision.memory
    assert (m.phase, m.nonce, m.hold.held_term, m.sealed.position, m.hold.hold_s) == (Phase.BOOT, "n2", None, None, 3.0)


def test_the_first_server_is_made_by_ordinal_0_once_all_are_empty() -> None:
    pods = tuple(Pod(f"pg-{n}", f"u{n}", "1", n, report=PositionReport(NO_LEASE, f"n{n}", VolumeState.EMPTY)) for n in range(2))
    empty = {"volume_state": VolumeState.EMPTY, "volume": None, "system_identifier": None, "server": "down"}
    o = seen(me=OTHER, ordinal=0, nonce="n0", lease=LeaseView(NO_LEASE, None, NOW - 5, NOW), pods=pods, **empty)
    m = remembered(Phase.EMPTY, nonce="n0", promised=(NO_LEASE, False), label_at=NOW)
    assert kinds(decide(o, m).actions) == ["bootstrap"]
    mine = LeaseState(OTHER, 1, 6.0)
    assert kinds(decide(replace(o, lease=lease(mine)), m).actions) == ["initdb"]


STATES = [None, HELD, MINE, CLAIMED, RELEASED, replace(MINE, release=Release("x", clean=True, position=END)), LeaseState(ME, 1, 6.0)]
OPS = [None] + [answered(op, outcome, position) for op in Op for outcome in Outcome for position in (None, END)]
PUTS = [None] + [PutResult(kind, outcome, NOW - 0.2, CLAIMED) for kind in PutKind for outcome in PutOutcome]
ASKED = replace(POD, switchover='{"id":"s","term":5}', force='{"id":"f","term":5,"leaseVersion":"40"}')
OBSERVED = st.builds(
    seen,
    lease=st.sampled_from([None, LeaseView(NO_LEASE, None, NOW - 70, NOW)])
    | st.builds(lease, st.sampled_from(STATES), st.sampled_from([0.1, 3.6, 9.0, 99.0]), st.sampled_from([0.05, 2.0]), st.just("40")),
    server=st.sampled_from([None, "down", "standby", "primary"]),
    nonce=st.sampled_from([None, "n1", "n2"]),
    heartbeat_at=st.sampled_from([NOW - 0.1, NOW - 5]),
    terminating=st.booleans(),
    container_dead=st.booleans(),
    volume_state=st.sampled_from(VolumeState),
    volume_reason=st.just("as it was found"),
    volume=st.sampled_from([None, "v1", "v9"]),
    pods=st.sampled_from([(), (POD,), (replace(POD, report=None, deleting=True),), (ASKED,)]),
    streaming=st.sampled_from([(), (Streaming("pg-0", NOW - 9, NOW, 9),)]),
    term_in_force=st.integers(0, 6),
    op=st.sampled_from(OPS),
    put=st.sampled_from(PUTS),
    archives=st.booleans(),
)
MEMORIES = st.builds(
    remembered,
    st.sampled_from(Phase),
    op=st.sampled_from([None, *Op]),
    op_number=st.just(1),
    put=st.sampled_from([None, *PutKind]),
    held_term=st.sampled_from([None, 5, 6]),
    position=st.sampled_from([None, END]),
    promised=st.sampled_from([None, ("40", True), ("39", True)]),
    renewed_at=st.sampled_from([0.0, NOW - 1, NOW - 3]),
    started=st.booleans(),
    start_version=st.sampled_from([None, "40"]),
    follow_term=st.sampled_from([None, 5]),
    is_due=st.booleans(),
    switchover=st.sampled_from(
        [None, Switchover(ReleaseCause.SWITCHOVER, NOW - 1, "s"), Switchover(ReleaseCause.DELETION, NOW - 2, stop_at=NOW - 1)]
    ),
)
UNDER_WAY = {
    Op.START: (Phase.BOOT, Phase.DOWN, Phase.SEALED, Phase.FOLLOW, Phase.STOPPING),
    Op.SEAL: (Phase.BOOT, Phase.FOLLOW),
    Op.FOLLOW: (Phase.SEALED, Phase.FOLLOW),
    Op.REWIND: (Phase.SEALED, Phase.FOLLOW),
    Op.CLONE: (Phase.EMPTY, Phase.DAMAGED, Phase.SEALED, Phase.FOLLOW, Phase.STOPPING),
    Op.INITDB: (Phase.EMPTY, Phase.STOPPING),
    Op.RESTORE: (Phase.EMPTY, Phase.STOPPING),
    Op.SEED: (Phase.EMPTY, Phase.STOPPING),
    Op.PROMOTE: (Phase.PROMOTING,),
    Op.STANDBYS: (Phase.PRIMARY,),
    Op.PREPARE: (Phase.PRIMARY,),
    Op.ADOPT: (Phase.BOOT,),
    Op.MARK: (Phase.BOOT,),
    Op.UPGRADE: (Phase.BOOT,),
    Op.LOOK: (Phase.BOOT,),
    Op.SWITCHOVER: (Phase.STOPPING,),
    Op.STOP: (Phase.STOPPING,),
    Op.CATCH_UP: (Phase.SEALED,),
}
"""The phases in which an operation is begun, or may still be under way."""


def reachable(m: Memory) -> Memory:
    """Drop the operation if none of its kind can be in progress in this phase."""
    op = m.operation.op
    return m if op is None or m.phase in UNDER_WAY[op] else changed(m, op=None)


def answering(o: Observation, m: Memory) -> Observation:
    """Make an answer, if there is one, belong to the operation in progress."""
    return o if o.op is None or m.operation.op is None else replace(o, op=replace(o.op, op=m.operation.op))


@given(OBSERVED, MEMORIES.map(reachable))
def test_it_never_raises_and_keeps_the_rules(o: Observation, m: Memory) -> None:
    o = answering(o, m)
    decision = decide(o, m)
    assert decision.reason
    runs = [a for a in decision.actions if isinstance(a, Run)]
    assert len(runs) <= 1
    for action in decision.actions:
        if isinstance(action, WriteDeadline):
            assert o.put is not None or (action.deadline is not None and action.deadline <= m.hold.renewed_at + 4.7)
        if isinstance(action, PutLease) and action.kind is PutKind.RELEASE:
            assert o.container_dead or o.server != "primary"
        if isinstance(action, (LetGo, Exit)):
            assert o.container_dead or o.server == "down"
    if any(run.op is Op.PROMOTE for run in runs):
        assert o.put is not None
        assert (o.put.kind, o.put.outcome, o.server) == (PutKind.CLAIM, PutOutcome.OK, "standby")


def test_a_change_of_phase_that_no_rule_has_ends_the_decision() -> None:
    """The agent exits because of it, and the deadline fences its server."""
    astray = remembered(Phase.EMPTY, op=Op.FOLLOW, op_number=1)
    with pytest.raises(NoTransition, match="EMPTY to FOLLOW"):
        decide(seen(op=answered(Op.FOLLOW)), astray)


@pytest.mark.parametrize("phase", [Phase.SEALED, Phase.BOOT, Phase.STOPPING])
def test_a_claim_that_succeeds_late_changes_no_other_phase(phase: Phase) -> None:
    decision = decide(seen(put=claimed()), remembered(phase, put=PutKind.CLAIM, put_at=NOW - 0.2))
    assert decision.memory.phase is phase


@given(OBSERVED, MEMORIES.map(reachable))
def test_what_was_killed_is_not_held(o: Observation, m: Memory) -> None:
    decision = decide(answering(o, m), m)
    if any(isinstance(a, Kill) for a in decision.actions) and m.phase is not Phase.DOWN:
        assert (decision.memory.phase, decision.memory.hold.held_term) == (Phase.DOWN, None)
    assert sum(isinstance(a, ReadLease) for a in decision.actions) <= 2


@pytest.mark.parametrize(
    ("o", "m", "reason", "words"),
    [
        (
            seen(ordinal=0, server="down", volume_state=VolumeState.EMPTY, volume=None, lease=lease(None, version=NO_LEASE), pods=()),
            remembered(Phase.EMPTY, phase_since=NOW - 60, promised=(NO_LEASE, False)),
            "WaitingForVolumes",
            "the pod of ordinal 0 has not reported yet that its volume is empty",
        ),
        (seen(system_identifier="another"), SEALED, "ForeignVolume", "this volume belongs to another cluster"),
    ],
)
def test_a_lasting_trouble_is_announced_once_in_five_minutes(o: Observation, m: Memory, reason: str, words: str) -> None:
    first = decide(o, m)
    told = [action for action in first.actions if isinstance(action, Announce)]
    assert [(event.kind, event.reason) for event in told] == [("Warning", reason)]
    assert words in told[0].message
    again = decide(replace(o, now=NOW + 200, heartbeat_at=NOW + 199.9), first.memory)
    assert not [action for action in again.actions if isinstance(action, Announce)]


@pytest.mark.parametrize(
    ("grace", "left", "ordered"), [(120, 1.5, ["seal"]), (120, 61.0, ["stop"]), (30, 1.5, ["seal"]), (0, 1.5, ["stop"])]
)
def test_a_leaving_standby_that_can_not_read_the_api_stays_for_the_last_record(grace: int, left: float, ordered: list[str]) -> None:
    """As when a release is uninstalled: nothing shows when the primary's pod will be deleted, or how long ours has."""
    leaving = changed(FOLLOWING, leaving_since=NOW - left)
    blind = seen(terminating=True, grace=grace, lease=lease(HELD, age=left + 1, read=left + 0.5))
    assert [kind for kind in kinds(decide(blind, leaving).actions) if kind in ("seal", "stop")] == ordered
