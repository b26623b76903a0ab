"""Decisions of a member with bad data, configuration or storage: it makes a limited number of attempts, and reports them in Events."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hapg_failover.core import disk_space, rejoin, timing
from hapg_failover.core.decide import decide
from hapg_failover.core.state.actions import Annotate, Announce, ChangeSlots, Kill, Op, PutKind, PutLease, Report, Run
from hapg_failover.core.state.decision import Decision
from hapg_failover.core.state.memory import Memory
from hapg_failover.core.state.observation import Observation, Slot
from hapg_failover.core.state.phases import Phase
from hapg_failover.core.state.results import OpResult, Outcome
from hapg_failover.core.state.volume import DATA_VOLUME, WAL_VOLUME
from hapg_failover.core.timing import SPACE_LOOK_S, STUCK_S
from hapg_protocol.model import EligibleReplica, Pod, PositionReport, ReleaseCause, VolumeState
from hapg_protocol.wal_files import SEGMENT_SIZE
from tests.memories import changed
from tests.orders import said

from .test_decide import END, FOLLOWING, HELD, MINE, NOW, POD, PRIMARY, RELEASED, SEALED, kinds, lease, remembered, seen

FULL = SEGMENT_SIZE - 1


def told(decision: Decision) -> list[tuple[str, str]]:
    """Return the Events: reason and message."""
    return [(a.reason, a.message) for a in decision.actions if isinstance(a, Announce)]


def ended(op: Op, outcome: Outcome, m: Memory, text: str = "because", **observed: object) -> Decision:
    """Decide on the result of operation 1."""
    return decide(seen(op=OpResult(1, op, outcome, "n1", text, None), **observed), changed(m, op=op, op_number=1))


# --- the server doesn't start ---


def started(m: Memory, outcome: Outcome, text: str = "exit code 1", **observed: object) -> Decision:
    return ended(Op.START, outcome, m, text, server="down", **observed)


def test_data_that_does_not_start_is_given_up_after_a_few_tries() -> None:
    m = remembered(Phase.BOOT, mode="warm")
    for number in range(1, 6):
        decision = started(m, Outcome.FAILED)
        m = changed(decision.memory, retry_at=0.0)
        assert (m.phase, m.retry.starts) == (Phase.DAMAGED if number == 5 else Phase.BOOT, number)
    assert told(decision) == [("VolumeDamaged", "the server has failed 5 times in a row: it doesn't start: exit code 1")]


@pytest.mark.parametrize("phase", [Phase.SEALED, Phase.FOLLOW])
def test_data_under_which_the_server_ends_soon_after_each_start_is_given_up_too(phase: Phase) -> None:
    """As when a record can't be replayed: the start itself succeeds each time."""
    m = remembered(Phase.BOOT, mode="warm")
    for number in range(1, 6):
        well = started(m, Outcome.OK, position=END)
        assert well.memory.phase is Phase.SEALED
        over = decide(seen(server="down", heartbeat_at=NOW, exit_code=1), changed(replace(well.memory, phase=phase), mode="warm"))
        m = changed(over.memory, retry_at=0.0)
        assert (m.phase, m.retry.starts) == (Phase.DAMAGED if number == 5 else Phase.BOOT, number)
    words = "the server has failed 5 times in a row: it exits soon after its start; its log says why"
    assert ("VolumeDamaged", words) in told(over)


def test_pauses_between_servers_that_end_soon_grow() -> None:
    down = seen(server="down", heartbeat_at=NOW, exit_code=1)
    pauses = [decide(down, changed(SEALED, starts=n)).memory.retry.retry_at - NOW for n in range(4)]
    assert pauses == [0.0, 0.5, 1.0, 2.0]


def test_a_server_that_ends_after_it_had_joined_is_no_failed_start() -> None:
    over = decide(seen(server="down", heartbeat_at=NOW, exit_code=1), changed(FOLLOWING, has_joined=True, starts=0))
    assert (over.memory.phase, over.memory.retry.starts, over.memory.upstream.has_joined) == (Phase.BOOT, 0, False)


@pytest.mark.parametrize("code", [None, 0, 129, 137])
def test_a_server_that_was_killed_or_shut_down_proves_nothing_about_its_data(code: int | None) -> None:
    over = decide(seen(server="down", heartbeat_at=NOW, exit_code=code), changed(SEALED, starts=4))
    assert (over.memory.phase, over.memory.retry.starts) == (Phase.BOOT, 4)


