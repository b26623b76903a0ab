"""The synchronous standbys: every order of steps, crashes and late standbys in a small world, and the single steps by name."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import pytest

from hapg_failover.core.write_quorum import (
    OFF,
    Move,
    Policy,
    Record,
    Set,
    Setting,
    Situation,
    Standby,
    Stay,
    check_invariants,
    next_move,
    shortfall,
)
from hapg_protocol.model import SyncRecord

STRICT, PREFERRED = Policy(1), Policy(1, strict=False)


def standby(number: int, flushed: int | None = 100, silent: float | None = None, volume: str | None = None) -> Standby:
    return Standby(f"pg-{number}", volume or f"v{number}", silent is None, silent or 0.0, flushed)


def at(
    policy: Policy, record: tuple[str, ...] | None, setting: Setting | None, *standbys: Standby, base: int = 50, k: int | None = None
) -> Situation:
    kept = None if record is None else SyncRecord(k or policy.k, record)
    return Situation(policy, "v0", kept, setting, base, standbys)


ONE, TWO = Setting(1, ("pg-1",)), Setting(1, ("pg-1", "pg-2"))
GONE = standby(1, silent=11.0)


@pytest.mark.parametrize(
    ("why", "situation", "expected"),
    [
        ("strict, and nobody streams", at(STRICT, None, OFF), Set(Setting(1), "")),
        ("strict, and nobody streams yet", at(STRICT, None, Setting(1)), Stay("")),
        ("preferred, and nobody streams", at(PREFERRED, None, Setting(1)), Set(OFF, "")),
        ("the first record takes all in", at(STRICT, None, Setting(1), standby(1), standby(2)), Record(SyncRecord(1, ("v1", "v2")), "")),
        ("two copies need two standbys", at(Policy(2), None, Setting(2), standby(1)), Stay("")),
        ("the record comes first", at(STRICT, ("v1",), Setting(1), standby(1)), Set(ONE, "")),
        ("a new agent doesn't know the setting", at(STRICT, ("v0", "v1", "v2"), None, standby(1), standby(2)), Set(TWO, "")),
        ("growth: the record", at(STRICT, ("v1",), ONE, standby(1), standby(2)), Record(SyncRecord(1, ("v1", "v2")), "")),
        ("growth: the setting", at(STRICT, ("v1", "v2"), ONE, standby(1), standby(2)), Set(TWO, "")),
        ("one that doesn't stream isn't taken in", at(STRICT, ("v1",), ONE, standby(1), standby(2, silent=1.0)), Stay("")),
        ("nor one of unknown position", at(STRICT, ("v1",), ONE, standby(1), standby(2, None)), Stay("")),
        ("a short break is borne", at(STRICT, ("v1", "v2"), TWO, standby(1), standby(2, silent=9.9)), Stay("")),
        ("shrinking: the setting", at(STRICT, ("v1", "v2"), TWO, GONE, standby(2)), Set(Setting(1, ("pg-2",)), "")),
        ("strict keeps the last one", at(STRICT, ("v1",), ONE, GONE), Stay("")),
        ("and one whose fellow doesn't stream either", at(STRICT, ("v1", "v2"), TWO, GONE, standby(2, silent=5.0)), Stay("")),
        ("shrinking: the barrier", at(STRICT, ("v1", "v2"), Setting(1, ("pg-2",)), GONE, standby(2, 49)), Stay("")),
        (
            "shrinking: the record",
            at(STRICT, ("v1", "v2"), Setting(1, ("pg-2",)), GONE, standby(2, 50)),
            Record(SyncRecord(1, ("v2",)), ""),
        ),
        ("ourselves after a promotion", at(STRICT, ("v0", "v1"), ONE, standby(1)), Record(SyncRecord(1, ("v1",)), "")),
        ("ourselves, but nobody has it all yet", at(STRICT, ("v0", "v1"), ONE, standby(1, 49)), Stay("")),
        (
            "a pod with a new volume: the new one joins",
            at(STRICT, ("v1", "v2"), TWO, standby(1, volume="w1"), standby(2)),
            Record(SyncRecord(1, ("v1", "v2", "w1")), ""),
        ),
        (
            "a pod with a new volume: the old one leaves",
            at(STRICT, ("v1", "v2", "w1"), TWO, standby(1, volume="w1"), standby(2)),
            Record(SyncRecord(1, ("v2", "w1")), ""),
        ),
        ("preferred lets go: the setting", at(PREFERRED, ("v1",), ONE, standby(1, silent=3.0)), Set(OFF, "")),
        ("preferred bears a short break", at(PREFERRED, ("v1",), ONE, standby(1, silent=2.9)), Stay("")),
        ("preferred lets go: the record", at(PREFERRED, ("v1",), OFF, standby(1, silent=3.0)), Record(None, "")),
        ("preferred grows again: the record", at(PREFERRED, None, OFF, standby(1)), Record(SyncRecord(1, ("v1",)), "")),
        ("preferred grows again: the setting", at(PREFERRED, ("v1",), OFF, standby(1)), Set(ONE, "")),
        ("asynchronous now: the setting", at(Policy(), ("v1",), ONE, standby(1), k=1), Set(OFF, "")),
        ("asynchronous now: the record", at(Policy(), ("v1",), OFF, standby(1), k=1), Record(None, "")),
        ("asynchronous", at(Policy(), None, OFF, standby(1)), Stay("")),
        ("another k waits for the next set", at(Policy(2), ("v1", "v2"), TWO, standby(1), standby(2), k=1), Stay("")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_next_step(why: str, situation: Situation, expected: Move) -> None:
    move = next_move(situation)
    assert replace(move, reason="") == expected
    assert move.reason
    assert check_invariants(situation, move) == []


@pytest.mark.parametrize(
    ("situation", "move", "words"),
    [
        (at(STRICT, ("v1",), ONE, standby(1)), Record(None, ""), "the record is removed while 1 of pg-1 is in effect"),
        (at(STRICT, ("v1",), ONE, standby(1)), Record(SyncRecord(2, ("v1",)), ""), "1 volumes can't hold 2 copies"),
        (at(STRICT, ("v1",), ONE, standby(1)), Record(SyncRecord(2, ("v1", "v2")), ""), "k changes from 1 to 2"),
        (at(STRICT, ("v1",), ONE, standby(1)), Record(SyncRecord(1, ("v1", "v2", "v3")), ""), "more than one step"),
        (at(STRICT, ("v1", "v2"), TWO, standby(1), standby(2)), Record(SyncRecord(1, ("v1",)), ""), "v2 leaves the record and still ack"),
        (at(STRICT, ("v1", "v2"), None, standby(1)), Record(SyncRecord(1, ("v1",)), ""), "while the setting is unknown"),
        (at(STRICT, None, OFF, standby(1)), Set(ONE, ""), "without a record"),
        (at(STRICT, ("v1",), ONE, standby(1), standby(2)), Set(TWO, ""), "pg-2 may acknowledge and isn't recorded"),
        (at(STRICT, ("v1",), None, standby(1)), Set(Setting(2, ("pg-1",)), ""), "k is 2, recorded is 1"),
    ],
)
def test_unsound_steps_are_found(situation: Situation, move: Move, words: str) -> None:
    assert any(words in problem for problem in check_invariants(situation, move))


@pytest.mark.parametrize(
    ("setting", "text"),
    [(OFF, ""), (Setting(2), 'ANY 2 ("-")'), (Setting(1, ("pg-1", "pg-2")), 'ANY 1 ("pg-1", "pg-2")')],
)
def test_the_parameter(setting: Setting, text: str) -> None:
    assert setting.text == text


@pytest.mark.parametrize(
    ("k", "reported", "enough"),
    [
        (1, {"a", "b"}, False),
        (1, {"a", "b", "c"}, True),
        (2, {"a", "b"}, True),
        (2, {"a", "x"}, False),
        (3, {"c"}, True),
        (1, {"h"}, True),
    ],
)
def test_whose_positions_are_enough(k: int, reported: set[str], enough: bool) -> None:
    short = shortfall(SyncRecord(k, ("a", "b", "c")), "h", reported)
    assert (short is None) is enough, short


# ---- every interrupted state ----


class World(NamedTuple):
    """A primary, and standbys with logs of length 0 to LENGTH.

    lease: the record in the Lease; sent: a record whose write has no answer yet, and may or may not be carried out; known: our last
    answered record; forces: settings that processes may be using; found: as Situation.setting; acked: length of what was acknowledged.
    """

    lease: SyncRecord | None
    sent: tuple[SyncRecord | None] | None
    sure: bool
    forces: frozenset[Setting]
    ordered: Setting | None
    found: Setting | None
    base: int
    length: int
    flushed: tuple[int, ...]
    up: tuple[bool, ...]
    acked: int
    budget: int


LENGTH = 2
NextMove = Callable[[Situation], Move]


@cache
def standbys_of(flushed: tuple[int, ...], up: tuple[bool, ...]) -> tuple[Standby, ...]:
    return tuple(standby(n + 1, length, None if up[n] else 60.0) for n, length in enumerate(flushed))


@cache
def acknowledged(forces: frozenset[Setting], flushed: tuple[int, ...], up: tuple[bool, ...]) -> int:
    """The longest log that standbys may acknowledge now, by any process and under any setting it may be using.

    Commits that wait for nobody don't count, nor those acknowledged before the record was given up: `preferred` promises no more.
    """
    best = 0
    for setting in forces:
        lengths = sorted((flushed[n] for n in range(len(flushed)) if f"pg-{n + 1}" in setting.names and up[n]), reverse=True)
        if 0 < setting.k <= len(lengths):
            best = max(best, lengths[setting.k - 1])
    return best


def steps(w: World, policy: Policy, next_move: NextMove) -> Iterator[tuple[str, World]]:
    if w.length < LENGTH:
        yield "write", w._replace(length=w.length + 1)
    longest = acknowledged(w.forces, w.flushed, w.up)
    if longest > w.acked:
        yield "acknowledge", w._replace(acked=longest)
    for n, length in enumerate(w.flushed):
        if w.up[n] and length < w.length:
            yield f"{n + 1} flushes", w._replace(flushed=tuple(x + (i == n) for i, x in enumerate(w.flushed)))
        if w.budget:
            yield f"{n + 1} turns", w._replace(up=tuple(x ^ (i == n) for i, x in enumerate(w.up)), budget=w.budget - 1)
    if w.sent is not None:
        given_up = w.sent[0] is None
        yield "the write is carried out", w._replace(lease=w.sent[0], sent=None, acked=0 if given_up else w.acked)
        yield "the write is lost for good", w._replace(sent=None)
    elif not w.sure:
        yield "the next renewal is answered", w._replace(sure=True)
    if w.ordered is not None:
        yield "the setting is in force", w._replace(forces=frozenset({w.ordered}), found=w.ordered, ordered=None, base=w.length)
        yield "the order fails", w._replace(ordered=None)
    if w.budget:
        yield "the agent restarts", w._replace(sure=False, found=None, ordered=None, budget=w.budget - 1)
    if w.sure and w.ordered is None:
        match next_move(Situation(policy, "v0", w.lease, w.found, w.base, standbys_of(w.flushed, w.up))):
            case Record(record):
                yield f"record {record}", w._replace(sent=(record,), sure=False)
            case Set(setting):
                yield f"set {setting}", w._replace(forces=w.forces | {setting}, found=None, ordered=setting)


def lost(w: World) -> str | None:
    """A crash now that destroys the primary's volume: may a claimer see enough volumes and still miss what was acknowledged?"""
    found = (missed(record, w.flushed, w.acked) for record in {w.lease, *(w.sent or (w.lease,))} if record is not None)
    return next(filter(None, found), None)


