"""Writes docs/bench.md, and the table in the README, from the lines of a bench: no number is typed by hand.

python -m tests.bench.report build/bench.jsonl   take these lines as docs/bench.jsonl, and write both from them
python -m tests.bench.report                     write both from docs/bench.jsonl
python -m tests.bench.report --check             say whether both are what docs/bench.jsonl gives
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench import lines, modes, phases
from tests.bench.lines import Line
from tests.bench.summary import Quantiles, Summary
from tests.cluster.paths import REPOSITORY

SOURCE = REPOSITORY / "docs" / "bench.jsonl"
PAGE = REPOSITORY / "docs" / "bench.md"
README = REPOSITORY / "README.md"
BEGIN, END = "<!-- bench: written by make bench-report -->", "<!-- end of bench -->"

OURS = "ha-postgres"
DONE = {
    "graceful": "pod deleted, node drained",
    "switchover": "switchover asked for",
    "postmaster": "`kill -9` of the postmaster",
    "container": "`kill -9` of everything in the server's container",
    "force": "pod deleted by force (grace 0)",
    "node": "node switched off",
    "partition": "node cut off",
    "frozen": "pod frozen (SIGSTOP)",
    "storage": "volume hangs",
}
GOALS = {
    "graceful": (0.5, 1.0),
    "switchover": (0.3, 0.8),
    "postmaster": (0.6, 1.2),
    "container": (1.0, 1.5),
    "force": (1.5, 3.0),
    "node": (6.0, 8.0),
    "partition": (6.0, 8.0),
    "frozen": (6.0, 8.0),
    "storage": (8.0, 12.0),
}
"""What was aimed at with the default values: median and 95 % quantile in seconds."""
GOALS_BY_MODE: Mapping[str, Mapping[str, tuple[float, float]]] = {
    modes.QUIET.name: GOALS,
    modes.LOAD.name: {
        "graceful": (0.8, 1.5),
        "switchover": (0.8, 1.5),
        "postmaster": (1.2, 2.0),
        "container": (2.0, 3.0),
        "node": (7.0, 9.0),
    },
    modes.STARVE.name: {},
}
"""In the last one 95 % below 10 s, and one promotion for each fault."""
IDLE: tuple[tuple[str, str, str], ...] = (
    ("api_per_s", "requests to the API per second and release, counted by the agents", "0.6"),
    ("api_per_s_served", "the same with what controllers do about it, counted by the API server against the time before", ""),
    ("rss_mib", "resident memory of an agent's processes, MiB", "60"),
    ("pss_mib", "the same, shared pages divided by their users, MiB", ""),
    ("growth_kib", "its growth while it was measured, KiB", "0"),
    ("growth_later_kib", "of that in the second half, KiB", "0"),
    ("millicores", "processor of an agent, thousandths", "3"),
    ("start_s", "from the start of an agent to its first 'ready', s", "1.5"),
)
ROUTING = (
    ("appears_in_slice", "a label is set: the endpoint slice has the pod"),
    ("appears", "a label is set, the Service led nowhere before: first connection"),
    ("moves", "a second pod gets the label and at once the first loses it: first connection to the second"),
    ("old_answers_until", "the same: last connection to the first"),
)

STUCK = """*Stuck* are times when writes didn't go on by themselves, but only once the fault was ended, or, if nothing ends it, not within
two TTLs, 45 s at least; as gap counts how long they were waited for. *Not recovered* are those after which not all servers were in
place again within 180 s; the release is made anew then."""

Row = Sequence[str]


def markdown(head: Row, rows: Iterable[Row]) -> str:
    """A table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


