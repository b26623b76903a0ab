"""The command line: ``python -m tests.bench``."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from tests.bench import backups, changes, idle, latency, lines, load, machine, modes, plan, reconfigure, report, routing, summary, trial
from tests.bench.backups import Archiving
from tests.bench.faults import FAULTS, Fault
from tests.bench.modes import Mode
from tests.bench.patroni import FastPatroni, Patroni
from tests.bench.summary import Measurement, Summary
from tests.bench.systems import HaPostgres, System
from tests.cluster import chosen, storage
from tests.cluster.errors import ClusterError
from tests.cluster.paths import REPOSITORY
from tests.robustness import object_store, programs
from tests.robustness.failpoint import starvation
from tests.robustness.programs import ProgramError
from tests.robustness.report import artifacts

OUTPUT = REPOSITORY / "build" / "bench.jsonl"
KINDS: tuple[type[System], ...] = (HaPostgres, Patroni, FastPatroni)
SYSTEMS = {**{kind.system: (kind,) for kind in KINDS}, "all": KINDS}
DISKS = "bench"
GONE_SECONDS = 180.0
QUIET_SECONDS = 60.0
"""So long at most the API's requests are counted while nothing is installed."""
TROUBLES = 1
"""So often a fault may fail to be measured; after another time it is given up."""
TROUBLE = (ClusterError, ProgramError, AssertionError)

Some = TypeVar("Some", bound=System)


@dataclass
class Series:
    """The runs of one fault: their measurements, their duration, and how often a run could not be measured.

    moments: when each run's fault starts between two renewals of the primary's Lease.
    """

    fault: Fault
    found: list[Measurement] = field(default_factory=list)
    used_s: float = 0.0
    troubles: int = 0
    moments: Iterator[float] = field(default_factory=plan.moments)


