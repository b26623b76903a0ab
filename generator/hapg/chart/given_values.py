"""Values that the user gives for a chart, in the spec or in a file, nested as in values.yaml: checked and laid over the defaults."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from hapg.chart import values
from hapg.spec.schema import Schema, strict

Values = Mapping[str, Any]


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


def merged(base: Values, over: Values) -> dict[str, Any]:
    """Return `base` with the values of `over` in it: mappings are merged, everything else is replaced."""
    out = copy.deepcopy(dict(base))
    for name, value in over.items():
        both = isinstance(value, dict) and isinstance(out.get(name), dict)
        out[name] = merged(out[name], value) if both else copy.deepcopy(value)
    return out


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
