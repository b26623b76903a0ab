"""The settings that a server reads only when it starts: where they are in postgresql.conf, and how a pod shows which its server has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

RELOADED = "# From here on a reload is enough."
"""The line of postgresql.conf that separates them from settings that need only a reload, which follow it."""

_LINE = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_.]*)\s*=\s*(.*?)\s*")
_SHOWN = re.compile(r"([0-9a-f]{16}) ([0-9a-f]{16})")


def read(text: str) -> Mapping[str, str] | None:
    """Return the start settings in a postgresql.conf, by lower-case name; None if it doesn't separate them from others."""
    lines = text.splitlines()
    if RELOADED not in lines:
        return None
    matches = (_LINE.fullmatch(line) for line in lines[: lines.index(RELOADED)])
    return {match[1].lower(): match[2] for match in matches if match}


@dataclass(frozen=True)
class Shown:
    """Fingerprints that a pod shows: of the start settings that its server runs with, and of those it accepts for its next start."""

    running: str
    wanted: str

    def encode(self) -> str:
        """Return the annotation's value."""
        return f"{self.running} {self.wanted}"


def decode(text: str | None) -> Shown | None:
    """Return what the annotation's value says; None without one, and for one in another form."""
    match = _SHOWN.fullmatch(text or "")
    return Shown(match[1], match[2]) if match else None
