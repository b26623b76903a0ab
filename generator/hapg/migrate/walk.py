"""Paths into a document of mappings and lists, and which of its parts have been dealt with."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

Path = tuple[str | int, ...]

_PLAIN_KEY = re.compile(r"[-\w/]+", re.ASCII)


def shown(path: Path) -> str:
    """Return a path as text, such as `spec.users[0].name`; a key with other characters is quoted."""
    out = ""
    for part in path:
        key = f".{part}" if isinstance(part, int) or _PLAIN_KEY.fullmatch(part) else f'."{part}"'
        out += f"[{part}]" if isinstance(part, int) else key
    return out.removeprefix(".")


def parts(pattern: str) -> tuple[str, ...]:
    """Return the parts of a pattern: keys, `*` for any key, `[]` for any item of a list."""
    return tuple(pattern.replace("[]", ".[]").split(".")) if pattern else ()


def matches(document: Any, pattern: str) -> Iterator[tuple[Path, Any]]:
    """Yield path and value of each part of the document that the pattern describes."""
    yield from _matches(document, parts(pattern), ())


def _matches(node: Any, pattern: tuple[str, ...], path: Path) -> Iterator[tuple[Path, Any]]:
    if not pattern:
        yield path, node
        return
    first, rest = pattern[0], pattern[1:]
    for key, child in _children(node):
        if (first == "[]" and isinstance(key, int)) or (isinstance(key, str) and first in ("*", key)):
            yield from _matches(child, rest, (*path, key))


def get(document: Any, *keys: str) -> Any:
    """Return the value below the keys, None if there is none."""
    node = document
    for key in keys:
        node = node.get(key) if isinstance(node, dict) else None
    return node


def untouched(node: Any, done: Collection[Path], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield the largest parts of `node` in which nothing is below a path in `done`; `node` is the document's part at `path`."""
    if path in done:
        return
    if any(each[: len(path)] == path for each in done):
        for key, child in _children(node):
            yield from untouched(child, done, (*path, key))
    else:
        yield path, node


def is_below(path: Path, done: Collection[Path]) -> bool:
    """True if the path or one above it is in `done`."""
    return any(path[:length] in done for length in range(len(path) + 1))


def is_empty(value: Any) -> bool:
    """True for null and for texts, lists and mappings with nothing in them."""
    if isinstance(value, (dict, list)):
        return all(is_empty(child) for _, child in _children(value))
    return value is None or value == ""


def is_off(value: Any) -> bool:
    """True for what is empty, false, or consists of that."""
    if isinstance(value, (dict, list)):
        return all(is_off(child) for _, child in _children(value))
    return value is False or is_empty(value)


def _children(node: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(node, dict):
        yield from node.items()
    elif isinstance(node, list):
        yield from enumerate(node)
