"""Writes docs/bench.md and the table in the README from the results of a bench. No number is typed by hand.

python -m tests.bench.report build/bench.jsonl   merge these lines into docs/bench.jsonl, and write both from it
python -m tests.bench.report                     write both from docs/bench.jsonl
python -m tests.bench.report --check             fail if either differs from docs/bench.jsonl
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench import changes, latency, lines, modes, phases
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
    "switchover": "switchover requested",
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
"""The goals with the default values: median and 95th percentile in seconds."""
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
    modes.BACKUP.name: {},
    modes.RECONFIGURE.name: {},
}
"""On starved nodes the goals are a 95th percentile below 10 s and one promotion per fault. The modes without faults have none."""
IDLE: tuple[tuple[str, str, str], ...] = (
    ("api_per_s", "API requests per second and release, counted by the agents", "0.6"),
    ("api_per_s_served", "the same with the controllers' requests, counted by the API server, minus those before", ""),
    ("rss_mib", "resident memory of an agent's processes, MiB", "60"),
    ("pss_mib", "proportional set size of the same, MiB", ""),
    ("growth_kib", "memory growth during the measurement, KiB", "0"),
    ("growth_later_kib", "memory growth in its second half, KiB", "0"),
    ("millicores", "CPU of an agent, millicores", "3"),
    ("start_s", "from the start of an agent until it is ready, s", "1.5"),
)
ROUTING = (
    ("appears_in_slice", "a label is set: the endpoint slice has the pod"),
    ("appears", "a label is set, and the Service had no endpoint: first connection"),
    ("moves", "the label moves from one pod to another: first connection to the new one"),
    ("old_answers_until", "the same: last connection to the old one"),
)

STUCK = """*Stuck*: writes did not resume without intervention, that is before the fault was ended or, if
nothing ends it, within two TTLs (at least 45 s). The gap is then the time that was waited. *Not
recovered*: not all servers were back within 180 s; the release is then installed again."""

Row = Sequence[str]


def markdown(head: Row, rows: Iterable[Row]) -> str:
    """Return a Markdown table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def latencies(found: Iterable[Line]) -> str:
    """Return a table of what transactions wait without a backup and during one, from the lines of that mode, and how long backups take."""
    measured = [(load, line[load.name]) for line in found if (load := latency.told(line)) is not None]
    head = ["load", "backup", "windows", "transactions", "transactions/s", "median", "95 %", "99 %", "99 % of each window", "max"]
    rows = []
    for load, each in measured:
        for kind, text in (("without", "none"), ("during", "running")):
            seen = latency.Latency(**each[kind])
            spread = f"{min(seen.each_p99_ms):.1f} to {max(seen.each_p99_ms):.1f}"
            quantiles = [f"{value:.1f}" for value in (seen.p50_ms, seen.p95_ms, seen.p99_ms)]
            rows.append([load.title, text, str(seen.windows), str(seen.transactions), f"{seen.tps:.0f}", *quantiles, spread])
            rows[-1].append(f"{seen.max_ms:.1f}")
    took = [f"{min(each['backup_s']):.0f} to {max(each['backup_s']):.0f} s ({load.title})" for load, each in measured]
    sizes = sorted({f"{each['bytes'] / 1e9:.1f} GB" for _, each in measured})
    return f"{markdown(head, rows)}\n\n" + paragraph(f"A full backup of {' to '.join(sizes)} copies for {', '.join(took)}.")


def changed(found: Iterable[Line]) -> str:
    """Return a table of how long changed values need until every server has them in effect, from the lines of that mode."""
    head = ["value", "n", "from the start of `helm upgrade`: median", "95 %", "max", "from its end: median", "95 %", "max"]
    rows = []
    for line in found:
        change = changes.told(line)
        if change is not None:
            times = line[change.name]
            seconds = [f"{times[end][part]:.2f}" for end in ("from_start", "from_end") for part in ("p50_s", "p95_s", "max_s")]
            rows.append([change.title, str(times["n"]), *seconds])
    return markdown(head, rows)