def test_one_that_has_joined_has_no_failed_starts_any_more() -> None:
    """Though its pod has been ready all the time, as during a restart."""
    streams = replace(HELD, eligible=(EligibleReplica("pg-1", "v1"),))
    joined = decide(seen(lease=lease(streams, 1.0)), changed(FOLLOWING, joined_at=NOW - 1, starts=3, phase_since=NOW - 60))
    assert (joined.memory.retry.starts, joined.memory.upstream.has_joined) == (0, True)


def test_data_that_still_does_not_start_is_told_of_now_and_then() -> None:
    m = remembered(Phase.BOOT, mode="warm", starts=5)
    decision = started(m, Outcome.FAILED)
    assert decision.memory.phase is Phase.DAMAGED
    assert told(decision) == [("VolumeDamaged", "the server has failed 6 times in a row: it doesn't start: exit code 1")]
    assert told(started(changed(m, told=decision.memory.telling.told), Outcome.FAILED)) == []


@pytest.mark.parametrize(
    ("outcome", "reason"), [(Outcome.ROOM, "DiskFull"), (Outcome.REFUSED, "ConfigurationRefused"), (Outcome.UNPROVEN, "StartFailed")]
)
def test_what_is_not_the_datas_fault_costs_no_data(outcome: Outcome, reason: str) -> None:
    m = remembered(Phase.BOOT, mode="warm")
    for _ in range(20):
        decision = started(m, outcome, room=FULL, refused="no such value" if outcome is Outcome.REFUSED else "")
        assert decision.memory.phase is Phase.BOOT
        assert decision.memory.retry.retry_at == NOW + 10.0
        m = changed(decision.memory, retry_at=0.0, told=(), refused_told=-1e9)
        assert [event[0] for event in told(decision)] == [reason]


def test_a_start_that_is_refused_says_so_by_its_value() -> None:
    decision = started(remembered(Phase.BOOT, mode="warm"), Outcome.REFUSED, refused="postgresql.pgHba[2]: no such method")
    assert told(decision) == [
        ("ConfigurationRefused", "postgresql.pgHba[2]: no such method; the server does not start, its data is kept"),
    ]


@pytest.mark.parametrize("m", [FOLLOWING, SEALED], ids=["follows", "sealed"])
def test_a_configuration_that_is_refused_is_told_and_shown_while_the_server_goes_on(m: Memory) -> None:
    refused = seen(refused="no such value")
    decision = decide(refused, m)
    message = "no such value; the server keeps the last configuration that it accepted"
    assert told(decision) == [("ConfigurationRefused", message)]
    assert Annotate((("ha-postgres/refused", "no such value"),)) in decision.actions
    again = decide(refused, decision.memory)
    assert told(again) == []
    assert not any(isinstance(action, Annotate) for action in again.actions), "it is on its way"
    later = decide(replace(refused, now=NOW + 300), decision.memory)
    assert ("ConfigurationRefused", message) in told(later)
    shown = replace(POD, refused="no such value")
    other = decide(replace(refused, pods=(shown,), now=NOW + 2), decision.memory)
    assert not any(isinstance(action, Annotate) for action in other.actions)
    taken = decide(seen(pods=(shown,), now=NOW + 4), other.memory)
    assert told(taken) == [("ConfigurationAccepted", "the server accepts its configuration again")]
    assert Annotate((("ha-postgres/refused", None),)) in taken.actions


def test_a_fresh_clone_that_does_not_start_is_not_cloned_again() -> None:
    m = remembered(Phase.BOOT, mode="warm", cloned=True, starts=9)
    decision = started(m, Outcome.FAILED)
    assert decision.memory.phase is Phase.BOOT
    assert [event[0] for event in told(decision)] == ["StartFailed"]


def test_a_server_that_was_given_up_is_tried_at_once_when_another_starts() -> None:
    """The reason that kept all from starting is gone, and this may be the last primary's server."""
    given_up = remembered(Phase.DAMAGED, tries=5, retry_at=NOW + 20)
    said = PositionReport("40", "n", VolumeState.DATA, "v2", position=END, running=True)
    started = Pod("pg-2", "u2", "1", 2, report=said)
    free = seen(lease=lease(RELEASED), pods=(POD, started))
    first = decide(free, given_up)
    assert (first.memory.phase, first.memory.retry.retry_at) == (Phase.BOOT, 0.0)
    again = changed(first.memory, phase=Phase.DAMAGED, retry_at=NOW + 30)
    assert decide(free, again).memory.phase is Phase.DAMAGED, "once"
    other = replace(started, report=replace(said, running=False))
    assert decide(replace(free, pods=(POD, other)), given_up).memory.phase is Phase.DAMAGED


