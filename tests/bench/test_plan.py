"""How the time is divided, and how lines are merged into the file."""

from __future__ import annotations

from itertools import islice, pairwise
from pathlib import Path

import pytest

from tests.bench import lines, plan


def test_a_fault_that_takes_twice_as_long_gets_twice_the_time() -> None:
    assert plan.share_s(300.0, [2.0, 1.0]) == 200.0
    assert plan.share_s(100.0, [1.0]) == 100.0


def test_a_fault_is_done_as_often_as_asked_if_there_is_time() -> None:
    assert plan.goes_on(0, 10, 0.0, 100.0)
    assert plan.goes_on(9, 10, 90.0, 100.0)
    assert not plan.goes_on(10, 10, 90.0, 100.0)


def test_without_time_it_is_done_the_least_number_of_times() -> None:
    assert plan.goes_on(plan.LEAST - 1, 10, 500.0, 100.0)
    assert not plan.goes_on(plan.LEAST, 10, 500.0, 100.0)
    assert not plan.goes_on(2, 2, 5.0, 100.0)


def test_another_time_has_to_fit() -> None:
    assert plan.goes_on(4, 10, 80.0, 100.0)
    assert not plan.goes_on(5, 10, 90.0, 100.0)


@pytest.mark.parametrize("number", [5, 8, 10])
def test_faults_begin_evenly_spread_between_two_renewals(number: int) -> None:
    taken = sorted(islice(plan.moments(), number))
    gaps = [after - before for before, after in pairwise([*taken, taken[0] + 1.0])]
    assert 0.5 / number < min(gaps) <= max(gaps) < 2.0 / number


def test_a_moment_of_a_period_is_waited_for() -> None:
    assert plan.pause_s(0.5, 2.0, 0.4) == pytest.approx(0.6)
    assert plan.pause_s(0.5, 2.0, 1.4) == pytest.approx(1.6)
    assert plan.pause_s(0.5, 2.0, 7.4) == pytest.approx(1.6)


def test_a_line_takes_the_place_of_one_about_the_same(tmp_path: Path) -> None:
    path = tmp_path / "build" / "bench.jsonl"
    assert lines.read(path) == []
    for line in (
        {"machine": {"processors": 2}},
        {"system": "a", "fault": "node", "n": 1},
        {"system": "a", "idle": {}},
        {"system": "b", "fault": "node", "n": 1},
        {"system": "a", "fault": "node", "n": 2},
        {"system": "a", "idle": {"rss_mib": 50}},
    ):
        lines.put(path, line)
    assert lines.read(path) == [
        {"machine": {"processors": 2}},
        {"system": "a", "fault": "node", "n": 2},
        {"system": "a", "idle": {"rss_mib": 50}},
        {"system": "b", "fault": "node", "n": 1},
    ]
    lines.put(path, {"mode": "load", "system": "a", "fault": "node", "n": 3})
    assert [line["n"] for line in lines.read(path) if "n" in line] == [2, 1, 3]
    assert [each.name for each in path.parent.iterdir()] == ["bench.jsonl"]


def test_new_lines_take_the_place_of_all_of_their_modes() -> None:
    old = [{"system": "a", "fault": "node"}, {"mode": "load", "system": "a", "fault": "node"}]
    new = [{"mode": "load", "system": "b", "fault": "node"}]
    assert lines.merge(old, new) == [old[0], new[0]]
    assert lines.merge(old, [{"mode": "quiet", "system": "b", "fault": "node"}])[0] == old[1]