class Report:
    """The results of a bench in one mode."""

    def __init__(self, every: Sequence[Line], mode: str = modes.QUIET.name) -> None:
        self._found = found = [line for line in every if modes.of(line) == mode]
        self._goals = GOALS_BY_MODE[mode]
        self._summaries = [Summary.from_line(line) for line in found if "fault" in line]
        self._machine: Mapping[str, Any] = next(line["machine"] for line in found if "machine" in line)
        self._versions: dict[str, str] = {line["system"]: line["version"] for line in found if "version" in line}
        self._idle: dict[str, Mapping[str, Any]] = {line["system"]: line["idle"] for line in found if "idle" in line}
        self._routing: Mapping[str, Any] = next((line["routing"] for line in found if "routing" in line), {})
        self._systems = list(dict.fromkeys(each.system for each in self._summaries))

    def machine(self) -> str:
        """Return a sentence with the date and the environment of the measurement."""
        m = self._machine
        return (
            f"Measured on {m['day']}: Kubernetes {m['kubernetes'].removeprefix('v')}, {m['nodes']} nodes on one machine with "
            f"{m['processors']} CPUs and {m['memory_gib']} GiB, Linux {m['kernel']}, PostgreSQL 15."
        )

    def measured(self) -> str:
        """Return a paragraph with the date and the environment of the measurement, and the version of each system."""
        return paragraph(f"{self.machine()} {self.versions()}.")

    def _of(self, system: str, fault: str) -> Summary | None:
        return next((each for each in self._summaries if (each.system, each.fault) == (system, fault)), None)

    def _faults(self) -> list[str]:
        return [fault for fault in DONE if any(each.fault == fault for each in self._summaries)]

    def overview(self, goals: bool) -> str:
        """Return the median and 95th percentile of each fault, with a column per system and one for the goals."""

        def cell(found: Summary | None) -> str:
            if found is None:
                return "not measured"
            if found.stuck == found.n:
                return "stuck"
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
        """Return the number of promotions per fault, and pgbench's rate before it."""
        head = ["system", "fault", "n", "promotions", "runs with more than one", "transactions/s before"]
        rows = []
        for each in self._summaries:
            more = sum(number > 1 for number in each.promotions)
            rows.append([each.system, each.fault, str(each.n), str(sum(each.promotions)), str(more), f"{each.tps:.0f}" if each.tps else ""])
        return markdown(head, rows)

    def details(self, system: str) -> str:
        """Return all measurements of a system's faults."""
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
        """Return the gaps of a client that connects to the pods' addresses."""
        head = ["system", "fault", "n", "min", "median", "95 %", "max", "median through the Service"]
        rows = [[each.system, each.fault, str(each.n), *_seconds(each.direct), f"{each.p50_s:.2f}"] for each in self._summaries]
        return markdown(head, rows)

    def phases(self) -> str:
        """Return the duration of each phase."""
        told = [each for each in self._summaries if each.phases]
        head = ["fault", *(name.replace("_", " ") for name in phases.PHASES)]
        rows = [[each.fault, *(f"{each.phases[name]:.2f}" if name in each.phases else "" for name in phases.PHASES)] for each in told]
        return markdown(head, rows)

    def routing(self) -> str:
        """Return the time that Kubernetes needs to route clients to another pod."""
        rows = [[text, str(self._routing["n"]), *_seconds(Quantiles(**self._routing[name]))] for name, text in ROUTING]
        return markdown(["", "n", "min", "median", "95 %", "max"], rows)

    def idle(self) -> str:
        """Return the cost of each system when idle."""
        systems = list(self._idle)
        rows = []
        for name, text, goal in IDLE:
            values = [self._idle[system].get(name) for system in systems]
            rows.append([text, goal, *("" if value is None else f"{value:g}" for value in values)])
        return markdown(["", "goal", *systems], rows)

    def section(self) -> str:
        """Return the tables of a mode, for docs/bench.md."""
        if any(latency.told(line) for line in self._found):
            return f"{self.measured()}\n\n{latencies(self._found)}\n"
        if any(changes.told(line) for line in self._found):
            return f"{self.measured()}\n\n{changed(self._found)}\n"
        details = "\n\n".join(f"`{system}`:\n\n{self.details(system)}" for system in self._systems)
        return SECTION_TEXT.format(
            measured=self.measured(),
            overview=self.overview(goals=bool(self._goals)),
            promotions=self.promotions(),
            details=details,
            phases=self.phases(),
        )

    def page(self, sections: str = "") -> str:
        """Return docs/bench.md. sections: those of the other modes, as Markdown."""
        return PAGE_TEXT.format(
            sections=sections,
            measured=self.measured(),
            stuck=STUCK,
            overview=self.overview(goals=True),
            details="\n\n".join(f"### {system}\n{self.details(system)}" for system in self._systems),
            direct=self.direct(),
            phases=self.phases(),
            routing=self.routing() if self._routing else "Not measured.",
            idle=self.idle() if self._idle else "Not measured.",
        )

    def short(self) -> str:
        """Return the section of the README."""
        parts = [paragraph(f"{self.machine()} Seconds, median / 95 %."), self.overview(goals=False)]
        if len(self._systems) > 1:
            parts.append(paragraph(f"{self.versions()}."))
        if any(each.stuck or each.unrecovered for each in self._summaries):
            parts.append(STUCK)
        return "\n\n".join(parts)

    def versions(self) -> str:
        """Return the version of each system."""
        return "; ".join(f"`{system}` is {version}" for system, version in self._versions.items())