def test_a_hot_standby_that_does_not_start_is_started_warm_and_tried_again_later() -> None:
    m = remembered(Phase.BOOT, mode="hot", starts=1)
    decision = started(m, Outcome.FAILED)
    assert [event[0] for event in told(decision)] == ["StartedWarm"]
    m = changed(decision.memory, retry_at=0.0)
    again = decide(seen(server="down", heartbeat_at=NOW), m)
    assert [(a.op, said(a).mode) for a in again.actions if isinstance(a, Run)] == [(Op.START, "warm")]
    assert again.memory.upstream.mode == "warm"
    following = changed(FOLLOWING, mode="warm", warm_until=NOW + 1)
    assert [action for action in decide(seen(), following).actions if isinstance(action, Run)] == []
    hot = decide(seen(), changed(following, warm_until=NOW))
    assert [(a.op, said(a).mode) for a in hot.actions if isinstance(a, Run)] == [(Op.START, "hot")]


def test_under_a_primary_that_is_followed_anew_hot_is_tried_sooner() -> None:
    m = changed(SEALED, mode="warm", warm_until=NOW + 300)
    assert ended(Op.FOLLOW, Outcome.OK, m).memory.retry.warm_until == NOW + 30


def test_a_damaged_volume_says_why() -> None:
    o = seen(server="down", volume_state=VolumeState.DAMAGED, volume_reason="the volume is marked but holds no data directory")
    assert told(decide(o, remembered(Phase.BOOT))) == [("VolumeDamaged", "the volume is marked but holds no data directory")]


def test_a_first_server_that_cannot_be_made_says_why_and_is_tried_again() -> None:
    empty = {"volume_state": VolumeState.EMPTY, "volume": None, "system_identifier": None, "server": "down"}
    decision = ended(
        Op.INITDB,
        Outcome.FAILED,
        remembered(Phase.EMPTY, tries=5, told=(("InitdbFailed", NOW),)),
        "script a.sql: a.sql:3: ERROR: no",
        **empty,
    )
    assert told(decision) == [("InitdbFailed", "script a.sql: a.sql:3: ERROR: no; nothing is kept; next attempt in 8 s")]
    assert (decision.memory.phase, decision.memory.retry.retry_at) == (Phase.EMPTY, NOW + 8)


# --- rewinds and clones ---


def test_the_pause_between_copies_doubles_up_to_five_minutes() -> None:
    assert [timing.pause(n) for n in (1, 2, 3, 9, 10, 99)] == [1, 2, 4, 256, 300, 300]


def test_clones_that_fail_are_tried_ever_more_slowly_and_say_so() -> None:
    m = remembered(Phase.EMPTY)
    pauses = []
    empty = {"volume_state": VolumeState.EMPTY, "volume": None, "system_identifier": None, "server": "down"}
    for _ in range(11):
        begun = decide(seen(**empty), m)
        assert [a.op for a in begun.actions if isinstance(a, Run)] == [Op.CLONE]
        failed = ended(Op.CLONE, Outcome.FAILED, changed(begun.memory, op_number=1), "no connection", **empty)
        assert told(failed)[0][0] == "CloneFailed"
        assert "no connection; the volume is empty; next attempt in" in told(failed)[0][1]
        pauses.append(failed.memory.copying.copy_at - NOW)
        waiting = decide(seen(**empty), changed(failed.memory, retry_at=0.0))
        assert not any(isinstance(a, Run) for a in waiting.actions)
        m = changed(failed.memory, retry_at=0.0, copy_at=0.0, op_number=0)
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


@pytest.mark.parametrize("outcome", [Outcome.DIVERGED, Outcome.NEEDS_CLONE])
def test_a_member_that_has_to_be_copied_waits_sealed_for_the_next_try(outcome: Outcome) -> None:
    m = changed(SEALED, op=Op.FOLLOW, op_number=1, copies=1, copy_at=NOW + 5)
    decision = decide(seen(op=OpResult(1, Op.FOLLOW, outcome, "n1", "because", END)), m)
    assert kinds(decision.actions) == []
    assert (decision.memory.phase, decision.memory.retry.retry_at, decision.memory.sealed.position) == (Phase.SEALED, NOW + 5, END)


