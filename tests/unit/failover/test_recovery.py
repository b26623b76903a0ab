"""Recovery may take any time: how it is observed and reported, and when it counts as stuck."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hapg_failover.adapters.ports.supervisor import Replay, StartupProcess
from hapg_failover.core.decide import decide
from hapg_failover.core.election import Candidate, judge
from hapg_failover.core.state.actions import Announce, Kill, Op, PutKind, PutLease, Run
from hapg_failover.core.state.connections import Greeting
from hapg_failover.core.state.lease_view import LeaseView
from hapg_failover.core.state.observation import Observation
from hapg_failover.core.state.phases import Phase
from hapg_failover.core.state.recovery import Recovery, progress, update
from hapg_failover.core.state.results import OpResult, Outcome, PutOutcome, PutResult
from hapg_failover.core.timing import Timing
from hapg_failover.replay_progress import parse
from hapg_failover.supervisor_commands import OperationFailed
from hapg_protocol import lease as codec
from hapg_protocol import position_report as said
from hapg_protocol.lsn import Position
from hapg_protocol.model import EligibleReplica, Holder, LeaseState, Pod, PositionReport, Release, VolumeState
from hapg_protocol.recovery import Progress
from tests.memories import changed, remembering

NOW = 1000.0
ME, OTHER = Holder("pg-1", "u1"), Holder("pg-0", "u0")
GB = 10**9
END = Position(3, 4 * GB)
MINE = LeaseState(ME, 6, 6.0, "system", "v1", "10.0.0.2", 7, (EligibleReplica("pg-0", "v0"),))
HALF = Recovery(2 * GB, 500, NOW - 1, begun=GB, begun_at=NOW - 11)
PROMOTING = remembering(
    Phase.PROMOTING,
    NOW - 20,
    "n1",
    op=Op.PROMOTE,
    op_number=1,
    position=END,
    held_term=6,
    renewed_at=NOW - 2.1,
    recorded_ttl=6.0,
    put_at=NOW - 2.1,
    first_version="1",
    promised_until=0.0,
    reserved=6,
)


def seen(**changes: object) -> Observation:
    base = Observation(
        now=NOW,
        me=ME,
        ordinal=1,
        address="10.0.0.2",
        replicas=2,
        standby_mode="warm",
        max_lag=1000,
        timing=Timing(),
        nonce="n1",
        server="primary",
        heartbeat_at=NOW - 0.1,
        volume_state=VolumeState.DATA,
        volume="v1",
        system_identifier="system",
        max_term=6,
        lease=LeaseView("40", MINE, NOW - 1, NOW - 0.1),
        recovery=HALF,
        probe_at=NOW - 0.5,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("why", "known", "replayed", "work", "expected"),
    [
        ("the first look", None, 100, 5, Recovery(100, 5, NOW, 100, NOW)),
        ("nothing has moved", Recovery(100, 5, 900.0, 50, 800.0), 100, 5, Recovery(100, 5, 900.0, 50, 800.0)),
        ("a segment further", Recovery(100, 5, 900.0, 50, 800.0), 116, 5, Recovery(116, 5, NOW, 50, 800.0)),
        ("the same segment, but it works", Recovery(100, 5, 900.0, 50, 800.0), 100, 10, Recovery(100, 10, NOW, 50, 800.0)),
        ("it only looks for more WAL", Recovery(100, 5, 900.0, 50, 800.0), 100, 9, Recovery(100, 5, 900.0, 50, 800.0)),
        ("before the first segment it works too", Recovery(None, 5, 900.0, None, 900.0), None, 10, Recovery(None, 10, NOW, None, NOW)),
        ("the first segment", Recovery(None, 5, 900.0, None, 900.0), 100, 9, Recovery(100, 9, NOW, 100, NOW)),
        ("another server", Recovery(100, 50, 900.0, 50, 800.0), 100, 2, Recovery(100, 2, NOW, 100, NOW)),
        ("replay from the last checkpoint once more", Recovery(100, 5, 900.0, 50, 800.0), 60, 9, Recovery(60, 9, NOW, 60, NOW)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_look_at_the_replay(why: str, known: Recovery | None, replayed: int | None, work: int, expected: Recovery) -> None:
    assert update(known, replayed, work, None, NOW) == expected


@pytest.mark.parametrize(
    ("why", "known", "waits", "moved", "kept"),
    [
        ("the first wait for the disk", None, 70, False, 70),
        ("still the same wait", 70, 70, False, 70),
        ("the next wait", 70, 71, True, 71),
        ("it waits for no disk", 70, None, False, 70),
    ],
)
def test_going_from_one_wait_for_the_disk_to_the_next_is_progress(
    why: str, known: int | None, waits: int | None, moved: bool, kept: int
) -> None:
    before = Recovery(100, 5, 900.0, 50, 800.0, known)
    assert update(before, 100, 5, waits, NOW) == replace(before, moved_at=NOW if moved else 900.0, disk_waits=kept)


def test_how_far_it_is_in_words() -> None:
    assert str(progress(HALF, END, NOW)) == "recovering, 1.0 of 3.0 GB, about 22 s left"
    assert str(Progress(0, 30_000_000, 240_000_000, 0)) == "recovering, 30.0 of 240.0 MB"
    assert progress(replace(HALF, replayed=END.lsn - 60_000_000), END, NOW) is None
    assert progress(None, END, NOW) is None


@pytest.mark.parametrize(("text", "segment", "work"), [("- 0", None, 0), ("000000010000000200000003 17", "000000010000000200000003", 17)])
def test_the_supervisors_answer(text: str, segment: str | None, work: int) -> None:
    assert (parse(text).segment, parse(text).work) == (segment, work)


def test_the_supervisor_says_what_the_startup_process_is_doing() -> None:
    """Words of its title may be anything: it begins with cluster_name."""
    segment = "000000010000000200000003"
    title = f"my cluster: startup recovering {segment}"
    at_disk = StartupProcess("D", 70, "jbd2_log_wait_commit", title, receiver=False)
    assert parse(f"{segment} 17 - D 70 jbd2_log_wait_commit {title}") == Replay(segment, 17, at_disk)
    running = parse(f"{segment} 17 receiver R 71 0 {title} waiting").startup
    assert running == StartupProcess("R", 71, None, f"{title} waiting", receiver=True)
    assert running.waits_for_sessions
    assert (at_disk.disk_waits, running.disk_waits) == (70, None)


@pytest.mark.parametrize("text", ["", "17", "00000001 17", "- x"])
def test_another_answer_is_none(text: str) -> None:
    with pytest.raises(OperationFailed, match="not an answer"):
        parse(text)


def test_the_lease_says_how_far_its_holder_is() -> None:
    decision = decide(seen(), PROMOTING)
    (put,) = [a for a in decision.actions if isinstance(a, PutLease)]
    assert put.state.recovery == Progress(GB, 2 * GB, 4 * GB, 90_909_090)
    assert codec.decode(codec.encode(put.state)) == put.state
    assert Announce("Warning", "Recovering", "writes wait until pg-1 has replayed its WAL: recovering, 1.0 of 3.0 GB, about 22 s left") in (
        decision.actions
    )


@pytest.mark.parametrize(
    ("seen_replay", "at_seal", "told"),
    [
        (HALF, GB, Progress(GB, 2 * GB, 4 * GB, 90_909_090)),
        (None, GB, Progress(GB, GB, 4 * GB, 0)),
        (None, 4 * GB - 1, None),
        (None, None, None),
    ],
)
def test_a_claim_says_what_comes_before_the_first_write(seen_replay: Recovery | None, at_seal: int | None, told: Progress | None) -> None:
    said = PositionReport("40", "n1", VolumeState.DATA, "v1", "system", END, True, 6)
    pod = Pod("pg-1", "u1", "1", 1, role="replica", report=said)
    sealed = remembering(Phase.SEALED, NOW - 10, "n1", position=END, first_version="1", promised=("40", True), promised_until=0.0)
    free = replace(MINE, holder=OTHER, release=Release("the server died", clean=False), timeline=END.timeline, volume="v1", eligible=())
    looked = seen(server="standby", lease=LeaseView("40", free, NOW - 1, NOW - 0.1), pods=(pod,), pods_listed_at=NOW, recovery=seen_replay)
    (put,) = [a for a in decide(looked, changed(sealed, replayed=at_seal)).actions if isinstance(a, PutLease)]
    assert (put.kind, put.state.recovery) == (PutKind.CLAIM, told)


def test_a_server_that_writes_says_at_once_that_it_recovers_no_more() -> None:
    recovering = replace(MINE, recovery=Progress(GB, 2 * GB, 4 * GB, 90_909_090))
    writing = changed(PROMOTING, phase=Phase.PRIMARY, phase_since=NOW - 0.5, op=None, renewed_at=NOW - 0.4, put_at=NOW - 0.4, label_at=NOW)
    decision = decide(seen(lease=LeaseView("40", recovering, NOW - 0.3, NOW - 0.1), position=Position(7, 5 * GB)), writing)
    (put,) = [a for a in decision.actions if isinstance(a, PutLease)]
    assert (put.kind, put.state.recovery) == (PutKind.RENEW, None)


@pytest.mark.parametrize(
    ("why", "recovery", "probe_at", "killed"),
    [
        ("it moves, however long it has taken", HALF, NOW - 30, False),
        ("it doesn't move, but its volume answers", replace(HALF, moved_at=NOW - 30), NOW - 1, False),
        ("nothing moves", replace(HALF, moved_at=NOW - 30), NOW - 30, True),
        ("nothing was ever seen to move", None, 0.0, True),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_no_recovery_is_killed_while_it_moves(why: str, recovery: Recovery | None, probe_at: float, killed: bool) -> None:
    decision = decide(seen(recovery=recovery, probe_at=probe_at), PROMOTING)
    assert (Kill() in decision.actions) is killed
    assert (decision.memory.phase is Phase.DOWN) is killed


@pytest.mark.parametrize(("op", "lasted", "killed"), [(None, 61.0, True), (None, 59.0, False), (Op.PROMOTE, 61.0, False)])
def test_a_promotion_that_an_agent_before_us_has_ordered_may_not_stall_for_ever(op: Op | None, lasted: float, killed: bool) -> None:
    """Our own operation ends by itself, with an error, after the same time."""
    found = changed(PROMOTING, op=op, phase_since=NOW - lasted)
    decision = decide(seen(recovery=replace(HALF, moved_at=NOW - lasted), probe_at=NOW - 1), found)
    assert (Kill() in decision.actions) is killed
    assert ("no progress for 61 s" in decision.reason) is killed
    full = decide(seen(recovery=replace(HALF, moved_at=NOW - lasted), probe_at=NOW - 1, greeting=Greeting(NOW, crowded=True)), found)
    assert Kill() not in full.actions, "it has recovered, and only we get no session"


def test_nobody_follows_a_primary_that_recovers() -> None:
    held = replace(MINE, holder=OTHER, volume="v0", eligible=(EligibleReplica("pg-1", "v1"),), recovery=Progress(GB, 2 * GB, 4 * GB, 0))
    pod = Pod("pg-1", "u1", "1", 1, role="replica", report=PositionReport("39", "n1", VolumeState.DATA, "v1", "system", END, True, 6))
    sealed = remembering(Phase.SEALED, NOW - 10, "n1", position=END, first_version="1", promised_until=0.0)
    decision = decide(seen(server="standby", lease=LeaseView("40", held, NOW - 1, NOW - 0.1), pods=(pod,), recovery=None), sealed)
    assert not [a for a in decision.actions if isinstance(a, Run)]
    assert decision.reason == "pg-0 can't be followed until it accepts writes: recovering, 1.0 of 3.0 GB"


def test_a_refused_promotion_gives_its_timeline_back() -> None:
    refused = OpResult(1, Op.PROMOTE, Outcome.FAILED, "n1", "promote: refused the deadline has passed", unbegun=True)
    killed = decide(seen(op=refused), PROMOTING)
    assert killed.memory.hold.unbegun == (6, 6)
    given_back = decide(seen(server="down", heartbeat_at=NOW, now=NOW + 0.1), changed(killed.memory, op_ended=0.0))
    (put,) = [a for a in given_back.actions if isinstance(a, PutLease)]
    assert (put.kind, put.state.timeline) == (PutKind.RELEASE, 6)


def test_a_server_that_ended_before_its_promotion_does_not_stand_back() -> None:
    """It may have more WAL than the others, which wait for its restart. It counts as a failed start."""
    refused = OpResult(1, Op.PROMOTE, Outcome.FAILED, "n1", "promote: refused the server is not a standby that has come up", unbegun=True)
    memory = decide(seen(op=refused, server="down", heartbeat_at=NOW), PROMOTING).memory
    assert (memory.phase, memory.retry.failed_until, memory.retry.starts) == (Phase.DOWN, 0.0, 1)
    released = decide(seen(server="down", heartbeat_at=NOW, now=NOW + 0.1), changed(memory, op_ended=0.0))
    (put,) = [a for a in released.actions if isinstance(a, PutLease)]
    assert put.state.release is not None
    assert put.state.release.hold_s == 3.0


def test_a_promotion_that_may_have_begun_keeps_its_timeline() -> None:
    died = OpResult(1, Op.PROMOTE, Outcome.FAILED, "n1", "the server died")
    killed = decide(seen(op=died), PROMOTING)
    given_back = decide(seen(server="down", heartbeat_at=NOW, now=NOW + 0.1), changed(killed.memory, op_ended=0.0))
    (put,) = [a for a in given_back.actions if isinstance(a, PutLease)]
    assert (put.kind, put.state.timeline) == (PutKind.RELEASE, 7)


def test_a_claim_that_succeeds_too_late_begins_nothing() -> None:
    claiming = changed(PROMOTING, phase=Phase.CLAIMING, op=None, held_term=None, put=PutKind.CLAIM, put_at=NOW - 5)
    late = PutResult(PutKind.CLAIM, PutOutcome.OK, NOW - 5, MINE, "41")
    decision = decide(seen(server="standby", put=late), claiming)
    assert (decision.memory.phase, decision.memory.hold.unbegun) == (Phase.SEALED, (6, 6))


LEASE = LeaseState(
    OTHER,
    7,
    6.0,
    "system",
    "v0",
    "10.0.0.1",
    4,
    (EligibleReplica("pg-1", "v1"), EligibleReplica("pg-2", "v2")),
    Release("died", clean=False),
)


def member(number: int, lsn: int, replayed: int | None) -> Pod:
    report = PositionReport("50", f"n{number}", VolumeState.DATA, f"v{number}", "system", Position(4, lsn), True, 7, replayed=replayed)
    assert said.decode(said.encode(report)) == report
    return Pod(f"pg-{number}", f"u{number}", "1", number, report=report)


@pytest.mark.parametrize(
    ("why", "one", "two", "first"),
    [
        ("equal WAL: who has least left to replay", (4 * GB, GB), (4 * GB, 4 * GB), "pg-2"),
        ("more WAL goes before a replay that is further", (4 * GB, GB), (4 * GB - 8, 4 * GB - 8), "pg-1"),
        ("what is replayed in a moment makes no difference", (4 * GB, 4 * GB - 60_000_000), (4 * GB, 4 * GB), "pg-1"),
        ("a replay that isn't known makes no difference", (4 * GB, None), (4 * GB, 4 * GB), "pg-1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_who_claims_first(why: str, one: tuple[int, int | None], two: tuple[int, int | None], first: str) -> None:
    pods = (member(0, one[0] - 100, None), member(1, *one), member(2, *two))
    winners = [
        p.name
        for p, (lsn, _) in zip(pods[1:], (one, two), strict=True)
        if judge(
            Candidate(p.name, p.uid, p.ordinal, f"v{p.ordinal}", Position(4, lsn), f"n{p.ordinal}"),
            LEASE,
            "50",
            pods,
            age=1.0,
            ttl=6.0,
            waited=1.0,
            reported_for=1.0,
            cold=False,
            max_lag=1 << 30,
        ).claim
    ]
    assert winners == [first]


@pytest.mark.parametrize(
    ("in_production", "position", "phase"),
    [(False, None, Phase.PROMOTING), (True, None, Phase.PRIMARY), (False, END, Phase.PRIMARY)],
    ids=["it recovers", "it has recovered", "it writes"],
)
def test_an_agent_that_starts_beside_a_server_that_recovers_waits_for_it(
    in_production: bool, position: Position | None, phase: Phase
) -> None:
    started = remembering(Phase.BOOT, NOW - 1, "n1", first_version="40", promised_until=0.0)
    o = seen(in_production=in_production, position=position, term_in_force=6)
    decision = decide(o, started)
    assert (decision.memory.phase, decision.memory.hold.held_term) == (phase, 6)
    writes = decide(replace(o, now=NOW + 30, position=END, heartbeat_at=NOW + 29.9, probe_at=NOW + 29.9), decision.memory)
    assert writes.memory.phase is Phase.PRIMARY


def test_a_recovery_that_ends_with_its_server_is_noticed() -> None:
    waiting = changed(PROMOTING, op=None, position=None)
    decision = decide(seen(server="down", recovery=None), waiting)
    assert decision.memory.phase is Phase.DOWN
    assert Announce("Warning", "ServerDied", "the primary's server died") in decision.actions