class Bench:
    """A bench run: the plan, the time limit, and the errors."""

    def __init__(self, options: argparse.Namespace, faults: Sequence[Fault]) -> None:
        """faults: those that are done to every system."""
        self._times: int = options.times
        self._mode: Mode = options.mode
        self._idle_s: float = options.idle_seconds if options.mode is modes.QUIET else 0.0
        self._output: Path = options.output
        self._faults = faults
        self._end = time.monotonic() + 60 * options.minutes
        self._known = {lines.kind(line) for line in lines.read(self._output)} if options.resume else set()
        self.failures: list[str] = []
        if not options.resume:
            lines.write(self._output, (line for line in lines.read(self._output) if modes.of(line) != self._mode.name))

    def run(self, systems: Sequence[type[System]]) -> None:
        """Measure one system after the other."""
        self._put({"machine": machine.describe()})
        for number, kind in enumerate(systems):
            missing = [fault for fault in self._faults if (self._mode.name, kind.system, fault.name) not in self._known]
            with_idle = self._idle_s > 0 and (self._mode.name, kind.system, "idle") not in self._known
            if missing or with_idle:
                self._run_system(kind, missing, with_idle, systems[number + 1 :])

    def run_backups(self) -> None:
        """Measure whether clients of ours notice a backup, under each load."""
        self._put({"machine": machine.describe()})
        missing = [each for each in latency.LOADS if (self._mode.name, HaPostgres.system, each.name) not in self._known]
        if not missing:
            return
        try:
            with tempfile.TemporaryDirectory() as folder, object_store.running("bench-store", Path(folder)) as (store, authority):
                kind = partial(Archiving, store=store, authority=authority.certificate)
                with self._installed(kind, storage.STANDARD, False) as system:
                    for number, each in enumerate(missing):
                        self._compare(system, each, len(missing) - number)
        except TROUBLE as error:
            self._note(HaPostgres.system, error)

    def run_changes(self) -> None:
        """Measure how long changed values of ours need until they are in effect."""
        self._put({"machine": machine.describe()})
        missing = [each for each in changes.CHANGES if (self._mode.name, HaPostgres.system, each.name) not in self._known]
        if not missing:
            return
        try:
            with self._installed(reconfigure.Changing, storage.STANDARD, False) as system:
                for number, each in enumerate(missing):
                    allowed = plan.share_s(self._end - time.monotonic(), [1.0] * (len(missing) - number))
                    for found in reconfigure.measure(system, each, self._times, allowed):
                        self._put({"system": system.system, each.name: found.line()})
                        print(f"{each.name}: {len(found.from_start)} of {self._times}", file=sys.stderr, flush=True)
        except TROUBLE as error:
            self._note(HaPostgres.system, error)

    def _compare(self, system: Archiving, under: latency.Load, loads: int) -> None:
        """Measure under a load. loads: how many are left, this one too."""
        allowed = plan.share_s(self._end - time.monotonic(), [1.0] * loads)
        for found in backups.measure(system, under, self._times, allowed):
            self._put({"system": system.system, under.name: found.line()})
            print(f"{under.name}: backup {len(found.during)} of {self._times}", file=sys.stderr, flush=True)

    def _run_system(self, kind: type[System], faults: Sequence[Fault], with_idle: bool, later: Sequence[type[System]]) -> None:
        plain = [fault for fault in faults if not fault.on_disks]
        on_disks = [fault for fault in faults if fault.on_disks]
        weights = [fault.seconds(kind) for fault in (*plain, *on_disks)]
        weights += [fault.seconds(other) for other in later for fault in self._faults]
        if plain or with_idle:
            self._do_all(kind, nullcontext(storage.STANDARD), plain, with_idle, weights)
        if on_disks:
            self._do_all(kind, storage.volumes(DISKS), on_disks, False, weights[len(plain) :])

    def _do_all(
        self,
        kind: type[System],
        storage_class: AbstractContextManager[str],
        faults: Sequence[Fault],
        with_idle: bool,
        weights: Sequence[float],
    ) -> None:
        """Inject faults into a system; it is installed again after a fault from which it did not
        recover.
        """
        remaining = deque(Series(fault) for fault in faults)
        try:
            with storage_class as name:
                while remaining or with_idle:
                    with self._installed(kind, name, with_idle) as system:
                        with_idle, well = False, True
                        while remaining and well:
                            later = weights[len(faults) - len(remaining) :]
                            well = self._do(system, remaining[0], later)
                            if self._is_over(remaining[0], later):
                                remaining.popleft()
        except TROUBLE as error:
            self._note(kind.system, error)

    @contextmanager
    def _installed(self, kind: Callable[..., Some], storage_class: str, with_idle: bool) -> Iterator[Some]:
        with programs.namespace("bench") as namespace:
            system = kind(namespace, storage_class=storage_class, mode=self._mode)
            try:
                before = idle.requests(min(self._idle_s, QUIET_SECONDS)) if with_idle else {}
                system.prepare()
                system.deploy()
                system.settle()
                if self._mode.scale:
                    load.make(system, self._mode.scale)
                self._put({"system": system.system, "version": system.version()})
                if with_idle:
                    self._put({"system": system.system, "idle": idle.measure(system, self._idle_s, before)})
                if with_idle and kind is HaPostgres:
                    self._put({"system": "kubernetes", "routing": routing.measure(system.image(system.agent))})
                yield system
            except TROUBLE:
                artifacts.save(namespace, artifacts.FOLDER / namespace.name)
                raise
            finally:
                namespace.kubectl("delete", "namespace", namespace.name, f"--timeout={GONE_SECONDS:.0f}s", limit=2 * GONE_SECONDS)

    def _put(self, line: dict[str, object]) -> None:
        lines.put(self._output, {"mode": self._mode.name, **line})

    def _note(self, what: str, error: Exception) -> None:
        self.failures.append(f"{what}: {error}")
        print(f"error: {self.failures[-1]}", file=sys.stderr, flush=True)

    def _is_over(self, series: Series, weights: Sequence[float]) -> bool:
        allowed = plan.share_s(self._end + series.used_s - time.monotonic(), weights)
        return series.troubles > TROUBLES or not plan.goes_on(len(series.found), self._times, series.used_s, allowed)

    def _do(self, system: System, series: Series, weights: Sequence[float]) -> bool:
        """Run a fault as often as planned; return whether the system is fit for the next one."""
        while not self._is_over(series, weights):
            label = f"{series.fault.name}-{len(series.found) + 1}"
            begun = time.monotonic()
            try:
                found = _measure(system, series, label)
            except TROUBLE as error:
                self._note(f"{system.system} {label}", error)
                self._save(system, label)
                series.troubles += 1
                return False
            took = time.monotonic() - begun
            series.used_s += took
            series.found.append(found)
            lines.put(self._output, summary.summarize(system.system, series.fault.name, series.found, self._mode.name).line())
            print(f"{system.system} {label} of {self._times}, {took:.0f} s: {found.text}", file=sys.stderr, flush=True)
            if not found.recovered or found.promotions > 1:
                self._save(system, label)
            if not found.recovered:
                return False
        return True

    @staticmethod
    def _save(system: System, label: str) -> None:
        artifacts.save(system.namespace, artifacts.FOLDER / f"{system.namespace.name}-{label}")