@pytest.mark.parametrize(("copies", "op"), [(0, Op.REWIND), (2, Op.REWIND), (3, Op.CLONE)])
def test_rewinds_that_fail_end_in_a_clone(copies: int, op: Op) -> None:
    m = changed(SEALED, op=Op.FOLLOW, op_number=1, copies=copies)
    decision = decide(seen(op=OpResult(1, Op.FOLLOW, Outcome.DIVERGED, "n1", "because", END)), m)
    assert [a.op for a in decision.actions if isinstance(a, Run)] == [op]
    assert decision.memory.copying.copies == copies + 1


def test_a_rewind_that_gets_no_connection_does_not_count_and_is_tried_again() -> None:
    decision = ended(Op.REWIND, Outcome.BUSY, changed(SEALED, copies=3), "too many clients")
    assert told(decision) == [("RewindPending", "too many clients; the old data is kept; retried until there is one")]
    assert (decision.memory.phase, decision.memory.copying.copies, decision.memory.copying.copy_at) == (Phase.BOOT, 2, NOW + 5)


def test_copies_are_forgotten_only_once_the_primary_sees_us_stream() -> None:
    m = changed(FOLLOWING, copies=4, copy_at=NOW + 9)
    assert decide(seen(lease=lease(replace(HELD, eligible=()))), m).memory.copying.copies == 4
    assert decide(seen(), m).memory.copying.copies == 0


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (VolumeState.DATA, "the old data is kept; next"),
        (VolumeState.DAMAGED, "delete the pod's PVC and the pod"),
        (VolumeState.EMPTY, "the volume is empty"),
    ],
)
def test_a_clone_that_has_no_room_says_what_is_kept_and_what_to_do(state: VolumeState, words: str) -> None:
    decision = ended(Op.CLONE, Outcome.ROOM, remembered(Phase.DAMAGED), "needs 5 has 3", volume_state=state, server="down")
    [(reason, message)] = told(decision)
    assert reason == "ClonePending"
    assert message.startswith("needs 5 has 3; ")
    assert words in message


PUBLISHED = PositionReport("1", "n", VolumeState.DATA, "v2")
STANDBY = Pod("pg-2", "u2", "1", 2, "10.0.0.3", role="replica", ready=True, report=PUBLISHED)
FURTHER = replace(STANDBY, name="pg-3", ordinal=3, report=replace(PUBLISHED, volume="v3"))
TRIO = replace(HELD, eligible=(EligibleReplica("pg-1", "v1"), EligibleReplica("pg-2", "v2"), EligibleReplica("pg-3", "v3")))


@pytest.mark.parametrize(
    ("why", "pods", "mode", "copies", "source"),
    [
        ("an eligible replica that streams", (STANDBY,), "hot", 1, "pg-2"),
        ("the lowest ordinal", (FURTHER, STANDBY), "hot", 1, "pg-2"),
        ("a warm one takes no connections", (STANDBY,), "warm", 1, None),
        ("the second time from the primary", (STANDBY,), "hot", 2, None),
        ("not ready", (replace(STANDBY, ready=False),), "hot", 1, None),
        ("going away", (replace(STANDBY, deleting=True),), "hot", 1, None),
        ("no address", (replace(STANDBY, ip=None),), "hot", 1, None),
        ("another volume than the member's", (replace(STANDBY, report=replace(PUBLISHED, volume="v9")),), "hot", 1, None),
        ("no member", (replace(STANDBY, name="pg-4"),), "hot", 1, None),
        ("ourselves", (replace(STANDBY, name="pg-1", report=replace(PUBLISHED, volume="v1")),), "hot", 1, None),
        ("the primary", (replace(STANDBY, name="pg-0"),), "hot", 1, None),
    ],
)
def test_a_clone_is_taken_from_a_standby_where_possible(
    why: str, pods: tuple[Pod, ...], mode: str, copies: int, source: str | None
) -> None:
    found = rejoin.clone_source("pg-1", TRIO, pods, mode, copies)
    assert (found.name if found else None) == source, why


def test_a_clone_knows_the_primary_and_the_standby() -> None:
    o = seen(lease=lease(TRIO), pods=(STANDBY,), volume_state=VolumeState.DAMAGED, server="down")
    [run] = [a for a in decide(o, remembered(Phase.DAMAGED)).actions if isinstance(a, Run)]
    assert (run.op, said(run).host, said(run).source, said(run).timeline) == (Op.CLONE, "10.0.0.1", "10.0.0.3", 3)


