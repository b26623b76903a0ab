"""WAL that the primary has removed, from the archive: what is taken, when, and what is refused."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hapg_failover.adapters import beneath
from hapg_failover.adapters.ports.archive import ArchiveError, SegmentRefused
from hapg_failover.adapters.volume import Volume
from hapg_failover.core.catching_up import AHEAD, LOT, SPARE, Route, route
from hapg_failover.core.decide import decide
from hapg_failover.core.state.actions import Action, Annotate, Announce, CatchUp, Clone, Op, Run, Seal
from hapg_failover.core.state.memory import Memory
from hapg_failover.core.state.memory_parts import Apart, CatchingUp
from hapg_failover.core.state.observation import Observation
from hapg_failover.core.state.phases import Phase
from hapg_failover.core.state.recovery import Recovery
from hapg_failover.core.state.results import Fetched, OpResult, Outcome
from hapg_failover.pgdata.archived_segment import trouble
from hapg_failover.pgdata.wal import PAGE
from hapg_protocol import pods
from hapg_protocol.hand_over import AskVerified, Fetch, NotFetched, VerifiedBackup, ask_verified, fetch, fetched, verified
from hapg_protocol.hand_over import Fetched as Answer
from hapg_protocol.lsn import Position
from hapg_protocol.model import EligibleReplica
from hapg_protocol.wal_files import segment_name
from tests.memories import changed

from .test_decide import HELD, NOW, RELEASED, SEALED, lease, seen

SIZE = 16 << 20
OWN = Position(3, 10 * SIZE + 500)
NAMES = tuple(segment_name(3, number * SIZE, SIZE) for number in range(40))
LACKING = "the primary has removed 00000003000000000000000A, which we need"


# --- which segments ---


@pytest.mark.parametrize(
    ("why", "own", "fetched_to", "timeline", "fork", "kept", "found"),
    [
        ("up to the first that the primary has", OWN, None, 3, None, NAMES[15:20], NAMES[10:15]),
        ("what is whole is left out", OWN, 13 * SIZE, 3, None, NAMES[15:20], NAMES[13:15]),
        ("a mark that our end has passed says nothing", OWN, 5 * SIZE, 3, None, NAMES[15:20], NAMES[10:15]),
        (
            "at the start of a segment, the one before shows that it is ours",
            Position(3, 10 * SIZE),
            None,
            3,
            None,
            NAMES[12:20],
            NAMES[9:12],
        ),
        ("the primary has it after all", OWN, None, 3, None, NAMES[8:20], ()),
        ("a segment of long ago doesn't count", OWN, None, 3, None, (NAMES[2], *NAMES[15:20]), NAMES[10:15]),
        ("our timeline ends behind them", OWN, None, 4, 15 * SIZE + 9, NAMES[15:20], NAMES[10:15]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_taken_from_the_archive(
    why: str, own: Position, fetched_to: int | None, timeline: int, fork: int | None, kept: tuple[str, ...], found: tuple[str, ...]
) -> None:
    history = () if fork is None else ((3, fork),)
    assert route(own, fetched_to, timeline, history, kept).segments == found


def test_the_end_of_our_timeline_may_have_the_name_of_a_later_one() -> None:
    """The primary is on timeline 5, and was promoted to 4 in the segment where ours ends."""
    history = ((3, 12 * SIZE + 8), (4, 15 * SIZE + 8))
    kept = (*(f"00000004{name[8:]}" for name in NAMES[12:15]), *(f"00000005{name[8:]}" for name in NAMES[15:20]))
    assert route(OWN, None, 5, history, kept).segments == NAMES[10:12]


def test_nothing_is_taken_from_the_archive_beyond_the_end_of_our_timeline() -> None:
    found = route(OWN, None, 4, ((3, 12 * SIZE + 8),), tuple(f"00000004{name[8:]}" for name in NAMES[15:20]))
    assert found == Route(refused="our timeline 3 ends at 0/C000008, and the primary's WAL begins later, at 0/F000000")


def test_a_primary_without_later_wal_is_no_place_to_catch_up_to() -> None:
    assert route(OWN, None, 3, (), NAMES[:5]).refused


# --- when ---


def lacking(archives: bool = True, **changes: object) -> tuple[Observation, Memory]:
    result = OpResult(1, Op.FOLLOW, Outcome.LACKS_WAL, "n1", LACKING, OWN)
    return seen(op=result, archives=archives), changed(SEALED, op=Op.FOLLOW, op_number=1, promised=("39", True), **changes)


def orders(actions: tuple[Action, ...]) -> list[object]:
    return [action.order for action in actions if isinstance(action, Run)]


DUE = changed(SEALED, position=OWN, promised=("39", True), is_due=True, op_ended=NOW - 1)


def test_wal_that_the_primary_has_removed_is_asked_of_the_archive() -> None:
    first = decide(*lacking())
    assert first.memory.phase is Phase.SEALED
    assert not orders(first.actions)
    again = decide(seen(archives=True), changed(first.memory, retry_at=0.0))
    assert orders(again.actions) == [CatchUp("10.0.0.1", 3, OWN, None, LOT)]


def test_without_an_archive_the_data_is_cloned() -> None:
    assert isinstance(orders(decide(*lacking(archives=False)).actions)[0], Clone)


def test_an_archive_that_is_of_no_help_leads_to_a_clone_that_says_why() -> None:
    decision = decide(*lacking(unfit="the archive lacks 00000003000000000000000B"))
    assert isinstance(orders(decision.actions)[0], Clone)
    [event] = [each for each in decision.actions if isinstance(each, Announce)]
    assert event.message == f"{LACKING}; the archive lacks 00000003000000000000000B"


@pytest.mark.parametrize(
    ("why", "o", "m"),
    [
        ("its position is reported for this version", seen(archives=True), changed(DUE, promised=("40", True))),
        ("the Lease is released", seen(archives=True, lease=lease(RELEASED)), DUE),
        ("the Lease is overdue", seen(archives=True, lease=lease(replace(RELEASED, release=None), 4.0)), DUE),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_server_that_an_election_may_count_on_is_not_moved_by_the_archive(why: str, o: Observation, m: Memory) -> None:
    assert not orders(decide(o, m).actions)


def replayed(segments_behind: int, moved: float = NOW) -> Recovery:
    return Recovery(OWN.lsn - OWN.lsn % SIZE - segments_behind * SIZE, 0, moved)


@pytest.mark.parametrize(
    ("behind", "room", "most"),
    [
        (0, None, LOT),
        (AHEAD, None, 0),
        (AHEAD - 3, None, 3),
        (0, (SPARE + 2) * SIZE, 2),
        (0, (SPARE + 1) * SIZE - 1, 0),
    ],
)
def test_what_is_taken_from_the_archive_is_bounded_by_replay_and_room(behind: int, room: int | None, most: int) -> None:
    found = orders(decide(seen(archives=True, recovery=replayed(behind), room=room), DUE).actions)
    assert [each.most for each in found if isinstance(each, CatchUp)] == ([most] if most else [])


def test_a_replay_that_stands_still_is_not_waited_for() -> None:
    still = changed(DUE, op_ended=NOW - 61)
    decision = decide(seen(archives=True, recovery=replayed(AHEAD, NOW - 61)), still)
    assert decision.memory.catching.unfit == "the server replays those that are there, and nothing has moved for 60 s"
    assert not decide(seen(archives=True, recovery=replayed(AHEAD, NOW - 9)), still).memory.catching.unfit


def took(outcome: Outcome = Outcome.OK, position: Position | None = OWN, count: int = 8, text: str = "") -> OpResult:
    to = OWN.lsn - OWN.lsn % SIZE + count * SIZE
    return OpResult(1, Op.CATCH_UP, outcome, "n1", text, position, fetched=Fetched(count, to, to + 4 * SIZE) if position else None)


TAKING = changed(DUE, op=Op.CATCH_UP, op_number=1)


def test_the_end_of_our_wal_is_that_which_the_archive_has_moved() -> None:
    end = Position(3, OWN.lsn + 8 * SIZE)
    decision = decide(seen(archives=True, op=took(position=end)), TAKING)
    assert decision.memory.sealed.position == end
    assert decision.memory.catching == CatchingUp(True, OWN.lsn - 500 + 8 * SIZE, 8, 12)
    assert [each.reason for each in decision.actions if isinstance(each, Announce)] == ["CatchingUp"]


def test_a_server_whose_end_of_wal_is_not_known_after_the_archive_is_sealed_again() -> None:
    decision = decide(seen(archives=True, op=took(Outcome.FAILED, None)), TAKING)
    assert decision.memory.phase is Phase.BOOT
    assert decision.memory.sealed.position is None
    assert orders(decide(seen(heartbeat_at=NOW), changed(decision.memory, retry_at=0.0)).actions) == [Seal(slow=True)]


def test_an_archive_that_does_not_answer_is_asked_three_times() -> None:
    failed = took(Outcome.FAILED, count=0, text="no answer")
    m = TAKING
    for _ in range(2):
        decision = decide(seen(archives=True, op=failed), m)
        assert not decision.memory.catching.unfit
        assert decision.memory.retry.retry_at == NOW + 5.0
        m = changed(decision.memory, op=Op.CATCH_UP)
    assert decide(seen(archives=True, op=failed), m).memory.catching.unfit == "no answer"


def test_the_pod_shows_how_far_it_has_caught_up_from_the_archive() -> None:
    silent = replace(HELD, eligible=(EligibleReplica("pg-1", "v1", streaming=False),))
    decision = decide(seen(archives=True, lease=lease(silent)), changed(DUE, taken=3, total=40, apart=Apart(since=NOW - 1)))
    shown = [pair for each in decision.actions if isinstance(each, Annotate) for pair in each.annotations]
    assert shown == [(pods.NOT_FOLLOWING, "catching up from the archive, 3 of 40 segments")]


def test_one_that_follows_again_says_what_it_took_from_the_archive() -> None:
    m = changed(SEALED, op=Op.FOLLOW, op_number=1, taken=12, total=12)
    decision = decide(seen(op=OpResult(1, Op.FOLLOW, Outcome.OK, "n1", "on its timeline")), m)
    assert decision.memory.catching == CatchingUp()
    assert [each.reason for each in decision.actions if isinstance(each, Announce)] == ["CaughtUp"]


# --- what a segment has to be ---

SMALL = 1 << 20
SYSTEM = "7001"
NAME = segment_name(3, 5 * SMALL, SMALL)
START = 5 * SMALL
END = START + 3 * PAGE + 100


def page(lsn: int, timeline: int = 3, system: int = int(SYSTEM), size: int = SMALL, fill: int = 0x5A) -> bytes:
    is_first = lsn % SMALL == 0
    head = struct.pack("=HHIQI4x", 0xD110, 2 if is_first else 0, timeline, lsn, 0)
    return (head + (struct.pack("=QII", system, size, PAGE) if is_first else b"")).ljust(PAGE, bytes([fill]))


def segment(start: int = START, **changes: int) -> bytes:
    return b"".join(page(lsn, **changes) for lsn in range(start, start + SMALL, PAGE))


WHOLE = segment()
OURS = WHOLE[: END - START].ljust(SMALL, b"\0")


def judged(content: bytes, own: bytes = OURS, end: int = END, name: str = NAME) -> str:
    def read(of: bytes) -> object:
        return lambda offset, length: of[offset : offset + length]

    return trouble(read(content), read(own), name, SMALL, SYSTEM, end)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("why", "content"),
    [
        ("is cut off", WHOLE[:-1]),
        ("is cut off", b""),
        ("is not of the size of our segments", WHOLE + b"\0"),
        ("is not of the size of our segments", segment(size=2 * SMALL)),
        ("is of another database", segment(system=7002)),
        ("has the page of another place at 0/500000", segment(START + SMALL)[:SMALL]),
        ("has the page of another place at 0/5F0000", WHOLE[: 120 * PAGE] + page(START) + WHOLE[121 * PAGE :]),
        ("has a page of timeline 4 at 0/508000", WHOLE[: 4 * PAGE] + segment(timeline=4)[4 * PAGE :]),
        ("differs from what we have of it", WHOLE[:PAGE] + page(START + PAGE, fill=1) + WHOLE[2 * PAGE :]),
        ("has something behind its end at 0/506000", WHOLE[: 2 * PAGE] + bytes(PAGE) + WHOLE[3 * PAGE :]),
    ],
)
def test_an_archived_segment_that_does_not_continue_our_wal(why: str, content: bytes) -> None:
    end = START if why.startswith("has") and "508000" not in why else END
    assert judged(content, end=end) == why


def test_an_archived_segment_that_continues_our_wal() -> None:
    assert judged(WHOLE) == ""
    assert judged(WHOLE, own=b"", end=START - 10) == ""
    switched = WHOLE[: 9 * PAGE].ljust(SMALL, b"\0")
    assert judged(switched) == "", "after a switch of segments the rest is empty"


# --- how it gets there ---


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    wal = tmp_path / "pgdata" / "pg_wal"
    (wal / "archive_status").mkdir(parents=True)
    (wal / NAME).write_bytes(OURS)
    return Volume(tmp_path, "15", "pg_wal")


def test_a_segment_from_the_archive_is_on_disk_before_it_has_its_name(
    volume: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wal = tmp_path / "pgdata" / "pg_wal"
    done: list[str] = []
    rename = beneath.replace

    def renamed(parent: int, name: str) -> None:
        done.append("renamed")
        rename(parent, name)

    monkeypatch.setattr(os, "fsync", lambda file: done.append(os.readlink(f"/proc/self/fd/{file}")))
    monkeypatch.setattr(beneath, "replace", renamed)
    volume.add_segment(NAME, END, SYSTEM, iter([WHOLE[:100], WHOLE[100:]]))
    assert done == [f"{wal}/.{NAME}.new", "renamed", f"{wal}"]
    assert (wal / NAME).read_bytes() == WHOLE
    assert (wal / "archive_status" / f"{NAME}.done").exists(), "the server's next restartpoint may remove it"


def broken() -> Iterator[bytes]:
    yield WHOLE[:PAGE]
    raise ArchiveError("gone")


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (broken(), ArchiveError),
        (iter([WHOLE, WHOLE]), OSError),
        (iter([segment(system=7002)]), SegmentRefused),
    ],
)
def test_what_is_not_a_whole_segment_of_the_archive_leaves_nothing(
    volume: Volume, tmp_path: Path, content: Iterator[bytes], error: type[Exception]
) -> None:
    with pytest.raises(error):
        volume.add_segment(NAME, END, SYSTEM, content)
    wal = tmp_path / "pgdata" / "pg_wal"
    assert sorted(os.listdir(wal)) == sorted([NAME, "archive_status"])
    assert (wal / NAME).read_bytes() == OURS


def test_a_link_in_place_of_the_archive_status_is_not_followed(volume: Volume, tmp_path: Path) -> None:
    status, elsewhere = tmp_path / "pgdata" / "pg_wal" / "archive_status", tmp_path / "elsewhere"
    elsewhere.mkdir()
    status.rmdir()
    status.symlink_to(elsewhere)
    volume.add_segment(NAME, END, SYSTEM, iter([WHOLE]))
    assert not os.listdir(elsewhere)


# --- the request to the backup container ---


def test_the_request_to_the_backup_container_and_its_answer() -> None:
    assert fetch(Fetch(NAME).line.split()) == Fetch(NAME)
    assert fetch(["fetch", "../../etc/passwd"]) is None
    assert fetch(["push", NAME]) is None
    answer = Answer(SMALL, "0" * 40)
    assert fetched(answer.line) == answer
    assert fetched("missing") is None
    for line, why in (("error no repository is set", "no repository is set"), ("ok", "a malformed answer of 2 characters")):
        with pytest.raises(NotFetched, match=why):
            fetched(line)


def test_the_question_for_a_verified_backup_and_its_answer() -> None:
    assert ask_verified(AskVerified("15").line.split()) == AskVerified("15")
    assert ask_verified(["verified", "15;"]) is None
    answer = VerifiedBackup(1796090400, "20261201-010000F_20261202-010000I")
    assert verified(answer.line) == answer
    assert verified("missing") is None
    for line, why in (("error no repository is set", "no repository is set"), ("ok 1", "a malformed answer of 4 characters")):
        with pytest.raises(NotFetched, match=why):
            verified(line)
