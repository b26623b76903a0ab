"""Generates a chart from a spec and runs the generation hooks in between."""

from __future__ import annotations

import copy
import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from hapg import yamlio
from hapg.chart import given_values, ownership, render, values
from hapg.errors import InputError
from hapg.hooks.run import Hooks
from hapg.hooks.specs import Chart
from hapg.spec import advice, error_messages, json_data, parser
from hapg.spec.advice import Advice
from hapg.spec.schema import Schema

_LONGEST_NAME = 255
"""Of a file or folder, in bytes."""


def parse(data: bytes, source: str, hooks: Hooks) -> parser.Spec:
    """Return the spec in the YAML text `data`, after its hooks. Raises InputError with all problems."""
    return parser.parse(data, source, adjust=lambda content, check: _adjusted_spec(content, check, hooks))


def _adjusted_spec(content: parser.Content, check: Callable[[parser.Content], list[str]], hooks: Hooks) -> parser.Content:
    """Return the content after the hooks. Raises HookError for the hook that has brought in a problem which was not there before."""
    if not hooks.by_name["adjust_spec"]:
        return content
    known = set(check(content))

    def new_problems(adjusted: parser.Content) -> Iterator[str]:
        found = list(json_data.problems(adjusted)) or check(adjusted)
        yield from (problem for problem in found if problem not in known)
        known.update(found)

    return hooks.run("adjust_spec", content, new_problems)


@dataclass(frozen=True)
class Given:
    """Values that the user gives beside the keys of the spec. source: the file's name, or the path of the spec's key; values: nested."""

    source: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Schemas:
    """A chart's schema of values, with the defaults of each stage. spec: the spec's; given: those and what is given beside its keys;
    hooked: those and what hooks have changed.
    """

    spec: Schema
    given: Schema
    hooked: Schema


def schemas(wanted: parser.Spec, hooks: Hooks, files: Sequence[Given] = ()) -> Schemas:
    """Return the chart's schema at each stage. Hooks may change the schema, then its values. files: later ones override earlier ones.

    Raises InputError if a value is refused, or contradicts a key of the spec.
    """
    made = _made(wanted)
    spec = hooks.run("adjust_schema", values.source(wanted.defaults, wanted.profile.major), _schema_problems, chart=made)
    given = copy.deepcopy(spec)
    for each in (Given(wanted.place, wanted.values), *files):
        problems = given_values.problems(given, each.values, f"{each.source}: " if each in files else f"{each.source}.")
        if problems or (problems := list(_contradictions(wanted, spec, each))):
            raise InputError(problems)
        given_values.lay_over(given, each.values)
    hooked = copy.deepcopy(given)

    def values_problems(found: dict[str, Any]) -> Iterator[str]:
        yield from list(json_data.problems(found)) or values.given_problems(hooked, found)

    values.fill(hooked, hooks.run("adjust_values", values.nested(hooked), values_problems, chart=made))
    return Schemas(spec, given, hooked)


def chart(wanted: parser.Spec, source: Schema, hooks: Hooks) -> dict[str, bytes]:
    """Return the chart's files by path. Hooks may change them. source: the schema of the chart's values, from `schemas`."""
    files = {path: data.decode() for path, data in render.from_source(wanted.name, wanted.profile, source).items()}
    adjusted = hooks.run("adjust_files", files, lambda found: _file_problems(found, wanted.name), chart=_made(wanted))
    return {path: text.encode() for path, text in sorted(adjusted.items())}


def advised(wanted: parser.Spec, found: Mapping[str, Any], *, replaced: bool) -> list[Advice]:
    """Return the advice on a chart and its values. found: all values; replaced: whether files may replace what the spec says."""
    if not replaced:
        return [*wanted.advice, *advice.on_memory(found, wanted.profile)]
    today = dt.datetime.now(tz=dt.UTC).date()
    beside = [piece for piece in wanted.advice if piece.id in advice.OF_DOCUMENTS]
    usual = values.nested(values.source({}, wanted.profile.major))
    return [*beside, *advice.on_values(found, usual, wanted.profile, today)]


def _made(wanted: parser.Spec) -> Chart:
    return Chart(wanted.name, wanted.profile.major, wanted.profile.chart_version)


def _contradictions(wanted: parser.Spec, source: Schema, given: Given) -> Iterator[str]:
    """Yield a sentence for each value that a key of the spec sets to something else."""
    stated = {path: value for path, value in wanted.defaults.items() if path not in wanted.assumed}
    for path, value in given_values.leaves(source, given.values):
        for other, said in stated.items():
            if (path == other and value != said) or path.startswith(f"{other}."):
                yield (
                    f"{given.source}: {path} is {error_messages.shown(value)}, but a key of the spec sets {other} to "
                    f"{error_messages.shown(said)}; keep one of them"
                )


def _schema_problems(source: Schema) -> Iterator[str]:
    yield from list(json_data.problems(source)) or values.problems(source)


def _file_problems(files: Mapping[Any, object], name: str) -> Iterator[str]:
    folders = {str(folder) for path in files if isinstance(path, str) for folder in PurePosixPath(path).parents}
    for path, text in files.items():
        if not isinstance(path, str) or not _is_path(path):
            yield f"{path!r} is not a valid path in the chart"
        elif path in folders:
            yield f"{path} is a file, and other files have it as their folder"
        elif not isinstance(text, str):
            yield f"{path}: is a {type(text).__name__}; the text of the file is expected"
        else:
            yield from (f"{path}: {problem}" for problem in json_data.problems(text))
    yield from _head_problems(files.get("Chart.yaml"), name)
    yield from _form_problems(files)


def _is_path(path: str) -> bool:
    parts = PurePosixPath(path).parts
    is_own = ownership.is_inside(path) and parts[0] not in (*ownership.RESERVED, ".git")
    return is_own and "\n" not in path and not list(json_data.problems(path)) and all(len(part.encode()) <= _LONGEST_NAME for part in parts)


def _head_problems(text: object, name: str) -> Iterator[str]:
    if not isinstance(text, str):
        yield "Chart.yaml: not found; the chart needs it"
        return
    try:
        head = yamlio.load(text.encode(), "Chart.yaml")[0].value
        found = (head["name"], head["annotations"][render.GENERATED])  # type: ignore[index] # or the line below says so
    except (InputError, LookupError, TypeError):
        yield "Chart.yaml: no longer valid; a mapping with name and annotations is expected"
        return
    if found != (name, "true"):
        yield f"Chart.yaml: name {name} and annotation {render.GENERATED} must not change"


def _form_problems(files: Mapping[Any, object]) -> Iterator[str]:
    text = files.get("values.yaml")
    try:
        if isinstance(text, str):
            yamlio.load(text.encode(), "values.yaml")
    except InputError as error:
        yield str(error)
    text = files.get("values.schema.json")
    try:
        if isinstance(text, str):
            json.loads(text)
    except ValueError as error:
        yield f"values.schema.json: {error}"