class Report:
    """What a bench has found in one mode."""

    def __init__(self, every: Sequence[Line], mode: str = modes.QUIET.name) -> None:
        found = [line for line in every if modes.of(line) == mode]
        self._goals = GOALS_BY_MODE[mode]
        self._summaries = [Summary.from_line(line) for line in found if "fault" in line]
        self._machine: Mapping[str, Any] = next(line["machine"] for line in found if "machine" in line)
        self._versions: dict[str, str] = {line["system"]: line["version"] for line in found if "version" in line}
        self._idle: dict[str, Mapping[str, Any]] = {line["system"]: line["idle"] for line in found if "idle" in line}
        self._routing: Mapping[str, Any] = next((line["routing"] for line in found if "routing" in line), {})
        self._systems = list(dict.fromkeys(each.system for each in self._summaries))

    def machine(self) -> str:
        """What it was measured on."""
        m = self._machine
        return (
            f"Measured on {m['day']}: Kubernetes {m['kubernetes'].removeprefix('v')}, {m['nodes']} nodes on one machine with "
            f"{m['processors']} processors and {m['memory_gib']} GiB, Linux {m['kernel']}, PostgreSQL 15."
        )

    def _of(self, system: str, fault: str) -> Summary | None:
        return next((each for each in self._summaries if (each.system, each.fault) == (system, fault)), None)

    def _faults(self) -> list[str]:
        return [fault for fault in DONE if any(each.fault == fault for each in self._summaries)]

    def overview(self, goals: bool) -> str:
        """Median and 95 % quantile of each fault, a column for each system, and one for what was aimed at."""

        def cell(found: Summary | None) -> str:
            if found is None:
                return "not measured"
            if found.stuck == found.n:
                return "not by itself"
            stuck = f", {found.stuck} stuck" if found.stuck else ""
            unrecovered = f", {found.unrecovered} not recovered" if found.unrecovered else ""
            return f"{found.p50_s:.2f} / {found.p95_s:.2f}{stuck}{unrecovered}"

        def losses(found: Summary | None) -> str:
            return "" if found is None else f"{found.lost} / {found.split_brain_acks}"

        head = [
            "fault",
            *(["goal"] if goals else []),
            *(f"{system} (n)" for system in self._systems),
            *(f"{system}: lost / split" for system in self._systems),
        ]
        rows = []
        for fault in self._faults():
            found = [self._of(system, fault) for system in self._systems]
            times = [f"{cell(each)} ({each.n})" if each else cell(each) for each in found]
            goal = [_goal(self._goals.get(fault))] if goals else []
            rows.append([DONE[fault], *goal, *times, *(losses(each) for each in found)])
        return markdown(head, rows)

    def promotions(self) -> str:
        """How many promotions a fault led to, and how fast pgbench went."""
        head = ["system", "fault", "n", "promotions", "times with more than one", "transactions a second before"]
        rows = []
        for each in self._summaries:
            more = sum(number > 1 for number in each.promotions)
            rows.append([each.system, each.fault, str(each.n), str(sum(each.promotions)), str(more), f"{each.tps:.0f}" if each.tps else ""])
        return markdown(head, rows)

    def details(self, system: str) -> str:
        """Everything that was measured of a system's faults."""
        head = ["fault", "n", "min", "median", "95 %", "max", "lost", "lost at the old address", "split-brain acks", "anomalies"]
        head += ["stuck", "not recovered", "full strength"]
        return markdown(head, [self._detail(each) for each in self._summaries if each.system == system])

    @staticmethod
    def _detail(each: Summary) -> Row:
        gaps = [f"{value:.2f}" for value in (each.min_s, each.p50_s, each.p95_s, each.max_s)]
        counts = [
            str(value) for value in (each.lost, each.lost_pinned, each.split_brain_acks, each.anomalies, each.stuck, each.unrecovered)
        ]
        return [each.fault, str(each.n), *gaps, *counts, f"{each.full_strength_s:.1f}"]

    def direct(self) -> str:
        """What a client sees that goes to the pods' addresses."""
        head = ["system", "fault", "n", "min", "median", "95 %", "max", "median through the Service"]
        rows = [[each.system, each.fault, str(each.n), *_seconds(each.direct), f"{each.p50_s:.2f}"] for each in self._summaries]
        return markdown(head, rows)

    def phases(self) -> str:
        """Where the time goes."""
        told = [each for each in self._summaries if each.phases]
        head = ["fault", *(name.replace("_", " ") for name in phases.PHASES)]
        rows = [[each.fault, *(f"{each.phases[name]:.2f}" if name in each.phases else "" for name in phases.PHASES)] for each in told]
        return markdown(head, rows)

    def routing(self) -> str:
        """What Kubernetes takes to lead clients elsewhere."""
        rows = [[text, str(self._routing["n"]), *_seconds(Quantiles(**self._routing[name]))] for name, text in ROUTING]
        return markdown(["", "n", "min", "median", "95 %", "max"], rows)

    def idle(self) -> str:
        """What the systems cost at rest."""
        systems = list(self._idle)
        rows = []
        for name, text, goal in IDLE:
            values = [self._idle[system].get(name) for system in systems]
            rows.append([text, goal, *("" if value is None else f"{value:g}" for value in values)])
        return markdown(["", "goal", *systems], rows)

    def section(self) -> str:
        """The figures of a mode, for docs/bench.md."""
        details = "\n\n".join(f"`{system}`:\n\n{self.details(system)}" for system in self._systems)
        return SECTION_TEXT.format(
            machine=self.machine(),
            versions=self.versions(),
            overview=self.overview(goals=bool(self._goals)),
            promotions=self.promotions(),
            details=details,
            phases=self.phases(),
        )

    def page(self, sections: str = "") -> str:
        """docs/bench.md. sections: of the other modes, as Markdown."""
        return PAGE_TEXT.format(
            sections=sections,
            machine=self.machine(),
            versions=self.versions(),
            stuck=STUCK,
            overview=self.overview(goals=True),
            details="\n\n".join(f"### {system}\n{self.details(system)}" for system in self._systems),
            direct=self.direct(),
            phases=self.phases(),
            routing=self.routing() if self._routing else "Not measured.",
            idle=self.idle() if self._idle else "Not measured.",
        )

    def short(self) -> str:
        """The README's part."""
        parts = [f"{self.machine()} Seconds, median / 95 %.", self.overview(goals=False)]
        if len(self._systems) > 1:
            parts.append(f"{self.versions()}.")
        if any(each.stuck or each.unrecovered for each in self._summaries):
            parts.append(STUCK)
        return "\n\n".join(parts)

    def versions(self) -> str:
        """What was measured."""
        return "; ".join(f"`{system}` is {version}" for system, version in self._versions.items())


