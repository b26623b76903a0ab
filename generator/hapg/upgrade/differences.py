"""Differences between two documents. List items with names are compared by name, so that a new item doesn't shift all others."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_NAMES = ("name", "mountPath", "containerPort", "port", "key")

Path = tuple[str, ...]


class _Missing:
    def __repr__(self) -> str:
        return "nothing"


MISSING = _Missing()
"""The value of a key that is missing on one side."""


@dataclass(frozen=True)
class Change:
    """One difference. path: keys, list items as [NAME]; old, new: the values, or MISSING."""

    path: Path
    old: Any
    new: Any

    @property
    def where(self) -> str:
        """The path as text."""
        return ".".join(self.path).replace(".[", "[")


def changes(old: Any, new: Any, path: Path = ()) -> Iterator[Change]:
    """Yield the differences between two documents, in key order."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(old.keys() | new.keys()):
            yield from changes(old.get(key, MISSING), new.get(key, MISSING), (*path, key))
    elif isinstance(old, list) and isinstance(new, list):
        yield from _in_lists(old, new, path)
    elif _differ(old, new):
        yield Change(path, old, new)


def _in_lists(old: Sequence[Any], new: Sequence[Any], path: Path) -> Iterator[Change]:
    name = next((name for name in _NAMES if _is_name(name, old) and _is_name(name, new)), None)
    if name is not None:
        before, after = ({f"[{item[name]}]": item for item in items} for items in (old, new))
        yield from changes(before, after, path)
        if [key for key in before if key in after] != [key for key in after if key in before]:
            yield Change((*path, "[order]"), list(before), list(after))
    elif len(old) == len(new) and all(isinstance(item, Mapping) for item in (*old, *new)):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from changes(before, after, (*path, f"[{index}]"))
    elif _differ(old, new):
        yield Change(path, old, new)


def _is_name(name: str, items: Sequence[Any]) -> bool:
    """True if all `items` have a `name`, and all names are different."""
    found = [item[name] for item in items if isinstance(item, Mapping) and name in item]
    return len(found) == len(items) == len({str(value) for value in found})


def _differ(old: Any, new: Any) -> bool:
    """True if the values differ. Compared as JSON, because True == 1 in Python."""
    if old is MISSING or new is MISSING:
        return old is not new
    return json.dumps(old, sort_keys=True, default=str) != json.dumps(new, sort_keys=True, default=str)
