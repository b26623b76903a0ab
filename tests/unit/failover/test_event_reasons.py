"""Every Event is in the catalogue with its type, every catalogue entry is used, and the page has the table and the metrics."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from docs.make_tables import page
from hapg_failover.core.event_reasons import EVENT_REASONS
from hapg_failover.core.state.memory import Memory
from hapg_failover.core.timing import Timing
from hapg_failover.metrics import METRICS, PREFIX, render

ROOT = Path(__file__).parents[3]
PROGRAM = ROOT / "failover-hook" / "hapg_failover"
PAGE = ROOT / "docs" / "operations.md"
KINDS = {each.reason: each.kind for each in EVENT_REASONS}
MADE_OF_AN_OPERATION = {"RewindFailed"}


def sources() -> Iterator[ast.AST]:
    for path in PROGRAM.rglob("*.py"):
        if path.name != "event_reasons.py":
            yield ast.parse(path.read_text("utf-8"))


def recorded() -> Iterator[tuple[str, str]]:
    """Type and reason of each Event named in the code."""
    for node in (each for tree in sources() for each in ast.walk(tree)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else ""
        words = [word.value if isinstance(word, ast.Constant) else None for word in node.args]
        if name == "tell" and words and isinstance(words[0], str):
            yield "Warning", words[0]
        elif name in ("Announce", "announce", "_announce") and len(words) >= 2 and isinstance(words[0], str) and isinstance(words[1], str):
            yield words[0], words[1]


def test_every_event_is_in_the_catalogue_with_its_kind() -> None:
    found = set(recorded())
    assert len(found) > 30
    assert {(kind, reason) for kind, reason in found if KINDS.get(reason) != kind} == set()


def test_every_entry_of_the_catalogue_is_used() -> None:
    constants = {node.value for tree in sources() for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert set(KINDS) - constants == MADE_OF_AN_OPERATION
    assert len(KINDS) == len(EVENT_REASONS)


def test_texts_are_parts_of_a_sentence() -> None:
    assert all(re.fullmatch(r"[a-z`].*[^.]", text) for each in EVENT_REASONS for text in (each.meaning, each.action) if text)


def test_every_warning_says_what_to_do() -> None:
    assert [each.reason for each in EVENT_REASONS if each.kind == "Warning" and not each.action] == []


def test_the_page_has_the_table() -> None:
    assert PAGE.read_text("utf-8") == page()


def test_every_metric_of_the_catalogue_is_there_with_its_labels() -> None:
    text = render(Memory(), None, Timing(), 1.0, 1.0, {"GET": 1})
    assert re.findall(r"^# HELP (\w+) (.*)", text, re.MULTILINE) == [(PREFIX + each.name, each.help) for each in METRICS]
    for each in METRICS:
        values = tuple(re.findall(rf'^{PREFIX}{each.name}{{{each.label}="(.*)"}} ', text, re.MULTILINE))
        assert values == (each.values or (("GET",) if each.label else ()))
