"""Says where each value of a chart comes from: the spec, a file of values, a hook, or the chart's default."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hapg.chart import given_values, values
from hapg.hooks import generation
from hapg.hooks.generation import Given
from hapg.hooks.run import Hooks
from hapg.spec import parser
from hapg.spec.schema import Schema

_NOWHERE = object()


@dataclass(frozen=True)
class Origin:
    """A value of a chart: dotted path, value, and who gave it, such as `spec` or `hook`."""

    path: str
    value: object
    giver: str

    def __str__(self) -> str:
        return f"{self.giver:<8} {self.path} = {json.dumps(self.value, ensure_ascii=False)}"


def origins(wanted: parser.Spec, plain: parser.Spec | None, hooks: Hooks, given: Sequence[Given]) -> list[Origin]:
    """Return all values of the chart, in the order of values.yaml.

    plain: the spec as it is without hooks, None if it is valid only with them; given: the files of values. Givers: `hook`; the name of
    a file; `spec`; `default`, also for what the spec leaves out. Raises InputError as generation.chart does.
    """
    stages = generation.schemas(wanted, hooks, given)
    before, after = dict(_leaves(stages.given)), dict(_leaves(stages.hooked))
    shipped = dict(_leaves(values.source({}, wanted.profile.major)))
    files = {path: each.source for each in given for path, _ in given_values.leaves(stages.spec, each.values)}
    stated = _stated(wanted, stages.spec)
    written = stated if plain is None else _stated(plain, stages.spec)

    def giver(path: str, value: object) -> str:
        if before.get(path, _NOWHERE) != value or path not in shipped:
            return "hook"
        for name, source in files.items():
            if _within(path, name):
                return source
        for name, said in stated.items():
            if _within(path, name):
                return "spec" if written.get(name, _NOWHERE) == said else "hook"
        return "default"

    return [Origin(path, value, giver(path, value)) for path, value in after.items()]


def _stated(spec: parser.Spec, source: Schema) -> dict[str, object]:
    """Return what the spec says itself, by dotted path."""
    by_keys = {path: value for path, value in spec.defaults.items() if path not in spec.assumed}
    return {**by_keys, **dict(given_values.leaves(source, spec.values))}


def _within(path: str, name: str) -> bool:
    return path == name or path.startswith(f"{name}.")


def _leaves(node: Schema, prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, child in node["properties"].items():
        if "default" in child:
            yield f"{prefix}{name}", child["default"]
        elif child.get("properties"):
            yield from _leaves(child, f"{prefix}{name}.")
