"""Checks that data contains only values that JSON has."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

_DEEPEST = 100


def problems(value: object, path: str = "", depth: int = 0) -> Iterator[str]:
    """Yield a sentence, starting with the path, for each value that JSON doesn't have."""
    if depth > _DEEPEST:
        yield f"{path[:60]}…: nested deeper than {_DEEPEST} levels"
    elif isinstance(value, dict):
        for name, child in value.items():
            if isinstance(name, str):
                yield from problems(child, f"{path}.{name}" if path else name, depth + 1)
            else:
                yield f"{path}: the key {name!r} is not a string"
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from problems(child, f"{path}[{index}]", depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{path}: {value} is not a JSON number"
    elif isinstance(value, str) and re.search("[\ud800-\udfff]", value):
        yield f"{path}: contains half a surrogate pair, which is not a character"
    elif not isinstance(value, (str, int, float, bool, type(None))):
        yield f"{path}: a {type(value).__name__} is not allowed here"
