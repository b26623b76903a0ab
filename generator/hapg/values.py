"""A chart's values: from the one schema to values.yaml, values.schema.json and the table in the README."""

from __future__ import annotations

import copy
import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from hapg import resources

Schema = dict[str, Any]

_COMMENT_WIDTH = 100


def source(defaults: Mapping[str, object], major: str) -> Schema:
    """Return the schema of the values of a chart for `major`, with `defaults` (dotted path to value) instead of the shipped ones.

    Raises KeyError for a path that the schema doesn't have.
    """
    schema = resources.schema("values")
    schema["properties"]["version"] |= {"enum": [major], "default": major}
    for path, value in defaults.items():
        node = schema
        for key in path.split("."):
            node = node["properties"][key]
        node["default"] = copy.deepcopy(value)
    return schema


def as_json_schema(schema: Schema, title: str) -> str:
    """Return the text of values.schema.json: draft-07, other keys refused, no key missing that has a default."""
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": title}
    return json.dumps(head | _strict(schema), indent=2, ensure_ascii=False) + "\n"


def as_yaml(schema: Schema) -> str:
    """Return the text of values.yaml: every value with its default and what it is."""
    return "\n".join(["# Written by hapg. What each value may be: values.schema.json.", *_yaml_lines(schema, 0)]) + "\n"


def as_table(schema: Schema) -> str:
    """Return the table of all values in Markdown."""
    rows = ["| value | default | |", "|---|---|---|"]
    for path, node in _leaves(schema, ""):
        default = json.dumps(node["default"], ensure_ascii=False)
        rows.append(f"| `{path}` | `{default}` | {_cell(_explanation(node))} |")
    return "\n".join(rows) + "\n"


def defaults(schema: Schema) -> dict[str, Any]:
    """Return the values that `schema` describes, each with its default."""
    return {key: node["default"] if "default" in node else defaults(node) for key, node in schema["properties"].items()}


def _strict(node: Schema) -> Schema:
    out: Schema = {}
    for key, value in node.items():
        if key in ("properties", "definitions"):
            out[key] = {name: _strict(child) for name, child in value.items()}
        elif key in ("items", "additionalProperties", "propertyNames") and isinstance(value, dict):
            out[key] = _strict(value)
        elif key == "description" and "unit" in node:
            out[key] = _explanation(node)
        elif key != "unit":
            out[key] = value
    if "properties" in node:
        out.setdefault("additionalProperties", False)
        required = [name for name, child in node["properties"].items() if _needed(child)]
        if required:
            out.setdefault("required", required)
    return out


def _needed(node: Schema) -> bool:
    """Whether a value must not be taken away by `null`."""
    has_default = "default" in node or any(_needed(child) for child in node.get("properties", {}).values())
    return has_default and "null" not in node.get("type", ())


def _yaml_lines(node: Schema, depth: int) -> Iterator[str]:
    margin = "  " * depth
    for name, child in node["properties"].items():
        if depth == 0:
            yield ""
        yield from _comment(child, margin)
        if "default" in child:
            text = yaml.dump({name: child["default"]}, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
            yield from (margin + line for line in text.splitlines())
        else:
            yield f"{margin}{name}:"
            yield from _yaml_lines(child, depth + 1)


def _comment(node: Schema, margin: str) -> Iterator[str]:
    text = _explanation(node)
    for line in textwrap.wrap(text, _COMMENT_WIDTH - len(margin), break_long_words=False, break_on_hyphens=False):
        yield f"{margin}# {line}"
    for example in node.get("examples", ()):
        yield f"{margin}# Example: {json.dumps(example, ensure_ascii=False)}"


def _leaves(node: Schema, prefix: str) -> Iterator[tuple[str, Schema]]:
    for name, child in node["properties"].items():
        if "default" in child:
            yield prefix + name, child
        else:
            yield from _leaves(child, f"{prefix}{name}.")


def _explanation(node: Schema) -> str:
    """The description with what else a reader has to know: choices, bounds, unit."""
    text: str = node.get("description", "")
    if "enum" in node:
        choices = " or ".join(json.dumps(choice) for choice in node["enum"])
        text += f" {choices}."
    if "maximum" in node and "minimum" in node:
        text += f" From {node['minimum']} to {node['maximum']}."
    if "unit" in node:
        text += f" In {node['unit']}."
    return text.strip()


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


class _Dumper(yaml.SafeDumper):
    """Writes lists indented below their key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, False)


def _write_string(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    plain_is_text = isinstance(yaml.safe_load(text), str) if text else False
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain_is_text else '"')


_Dumper.add_representer(str, _write_string)
