"""How a run continues after a failed measurement, with invented measurements."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.bench import __main__ as bench
from tests.bench import lines, machine, modes
from tests.bench.faults import FAULTS
from tests.bench.patroni import Patroni
from tests.bench.summary import Measurement
from tests.bench.systems import System
from tests.robustness.programs import Namespace, ProgramError
from tests.robustness.report import artifacts

WELL = Measurement(2.0, 1.0, 0, 0, 0, 4.0)
DOWN = Measurement(90.0, 90.0, 0, 0, 0, 180.0, stuck=True, recovered=False)
TROUBLE = ProgramError("kubectl: no answer")


class Run:
    """A run of Patroni: the measurements in turn (an exception is raised), and the result."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, folder: Path, outcomes: Sequence[Measurement | Exception], mode: modes.Mode = modes.QUIET
    ) -> None:
        self.installed = 0
        self.modes: set[str] = set()
        self.measured: list[str] = []
        self.saved: list[str] = []
        left = list(outcomes)

        @contextmanager
        def install(_bench: object, kind: type[System], storage_class: str, _with_idle: bool) -> Iterator[System]:
            self.installed += 1
            yield kind(Namespace("somewhere"), storage_class=storage_class, mode=mode)

        def measure(system: System, _series: object, label: str) -> Measurement:
            self.modes.add(system.mode.name)
            self.measured.append(label)
            found = left.pop(0)
            if isinstance(found, Exception):
                raise found
            return found

        monkeypatch.setattr(bench.Bench, "_installed", install)
        monkeypatch.setattr(bench, "_measure", measure)
        monkeypatch.setattr(artifacts, "save", lambda _, folder: self.saved.append(folder.name))
        monkeypatch.setattr(machine, "describe", dict)
        output = folder / "bench.jsonl"
        options = argparse.Namespace(times=2, idle_seconds=0.0, output=output, minutes=60.0, resume=False, mode=mode)
        done = bench.Bench(options, [FAULTS["graceful"], FAULTS["force"]])
        done.run([Patroni])
        self.failures = done.failures
        self.lines = {line["fault"]: line for line in lines.read(output) if "fault" in line}


def test_all_faults_are_done_to_one_release_if_it_comes_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = Run(monkeypatch, tmp_path, [WELL] * 4)
    assert run.measured == ["graceful-1", "graceful-2", "force-1", "force-2"]
    assert (run.installed, run.saved, run.failures) == (1, [], [])


def test_a_release_that_did_not_come_back_is_counted_and_made_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = Run(monkeypatch, tmp_path, [DOWN, WELL, WELL, DOWN])
    assert run.measured == ["graceful-1", "graceful-2", "force-1", "force-2"]
    assert (run.installed, run.saved, run.failures) == (2, ["somewhere-graceful-1", "somewhere-force-2"], [])
    assert [(line["n"], line["stuck"], line["unrecovered"]) for line in run.lines.values()] == [(2, 1, 1), (2, 1, 1)]


def test_what_could_not_be_measured_is_tried_once_more(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = Run(monkeypatch, tmp_path, [WELL, TROUBLE, WELL, TROUBLE, TROUBLE])
    assert run.measured == ["graceful-1", "graceful-2", "graceful-2", "force-1", "force-1"]
    assert run.installed == 3
    assert run.failures == [f"patroni {label}: {TROUBLE}" for label in ("graceful-2", "force-1", "force-1")]
    assert {fault: line["n"] for fault, line in run.lines.items()} == {"graceful": 2}


def test_a_run_under_load_keeps_what_was_measured_without(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Run(monkeypatch, tmp_path, [WELL] * 4)
    run = Run(monkeypatch, tmp_path, [DOWN, WELL, WELL, WELL], modes.LOAD)
    assert run.modes == {"load"}
    measured = [line for line in lines.read(tmp_path / "bench.jsonl") if "fault" in line]
    assert [(line["mode"], line["fault"], line["stuck"]) for line in measured] == [
        ("quiet", "graceful", 0),
        ("quiet", "force", 0),
        ("load", "graceful", 1),
        ("load", "force", 0),
    ]


def test_without_a_list_a_mode_says_what_is_done() -> None:
    assert bench._names(None, modes.QUIET) == tuple(FAULTS)
    assert bench._names(None, modes.LOAD) == ("graceful", "switchover", "postmaster", "container", "node")
    assert bench._names("node,force", modes.STARVE) == ["node", "force"]
    assert bench._names("", modes.QUIET) == ()


def test_a_run_has_one_mode() -> None:
    assert bench._parser().parse_args([]).mode is modes.QUIET
    assert bench._parser().parse_args(["--starve"]).mode is modes.STARVE
    with pytest.raises(SystemExit):
        bench._parser().parse_args(["--load", "--starve"])