def paragraph(text: str) -> str:
    """Return a text in lines of at most 100 columns."""
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)


def _goal(found: tuple[float, float] | None) -> str:
    return "" if found is None else "{:.1f} / {:.1f}".format(*found)


def _seconds(found: Quantiles) -> list[str]:
    return [f"{value:.2f}" for value in (found.min_s, found.p50_s, found.p95_s, found.max_s)]


PAGE_TEXT = """# How long clients wait

For those who compare systems or judge a change: how long a writing client waits in each fault, what
is lost, and where the time goes. All times are in seconds. `make bench-report` writes this page
from [bench.jsonl](bench.jsonl), the results of `make bench`; do not edit it.

{measured}

Three clients write. The first appends about 100 rows per second through the Service, in one
session, one row per statement, and tries to reconnect every 50 ms. Its *gap* is the longest time
between two acknowledgements. The second connects to the pods' addresses with
`target_session_attrs=read-write`, starting each attempt with another address. The third always uses
the old primary's address; if a node is cut off, it runs on that node.

- *Lost*: rows that were acknowledged through the Service and are gone.
- *Split-brain acks*: rows that the old primary acknowledged after the new one's first
  acknowledgement.
- *Anomalies*: rows that exist although they were refused, or are gone although a later row of the
  same timeline exists.
- *Full strength*: the time until all three servers are back, from the fault, or from its end if it
  must be ended.

Faults start at evenly spread moments between two renewals of the primary's Lease. A frozen or
cut-off primary comes back after at least two TTLs. The next run starts as soon as all servers are
back.

*Volume hangs* measures the first hang each time. After one hang, the next primary is more patient
until writes were prompt for a minute ([rule 1](protocol.md#2-rules)), so the bench lets a volume
hang again only once the Lease counts no hung volume.

{stuck}

## All faults
{overview}

Lost and split-brain acks are sums over all runs.

## In detail
{details}

## At the pods' addresses
The gap without routing by the Service. This client knows only the pods' addresses from before the
fault. If a pod with a new address becomes primary, its gap lasts until the end of the measurement:

{direct}

## Where the time goes
The median time that each phase kept the Service's client waiting; a phase that had already ended
counts as 0. The phases end when:

- detect: an agent knows of the fault;
- fence: the old server is proven dead, or its lease has expired;
- seal: the successor's WAL receiver has stopped;
- report: the successor has reported its position;
- claim: it holds the Lease;
- promote: its server accepts writes;
- label: its pod has the primary's label;
- endpoints: the endpoint slice contains it;
- first write: a client has written, after kube-proxy's update and the client's next attempt.

{phases}
{sections}
## How long Kubernetes needs to route
With pods that answer at once, from the request that changes the label:

{routing}

## At rest
{idle}
"""

