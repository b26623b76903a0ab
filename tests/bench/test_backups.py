"""What transactions wait while a backup is taken: windows, quantiles, the log of pgbench, the report; with an invented release."""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.bench import __main__ as bench
from tests.bench import backups, latency, lines, load, machine, modes, report
from tests.bench.backups import Archiving
from tests.bench.latency import Comparison, Latency, Window
from tests.robustness import object_store
from tests.robustness.certificates import Authority
from tests.robustness.client import Client
from tests.robustness.object_store import ObjectStore
from tests.robustness.programs import Done, Namespace, ProgramError
from tests.robustness.release import Pod
from tests.robustness.traffic import pgbench

MACHINE = {"day": "2026-01-02", "processors": 2, "memory_gib": 24, "kernel": "6.1.0", "kubernetes": "v1.34.4", "nodes": 3}
STORE = ObjectStore(Namespace("store"), "access", "secret")
LOG = """0 199 2241 0 1796183570 1000
2 10 305000 0 1796183571 500000
1 200 900 0 1796183571 999999 120
1 201 1800 0 1796183572 0 120
"""


def test_the_latencies_of_a_window_are_read_from_the_log_of_pgbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction counts when it ends; the log of each thread is a file."""
    first, second = LOG.splitlines(keepends=True)[:2], LOG.splitlines(keepends=True)[2:]
    (tmp_path / "log.1").write_text("".join(first))
    (tmp_path / "log.1.1").write_text("".join(second))
    monkeypatch.setattr(pgbench, "LATENCIES", pgbench.LATENCIES.replace(pgbench.TRANSACTIONS, str(tmp_path / "log")))

    class Here(Namespace):
        def kubectl(self, *arguments: str, stdin: str = "", limit: float = 0.0) -> str:
            return subprocess.run(arguments[arguments.index("--") + 1 :], check=True, capture_output=True, text=True).stdout

    running = pgbench.Load(Client(Here("here"), "client", "node", "host"))
    assert running.latencies(1796183571.0, 1796183572.0) == [0.305, 0.0009]
    assert running.latencies(1796183570.0, 1796183580.0) == [0.002241, 0.305, 0.0009, 0.0018]
    assert running.latencies(1796183580.0, 1796183590.0) == []


def test_quantiles_are_of_the_transactions_of_all_windows() -> None:
    windows = [Window(10.0, [0.001] * 97 + [0.2] * 3), Window(10.0, [0.002] * 100)]
    assert Latency.of(windows) == Latency(2, 20.0, 200, 10.0, 2.0, 2.0, 200.0, 200.0, [200.0, 2.0])
    assert Latency.of(windows[1:]).p99_ms == 2.0


@dataclass
class Clock:
    """Time that passes only while somebody sleeps."""

    now: float = 1000.0

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    monotonic = time


@dataclass
class Invented:
    """An archiving release whose backups copy for 20 s, 5 s after they were asked for."""

    clock: Clock
    uids: list[str] = field(default_factory=lambda: ["uid"])
    checks: list[int] = field(default_factory=lambda: [75, 0])
    asked: list[tuple[str, ...]] = field(default_factory=list)
    windows: list[tuple[float, float]] = field(default_factory=list)
    system = "ha-postgres"

    def wait_full_strength(self) -> None:
        pass

    def wait(self, _what: str, condition: Any, _seconds: float) -> None:
        while not condition():
            pass

    def primary(self) -> Pod:
        uid = self.uids.pop(0) if len(self.uids) > 1 else self.uids[0]
        return Pod("pg-0", uid, "node1", "10.0.0.1", "primary", "Running", True, False, 0, {})

    def backup(self, *words: str) -> Done:
        self.asked.append(words)
        if words[0] == "check":
            return Done(self.checks.pop(0) if self.checks else 0, "", "")
        self.clock.sleep(30.0)
        begun = self.clock.now - 25.0
        return Done(0, f'{{"backups": [{{"startedAt": {begun:.0f}, "endedAt": {begun + 20:.0f}, "bytes": 1600000000}}]}}', "")

    def latencies(self, begin: float, end: float) -> list[float]:
        self.windows.append((begin, end))
        return [0.001, 0.003]


@pytest.fixture
def invented(monkeypatch: pytest.MonkeyPatch) -> Invented:
    made = Invented(Clock())
    monkeypatch.setattr(backups, "time", made.clock)
    monkeypatch.setattr(load, "running", lambda *_: nullcontext(made))
    return made


def measured(system: Invented, times: int, allowed_s: float) -> list[Comparison]:
    return list(backups.measure(system, latency.LOADS[0], times, allowed_s))  # type: ignore[arg-type]


def test_windows_during_a_backup_alternate_with_those_of_the_same_length_without(invented: Invented) -> None:
    found = measured(invented, 2, 1000.0)[-1]
    full = ("now", "--type", "full", "--output", "json")
    assert invented.asked == [("check",), ("check",), full, full], "the archive has caught up before"
    assert invented.windows == [(1005.0, 1025.0), (1035.0, 1055.0), (1065.0, 1085.0), (1095.0, 1115.0)]
    assert ([each.seconds for each in found.during], [each.seconds for each in found.without]) == ([20.0, 20.0], [20.0, 20.0])
    assert found.line()["bytes"] == 1600000000


def test_backups_end_with_the_time_but_not_before_the_least_number(invented: Invented) -> None:
    assert len(measured(invented, 10, 300.0)) == 5, "each takes a minute"
    assert len(measured(invented, 10, 1.0)) == 3


def test_a_failover_while_backups_are_measured_is_an_error(invented: Invented) -> None:
    invented.uids = ["uid", "another"]
    with pytest.raises(AssertionError, match="the primary has changed"):
        measured(invented, 2, 1000.0)


def test_the_release_archives_to_the_store() -> None:
    system = Archiving(Namespace("bench"), mode=modes.BACKUP, store=STORE, authority="PEM")
    values = system.values()
    assert values["archiver.endpoint"] == "object-store.store.svc:9000"
    assert values["archiver.secretName"] == "s3-credentials"
    assert values["storage.resources.requests.storage"] == "8Gi"
    assert values["postgresql.parameters.shared_buffers"] == "1GB"


class Run:
    """A run of `--backup`: what it measures in turn (an exception is raised), and what is in the file afterwards."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, outcomes: Sequence[Any], resume: bool = False) -> None:
        self.measured: list[str] = []
        left = list(outcomes)

        @contextmanager
        def store(_prefix: str, _folder: Path) -> Iterator[tuple[ObjectStore, Authority]]:
            yield STORE, argparse.Namespace(certificate="PEM")  # type: ignore[misc]

        @contextmanager
        def install(_bench: object, kind: Any, storage_class: str, _with_idle: bool) -> Iterator[Archiving]:
            yield kind(Namespace("somewhere"), storage_class=storage_class, mode=modes.BACKUP)

        def measure(_system: object, under: latency.Load, _times: int, _allowed_s: float) -> Iterator[Comparison]:
            self.measured.append(under.name)
            found = left.pop(0)
            if isinstance(found, Exception):
                raise found
            yield found

        monkeypatch.setattr(object_store, "running", store)
        monkeypatch.setattr(bench.Bench, "_installed", install)
        monkeypatch.setattr(backups, "measure", measure)
        monkeypatch.setattr(machine, "describe", lambda: MACHINE)
        output = folder / "bench.jsonl"
        options = argparse.Namespace(times=2, idle_seconds=60.0, output=output, minutes=60.0, resume=resume, mode=modes.BACKUP)
        done = bench.Bench(options, [])
        done.run_backups()
        self.failures = done.failures
        self.lines = lines.read(output)