def _measure(system: System, series: Series, label: str) -> Measurement:
    done = trial.run(system, series.fault, label, next(series.moments))
    found = done.measurement
    if found.recovered and series.fault.tidy is not None:
        series.fault.tidy(system, done.old)
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Measure how long a writing client waits when the primary of a release fails, or a backup is taken.",
    )
    parser.add_argument("--system", choices=SYSTEMS, default="ha-postgres", help="what is measured (default: ha-postgres)")
    parser.add_argument("--times", type=int, default=10, metavar="N", help="how often each fault is done at most (default: 10)")
    few = f"some of {','.join(FAULTS)} (default: all; with --load and --starve {','.join(modes.BUSY_FAULTS)})"
    parser.add_argument("--faults", metavar="LIST", help=few)
    mode = parser.add_mutually_exclusive_group()
    load_help = f"under pgbench, {load.CLIENTS} clients as fast as they go, scale {modes.LOAD.scale}"
    mode.add_argument("--load", dest="mode", action="store_const", const=modes.LOAD, default=modes.QUIET, help=load_help)
    starve_help = f"with {starvation.LOOPS} busy loops and {starvation.WRITERS} writers of {starvation.FILE_MIB} MB beside the nodes"
    mode.add_argument("--starve", dest="mode", action="store_const", const=modes.STARVE, help=starve_help)
    backup_help = "ha-postgres alone, without faults: pgbench's latencies with and without a full backup, which is taken --times times"
    mode.add_argument("--backup", dest="mode", action="store_const", const=modes.BACKUP, help=backup_help)
    reconfigure_help = "ha-postgres alone, without faults: how long changed values need until every server has them in effect"
    mode.add_argument("--reconfigure", dest="mode", action="store_const", const=modes.RECONFIGURE, help=reconfigure_help)
    minutes = f"all in all; if they aren't enough, faults are done less often, but {plan.LEAST} times (default: 60)"
    parser.add_argument("--minutes", type=float, default=60.0, help=minutes)
    parser.add_argument("--idle-seconds", type=float, default=60.0, help="how long the cost without a fault is measured; 0: not at all")
    parser.add_argument("--resume", action="store_true", help="keep the lines that the file has, and measure what is missing")
    parser.add_argument("--output", type=Path, default=OUTPUT, metavar="FILE", help="for the lines of JSON (default: build/bench.jsonl)")
    return parser


def _names(asked: str | None, mode: Mode) -> Sequence[str]:
    """Return the faults to inject: the requested ones, which may be none, or the mode's."""
    if asked is None:
        return () if mode in modes.WITHOUT_FAULTS else mode.faults or tuple(FAULTS)
    return asked.split(",") if asked else ()


def main() -> int:
    """Run the bench and return the exit code: 0, 1 for an error explained on stderr, 2 for invalid
    arguments.
    """
    parser = _parser()
    options = parser.parse_args()
    names = _names(options.faults, options.mode)
    unknown = [name for name in names if name not in FAULTS]
    if unknown or options.times < 1:
        parser.error(f"unknown faults: {', '.join(unknown)}" if unknown else "--times: at least 1")
    if options.mode in modes.WITHOUT_FAULTS and (names or options.system != HaPostgres.system):
        parser.error(f"--{options.mode.name}: measures {HaPostgres.system} without faults; leave --faults out, and other systems")
    for name in names:
        if not FAULTS[name].possible:
            print(f"{name}: left out, it needs the local cluster", file=sys.stderr)
    try:
        chosen.tools()
        chosen.up()
        bench = Bench(options, [FAULTS[name] for name in names if FAULTS[name].possible])
        if options.mode is modes.BACKUP:
            bench.run_backups()
        elif options.mode is modes.RECONFIGURE:
            bench.run_changes()
        else:
            bench.run(SYSTEMS[options.system])
    except TROUBLE as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    measured = [line for line in lines.read(options.output) if modes.of(line) == options.mode.name]
    if options.mode is modes.BACKUP:
        print(report.latencies(measured))
    elif options.mode is modes.RECONFIGURE:
        print(report.changed(measured))
    else:
        print(summary.report([Summary.from_line(line) for line in measured if "fault" in line]))
    for failure in bench.failures:
        print(f"error: {failure.splitlines()[0]}", file=sys.stderr)
    return 1 if bench.failures else 0


if __name__ == "__main__":
    sys.exit(main())
