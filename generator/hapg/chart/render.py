"""Generates the bytes of a chart's files from its name, version profile and defaults. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import jinja2

from hapg.chart import fixed_settings, values
from hapg.spec import parameter_values, restrictions, schema
from hapg.spec.parameters import PRESET, RESTART, SESSION, for_templates
from hapg.spec.version_profiles import ChartProfile
from hapg_protocol.start_settings import RELOADED

GENERATED = "ha-postgres/generated"
"""Annotation in Chart.yaml that marks a chart as written by hapg."""


def chart(name: str, profile: ChartProfile, defaults: Mapping[str, object]) -> dict[str, bytes]:
    """Return the files of the chart `name` by path. The same arguments give the same bytes.

    defaults: values by dotted path that differ from the shipped ones.
    """
    return from_source(name, profile, values.source(defaults, profile.major))


def from_source(name: str, profile: ChartProfile, source: schema.Schema) -> dict[str, bytes]:
    """Return the files of the chart `name` with the values of `source`, a schema as values.source returns it."""
    context = {
        "chart": name,
        "prefix": f"{name}-{profile.chart_version}",
        "profile": profile,
        "port": fixed_settings.PORT,
        "http_port": fixed_settings.HTTP_PORT,
        "peer_port": fixed_settings.PEER_PORT,
        "backup_port": fixed_settings.BACKUP_PORT,
        "repository_mount": fixed_settings.REPOSITORY_MOUNT,
        "source_mount": fixed_settings.SOURCE_MOUNT,
        "most_replicas": source["properties"]["replicas"]["maximum"],
        "settings": fixed_settings,
        "restrictions": restrictions,
        "parameter_values": parameter_values,
        "restart": RESTART,
        "reloaded": RELOADED,
        "preset": PRESET,
        "session": SESSION,
        "generated_annotation": GENERATED,
        "images": _images(source),
        "values_table": values.as_table(source),
    }
    files = {path: (_head(path, context["prefix"]) + template.render(context)).encode() for path, template in _templates().items()}
    files["values.yaml"] = values.as_yaml(source).encode()
    files["values.schema.json"] = schema.text(source, f"Values of the chart {name}").encode()
    for script in ("import.sh", "logical.sh"):
        files[f"files/{script}"] = resources.files("hapg.chart").joinpath("scripts", script).read_bytes()
    files["files/parameters.json"] = _parameters(profile.major)
    files["files/defaults.json"] = (json.dumps(values.filled(source), indent=2, ensure_ascii=False) + "\n").encode()
    return dict(sorted(files.items()))


def _parameters(major: str) -> bytes:
    """Return files/parameters.json, the parameters of the major with a line for each, for the templates and for those who look one up."""
    lines = (f"  {json.dumps(name)}: {json.dumps(about)}" for name, about in for_templates(major).items())
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def _head(path: str, prefix: object) -> str:
    """Return the first line of a template that is rendered by itself: whatever Helm renders first fills in the defaults."""
    rendered = path.startswith("templates/") and not path.endswith(".tpl")
    return f'{{{{- include "{prefix}.defaults" . -}}}}\n' if rendered else ""


def _images(source: schema.Schema) -> list[dict[str, str]]:
    """Return the chart's default images: name of the container and reference of the image."""
    found = values.nested(source)
    images = {"postgres": found["image"], "failover": found["failoverImage"], "backup": found["backupImage"]}
    return [{"name": name, "reference": _reference(image, found)} for name, image in images.items()]


def _reference(image: Mapping[str, str], found: Mapping[str, Any]) -> str:
    registry = found["global"]["imageRegistry"] or image["registry"]
    digest = f"@{image['digest']}" if image["digest"] else ""
    return f"{'/'.join(filter(None, (registry, image['repository'])))}:{image['tag'] or found['version']}{digest}"


@cache
def _templates() -> Mapping[str, jinja2.Template]:
    """Return the templates of the chart's files by their path in the chart, sorted."""
    environment = _environment()
    texts = sorted(_texts(resources.files("hapg.chart").joinpath("template"), ""))
    return {path: environment.from_string(text) for path, text in texts}


def _texts(folder: Traversable, prefix: str) -> Iterator[tuple[str, str]]:
    for entry in folder.iterdir():
        path = prefix + entry.name
        if entry.is_dir():
            yield from _texts(entry, f"{path}/")
        else:
            yield path, entry.read_text(encoding="utf-8")


def _environment() -> jinja2.Environment:
    """Return an environment whose delimiters don't collide with Helm's. An unknown name is an error."""
    environment = jinja2.Environment(
        variable_start_string="[[",
        variable_end_string="]]",
        block_start_string="[%",
        block_end_string="%]",
        comment_start_string="[#",
        comment_end_string="#]",
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - YAML, not HTML
    )
    environment.filters["json"] = json.dumps
    return environment
