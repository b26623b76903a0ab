"""The report on faults shows the results, and every test of a fault has an event and a guarantee."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cluster.paths import REPOSITORY
from tests.cluster.process import Process
from tests.robustness.report import faults_page as report
from tests.robustness.report.faults_page import Entry
from tests.robustness.validate.growth import Growth, Look

FOLDER = REPOSITORY / "tests" / "faults"
ENTRY = Entry(
    name="test_node[off]",
    theme="failure",
    text="The node\n    is switched off.\n\n    Guarantee: nothing\n    is lost.\n    ",
    outcome="passed",
    why="",
    lost=0,
    late=0,
    gap_s=6.1,
    seconds=20.0,
    at="2026-01-01T00:00:00Z",
)


def named_faults() -> list[tuple[str, str]]:
    """Every test of a fault: its theme and name, and its docstring."""
    found = []
    for path in sorted(FOLDER.glob("test_*.py")):
        functions = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)]
        found += [(f"{path.stem}::{each.name}", ast.get_docstring(each) or "") for each in functions if each.name.startswith("test_")]
    return found


@pytest.mark.parametrize(("name", "text"), named_faults(), ids=lambda value: value if "::" in value else "")
def test_a_fault_says_what_it_does_and_what_is_guaranteed(name: str, text: str) -> None:
    entry = replace(ENTRY, text=text)
    assert len(entry.scenario) > 20
    assert len(entry.guarantee) > 10


def test_every_theme_is_on_the_page() -> None:
    assert {name.partition("::")[0].removeprefix("test_") for name, _ in named_faults()} <= set(report.THEMES)


def test_an_entry_replaces_the_earlier_one_of_its_test(tmp_path: Path) -> None:
    path = tmp_path / "build" / "faults.json"
    report.keep(ENTRY, path)
    report.keep(replace(ENTRY, name="test_other"), path)
    report.keep(failed := replace(ENTRY, outcome="failed", why="3 rows are gone"), path)
    assert report.load(path) == [replace(ENTRY, name="test_other"), failed]


def test_the_page_has_a_row_for_each_entry() -> None:
    failed = replace(ENTRY, theme="storage", name="test_disk", outcome="failed", why="a | b", lost=None, gap_s=None)
    page = report.page([ENTRY, failed], ["test_storage.py::test_disk", "test_storage.py::test_other"])
    assert "| The node is switched off. (off) | nothing is lost. | passed | 0 | 0 | 6.1 | 20 |" in page
    assert "| The node is switched off. | nothing is lost. | failed: a \\| b |  | 0 |  | 20 |" in page
    assert "2 of 3 tests were run" in page
    assert "1 passed" in page
    assert "- `test_storage.py::test_other`" in page


def look(at: float, memory: int, files: int = 10) -> Look:
    return Look(at, memory, files)


@pytest.mark.parametrize(
    ("looks", "wrong"),
    [
        ([look(0, 9000), look(40, 30000), look(100, 31000)], None),  # the warm-up doesn't count
        ([look(0, 9000), look(40, 30000), look(100, 39000)], "30000 -> 39000 KiB"),
        ([look(0, 9000), look(40, 30000), look(100, 30000, 20)], "10 -> 20 files"),
        ([look(0, 9000), look(40, 30000)], "no agent lived long enough"),
    ],
)
def test_an_agent_that_grows_is_found(looks: list[Look], wrong: str | None) -> None:
    found = Growth({("pod-0", Process(1, 2)): looks}).violations()
    assert [wrong in text for text in found] == [True] if wrong else found == []
