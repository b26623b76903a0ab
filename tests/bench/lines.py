"""The file of results in JSON lines: one line per fault and system, and one per other measurement."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.bench import modes

Line = dict[str, Any]


def read(path: Path) -> list[Line]:
    """Return the lines of a file, none if it is not found."""
    return [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def write(path: Path, lines: Iterable[Mapping[str, object]]) -> None:
    """Write all lines atomically, so that a reader never sees a partial file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.write_text("".join(json.dumps(each) + "\n" for each in lines), encoding="utf-8")
    new.replace(path)


def kind(line: Mapping[str, object]) -> tuple[str, object, object]:
    """Return the subject of a line: the mode, the system, and the fault or other measurement."""
    return modes.of(line), line.get("system"), line.get("fault") or next(name for name in line if name not in ("system", "mode"))


def merge(old: Iterable[Line], new: Iterable[Line]) -> list[Line]:
    """Return the new lines, after those old lines whose mode has no new line."""
    measured = list(new)
    known = {modes.of(line) for line in measured}
    return [*(line for line in old if modes.of(line) not in known), *measured]


def put(path: Path, line: Mapping[str, object]) -> None:
    """Add a line; it replaces one with the same subject."""
    lines = read(path)
    at = next((number for number, each in enumerate(lines) if kind(each) == kind(line)), len(lines))
    write(path, [*lines[:at], line, *lines[at + 1 :]])
