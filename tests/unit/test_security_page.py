"""docs/security.md names tests that exist, and all that have the word in their names."""

from __future__ import annotations

import re

from tests.unit.test_house import ROOT, nodes_of

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"`(tests/[\w/]+\.py::[\w:]+)`", PAGE))


def test_security_every_test_on_the_page_exists() -> None:
    assert len(NAMED) > 20
    assert {node for node in NAMED if node not in nodes_of(node.partition("::")[0])} == set()


def test_security_every_promise_names_a_test() -> None:
    rows = [line for line in PAGE.partition("## Scanners")[0].splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 10
    assert [row for row in rows if not re.search(r"`tests/[\w/]+\.py::[\w:]+`", row)] == []


def test_security_every_test_of_the_cluster_with_that_word_is_on_the_page() -> None:
    found = {node for path in (ROOT / "tests" / "e2e").glob("test_*.py") for node in nodes_of(f"tests/e2e/{path.name}")}
    assert {node for node in found if "::test_security_" in node} - NAMED == set()
