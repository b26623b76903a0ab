"""The error messages for a schema's violations: path, value, what is allowed, the nearest valid key."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jsonschema

from hapg.spec.schema import Schema

_KINDS = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "object": "a mapping",
    "array": "a list",
    "null": "null",
}

_FEW = 8
"""How many keys an error message may list."""

_PLAIN_KEY = re.compile(r"[-\w./]+", re.ASCII)


def problems(schema: Schema, document: object) -> list[str]:
    """Return one sentence per violation of `schema` (strict, conventions included) in `document`, sorted by path."""
    found: dict[str, str] = {}
    for error in _Validator(schema).iter_errors(document):
        for path, sentence in _sentences(error, schema):
            found.setdefault(path, f"{path}: {sentence}" if path else sentence)
    return [found[path] for path in sorted(found)]


def shown(value: object) -> str:
    """Return `value` as JSON, at most 60 characters."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "…"


def _pattern(_validator: object, pattern: str, instance: object, _node: Schema) -> Iterator[jsonschema.ValidationError]:
    """Match $ only at the end of the text, as JSON Schema does; Python's re also matches before a final newline."""
    if isinstance(instance, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), instance):
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


_Validator = jsonschema.validators.extend(jsonschema.Draft7Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]


def _sentences(error: jsonschema.ValidationError, whole: Schema) -> Iterator[tuple[str, str]]:
    path = list(error.absolute_path)
    node: Schema = error.schema  # type: ignore[assignment] # a mapping; True and False aren't used as schemas
    instance: Any = error.instance
    if error.validator == "additionalProperties":
        for key in _unknown_keys(node, instance):
            yield _text([*path, key]), node["keys"] if "keys" in node else _unknown(key, node)
    elif error.validator == "required":
        misspelled = {_nearest(key, node) for key in _unknown_keys(node, instance)}
        for key in node["required"]:
            if key not in instance and key not in misspelled:
                yield _text([*path, key]), f"missing; {_expected(_resolved(node['properties'][key], whole))}"
    elif "unsupported" in node:
        yield _text(path), node["unsupported"]
    elif error.validator == "type" and _lacks_quotes(node, instance):
        yield _text(path), f"{shown(instance)} is not text; put it in quotes"
    elif "complaint" in node:
        yield _text(path), f"{shown(instance)} {node['complaint']}"
    else:
        yield _text(path), f"{shown(instance)} is not allowed; {_expected(node)}"


def _lacks_quotes(node: Schema, instance: object) -> bool:
    """True for a number, true or false that would be accepted in quotes."""
    types = node["type"] if isinstance(node["type"], list) else [node["type"]]
    if not isinstance(instance, bool | int | float) or "string" not in types or "number" in types:
        return False
    return re.search(node.get("pattern", ""), json.dumps(instance)) is not None


def _resolved(node: Schema, whole: Schema) -> Schema:
    """Return the definition that `node` refers to, or `node` itself."""
    found: Schema = whole["definitions"][node["$ref"].rsplit("/", 1)[1]] if "$ref" in node else node
    return found


def _unknown_keys(node: Schema, instance: Mapping[str, object]) -> list[str]:
    """Return the keys that a schema does not allow."""
    if node.get("additionalProperties") is not False:
        return []
    patterns = node.get("patternProperties", ())
    return [key for key in instance if key not in node.get("properties", ()) and not any(re.search(each, key) for each in patterns)]


def _allowed(node: Schema) -> list[str]:
    """Return the keys that are accepted; the schema knows more, which it refuses with a reason."""
    return [key for key, child in node["properties"].items() if "unsupported" not in child]


def _nearest(key: str, node: Schema) -> str | None:
    found = difflib.get_close_matches(key, _allowed(node), n=1, cutoff=0.6)
    return found[0] if found else None


def _unknown(key: str, node: Schema) -> str:
    nearest = _nearest(key, node)
    if nearest is not None:
        return f"unknown key; did you mean {nearest}?"
    known = _allowed(node)
    return f"unknown key; allowed are {', '.join(known)}" if 0 < len(known) <= _FEW else "unknown key"


def _expected(node: Schema) -> str:
    if "const" in node:
        return str(node["const"])
    if "enum" in node:
        return " or ".join(choice if isinstance(choice, str) else json.dumps(choice) for choice in node["enum"])
    types = [node["type"]] if isinstance(node["type"], str) else node["type"]
    text = " or ".join(_KINDS[name] for name in types)
    if "minimum" in node and "maximum" in node:
        text += f" from {node['minimum']} to {node['maximum']}"
    elif node.keys() & {"minItems", "minLength", "minProperties"}:
        text += " that is not empty"
    return text


def _text(path: Sequence[str | int]) -> str:
    out = ""
    for part in path:
        out += f"[{part}]" if isinstance(part, int) else f".{part if _PLAIN_KEY.fullmatch(part) else shown(part)}"
    return out.removeprefix(".")
