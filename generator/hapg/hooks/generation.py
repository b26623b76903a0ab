"""Generates a chart from a spec and runs the generation hooks in between."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from hapg import yamlio
from hapg.chart import render, values
from hapg.errors import InputError
from hapg.hooks.run import Hooks
from hapg.hooks.specs import Chart
from hapg.spec import json_data, parser
from hapg.spec.schema import Schema


def parse(data: bytes, source: str, hooks: Hooks) -> parser.Spec:
    """Return the spec in the YAML text `data`, after its hooks. Raises InputError with all problems."""
    return parser.parse(data, source, adjust=lambda content: hooks.run("adjust_spec", content, json_data.problems))


def chart(wanted: parser.Spec, hooks: Hooks) -> dict[str, bytes]:
    """Return the chart's files by path. Hooks may change its schema, then its values, then the files."""
    made = Chart(wanted.name, wanted.profile.major, wanted.profile.chart_version)
    source = hooks.run("adjust_schema", values.source(wanted.defaults, wanted.profile.major), _schema_problems, chart=made)

    def values_problems(found: dict[str, Any]) -> Iterator[str]:
        yield from list(json_data.problems(found)) or values.given_problems(source, found)

    values.fill(source, hooks.run("adjust_values", values.nested(source), values_problems, chart=made))
    files = {path: data.decode() for path, data in render.from_source(wanted.name, wanted.profile, source).items()}
    adjusted = hooks.run("adjust_files", files, lambda found: _file_problems(found, wanted.name), chart=made)
    return {path: text.encode() for path, text in sorted(adjusted.items())}


def _schema_problems(source: Schema) -> Iterator[str]:
    yield from list(json_data.problems(source)) or values.problems(source)


def _file_problems(files: Mapping[Any, object], name: str) -> Iterator[str]:
    for path, text in files.items():
        parts = PurePosixPath(path).parts if isinstance(path, str) else ()
        if not parts or ".." in parts or path.startswith("/") or str(PurePosixPath(path)) != path:
            yield f"{path!r} is not a valid path in the chart"
        elif not isinstance(text, str):
            yield f"{path}: is a {type(text).__name__}; the text of the file is expected"
        else:
            yield from (f"{path}: {problem}" for problem in json_data.problems(text))
    yield from _head_problems(files.get("Chart.yaml"), name)
    yield from _form_problems(files)


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
