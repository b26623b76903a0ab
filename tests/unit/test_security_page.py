"""docs/security.md names tests that exist, and all that have the word in their names."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE))


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_security_every_test_on_the_page_exists() -> None:
    assert len(NAMED) > 20
    assert {(path, name) for path, name in NAMED if name not in functions(ROOT / path)} == set()


def test_security_every_promise_names_a_test() -> None:
    rows = [line for line in PAGE.partition("## Scanners")[0].splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 10
    assert [row for row in rows if not re.search(r"`tests/[\w/]+\.py::\w+`", row)] == []


def test_security_every_test_of_the_cluster_with_that_word_is_on_the_page() -> None:
    found = {(f"tests/e2e/{path.name}", name) for path in (ROOT / "tests" / "e2e").glob("test_*.py") for name in functions(path)}
    assert {each for each in found if each[1].startswith("test_security_")} - NAMED == set()
