"""The histories of drills as JSON lines: the answers that each client got, and the Lease's holders."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from tests.cluster.paths import REPOSITORY
from tests.robustness.lease import Reign
from tests.robustness.report.artifacts import slug

FOLDER = REPOSITORY / "build" / "histories"

Entry = dict[str, object]
Fields = Mapping[str, tuple[str, ...]]
"""The names of the fields in a script's output lines, by the line's first word."""

SESSION = {"down": ("begin", "end"), "end": ()}
WRITER: Fields = {
    "ok": ("id", "begin", "end", "server", "timeline"),
    "no": ("id", "begin", "end", "sqlstate"),
    "maybe": ("id", "begin", "end", "why"),
    **SESSION,
}
READER: Fields = {
    "ok": ("begin", "end", "count", "max", "timeline"),
    "no": ("begin", "end", "sqlstate"),
    "maybe": ("begin", "end"),
    **SESSION,
}
_READ: dict[str, Callable[[str], object]] = {
    **dict.fromkeys(("id", "count", "max"), int),
    **dict.fromkeys(("begin", "end"), float),
    "timeline": lambda word: None if word == "-" else int(word, 16),
}


def path(test: str, suffix: str = "") -> Path:
    """Return the file of a test, from its node id."""
    return FOLDER / f"{slug(test)}{suffix}.jsonl"


def entry(source: str, fields: Fields, line: str) -> Entry:
    """Return a script's output line as a mapping; an unknown line is kept as text."""
    what, *words = line.split() or [""]
    if what not in fields:
        return {"source": source, "what": "else", "line": line}
    values = zip(fields[what], words, strict=False)
    return {"source": source, "what": what, **{name: _READ.get(name, str)(word) for name, word in values}}


def reign(at: float, found: Reign) -> Entry:
    """A term and the time when it was first seen."""
    return {"source": "lease", "what": "reign", "at": at, **asdict(found)}


def keep(file: Path, entries: Iterable[Entry]) -> None:
    """Write a history to its file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{json.dumps(each)}\n" for each in entries), encoding="utf-8")