def compared(slower: float) -> Comparison:
    without, during = [0.001] * 98 + [0.004] * 2, [slower * each for each in [0.001] * 98 + [0.004] * 2]
    return Comparison([Window(20.0, without)], [Window(25.0, during)], 1600000000)


def test_each_load_has_a_line_and_the_backup_that_failed_is_measured_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = Run(monkeypatch, tmp_path, [compared(2), ProgramError("hapg backup now: no")])
    assert (run.measured, run.failures) == (["fixed_rate", "full_speed"], ["ha-postgres: hapg backup now: no"])
    again = Run(monkeypatch, tmp_path, [compared(3)], resume=True)
    assert (again.measured, again.failures) == (["full_speed"], [])
    assert [lines.kind(line) for line in again.lines] == [
        ("backup", None, "machine"),
        ("backup", "ha-postgres", "fixed_rate"),
        ("backup", "ha-postgres", "full_speed"),
    ]


def test_the_report_compares_windows_with_a_backup_and_without(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = Run(monkeypatch, tmp_path, [compared(2), compared(3)]).lines
    text = report.sections([*found, {"mode": "backup", "system": "ha-postgres", "version": "ha-postgres 2"}])
    assert text.startswith("\n## While a backup is taken\n")
    assert "Measured on 2026-01-02" in text
    assert "| 100 transactions/s | none | 1 | 100 | 5 | 1.0 | 1.0 | 4.0 | 4.0 to 4.0 | 4.0 |" in text
    assert "| 100 transactions/s | running | 1 | 100 | 4 | 2.0 | 2.0 | 8.0 | 8.0 to 8.0 | 8.0 |" in text
    assert "| as fast as it goes | running | 1 | 100 | 4 | 3.0 | 3.0 | 12.0 | 12.0 to 12.0 | 12.0 |" in text
    assert "A full backup of 1.6 GB copies for 25 to 25 s (100 transactions/s), 25 to 25 s (as fast as it" in text
    assert report.sections([]) == ""


def test_backups_are_measured_without_faults_and_of_ours_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert bench._names(None, modes.BACKUP) == ()
    for more in (["--faults", "node"], ["--system", "all"], ["--load"]):
        monkeypatch.setattr("sys.argv", ["bench", "--backup", *more])
        with pytest.raises(SystemExit):
            bench.main()