# --- full volumes ---


@pytest.mark.parametrize(
    ("room", "full", "again"),
    [(None, False, True), (0, True, False), (FULL, True, False), (SEGMENT_SIZE, False, False), (2 * SEGMENT_SIZE, False, True)],
)
def test_a_volume_is_full_when_no_segment_fits(room: int | None, full: bool, again: bool) -> None:
    assert (disk_space.is_full(room, SEGMENT_SIZE), disk_space.has_room_again(room, SEGMENT_SIZE)) == (full, again)


@pytest.mark.parametrize(
    ("rooms", "scarce"),
    [
        ({DATA_VOLUME: 1}, (DATA_VOLUME, 1)),
        ({DATA_VOLUME: 3, WAL_VOLUME: 2}, (WAL_VOLUME, 2)),
        ({DATA_VOLUME: 1, WAL_VOLUME: 2}, (DATA_VOLUME, 1)),
    ],
)
def test_a_member_has_as_much_room_as_its_scarcest_volume(rooms: dict[str, int], scarce: tuple[str, int]) -> None:
    assert disk_space.scarcest(rooms) == scarce


def test_what_a_clone_needs_is_needed_where_it_goes() -> None:
    assert disk_space.clone_needs(100, 3, {DATA_VOLUME: 0}) == {DATA_VOLUME: 103}
    assert disk_space.clone_needs(100, 3, {DATA_VOLUME: 0, WAL_VOLUME: 0}) == {DATA_VOLUME: 100, WAL_VOLUME: 3}


def test_a_full_wal_volume_is_named() -> None:
    o = seen(server="primary", lease=lease(MINE), position=END, room=0, room_on=WAL_VOLUME)
    [(reason, message)] = told(decide(o, PRIMARY))
    assert reason == "DiskFull"
    assert message.startswith("the WAL volume has 0.0 MiB left, less than a WAL segment of 16.0 MiB")
    free = seen(lease=lease(RELEASED), room=FULL, room_on=WAL_VOLUME)
    assert decide(free, SEALED).reason == "our WAL volume is full: we are not a candidate"


def test_a_wal_volume_that_hangs_is_named_and_costs_the_right() -> None:
    o = seen(server="primary", lease=lease(MINE), position=END, probe_at=NOW - 4.1, probe_on=WAL_VOLUME)
    decision = decide(o, changed(PRIMARY, stuck_since=NOW - STUCK_S))
    assert any(isinstance(a, Kill) for a in decision.actions)
    assert ("StorageHung", "nothing could be written to the WAL volume for 4.1 s: the server is killed and the Lease released") in told(
        decision
    )


def test_volumes_that_are_no_pair_are_told_and_left_alone() -> None:
    """Not damaged: damaged data is cloned again, but this may be the only copy."""
    o = seen(
        volume_state=VolumeState.MISMATCHED,
        volume_reason="the WAL volume belongs to volume u2",
        volume=None,
        server="down",
        lease=lease(HELD),
    )
    decision = decide(o, remembered(Phase.BOOT))
    assert [kind for kind in kinds(decision.actions) if kind in ("start", "clone", "initdb")] == []
    [(reason, message)] = told(decision)
    assert reason == "VolumesMismatched"
    assert message.startswith("the WAL volume belongs to volume u2; ")
    assert decision.memory.phase is Phase.BOOT


def test_a_standby_whose_volume_is_full_stops_to_receive_until_there_is_room() -> None:
    assert kinds(decide(seen(room=FULL), FOLLOWING).actions) == ["seal"]
    later = seen(room=SEGMENT_SIZE, lease=lease(HELD, version="41"))
    waiting = decide(later, SEALED)
    assert kinds(waiting.actions) == ["Announce"]
    assert told(waiting)[0][0] == "DiskFull"
    assert kinds(decide(replace(later, room=2 * SEGMENT_SIZE), SEALED).actions) == ["follow"]


def test_a_member_whose_volume_is_full_does_not_stand_and_says_so_to_the_others() -> None:
    free = seen(lease=lease(RELEASED, 4.0))
    assert kinds(decide(free, changed(SEALED, reported_at=NOW - 3.9)).actions) == ["claim"]
    full = decide(replace(free, room=FULL), SEALED)
    assert kinds(full.actions) == ["Announce"]
    [reported] = [a for a in decide(replace(free, room=FULL), changed(SEALED, promised=None)).actions if isinstance(a, Report)]
    assert reported.report.failed