@cache
def missed(record: SyncRecord, flushed: tuple[int, ...], acked: int) -> str | None:
    volumes = [f"v{n + 1}" for n in range(len(flushed)) if f"v{n + 1}" in record.volumes]
    for count in range(len(volumes) + 1):
        for seen in itertools.combinations(volumes, count):
            best = max((flushed[int(volume[1:]) - 1] for volume in seen), default=0)
            if shortfall(record, "v0", set(seen)) is None and best < acked:
                return f"{seen} of {record} have {best} of {acked} acknowledged"
    return None


def explore(start: World, policy: Policy, next_move: NextMove) -> tuple[int, list[str] | None]:
    """Return the number of states and, if one loses something, the steps to it."""
    next_move = cache(next_move)
    came: dict[World, tuple[World, str] | None] = {start: None}
    left = deque([start])
    while left:
        w = left.popleft()
        trouble = lost(w) or ("writes don't wait" if policy.strict and OFF in w.forces else None)
        if trouble is not None:
            path, at = [trouble], came[w]
            while at is not None:
                path.append(at[1])
                at = came[at[0]]
            return len(came), path[::-1]
        for label, after in steps(w, policy, next_move):
            if after not in came:
                came[after] = (w, label)
                left.append(after)
    return len(came), None


def promoted(k: int, standbys: int, fetch_wal: int = 1) -> World:
    """Just promoted: the record includes our own volume, and not every standby has the last commits acknowledged in the previous term."""
    others = tuple(f"v{n + 1}" for n in range(standbys - 1))
    record = SyncRecord(k, ("v0", *others))
    setting = Setting(k, tuple(f"pg-{volume[1:]}" for volume in others))
    flushed = tuple(1 if n < k - 1 else 0 for n in range(standbys))
    return World(record, None, True, frozenset({setting}), None, setting, fetch_wal, 1, flushed, (True,) * standbys, 1, 2)


