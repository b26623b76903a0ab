"""The measurement of changed values, with invented times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.bench import __main__ as bench
from tests.bench import changes, modes, reconfigure, report
from tests.bench.changes import CHANGES, Change, Times
from tests.robustness.programs import Done, ProgramError
from tests.robustness.release import Pod


def pod(number: int) -> Pod:
    return Pod(f"db-{number}", f"u{number}", "", "", "", "Running", True, False, 0, {})


class System:
    """A release whose servers have a change in effect one after the other.

    restarts: a container restarts at each change; answers: the exit codes of the first commands in pods.
    """

    def __init__(self, restarts: bool = False, answers: Sequence[int] = ()) -> None:
        self._answers = list(answers)
        self.upgrades: list[tuple[str, ...]] = []
        self.asked: list[tuple[str, ...]] = []
        self._restarts = restarts

    def pods(self) -> list[Pod]:
        count = len(self.upgrades) if self._restarts else 0
        return [pod(0), pod(1), Pod(**{**pod(2).__dict__, "restarts": count})]

    def standbys(self) -> list[Pod]:
        return self.pods()[1:]

    def wait_full_strength(self) -> None: ...

    def try_inside(self, name: str, *command: str) -> Done:
        if code := self._answers.pop() if self._answers else 0:
            return Done(code, "", "ended")
        self.asked.append((name, *command[4:6]))
        return Done(0, f"{4e9 + int(name[-1])}\n", "")

    def upgrade(self, *options: str) -> None:
        self.upgrades.append(options)


def measured(system: Any, change: Change, times: int) -> Times:
    *_, last = reconfigure.measure(system, change, times, 60.0)
    return last


@pytest.mark.parametrize(
    ("change", "kind"), list(zip(CHANGES, ["--set-string", "--set-json", "--set-string", "--set-string"], strict=True))
)
def test_a_value_is_changed_there_and_back_and_left_as_it_was(change: Change, kind: str) -> None:
    system = System()
    assert len(measured(system, change, 3).from_start) == 3
    first, second = change.states
    assert system.upgrades == [(kind, state.option) for state in (second, first, second, first)]
    names = ["db-1", "db-2"] if change.standbys_only else ["db-0", "db-1", "db-2"]
    assert sorted(system.asked[: len(names)]) == [(name, change.statement, second.shows) for name in names]


def test_a_container_that_restarts_fails_the_measurement() -> None:
    with pytest.raises(AssertionError, match="a container has restarted"):
        measured(System(restarts=True), CHANGES[0], 2)


def test_a_command_that_the_supervisor_has_killed_is_run_again() -> None:
    assert len(measured(System(answers=[reconfigure.KILLED] * 2), CHANGES[3], 1).from_start) == 1


def test_a_server_that_does_not_get_there_fails_the_measurement() -> None:
    with pytest.raises(ProgramError, match="exit code 1: ended"):
        measured(System(answers=[1] * 3), CHANGES[0], 1)


def test_the_last_server_counts() -> None:
    times = Times()
    times.add(100.0, 101.0, [100.5, 103.5, 102.0])
    times.add(100.0, 101.0, [100.5])
    assert (times.from_start, times.from_end) == ([3.5, 0.5], [2.5, 0.0])


def lines(names: Sequence[str]) -> list[dict[str, Any]]:
    times = Times([1.0, 2.0, 3.0], [0.5, 1.5, 2.5])
    return [{"mode": "reconfigure", "system": "ha-postgres", name: times.line()} for name in names]


def test_each_change_is_a_row() -> None:
    table = report.changed([{"mode": "reconfigure", "machine": {}}, *lines(["work_mem", "standby_mode"])])
    assert table.splitlines()[2:] == [
        "| `postgresql.parameters.work_mem` | 3 | 2.00 | 3.00 | 3.00 | 1.50 | 2.50 | 2.50 |",
        "| `standbyMode` | 3 | 2.00 | 3.00 | 3.00 | 1.50 | 2.50 | 2.50 |",
    ]


def test_the_page_has_a_section_for_them() -> None:
    machine = {"day": "2026-12-02", "kubernetes": "v1.34.4", "nodes": 3, "processors": 2, "memory_gib": 24, "kernel": "6.1"}
    found = [{"mode": "reconfigure", "machine": machine}, *lines(["pg_hba"])]
    assert "| `postgresql.pgHba` | 3 |" in report.sections(found)
    assert report.sections([{"mode": "reconfigure", "machine": machine}]) == ""


def test_the_mode_has_no_faults() -> None:
    assert bench._parser().parse_args(["--reconfigure"]).mode is modes.RECONFIGURE
    assert bench._names(None, modes.RECONFIGURE) == ()
    assert [changes.told({change.name: {}}) for change in CHANGES] == list(CHANGES)