@pytest.mark.parametrize(("left", "failed", "suspect"), [(51, True, True), (49, False, True), (-1, False, False)])
def test_who_failed_as_the_primary_asks_to_be_left_out_for_10_s_and_is_suspect_for_a_minute(
    left: float, failed: bool, suspect: bool
) -> None:
    m = changed(SEALED, promised=None, failed_until=NOW + left)
    [reported] = [a for a in decide(seen(lease=lease(RELEASED, 4.0)), m).actions if isinstance(a, Report)]
    assert (reported.report.failed, reported.report.suspect) == (failed, suspect)


def test_a_primary_whose_volume_is_full_is_renewed() -> None:
    o = seen(server="primary", lease=lease(MINE), position=END, room=0)
    decision = decide(o, changed(PRIMARY, renewed_at=NOW - 2, put_at=NOW - 2))
    assert kinds(decision.actions) == ["renew", "Announce"]
    assert told(decision)[0][0] == "DiskFull"


def released(decision: Decision) -> tuple[str, float] | None:
    """Reason and wait of the release that was written, None if none was."""
    written = [a.state.release for a in decision.actions if isinstance(a, PutLease)]
    return (written[0].reason, written[0].hold_s) if written and written[0] is not None else None


@pytest.mark.parametrize(("room", "hold"), [(None, 3.0), (16 * SEGMENT_SIZE - 1, 20.0), (0, 20.0)])
def test_a_server_that_may_have_died_of_a_full_volume_is_waited_for_longer(room: int | None, hold: float) -> None:
    """Its recovery after a bulk load may take more than the usual three seconds, and no other volume has its unreplicated WAL."""
    decision = decide(seen(server="down", heartbeat_at=NOW, lease=lease(MINE), room=room), PRIMARY)
    assert released(decision) == ("the server died", hold)


@pytest.mark.parametrize(
    ("room", "looked_at", "hold"),
    [
        (16 * SEGMENT_SIZE, NOW + 0.01, 3.0),
        (0, NOW + 0.01, 20.0),
        (16 * SEGMENT_SIZE, NOW - 0.9, None),
    ],
)
def test_after_a_death_the_free_space_is_looked_at_again_before_the_release(room: int, looked_at: float, hold: float | None) -> None:
    """A volume may fill up, and kill its server, between two looks."""
    roomy = seen(server="down", heartbeat_at=NOW, lease=lease(MINE), room=16 * SEGMENT_SIZE, room_at=NOW - 0.9)
    first = decide(roomy, PRIMARY)
    assert kinds(first.actions) == ["Announce", "CheckSpace"]
    later = replace(roomy, now=NOW + 0.02, heartbeat_at=NOW + 0.02, room=room, room_at=looked_at)
    assert released(decide(later, first.memory)) == (None if hold is None else ("the server died", hold))


def test_a_volume_that_shows_no_free_space_in_time_delays_no_release() -> None:
    roomy = seen(server="down", heartbeat_at=NOW, lease=lease(MINE), room=16 * SEGMENT_SIZE, room_at=NOW - 0.9)
    late = replace(roomy, now=NOW + SPACE_LOOK_S + 0.01, heartbeat_at=NOW + SPACE_LOOK_S)
    assert released(decide(late, decide(roomy, PRIMARY).memory)) == ("the server died", 3.0)


def test_the_last_holder_alone_starts_with_what_was_set_aside() -> None:
    """A replica on a full volume waits for free space instead."""
    died = remembered(Phase.DOWN, dead_reason="the server died")
    for volume, emergency_space in (("v1", True), ("v9", False)):
        o = seen(server="down", heartbeat_at=NOW, lease=lease(replace(RELEASED, volume=volume)), room=0)
        assert [said(a).emergency_space for a in decide(o, died).actions if isinstance(a, Run)] == [emergency_space]


def test_a_server_that_was_started_with_what_was_set_aside_says_so_and_remembers_it() -> None:
    answer = OpResult(1, Op.START, Outcome.OK, "n1", position=END, emergency_spaces=(DATA_VOLUME, WAL_VOLUME))
    m = remembered(Phase.BOOT, op=Op.START, op_number=1)
    decision = decide(seen(op=answer, room=2 * SEGMENT_SIZE), m)
    assert decision.memory.storage.emergency_space_used
    [(reason, message)] = told(decision)
    assert reason == "EmergencyWALSpaceReleased"
    assert message == "data volume and WAL volume full: the emergency WAL space there was released (start)"


