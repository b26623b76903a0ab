"""The results of `make faults`: build/faults.json, and docs/faults.md, which is generated from it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.cluster.paths import REPOSITORY
from tests.robustness.report.left_out import LEFT_OUT

RESULTS = REPOSITORY / "build" / "faults.json"
PAGE = REPOSITORY / "docs" / "faults.md"
THEMES = {
    "failure": "Failure",
    "storage": "Storage",
    "network": "Network",
    "election": "Election",
    "synchronous": "Synchronous replication",
    "rejoin": "Rejoin",
    "graceful": "Planned operations",
    "recovery": "Recovery",
    "platform": "The platform",
    "pressure": "Pressure",
}
HEAD = "| scenario | guarantee | result | lost | late | gap | seconds |"
GUARANTEE = "Guarantee:"


@dataclass(frozen=True)
class Entry:
    """The result of a test. text: its docstring; why: the reason if it failed or was skipped; lost, late, gap_s: None without a drill;
    at: UTC.
    """

    name: str
    theme: str
    text: str
    outcome: str
    why: str
    lost: int | None
    late: int | None
    gap_s: float | None
    seconds: float
    at: str

    @property
    def scenario(self) -> str:
        """The description of the fault."""
        return " ".join(self.text.partition(GUARANTEE)[0].split())

    @property
    def guarantee(self) -> str:
        """The description of the guarantee."""
        return " ".join(self.text.partition(GUARANTEE)[2].split())


def load(path: Path = RESULTS) -> list[Entry]:
    """Return the entries; an empty list if the file is not found."""
    return [Entry(**each) for each in json.loads(path.read_text(encoding="utf-8"))] if path.exists() else []


def keep(entry: Entry, path: Path = RESULTS) -> None:
    """Add an entry; it replaces an earlier one of the same test."""
    entries = [each for each in load(path) if (each.theme, each.name) != (entry.theme, entry.name)]
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps([asdict(each) for each in [*entries, entry]], indent=1) + "\n", encoding="utf-8")
    new.replace(path)


def collected() -> list[str]:
    """Return the names of all tests of faults, such as `test_election.py::test_tie`."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "--quiet", "-p", "no:cacheprovider", "tests/faults"]
    said = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    return [line.removeprefix("tests/faults/") for line in said.splitlines() if line.startswith("tests/faults/test_")]


def page(entries: list[Entry], tests: list[str]) -> str:
    """Return the page. tests: the names of all tests, whether they were run or not."""
    times = [each.at for each in entries]
    run = {f"test_{each.theme}.py::{each.name}" for each in entries}
    waiting = [name for name in tests if name not in run]
    passed = sum(each.outcome == "passed" for each in entries)
    parts = [
        "# Faults",
        "",
        "For those who want to know what a release survives, and at what price: every fault that is tried,",
        "what is guaranteed, and what was measured. Written by `python -m tests.faults.report` from a run of",
        "`make faults`.",
        "",
        "Every scenario is a test in `tests/faults`. It injects a fault into a release on a real Kubernetes",
        "while three clients write: one through the Service, one to the primary's address from the primary's",
        "own node, and one from a third node. After each fault, all of these must hold:",
        "",
        "- The lost acknowledged rows are the last ones of a timeline, and none is older than the fault. If",
        "  the guarantee says *nothing is lost*, there are none. No refused row exists, and no row exists",
        "  twice.",
        "- Nobody acknowledges on an old timeline after the first acknowledgement on a newer one (a frozen",
        "  server may, for 0.7 s after it is thawed), and no timeline has two servers.",
        "- Terms and timelines only grow. The Lease's holder is labelled primary and writes on the timeline",
        "  that it reserved.",
        "- All replicas replay that timeline, hot ones show the same rows as the primary, and the release is",
        "  at full strength again.",
        "- On a timeline, a reader through the primary's Service never goes back. Rows that it read and that",
        "  are gone are among the lost ones.",
        "",
        "*gap*: the longest time in seconds between two acknowledgements through the Service; it includes the",
        "test's own steps before it ends the fault. *lost*: rows of all three writers that were acknowledged,",
        "or read on a primary, and are gone. *late*: rows that a thawed server acknowledged after its",
        "successor's first, within the [limit](protocol.md#7-known-limits). A COMMIT whose wait was cancelled",
        "counts as uncertain.",
        "",
        f"{len(entries)} of {len(entries) + len(waiting)} tests were run, the first at {min(times, default='-')} and the last at",
        f"{max(times, default='-')}; {passed} passed.",
    ]
    for theme, title in THEMES.items():
        chosen = [each for each in entries if each.theme == theme]
        if chosen:
            parts += ["", f"## {title}", "", HEAD, "|---|---|---|---|---|---|---|"]
            parts += [_row(each) for each in chosen]
    if waiting:
        parts += ["", "## Not run yet", "", *(f"- `{name}`" for name in waiting)]
    parts += ["", "## Not tested here", "", "| scenario | why |", "|---|---|", *(f"| {name} | {why} |" for name, why in LEFT_OUT.items())]
    return "\n".join(parts) + "\n"


def _row(entry: Entry) -> str:
    result = entry.outcome + (f": {entry.why}" if entry.why else "")
    parameters = re.search(r"\[(.*)\]", entry.name)
    scenario = entry.scenario + (f" ({parameters[1]})" if parameters else "")
    numbers = ("" if value is None else f"{value:g}" for value in (entry.lost, entry.late, entry.gap_s, entry.seconds))
    return "| " + " | ".join(text.replace("|", "\\|") for text in (scenario, entry.guarantee, result, *numbers)) + " |"


def write() -> None:
    """Write docs/faults.md from build/faults.json."""
    PAGE.write_text(page(load(), collected()), encoding="utf-8")
