"""Values that the user gives for a chart, in the spec or in a file, nested as in values.yaml: checked and laid over the defaults."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hapg import files, yamlio
from hapg.chart import values
from hapg.errors import InputError
from hapg.spec import error_messages
from hapg.spec.schema import Schema, strict

Values = Mapping[str, Any]


LARGEST = 1024 * 1024
"""The largest values file that is read, in bytes."""


def read(path: Path) -> dict[str, Any]:
    """Return the values in a file. Raises InputError if it is not one mapping."""
    documents = yamlio.load(files.read(path, LARGEST), str(path))
    if len(documents) > 1:
        raise InputError([f"{documents[1].place}: a second document, which helm would ignore; only one is allowed"])
    found = documents[0].value if documents else {}
    if not isinstance(found, dict):
        raise InputError([f"{path}: {error_messages.shown(found)} is not allowed; a mapping of values"])
    return found


def problems(source: Schema, given: Values, prefix: str = "") -> list[str]:
    """Return a sentence for each value that the schema `source` refuses. prefix: of the values' paths in the sentences."""
    unset = [f"{name}: the chart that has this one as a dependency sets it; remove it" for name in _unset(source, given)]
    wrong = values.checked_problems(_partial(strict(source)), source, _pruned(source, given))
    return [f"{prefix}{problem}" for problem in (*unset, *wrong)]


def lay_over(source: Schema, given: Values) -> None:
    """Make the valid values `given` the defaults of `source`. A mapping is merged into a default that is one, as Helm does."""
    for name, value in _pruned(source, given).items():
        child = source["properties"][name]
        if _is_section(child) and isinstance(value, dict):
            if child.get("default", ...) is None:
                del child["default"]
            lay_over(child, value)
        elif isinstance(value, dict) and isinstance(child.get("default"), dict):
            child["default"] = merged(child["default"], value)
        else:
            child["default"] = copy.deepcopy(value)


def merged(base: Values, *over: Values) -> dict[str, Any]:
    """Return `base` with each of `over` over it, as helm does it: mappings are merged, and null removes a key."""
    out = copy.deepcopy(dict(base))
    for each in over:
        _merge(out, each)
    return out


def completed(source: Schema, merged_values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values with the default for each that is missing, as the chart's templates do it; a missing section that may be null is."""
    out = copy.deepcopy(dict(merged_values))
    for path, default in values.filled(source).items():
        *way, last = path.split(".")
        node: Any = out
        for key in way:
            name = key.removesuffix("?")
            if isinstance(node, dict):
                node = node.get(name) if name != key else node.setdefault(name, {})
        if isinstance(node, dict):
            node.setdefault(last, default)
    return {name: None for name in source["properties"] if not source["properties"][name].get("unset")} | out


def leaves(source: Schema, given: Values, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield dotted path and value of all that `given` sets, down to where the schema `source` has a default."""
    for name, value in _pruned(source, given).items():
        child = source["properties"].get(name, {})
        if _is_section(child) and isinstance(value, dict):
            yield from leaves(child, value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _partial(node: Schema) -> Schema:
    """Return the strict schema `node` for values that are given in part."""
    if not _is_section(node):
        return node
    properties = {name: _partial(child) for name, child in node["properties"].items()}
    return {**{key: value for key, value in node.items() if key != "required"}, "properties": properties}


def _is_section(node: Schema) -> bool:
    """True if values.yaml has the node's properties one by one."""
    return (
        bool(node.get("properties")) and node.get("default") is None and any("default" in each or _is_section(each) for each in _of(node))
    )


def _of(node: Schema) -> list[Schema]:
    return list(node["properties"].values())


def _pruned(source: Schema, given: Values) -> dict[str, Any]:
    """Return `given` without the nulls that mean the default."""
    out = {}
    for name, value in given.items():
        child = source.get("properties", {}).get(name, {})
        if value is None and child and "null" not in child.get("type", ()):
            continue
        out[name] = _pruned(child, value) if isinstance(value, dict) and _is_section(child) else value
    return out


def _unset(source: Schema, given: Values) -> Iterator[str]:
    return (name for name in given if source["properties"].get(name, {}).get("unset"))


def _merge(into: dict[str, Any], given: Values) -> None:
    for key, value in given.items():
        if value is None:
            into.pop(key, None)
        elif isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = copy.deepcopy(value)
