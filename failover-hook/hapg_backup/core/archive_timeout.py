"""How long PostgreSQL leaves a WAL segment unfinished at most: the parameter archive_timeout."""

from __future__ import annotations

import re

_LINE = re.compile(
    r"^[ \t]*archive_timeout(?:[ \t]*=[ \t]*|[ \t]+)'?([0-9]+)[ \t]*(ms|s|min|h|d)?'?[ \t]*(?:#.*)?$", re.MULTILINE | re.IGNORECASE
)
_SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def archive_timeout(text: str) -> float | None:
    """Return the seconds that the postgresql.conf in `text` sets last; None if it sets no limit."""
    found = [(number, unit.lower()) for number, unit in _LINE.findall(text)]
    if not found:
        return None
    number, unit = found[-1]
    return float(number) * _SECONDS[unit] or None