SECTION_TEXT = """{measured}

{overview}

{promotions}

{details}

The phases of ha-postgres, as above:

{phases}
"""

MODE_TEXT = {
    modes.LOAD.name: """
## Under load
The same while pgbench runs at full speed through the Service: 8 clients, scale 100 (1.5 GB),
`shared_buffers` of 1 GB, on another node than the primary. It is restarted after each error. Each
fault starts after ten seconds of load.

{section}""",
    modes.STARVE.name: """
## On starved nodes
The same, without pgbench, while 8 busy loops and 12 writers of 300 MB with fsync load the machine's
CPUs and disk, from three seconds before each fault until writes resume, and for at least 30 s. They
run in one session, which Linux schedules as one group (autogroup), like a service beside a node's
pods. A writer waits up to 5 s for an answer here. Goal: one promotion per fault, and a 95th
percentile below 10 s.

{section}""",
    modes.BACKUP.name: """
## While a backup is taken
What pgbench's transactions wait, in milliseconds, while a full backup copies files, and in windows
of the same length between backups: through the Service, 8 clients on another node than the primary,
scale 100 (1.5 GB), `shared_buffers` of 1 GB. In both, WAL is archived to an S3 server in the
cluster. At a fixed rate the wait begins when a transaction is due. The servers, pgbench and the S3
server share the machine's CPUs and its disk.

{section}""",
    modes.RECONFIGURE.name: """
## While values are changed
How long a changed value needs until every server that it concerns has it in effect, with three
servers and hot standbys. Each pod asks its own server ten times a second. No container restarts.
Goal: a 95th percentile below 5 s from the end of `helm upgrade`.

{section}""",
}


def sections(found: Sequence[Line]) -> str:
    """Return the sections of docs/bench.md for the measured modes other than quiet."""
    measured = {modes.of(line) for line in found if "fault" in line or latency.told(line) or changes.told(line)}
    return "".join(text.format(section=Report(found, mode).section()) for mode, text in MODE_TEXT.items() if mode in measured)


def readme(text: str, part: str) -> str:
    """Return the README with its bench section replaced. Raise ValueError if the markers are missing."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{README.name} has no markers for the table: {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{part}\n{END}{after}"


def targets() -> dict[Path, str]:
    """Return the generated texts by file."""
    found = lines.read(SOURCE)
    report = Report(found)
    return {PAGE: report.page(sections(found)), README: readme(README.read_text(encoding="utf-8"), report.short())}


def main(arguments: Sequence[str] | None = None, say: Callable[[str], object] = print) -> int:
    """Write the files and return 0, or with `--check` return 1 if one differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.report", description="Write the bench's tables from its results.")
    parser.add_argument("lines", nargs="?", type=Path, help="results of a bench to merge into docs/bench.jsonl")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if something would change")
    options = parser.parse_args(arguments)
    if options.lines is not None:
        lines.write(SOURCE, lines.merge(lines.read(SOURCE), lines.read(options.lines)))
    changed = {path: text for path, text in targets().items() if not path.exists() or path.read_text(encoding="utf-8") != text}
    for path, text in changed.items():
        say(f"{path.relative_to(REPOSITORY)}: {'differs from docs/bench.jsonl' if options.check else 'written'}")
        if not options.check:
            path.write_text(text, encoding="utf-8")
    return 1 if changed and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