# --- storage that hangs ---


def hanging(ago: float, **changes: object) -> Observation:
    return seen(server="primary", lease=lease(MINE), position=END, probe_at=NOW - ago, **changes)


def test_a_primary_whose_storage_hangs_is_killed_so_that_it_can_prove_its_death() -> None:
    first = decide(hanging(2.6), PRIMARY)
    assert (first.memory.phase, first.memory.storage.stuck_since) == (Phase.PRIMARY, NOW)
    later = replace(hanging(4.1), now=NOW + 1.5)
    second = decide(later, first.memory)
    assert second.memory.phase is Phase.DOWN
    assert any(isinstance(a, Kill) for a in second.actions)
    assert told(second)[0][0] == "StorageHung"
    dead = replace(later, server="down", heartbeat_at=NOW + 1.6, now=NOW + 1.7)
    [put] = [a for a in decide(dead, second.memory).actions if isinstance(a, PutLease)]
    assert put.kind is PutKind.RELEASE
    assert put.state.release is not None
    assert (put.state.release.hold_s, put.state.release.cause) == (0.0, ReleaseCause.HUNG)


@pytest.mark.parametrize(
    ("hangs", "ago", "killed"), [(0, 4.1, True), (1, 9.9, False), (1, 11.6, True), (2, 39.0, False), (2, 41.6, True), (9, 41.6, True)]
)
def test_a_primary_after_one_whose_storage_hung_waits_longer(hangs: int, ago: float, killed: bool) -> None:
    """Its own is as slow, most likely: the Lease would pass from one to the next, and nobody would write."""
    o = replace(hanging(ago), lease=lease(replace(MINE, hangs=hangs)))
    before = changed(PRIMARY, phase_since=NOW - 100)
    first = decide(o, before)
    assert first.memory.phase is Phase.PRIMARY
    decision = decide(replace(o, now=NOW + 1.5, probe_at=o.probe_at + 1.5), first.memory)
    assert any(isinstance(a, Kill) for a in decision.actions) == killed
    if not killed:
        [(reason, message)] = told(first)
        assert reason == "StorageSlow"
        assert message.endswith(f"for {ago:.1f} s: waited for, because the last primary's volume was as slow")
        [put] = [a for a in first.actions if isinstance(a, PutLease)]
        assert (put.kind, put.state.hangs) == (PutKind.RENEW, hangs)


def test_once_writes_are_prompt_again_a_primary_waits_as_usual() -> None:
    o = replace(hanging(0.1), lease=lease(replace(MINE, hangs=2)))
    renewing = {"renewed_at": NOW - 3, "phase_since": NOW - 100}

    def hangs(slow_at: float) -> int:
        [put] = [a for a in decide(o, changed(PRIMARY, slow_at=slow_at, **renewing)).actions if isinstance(a, PutLease)]
        return put.state.hangs

    assert (hangs(NOW - 59), hangs(NOW - 61)) == (2, 0)


def test_an_agent_that_was_frozen_kills_nobody_for_the_probes_it_could_not_make() -> None:
    thawed = decide(hanging(60.0), PRIMARY)
    assert not any(isinstance(a, Kill) for a in thawed.actions)
    assert decide(hanging(0.1), thawed.memory).memory.storage.stuck_since is None


def test_a_new_agent_has_time_for_its_first_probe() -> None:
    m = replace(PRIMARY, phase_since=NOW - 1)
    assert decide(hanging(1e6), m).memory.storage.stuck_since is None


# --- slots ---


def test_the_primary_orders_the_slots_that_are_missing() -> None:
    o = seen(server="primary", lease=lease(MINE), position=END, slots=(Slot("pg_7", False),))
    assert [a for a in decide(o, PRIMARY).actions if isinstance(a, ChangeSlots)] == [ChangeSlots(("pg_0",), ("pg_7",))]
    just = changed(PRIMARY, slots_at=NOW - 1)
    assert not any(isinstance(a, ChangeSlots) for a in decide(o, just).actions)
    assert not any(isinstance(a, ChangeSlots) for a in decide(replace(o, slots=None), PRIMARY).actions)
