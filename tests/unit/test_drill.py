"""A drill's comparisons: the readers' answers, the replicas' rows, and the saved history."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.robustness.lease import Reign
from tests.robustness.report import histories
from tests.robustness.traffic import readers, writers
from tests.robustness.traffic.readers import Reading
from tests.robustness.traffic.writers import Append
from tests.robustness.validate import reads, replicas


def reading(at: float, highest: int, timeline: int | None = 1, count: int | None = None) -> Reading:
    return Reading(at, at + 0.1, highest if count is None else count, highest, timeline)


def read(*readings: Reading) -> readers.Log:
    return readers.Log("reader", list(readings))


def written(*appends: tuple[int, float, int], refused: Iterable[int] = (), uncertain: Iterable[int] = ()) -> writers.Log:
    """A log of (id, time, timeline)."""
    acknowledged = [Append(id, moment, moment + 0.1, f"server-{timeline}", timeline) for id, moment, timeline in appends]
    return writers.Log("w", acknowledged=acknowledged, refused=list(refused), uncertain=list(uncertain))


def test_lines_of_the_reader_are_understood() -> None:
    found = readers.Log("reader")
    for line in ("down 9.0 9.5", "ok 10.0 10.5 7 8 0000000A", "ok 11.0 11.5 0 0 -", "no 12.0 12.1 57P03", "maybe 13.0 14.0", "end"):
        found.note(line)
    assert found.readings == [Reading(10.0, 10.5, 7, 8, 10), Reading(11.0, 11.5, 0, 0, None)]
    assert (found.failures, found.complete) == (3, True)
    with pytest.raises(ValueError, match="not a line"):
        found.note("command terminated with exit code 137")


@pytest.mark.parametrize(
    ("readings", "wrong"),
    [
        ([reading(0, 5), reading(1, 5), reading(2, 7)], []),
        ([reading(0, 5), reading(1, 4)], ["reader: read on timeline 1: 5 rows up to 5, then 4 up to 4"]),
        ([reading(0, 5), reading(1, 6, count=4)], ["reader: read on timeline 1: 5 rows up to 5, then 4 up to 6"]),
        ([reading(0, 5), reading(1, 4, timeline=2)], []),  # a failover may lose unreplicated WAL
        ([reading(0, 5), reading(1, 4, timeline=2), reading(2, 3)], ["reader: read on timeline 1: 5 rows up to 5, then 3 up to 3"]),
        ([reading(0, 5, timeline=None), reading(1, 4, timeline=None)], []),  # another standby, further behind
    ],
)
def test_a_reading_never_goes_back_on_a_timeline(readings: list[Reading], wrong: list[str]) -> None:
    assert reads.backwards(read(*readings)) == wrong


def test_what_was_refused_or_never_written_is_not_to_be_read() -> None:
    log = written((1, 0, 1), (2, 1, 1), refused=[3], uncertain=[4])
    assert reads.impossible(read(reading(0, 0), reading(1, 2), reading(2, 4, timeline=None)), log) == []
    [found] = reads.impossible(read(reading(1, 3), reading(2, 9, timeline=None), reading(3, 2)), log)
    assert found == "reader: read though refused, or never written: [3, 9]"


def test_rows_that_were_read_on_a_primary_and_are_gone_are_found_once() -> None:
    log = read(reading(0, 0), reading(1, 1), reading(2, 3), reading(3, 3), reading(4, 2, timeline=2), reading(5, 4, timeline=None))
    assert reads.gone(log, [1, 2]) == [reading(2, 3)]


@pytest.mark.parametrize(
    ("kept", "wrong"),
    [
        ((1, 0.0, 1), False),  # sent before the reading: the lost row may have come later
        ((5, 2.05, 1), False),  # concurrent with the reading
        ((5, 2.5, 1), True),
        ((5, 2.5, 2), False),  # on the successor's timeline
    ],
)
def test_a_row_that_was_read_and_is_gone_was_in_the_lost_tail(kept: tuple[int, float, int], wrong: bool) -> None:
    logs = [written((2, 1.0, 1), (6, 3.0, 1)), writers.Log("v", acknowledged=written(kept).acknowledged)]
    found = reads.outside_the_tail([reading(2, 3)], logs, {"w": [2], "v": [kept[0]]})
    assert found == (["3 was read on timeline 1 and is gone; what was sent 0.400 s later is there"] if wrong else [])
    assert reads.outside_the_tail([reading(2, 3)], logs, {"w": [2], "v": []}) == []


def test_a_replica_that_shows_other_rows_is_named_with_the_writer() -> None:
    primary = {"a": (3, "x"), "b": (2, "y")}
    assert replicas.differences("pod-1", dict(primary), primary) == []
    assert replicas.differences("pod-1", {"a": (2, "z"), "b": (2, "n"), "c": (1, "m")}, primary) == [
        "pod-1 has 2 rows of a, and the primary has 3",
        "pod-1 has other rows of b than the primary, 2 as well",
        "pod-1 has 1 rows of c, and the primary has 0",
    ]
    assert replicas.differences("pod-1", {"a": (3, "x")}, primary) == ["pod-1 has 0 rows of b, and the primary has 2"]


@pytest.mark.parametrize(
    ("fields", "line", "kept"),
    [
        (
            histories.WRITER,
            "ok 7 1.5 1.75 10.0.0.1 0000000A",
            {"what": "ok", "id": 7, "begin": 1.5, "end": 1.75, "server": "10.0.0.1", "timeline": 10},
        ),
        (histories.WRITER, "no 7 1.5 1.75 25006", {"what": "no", "id": 7, "begin": 1.5, "end": 1.75, "sqlstate": "25006"}),
        (histories.WRITER, "maybe 7 1.5 1.75", {"what": "maybe", "id": 7, "begin": 1.5, "end": 1.75}),
        (histories.WRITER, "maybe 7 1.5 1.75 warned", {"what": "maybe", "id": 7, "begin": 1.5, "end": 1.75, "why": "warned"}),
        (histories.READER, "ok 1.5 1.75 6 7 -", {"what": "ok", "begin": 1.5, "end": 1.75, "count": 6, "max": 7, "timeline": None}),
        (histories.READER, "down 1.5 1.75", {"what": "down", "begin": 1.5, "end": 1.75}),
        (histories.READER, "end", {"what": "end"}),
        (histories.READER, "bash: fork: Cannot allocate memory", {"what": "else", "line": "bash: fork: Cannot allocate memory"}),
    ],
)
def test_a_line_is_kept_with_names(fields: histories.Fields, line: str, kept: histories.Entry) -> None:
    assert histories.entry("c", fields, line) == {"source": "c", **kept}


def test_a_history_is_a_file_of_json_lines_named_after_its_test(tmp_path: Path) -> None:
    name = histories.path("tests/faults/test_synchronous.py::test_nothing_is_lost[partition]", "-2").name
    assert name == "test_synchronous.py-test_nothing_is_lost-partition-2.jsonl"
    file = tmp_path / "histories" / name
    histories.keep(file, [histories.reign(1.5, Reign(2, "pod-0", "x", 3)), {"source": "w", "what": "end"}])
    assert [json.loads(line) for line in file.read_text().splitlines()] == [
        {"source": "lease", "what": "reign", "at": 1.5, "term": 2, "pod": "pod-0", "uid": "x", "timeline": 3},
        {"source": "w", "what": "end"},
    ]
