"""Histories that are linearizable and histories that aren't, made by hand, and judged by the same program as the drills' register."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.robustness.traffic import registers
from tests.robustness.traffic.registers import Log, Operation
from tests.robustness.validate import linearizable
from tests.robustness.validate.linearizable import Verdict


def write(value: int, begin: float, end: float, outcome: str = "ok", client: str = "a") -> Operation:
    return Operation(client, "write", value, begin, end, outcome)


def read(value: int | None, begin: float, end: float, outcome: str = "ok", client: str = "b") -> Operation:
    return Operation(client, "read", value, begin, end, outcome)


def judged(tmp_path: Path, *history: Operation) -> Verdict:
    registers.write(history, tmp_path / "history.jsonl")
    return linearizable.check(tmp_path / "history.jsonl")


LINEARIZABLE = {
    "nothing": [],
    "one after the other": [read(0, 0, 1), write(1, 2, 3), read(1, 4, 5), write(2, 6, 7), read(2, 8, 9)],
    "a read beside a write may see either": [write(1, 0, 1), write(2, 2, 6), read(1, 3, 4), read(2, 4.5, 5)],
    "two writes at the same time, in the order that was seen": [write(1, 0, 9), write(2, 0, 9, client="c"), read(2, 1, 2), read(1, 3, 4)],
    "without an answer, and seen later": [write(1, 0, 1), write(2, 2, 3, "maybe"), read(1, 4, 5), write(3, 6, 7), read(2, 8, 9)],
    "without an answer, and never seen": [write(1, 0, 1), write(2, 2, 3, "maybe"), read(1, 4, 5)],
    "refused, and never seen": [write(1, 0, 1), write(2, 2, 3, "no"), read(1, 4, 5)],
    "a read without an answer says nothing": [write(1, 0, 1), read(None, 2, 3, "maybe"), read(None, 2, 3, "no"), read(1, 4, 5)],
}


@pytest.mark.parametrize("name", LINEARIZABLE)
def test_linearizable(name: str, tmp_path: Path) -> None:
    assert judged(tmp_path, *LINEARIZABLE[name]) == Verdict("linearizable")


BEFORE = [write(1, 0, 1), read(1, 1.5, 2)]
VIOLATIONS = {
    "a stale read": [*BEFORE, write(7, 3, 4), write(8, 5, 6), read(7, 7, 8)],
    "a lost write": [*BEFORE, write(8, 5, 6), read(1, 7, 8)],
    "all is lost": [*BEFORE, read(0, 7, 8)],
    "a value comes back": [*BEFORE, write(7, 3, 9), read(7, 4, 5), read(1, 6, 7)],
    "refused, and seen": [*BEFORE, write(8, 5, 6, "no"), read(8, 7, 8)],
    "seen before it is written": [*BEFORE, read(8, 3, 4), write(8, 5, 6)],
    "without an answer, seen and gone again": [*BEFORE, write(8, 5, 6, "maybe"), read(8, 7, 8), read(1, 9, 10)],
    "the row isn't there": [*BEFORE, read(-1, 7, 8)],
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_not_linearizable(name: str, tmp_path: Path) -> None:
    assert judged(tmp_path, *VIOLATIONS[name]).verdict == "not linearizable"


def test_a_violation_is_shown_by_the_fewest_operations(tmp_path: Path) -> None:
    usual = [each for n in range(2, 200) for each in (write(n, n, n + 0.2), read(n, n + 0.3, n + 0.4, client=f"c{n % 3}"))]
    stale = read(100, 150.5, 150.6)
    found = judged(tmp_path, *usual, write(900, 50, 50.1, "maybe"), stale)
    assert found.verdict == "not linearizable"
    first, second, third = found.shortest
    assert first == "100.000000-100.200000 a: write 100 ok"
    assert "write" in second
    assert third == "150.500000-150.600000 b: read 100 ok"


def test_the_limit_is_kept(tmp_path: Path) -> None:
    """Many concurrent writes, each seen twice, once too late: deciding this takes longer than the time limit."""
    together = [write(n, 0, 100, client=f"c{n}") for n in range(1, 40)]
    reads = [read(n, begin, begin + 0.1) for n in range(1, 40) for begin in (n, n + 50)]
    registers.write([*together, *reads], tmp_path / "history.jsonl")
    assert linearizable.check(tmp_path / "history.jsonl", 0.2).verdict == "unknown"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "append"}, 'line 2: kind "append"'),
        ({"outcome": "perhaps"}, 'line 2: outcome "perhaps"'),
        ({"value": None}, "line 2: no value"),
        ({"value": 1}, "line 2: 1 is written twice"),
        ({"end": 0}, "line 2: the end is before the begin"),
    ],
)
def test_another_history_is_refused(change: dict[str, object], words: str, tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    registers.write([write(1, 0, 1), write(2, 2, 3)], path)
    one, two = (json.loads(line) for line in path.read_text().splitlines())
    path.write_text(f"{json.dumps(one)}\n{json.dumps(two | change)}\n")
    with pytest.raises(ValueError, match=words):
        linearizable.check(path)


def test_lines_of_a_client_are_understood() -> None:
    found = Log("register-1")
    for line in (
        "write 7 10.0 10.5 ok",
        "read 7 11.0 11.5 ok",
        "write 8 12.0 12.5 no 25006",
        "read - 13.0 13.5 no 57P03",
        "down 13.5 14.0",
        "write 9 14.0 15.0 maybe",
        "write 10 16.0 17.0 maybe warned",
        "read - 18.0 19.0 maybe",
        "end",
    ):
        found.note(line)
    assert [(each.kind, each.value, each.outcome) for each in found.operations] == [
        *(("write", 7, "ok"), ("read", 7, "ok"), ("write", 8, "no"), ("read", None, "no")),
        *(("write", 9, "maybe"), ("write", 10, "maybe"), ("read", None, "maybe")),
    ]
    assert found.operations[0] == Operation("register-1", "write", 7, 10.0, 10.5, "ok")
    assert (found.done("write"), found.done("read"), found.no_session, found.complete) == (1, 1, 1, True)
    with pytest.raises(ValueError, match="not a line"):
        found.note("command terminated with exit code 137")
