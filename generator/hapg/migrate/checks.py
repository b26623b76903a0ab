"""Whether a value fits the schema at its path, so that what is written is accepted by `hapg generate`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from hapg.chart import values
from hapg.migrate import own_names
from hapg.spec import error_messages
from hapg.spec.parameter_contexts import PRESET, contexts
from hapg.spec.schema import Schema, of_spec, strict

IN_SPEC = "spec:"
_PARAMETERS = ("postgresql", "parameters")


@cache
def of_major(major: str) -> Checks:
    """Return the checks for charts of one major."""
    return Checks(major)


class Checks:
    """The schemas of the spec and of the values of one major."""

    def __init__(self, major: str) -> None:
        self._major = major
        self._values = strict(values.source({}, major))
        spec = of_spec()
        self._spec = strict({**spec["properties"]["spec"], "definitions": spec["definitions"]})

    def problem(self, in_spec: bool, path: Sequence[str], value: Any) -> str:
        """Return why our schema refuses the value at our path, "" if it does not. A last `[]` is an item of the list."""
        whole = self._spec if in_spec else self._values
        node, keys = self._node(whole, path)
        value_given = value
        for key in reversed(keys):
            value = [value] if key == "[]" else {key: value}
        base = ".".join(path[: len(path) - len(keys)])
        schema = {"type": "object", "properties": {base: node}, "definitions": whole["definitions"]} if base else whole
        found = error_messages.problems(schema, {base: value} if base else value)
        unknown = "" if in_spec or tuple(path[:2]) != _PARAMETERS or len(path) != 3 else self._unknown_parameter(path[2])
        return unknown or "; ".join(found) or ("" if in_spec else own_names.problem(path, value_given))

    def _node(self, whole: Schema, path: Sequence[str]) -> tuple[Schema, list[str]]:
        """Return the schema of the longest part of the path that has one, and the keys below it."""
        node, keys = whole, list(path)
        while keys and keys[0] in node.get("properties", {}):
            node = node["properties"][keys.pop(0)]
            if "$ref" in node:
                node = whole["definitions"][node["$ref"].rsplit("/", 1)[1]]
        return node, keys

    def _unknown_parameter(self, name: str) -> str:
        context = contexts(self._major).get(name)
        if context == PRESET:
            return f"{name} is read-only"
        return "" if context or "." in name else f"PostgreSQL {self._major} has no parameter {name}"
