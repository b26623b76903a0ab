"""The walk through one failover in docs/development.md: each function exists, and they are called in that order."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from . import faults
from .scenarios import primary_of, running

PAGE = Path(__file__).parents[2] / "docs" / "development.md"
STEP = re.compile(r"^(\d+)\. `([\w.]+)` in `([\w/]+)\.py`", re.MULTILINE)
MOST = 12
SEED = 3


def steps() -> list[tuple[str, str]]:
    """Module and qualified name of each."""
    section = PAGE.read_text("utf-8").split("## One failover, function by function\n")[1].split("\n## ")[0]
    found = STEP.findall(section)
    assert [int(number) for number, _, _ in found] == list(range(1, len(found) + 1))
    return [(f"hapg_failover.{file.replace('/', '.')}", name) for _, name, file in found]


def test_the_walk_is_what_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    walk = steps()
    assert 8 <= len(walk) <= MOST
    called: list[tuple[str, str]] = []

    def watch(step: tuple[str, str]) -> None:
        place: Any = importlib.import_module(step[0])
        *owner, name = step[1].split(".")
        for part in owner:
            place = getattr(place, part)
        function: Callable[..., Any] = getattr(place, name)

        def watched(*args: Any, **named: Any) -> Any:
            if step not in called:
                called.append(step)
            return function(*args, **named)

        monkeypatch.setattr(place, name, watched)

    world = running(3, SEED)
    world.run(3.0)
    for step in walk:
        watch(step)
    killed = primary_of(world)
    world.recovery_s[killed] = 60.0  # so that it isn't back before the others are done with it
    faults.postmaster_kill(world, killed)
    world.run(9.0)
    assert world.primary() not in (None, killed)
    assert called == walk
