"""The restrictions on PostgreSQL's settings, as part of the values' schema.

The chart's templates check the same, for tools that skip the schema.

JSON Schema has no keyword for a reason. `const` carries it: validators then print that the value
must be "left out, because …".
"""

from __future__ import annotations

from collections.abc import Mapping

from hapg.spec.restrictions import (
    APP_RESERVED,
    BOUNDS,
    INITDB_REFUSED,
    INITDB_TAKEN,
    RESERVED,
    RESERVED_PREFIX,
    RESERVED_PREFIX_WHY,
    SYNCHRONOUS_COMMIT,
    Bound,
)
from hapg.spec.schema import Schema


def restrict(schema: Schema, no_archive: str) -> None:
    """Add the restrictions to the schema of a chart's values. no_archive: as in the major's ChartProfile."""
    properties = schema["properties"]
    properties["postgresql"]["properties"]["parameters"]["patternProperties"] = _parameters()
    arguments = properties["initdb"]["properties"]["args"]
    arguments["items"] = _argument(arguments["items"])
    for name in ("database", "owner"):
        schema["properties"]["app"]["properties"][name]["allOf"] = [
            {"if": {"pattern": pattern}, "then": _left_out(why)} for pattern, why in APP_RESERVED.items()
        ]
    if no_archive:
        properties["archiver"]["properties"]["type"] |= {"if": {"minLength": 1}, "then": _left_out(no_archive)}
        properties["restore"]["properties"]["enabled"] |= {"if": {"const": True}, "then": _left_out(no_archive)}
    commit = {"synchronous_commit": _bounded(SYNCHRONOUS_COMMIT, (True, 1))}
    schema["if"] = _inside({"mode": {"const": "synchronous"}}, "replication")
    schema["then"] = _inside(commit, "postgresql", "parameters", needed=False)


def _parameters() -> dict[str, Schema]:
    names: dict[str, list[str]] = {}
    for name, why in RESERVED.items():
        names.setdefault(why, []).append(name)
    names.setdefault(RESERVED_PREFIX_WHY, []).append(f"{RESERVED_PREFIX}.*")
    refused = {f"^({'|'.join(each)})$": _left_out(why) for why, each in names.items()}
    bounded = {f"^{name}$": _bounded(bound) for name, bound in BOUNDS.items()}
    return {"[A-Z]": _left_out("parameter names must be in lower case here"), **refused, **bounded}


def _left_out(why: str) -> Schema:
    return {"const": f"left out, because {why}"}


def _bounded(bound: Bound, others: tuple[object, ...] = ()) -> Schema:
    allowed: list[Schema] = [{"type": "string", "pattern": f"^{bound.pattern}$"}, {"enum": list(others)}]
    if bound.least is not None:
        allowed.append({"type": "integer", "minimum": bound.least})
    return {"if": {"anyOf": [each for each in allowed if each.get("enum") != []]}, "else": {"const": f"{bound.words}: {bound.why}"}}


def _argument(item: Schema) -> Schema:
    found: Schema = {"if": {"pattern": INITDB_TAKEN}, "else": {"const": "an option that the chart allows, with long names in full"}}
    for pattern, why in reversed(list(INITDB_REFUSED.items())):
        found = {"if": {"pattern": pattern}, "then": _left_out(why), "else": found}
    return {**item, **found}


def _inside(properties: Mapping[str, Schema], *path: str, needed: bool = True) -> Schema:
    """Return a schema for objects with `properties` below the keys of `path`. needed: all of them are required."""
    found: Schema = {"properties": dict(properties)} | ({"required": list(properties)} if needed else {})
    for key in reversed(path):
        found = {"properties": {key: found}} | ({"required": [key]} if needed else {})
    return found