WORLDS = [("one copy of two", 1, 2), ("one copy of three", 1, 3), ("two copies of three", 2, 3)]


@pytest.mark.parametrize(("k", "standbys"), [world[1:] for world in WORLDS], ids=[world[0] for world in WORLDS])
@pytest.mark.parametrize("strict", [True, False], ids=["strict", "preferred"])
def test_no_interruption_loses_what_was_acknowledged(k: int, standbys: int, strict: bool) -> None:
    states, path = explore(promoted(k, standbys), Policy(k, strict), next_move)
    assert path is None, path
    assert states > 500


def without_barrier(s: Situation) -> Move:
    return next_move(replace(s, base=0))


def setting_first(s: Situation) -> Move:
    """Adds a standby in the wrong order."""
    live = tuple(sorted(x.pod for x in s.standbys if x.live))
    if s.record is not None and s.setting is not None and s.setting.names and set(live) - set(s.setting.names):
        return Set(Setting(s.record.k, tuple(sorted({*s.setting.names, *live}))), "")
    return next_move(s)


def record_first(s: Situation) -> Move:
    """Removes a standby in the wrong order."""
    move = next_move(s)
    if isinstance(move, Set) and s.setting is not None and s.record is not None and len(move.setting.names) < len(s.setting.names):
        dropped = {x.volume for x in s.standbys if x.pod in s.setting.names and x.pod not in move.setting.names}
        if dropped & set(s.record.volumes):
            return Record(replace(s.record, volumes=tuple(v for v in s.record.volumes if v not in dropped)), "")
    return move


@pytest.mark.parametrize("wrong", [without_barrier, setting_first, record_first])
def test_each_order_matters(wrong: NextMove) -> None:
    assert any(explore(promoted(k, n), Policy(k), wrong)[1] for _, k, n in WORLDS)