def _goal(found: tuple[float, float] | None) -> str:
    return "" if found is None else "{:.1f} / {:.1f}".format(*found)


def _seconds(found: Quantiles) -> list[str]:
    return [f"{value:.2f}" for value in (found.min_s, found.p50_s, found.p95_s, found.max_s)]


PAGE_TEXT = """# How long clients wait

Written by `make bench-report` from [bench.jsonl](bench.jsonl), lines that `make bench` wrote; don't edit. All times are in seconds.

{machine}
{versions}.

A writer appends about 100 rows a second through the Service, over one session, one row a statement, and tries to connect anew every
50 ms. Its *gap* is the longest time between two acknowledgements. A second one goes to the pods' addresses with
`target_session_attrs=read-write`, every attempt beginning with another address. A third keeps to the address of the old primary; when
a node is cut off it runs on that node. *Lost* are rows that were acknowledged through the Service and are gone, *split-brain acks*
rows that the old primary acknowledged after the new one's first, *anomalies* rows that are there though they were refused, or gone
though a later one of the same timeline is there. A fault begins at moments that are spread evenly between two renewals of the primary's
right. A frozen or cut-off primary comes back after two TTLs or later. *Full strength* is the time until all three servers are in place
again, from the fault, or from when it ends if it has to be ended. Between two times nothing is waited for but full strength.

{stuck}

## All faults
{overview}

Lost and split-brain acks are sums over all times.

## In detail
{details}

## At the pods' addresses
What is left of the gap when nothing has to be routed. This client knows the addresses that the pods had before the fault; if a pod
that was made anew becomes primary, its gap lasts until the end of the measurement:

{direct}

## Where the time goes
Medians of how long each phase kept the client of the Service waiting; a phase that was over before counts 0. They end when an agent
knows of the fault (detect), the old server is proven dead or its right has run out (fence), the successor receives no WAL any more
(seal), its position is reported, the Lease is its own (claim), its server writes (promote), its pod is labelled, the endpoint slice
has it (endpoints), and a client has written (first write: kube-proxy, and the client's next attempt).

{phases}
{sections}
## What Kubernetes takes to route
With pods that answer at once, from the sending of the label's change:

{routing}

## At rest
{idle}
"""

SECTION_TEXT = """{machine}
{versions}.

{overview}

{promotions}

{details}

The phases of ours, as above:

{phases}
"""

MODE_TEXT = {
    modes.LOAD.name: """
## Under load
The same while pgbench goes as fast as it can through the Service: 8 clients, scale 100 (1.5 GB), `shared_buffers` of 1 GB, from a node
that isn't the primary's; it is started again whenever an error ends it, and each fault comes after ten seconds of it.

{section}""",
    modes.STARVE.name: """
## On starved nodes
The same, without pgbench, while 8 busy loops and 12 writers of 300 MB with fsync take the processors and the disk of the nodes' machine:
from three seconds before each fault until writes go on, and for 30 s at least. They are one session, which Linux schedules as one
(autogroup), as it does a service beside a node's pods. A writer waits 5 s for an answer here. Goal: one fault
leads to one promotion, 95 % below 10 s.

{section}""",
}


def sections(found: Sequence[Line]) -> str:
    """The parts of docs/bench.md about the modes that aren't quiet, of those that were measured."""
    measured = {modes.of(line) for line in found if "fault" in line}
    return "".join(text.format(section=Report(found, mode).section()) for mode, text in MODE_TEXT.items() if mode in measured)


def readme(text: str, part: str) -> str:
    """The README with its part replaced. Raise ValueError if it has no place for it."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{README.name} has no place for the table, between {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{part}\n{END}{after}"


def targets() -> dict[Path, str]:
    """What is written, by file."""
    found = lines.read(SOURCE)
    report = Report(found)
    return {PAGE: report.page(sections(found)), README: readme(README.read_text(encoding="utf-8"), report.short())}


def main(arguments: Sequence[str] | None = None, say: Callable[[str], object] = print) -> int:
    """Exit code 0, or 1 if `--check` finds a difference."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.report", description="Write the bench's tables from its lines.")
    parser.add_argument("lines", nargs="?", type=Path, help="lines of a bench to take as docs/bench.jsonl")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if something would change")
    options = parser.parse_args(arguments)
    if options.lines is not None:
        lines.write(SOURCE, lines.merge(lines.read(SOURCE), lines.read(options.lines)))
    changed = {path: text for path, text in targets().items() if not path.exists() or path.read_text(encoding="utf-8") != text}
    for path, text in changed.items():
        say(f"{path.relative_to(REPOSITORY)}: {'differs from what docs/bench.jsonl gives' if options.check else 'written'}")
        if not options.check:
            path.write_text(text, encoding="utf-8")
    return 1 if changed and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
