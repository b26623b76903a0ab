"""The command line: ``python -m tests.bench``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from tests.bench import idle, lines, machine, plan, routing, summary, trial
from tests.bench.faults import FAULTS, Fault
from tests.bench.patroni import FastPatroni, Patroni
from tests.bench.summary import Measurement, Summary
from tests.bench.systems import HaPostgres, System
from tests.cluster import cli, storage
from tests.cluster.errors import ClusterError
from tests.e2e import artifacts, programs
from tests.e2e.programs import REPOSITORY, ProgramError

OUTPUT = REPOSITORY / "build" / "bench.jsonl"
SYSTEMS: dict[str, tuple[type[System], ...]] = {
    "ha-postgres": (HaPostgres,),
    "patroni": (Patroni, FastPatroni),
    "all": (HaPostgres, Patroni, FastPatroni),
}
STANDARD = "standard"
DISKS = "bench"
GONE_SECONDS = 180.0
TROUBLE = (ClusterError, ProgramError, AssertionError)


class Bench:
    """A run: what is measured, how long it may take, and what went wrong."""

    def __init__(self, options: argparse.Namespace, faults: Sequence[Fault]) -> None:
        """faults: those that are done to every system."""
        self._times: int = options.times
        self._idle_s: float = options.idle_seconds
        self._output: Path = options.output
        self._faults = faults
        self._end = time.monotonic() + 60 * options.minutes
        self._known = {lines.kind(line) for line in lines.read(self._output)} if options.resume else set()
        self.failures: list[str] = []
        if not options.resume:
            lines.write(self._output, [])

    def run(self, systems: Sequence[type[System]]) -> None:
        """Measure one system after the other."""
        lines.put(self._output, {"machine": machine.describe()})
        for number, kind in enumerate(systems):
            missing = [fault for fault in self._faults if (kind.system, fault.name) not in self._known]
            with_idle = self._idle_s > 0 and (kind.system, "idle") not in self._known
            if missing or with_idle:
                self._run_system(kind, missing, with_idle, systems[number + 1 :])

    def _run_system(self, kind: type[System], faults: Sequence[Fault], with_idle: bool, later: Sequence[type[System]]) -> None:
        plain = [fault for fault in faults if not fault.on_disks]
        ordered = [*plain, *(fault for fault in faults if fault.on_disks)]
        weights = [fault.weight * kind.ttl_s for fault in ordered]
        weights += [fault.weight * other.ttl_s for other in later for fault in self._faults]
        for chosen, on_disks in ((plain, False), (ordered[len(plain) :], True)):
            if not chosen and (on_disks or not with_idle):
                continue
            try:
                with (
                    storage.volumes(DISKS) if on_disks else nullcontext(STANDARD) as storage_class,
                    self._installed(kind, storage_class, with_idle and not on_disks) as system,
                ):
                    for fault in chosen:
                        self._do(system, fault, weights)
                        weights = weights[1:]
            except TROUBLE as error:
                self._note(kind.system, error)

    @contextmanager
    def _installed(self, kind: type[System], storage_class: str, with_idle: bool) -> Iterator[System]:
        with programs.namespace("bench") as namespace:
            system = kind(namespace, storage_class=storage_class)
            try:
                before = idle.requests(self._idle_s) if with_idle else {}
                system.prepare()
                system.deploy()
                system.wait_serving()
                system.add_clients()
                system.wait_full_strength()
                lines.put(self._output, {"system": kind.system, "version": system.version()})
                if with_idle:
                    lines.put(self._output, {"system": kind.system, "idle": idle.measure(system, self._idle_s, before)})
                if with_idle and kind is HaPostgres:
                    lines.put(self._output, {"system": "kubernetes", "routing": routing.measure(system.image(system.agent))})
                yield system
            except TROUBLE:
                artifacts.save(namespace, artifacts.FOLDER / namespace.name)
                raise
            finally:
                namespace.kubectl("delete", "namespace", namespace.name, f"--timeout={GONE_SECONDS:.0f}s", limit=2 * GONE_SECONDS)

    def _note(self, what: str, error: Exception) -> None:
        self.failures.append(f"{what}: {error}")
        print(f"error: {self.failures[-1]}", file=sys.stderr, flush=True)

    def _do(self, system: System, fault: Fault, weights: Sequence[float]) -> None:
        allowed = plan.share_s(self._end - time.monotonic(), weights)
        found: list[Measurement] = []
        begun = time.monotonic()
        while plan.goes_on(len(found), self._times, time.monotonic() - begun, allowed):
            label = f"{fault.name}-{len(found) + 1}"
            try:
                found.append(_measure(system, fault, label))
            except TROUBLE as error:
                self._note(f"{system.system} {label}", error)
                artifacts.save(system.namespace, artifacts.FOLDER / f"{system.namespace.name}-{label}")
                return
            lines.put(self._output, summary.summarize(system.system, fault.name, found).line())
            print(f"{system.system} {label} of {self._times}: {found[-1].text}", file=sys.stderr, flush=True)


def _measure(system: System, fault: Fault, label: str) -> Measurement:
    done = trial.run(system, fault, label)
    wrong = done.violations()
    if wrong:
        raise AssertionError("\n".join(wrong))
    if fault.tidy is not None:
        fault.tidy(system, done.old)
    return done.measurement


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description="Measure how long a writing client waits when the primary of a release fails."
    )
    parser.add_argument("--system", choices=SYSTEMS, default="ha-postgres", help="what is measured (default: ha-postgres)")
    parser.add_argument("--times", type=int, default=10, metavar="N", help="how often each fault is done at most (default: 10)")
    parser.add_argument("--faults", default=",".join(FAULTS), metavar="LIST", help=f"some of {','.join(FAULTS)} (default: all)")
    minutes = f"all in all; if they aren't enough, faults are done less often, but {plan.LEAST} times (default: 60)"
    parser.add_argument("--minutes", type=float, default=60.0, help=minutes)
    parser.add_argument("--idle-seconds", type=float, default=60.0, help="how long the cost without a fault is measured; 0: not at all")
    parser.add_argument("--resume", action="store_true", help="keep the lines that the file has, and measure what is missing")
    parser.add_argument("--output", type=Path, default=OUTPUT, metavar="FILE", help="for the lines of JSON (default: build/bench.jsonl)")
    return parser


def main() -> int:
    """Measure; exit code 0, or 1 for an error that is explained on stderr, or 2 for wrong arguments."""
    parser = _parser()
    options = parser.parse_args()
    names = options.faults.split(",") if options.faults else []
    unknown = [name for name in names if name not in FAULTS]
    if unknown or options.times < 1:
        parser.error(f"unknown faults: {', '.join(unknown)}" if unknown else "--times: at least 1")
    for name in names:
        if not FAULTS[name].possible:
            print(f"{name}: left out, it needs the local cluster", file=sys.stderr)
    try:
        cli.tools()
        cli.up()
        bench = Bench(options, [FAULTS[name] for name in names if FAULTS[name].possible])
        bench.run(SYSTEMS[options.system])
    except TROUBLE as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(summary.report([Summary.from_line(line) for line in lines.read(options.output) if "fault" in line]))
    for failure in bench.failures:
        print(f"error: {failure.splitlines()[0]}", file=sys.stderr)
    return 1 if bench.failures else 0


if __name__ == "__main__":
    sys.exit(main())
