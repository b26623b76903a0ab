"""A chart's values: generates values.yaml, values.schema.json and the README's table from one schema."""

from __future__ import annotations

import copy
import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
import yaml

from hapg import yamlio
from hapg.spec import error_messages, parameter_values, restriction_schema
from hapg.spec.schema import Schema, explanation, of_values, strict, without_defaults
from hapg.spec.version_profiles import PROFILES

_COMMENT_WIDTH = 100


def source(defaults: Mapping[str, object], major: str) -> Schema:
    """Return the schema of the values of a chart for `major`. `defaults` (dotted path to value) replace the shipped ones.

    Raises KeyError for a path that is not in the schema, or an unsupported major.
    """
    schema = of_values()
    schema["properties"]["version"] |= {"enum": [major], "default": major}
    for path, value in defaults.items():
        node = schema
        for key in path.split("."):
            node = node["properties"][key]
        node["default"] = copy.deepcopy(value)
    restriction_schema.restrict(schema, PROFILES[major].no_archive)
    return schema


def nested(schema: Schema) -> dict[str, Any]:
    """Return the defaults in `schema`, nested as in values.yaml."""
    return {name: child["default"] if "default" in child else nested(child) for name, child in _set(schema)}


def fill(schema: Schema, values: object) -> None:
    """Set the defaults of `schema` to `values`, which must be valid."""
    properties = schema.get("properties")
    if properties and isinstance(values, dict) and values.keys() <= properties.keys():
        schema.pop("default", None)
        for name, child in _set(schema):
            fill(child, values.get(name))
    else:
        schema["default"] = values


def problems(schema: Schema) -> Iterator[str]:
    """Yield the problems of a schema of values: invalid schema, missing default or description, invalid default."""
    try:
        jsonschema.Draft7Validator.check_schema(strict(schema))
    except jsonschema.SchemaError as error:
        yield f"{'.'.join(map(str, error.absolute_path))}: {error.message}"
        return
    incomplete = list(_incomplete(schema, ""))
    yield from incomplete or given_problems(schema, nested(schema))


def given_problems(schema: Schema, given: object, *, complete: bool = True) -> list[str]:
    """Return what is wrong with the values `given`: for the schema, and for PostgreSQL, whose major the schema has.

    complete: values that have a default must be there.
    """
    checked = strict(schema)
    return checked_problems(checked if complete else without_defaults(checked), schema, given)


def checked_problems(checked: Schema, schema: Schema, given: object) -> list[str]:
    """Like `given_problems`. checked: what is demanded, a strict form of `schema`."""
    found = error_messages.problems(checked, given)
    named = {problem.partition(": ")[0] for problem in found}
    major = schema["properties"]["version"]["default"]
    wrong = [*parameter_values.problems(major, _parameters(given)), *_setting_problems(major, given)]
    return found + [problem for problem in wrong if problem.partition(": ")[0] not in named]


def as_yaml(schema: Schema) -> str:
    """Return the text of values.yaml: every value with its default and its description."""
    return "\n".join(["# Written by hapg. Allowed values: see values.schema.json.", *_yaml_lines(schema, 0)]) + "\n"


def filled(schema: Schema) -> dict[str, Any]:
    """Return the defaults that stand in for a missing value or null, by dotted path: all but those where null has a meaning of its own.

    A section with such a value whose default is not null is there too: where the whole section is missing, all its defaults count.
    A section that may be null itself has a ? after its name: only where it is not null, its defaults count.
    """
    return dict(_filled(schema, ""))


def as_table(schema: Schema) -> str:
    """Return a Markdown table of all values."""
    rows = ["| value | default | |", "|---|---|---|"]
    for path, node in _leaves(schema, ""):
        default = f"`{json.dumps(node['default'], ensure_ascii=False)}`" if "default" in node else ""
        rows.append(f"| `{path}` | {default} | {explanation(node)} |")
    return "\n".join(rows) + "\n"


def _setting_problems(major: str, given: object) -> Iterator[str]:
    """Yield what PostgreSQL would refuse of the settings of databases; the schema's problems name those of a wrong type."""
    databases = given.get("databases") if isinstance(given, dict) else None
    for number, database in enumerate(databases if isinstance(databases, list) else []):
        settings = database.get("settings") if isinstance(database, dict) else None
        if isinstance(settings, dict) and all(isinstance(value, str | int | float | None) for value in settings.values()):
            yield from parameter_values.database_problems(major, f"databases[{number}].settings", settings)


def _parameters(given: object) -> dict[str, object]:
    """Return the parameters with values of the right type; the schema's problems name the others."""
    for key in ("postgresql", "parameters"):
        given = given.get(key) if isinstance(given, dict) else None
    return {name: value for name, value in given.items() if isinstance(value, str | int | float)} if isinstance(given, dict) else {}


def _incomplete(node: Schema, prefix: str) -> Iterator[str]:
    for name, child in node.get("properties", {}).items():
        if "default" not in child and not child.get("unset"):
            yield from _incomplete(child, f"{prefix}{name}.") if child.get("properties") else [f"{prefix}{name}: has no default"]
        elif not child.get("description"):
            yield f"{prefix}{name}: has no description"


def _yaml_lines(node: Schema, depth: int) -> Iterator[str]:
    margin = "  " * depth
    for name, child in _set(node):
        if depth == 0:
            yield ""
        yield from _comment(child, margin)
        if "default" in child:
            text = yaml.dump({name: child["default"]}, Dumper=yamlio.Dumper, sort_keys=False, allow_unicode=True)
            yield from (margin + line for line in text.splitlines())
        else:
            yield f"{margin}{name}:"
            yield from _yaml_lines(child, depth + 1)


def _comment(node: Schema, margin: str) -> Iterator[str]:
    width = _COMMENT_WIDTH - len(margin)
    for line in textwrap.wrap(explanation(node), width, break_long_words=False, break_on_hyphens=False):
        yield f"{margin}# {line}"
    for example in node.get("examples", ()):
        yield f"{margin}# Example: {json.dumps(example, ensure_ascii=False)}"


def _leaves(node: Schema, prefix: str) -> Iterator[tuple[str, Schema]]:
    for name, child in node["properties"].items():
        if "default" in child or child.get("unset"):
            yield prefix + name, child
        else:
            yield from _leaves(child, f"{prefix}{name}.")


def _filled(node: Schema, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, child in _set(node):
        if "null" in child.get("type", ()):
            if "properties" in child:
                yield from _filled(child, f"{prefix}{name}?.")
            continue
        if "default" in child:
            yield prefix + name, child["default"]
            continue
        if any("null" in each.get("type", ()) and each["default"] is not None for _, each in _set(child)):
            yield prefix + name, nested(child)
        yield from _filled(child, f"{prefix}{name}.")


def _set(node: Schema) -> list[tuple[str, Schema]]:
    """Return the properties that values.yaml has."""
    return [(name, child) for name, child in node["properties"].items() if not child.get("unset")]
