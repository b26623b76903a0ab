"""The schemas of a spec and of a chart's values, and their conversion to draft-07."""

from __future__ import annotations

import copy
import json
from functools import cache
from importlib import resources
from typing import Any

import yaml

from hapg.spec import schedules

Schema = dict[str, Any]

DRAFT = "http://json-schema.org/draft-07/schema#"

_OF_SCHEMAS = ("properties", "patternProperties", "definitions")
_CONVENTIONS = ("unit", "complaint", "keys", "unsupported", "unset")


def of_spec() -> Schema:
    """Return the schema of a Postgres object, conventions included, with the definitions of the values."""
    return {**_written("spec"), "definitions": of_values()["definitions"]}


def of_dormant() -> Schema:
    """Return the schema of a DormantDatabase object, conventions included."""
    return _written("dormant")


def of_values() -> Schema:
    """Return a new copy of the schema of a chart's values, conventions included."""
    values = _written("values")
    for name in ("schedule", "optionalSchedule"):
        values["definitions"][name]["if"] = {"pattern": schedules.PATTERN}
    return values


def strict(node: Schema) -> Schema:
    """Return `node` with unknown keys refused and keys with a default required. Conventions stay."""
    out = {key: _each(key, value, strict) for key, value in node.items()}
    if "unsupported" in node:
        out["not"] = {}
    if "properties" in node:
        out.setdefault("additionalProperties", False)
        needed = [name for name, child in node["properties"].items() if _needed(child)]
        if needed:
            out.setdefault("required", needed)
    return out


def without_defaults(node: Schema) -> Schema:
    """Return the strict `node` with keys that have a default not required: where Helm drops a null, the templates fill it in."""
    if "properties" not in node:
        return node
    out = {**node, "properties": {name: without_defaults(child) for name, child in node["properties"].items()}}
    out["required"] = [name for name in node.get("required", ()) if not _needed(node["properties"].get(name, {}))]
    return out if out["required"] else {key: value for key, value in out.items() if key != "required"}


def text(node: Schema, title: str) -> str:
    """Return `node`, made strict, as the text of a draft-07 document."""
    document = {"$schema": DRAFT, "title": title, **_plain(without_defaults(strict(node)))}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def explanation(node: Schema) -> str:
    """Return the description with choices, bounds and unit added."""
    parts = [node.get("description", "")]
    if "enum" in node:
        parts.append(" or ".join(json.dumps(choice) for choice in node["enum"]) + ".")
    if "minimum" in node and "maximum" in node:
        parts.append(f"From {node['minimum']} to {node['maximum']}.")
    if "unit" in node:
        parts.append(f"In {node['unit']}.")
    return " ".join(part for part in parts if part)


def _written(name: str) -> Schema:
    """Return a new copy of the schema in its file."""
    return copy.deepcopy(_loaded(name))


@cache
def _loaded(name: str) -> Schema:
    text = resources.files("hapg.spec").joinpath("schemas", f"{name}.schema.yaml").read_text(encoding="utf-8")
    loaded: Schema = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - SafeLoader, or its C version
    return loaded


def _needed(node: Schema) -> bool:
    has_default = "default" in node or any(_needed(child) for child in node.get("properties", {}).values())
    return has_default and "null" not in node.get("type", ())


def _plain(node: Schema) -> Schema:
    out = {key: _each(key, value, _plain) for key, value in node.items() if key not in _CONVENTIONS}
    if "unit" in node:
        out["description"] = f"{node['description']} In {node['unit']}."
    if "unsupported" in node:
        out["description"] = f"Not supported: {node['unsupported']}."
    return out


def _each(key: str, value: Any, change: Any) -> Any:
    """Apply `change` to the schemas in the keyword `key`."""
    if key in _OF_SCHEMAS:
        return {name: change(child) for name, child in value.items()}
    if key in ("items", "additionalProperties") and isinstance(value, dict):
        return change(value)
    return value
