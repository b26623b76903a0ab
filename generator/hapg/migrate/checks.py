"""Whether a value fits the schema at its path, so that what is written is accepted by `hapg generate`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from hapg.chart import values
from hapg.migrate import own_names
from hapg.spec import error_messages, parameter_values, quantity
from hapg.spec.schema import Schema, of_spec, strict
from hapg.spec.version_profiles import PROFILES

IN_SPEC = "spec:"
_PARAMETERS = ("postgresql", "parameters")
_OF_ARCHIVE = ("archiver", "backup", "restore")
_SIZES = ("storage.resources.requests.storage", "walVolume.size", "shmSize", "backup.verify.scratch.size", "import.scratch.size")


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
        if found or in_spec:
            return "; ".join(found)
        return "; ".join(self._further(tuple(path), value_given)) or own_names.problem(path, value_given)

    def _further(self, path: tuple[str, ...], value: Any) -> Iterator[str]:
        """Yield what the chart refuses of a value that is valid for the schema."""
        dotted = ".".join(path)
        if path[0] in _OF_ARCHIVE and PROFILES[self._major].no_archive:
            yield f"{dotted}: must be left out, because {PROFILES[self._major].no_archive}"
        elif path[:2] == _PARAMETERS and len(path) == 3:
            yield from parameter_values.problems(self._major, {path[2]: value})
        elif dotted in _SIZES and value:
            yield from quantity.size_problems(dotted, value)
        elif path[-1].lower().endswith("resources") and isinstance(value, dict):
            yield from quantity.resources_problems(dotted, value)
        elif path in (("extraContainers", "[]"), ("initContainers", "[]")):
            yield from quantity.resources_problems(f"{path[0]}.resources", value.get("resources") or {})

    def _node(self, whole: Schema, path: Sequence[str]) -> tuple[Schema, list[str]]:
        """Return the schema of the longest part of the path that has one, and the keys below it."""
        node, keys = whole, list(path)
        while keys and keys[0] in node.get("properties", {}):
            node = node["properties"][keys.pop(0)]
            if "$ref" in node:
                node = whole["definitions"][node["$ref"].rsplit("/", 1)[1]]
        return node, keys
