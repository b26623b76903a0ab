"""mypy finds a wrong field name and a wrong type in each part of a member's memory, in each order and in each event."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

from hapg_failover import events
from hapg_failover.core.state import actions, memory_parts

ROOT = Path(__file__).parents[2]
KINDS = [
    (module.__name__, kind)
    for module, union in ((memory_parts, memory_parts.Part), (actions, actions.Order), (events, events.Event))
    for kind in get_args(union)
]


def mistakes() -> Iterator[str]:
    """A function for each, with a parameter of that type."""
    for number, (module, kind) in enumerate(KINDS):
        yield f"def name_{number}(known: {module}.{kind.__name__}) -> object: return replace(known, no_such_field=1)"
        for field in fields(kind)[:1]:
            yield f"def type_{number}(known: {module}.{kind.__name__}) -> object: return replace(known, {field.name}=object())"


@pytest.mark.slow
def test_wrong_names_and_wrong_types_are_found(tmp_path: Path) -> None:
    lines = ["from dataclasses import replace", *sorted({f"import {module}" for module, _ in KINDS}), *mistakes()]
    script = tmp_path / "mistaken.py"
    script.write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(script)]
    done = subprocess.run(command, cwd=ROOT / "failover-hook", capture_output=True, text=True, check=False)
    found = {int(number) for number in re.findall(r"mistaken\.py:(\d+): error", done.stdout)}
    wrong = {number for number, line in enumerate(lines, 1) if line.startswith("def ")}
    assert wrong - found == set(), [lines[number - 1] for number in wrong - found]
