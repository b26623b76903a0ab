"""Checks that data contains only values that JSON has."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

_DEEPEST = 100
_SURROGATE = re.compile("[\ud800-\udfff]")


def problems(value: object, path: str = "", depth: int = 0) -> Iterator[str]:
    """Yield a sentence, starting with the path, for each value that JSON doesn't have."""
    if not _is_sound(value, depth):
        yield from _problems(value, path, depth)


def _is_sound(value: object, depth: int) -> bool:
    """Return whether there is nothing to say, in a fraction of the time."""
    if isinstance(value, str):
        return value.isascii() or not _SURROGATE.search(value)
    if isinstance(value, dict) and depth <= _DEEPEST:
        return all(isinstance(name, str) and _is_sound(child, depth + 1) for name, child in value.items())
    if isinstance(value, list) and depth <= _DEEPEST:
        return all(_is_sound(child, depth + 1) for child in value)
    return value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


def _problems(value: object, path: str, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        yield f"{path[:60]}…: nested deeper than {_DEEPEST} levels"
    elif isinstance(value, dict):
        for name, child in value.items():
            if isinstance(name, str):
                yield from _problems(child, f"{path}.{name}" if path else name, depth + 1)
            else:
                yield f"{path}: the key {name!r} is not a string"
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _problems(child, f"{path}[{index}]", depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{path}: {value} is not a JSON number"
    elif isinstance(value, str) and _SURROGATE.search(value):
        yield f"{path}: contains half a surrogate pair, which is not a character"
    elif not isinstance(value, (str, int, float, bool, type(None))):
        yield f"{path}: a {type(value).__name__} is not allowed here"
