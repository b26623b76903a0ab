"""A Postgres object, or its short form, as what a chart is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hapg import explain, majors, quantity, schema, yamlio
from hapg.errors import InputError
from hapg.majors import MAJORS, SEGMENT_MEGABYTES, SEGMENTS_KEPT, Major

DEFAULT_NAME = "ha-postgres"

_OBJECT_KEYS = ("apiVersion", "kind", "metadata", "spec")
_SAME_AS_VALUE = ("nodeSelector", "resources", "tolerations", "affinity")
_KEPT_BYTES = SEGMENTS_KEPT * SEGMENT_MEGABYTES * 1024**2


@dataclass(frozen=True)
class Spec:
    """What a chart is made from.

    name: of the chart; defaults: the chart's values that the spec sets, by dotted path; warnings: sentences for the user.
    """

    name: str
    major: Major
    defaults: Mapping[str, object]
    warnings: tuple[str, ...]


def parse(data: bytes, source: str) -> Spec:
    """Return the spec in the YAML text `data`; `source` is how messages call it. Raises InputError with all that is wrong."""
    document = yamlio.load(data, source)
    if not isinstance(document, dict):
        raise InputError([f"{source}: {explain.shown(document)} is not a Postgres object; a mapping is"])
    whole = schema.spec()
    is_object = any(key in document for key in _OBJECT_KEYS)
    checked = whole if is_object else _short(whole)
    path = "spec." if is_object else ""
    found = explain.problems(schema.strict(checked), document)
    content = document.get("spec") if is_object else document
    if isinstance(content, dict) and isinstance(content.get("version"), (str, int, float)):
        found += _version_problems(content["version"], f"{path}version")
    if found or not isinstance(content, dict):
        raise InputError(found)
    name = document["metadata"]["name"] if is_object else document.get("name", DEFAULT_NAME)
    major, tag = majors.find(str(content["version"]))
    return Spec(name, major, _defaults(content) | ({"image.tag": tag} if tag else {}), _warnings(content, path))


def _short(whole: schema.Schema) -> schema.Schema:
    content = whole["properties"]["spec"]
    name = {"name": whole["properties"]["metadata"]["properties"]["name"]}
    return {**content, "properties": {**name, **content["properties"]}, "definitions": whole["definitions"]}


def _version_problems(version: str | float, path: str) -> list[str]:
    name = str(version)
    if isinstance(version, float) and name not in MAJORS:
        return [f'{path}: {name} is a number, in which 16.1 and 16.10 are the same; write it in quotes, "{name}"']
    try:
        majors.find(name)
    except KeyError:
        known = ", ".join(f'"{major}"' for major in MAJORS)
        return [f'{path}: {explain.shown(version)} is not a version that hapg knows; {known}, or a release of one, such as "15.4"']
    return []


def _defaults(content: Mapping[str, Any]) -> dict[str, object]:
    defaults: dict[str, object] = {"replicas": content.get("replicas", 1), "standbyMode": content.get("standbyMode", "warm")}
    storage = content.get("storage")
    if storage is None:
        defaults["storage"] = None
    else:
        defaults |= {f"storage.{key}": storage[key] for key in ("storageClassName", "accessModes") if key in storage}
        defaults["storage.resources.requests.storage"] = storage["resources"]["requests"]["storage"]
    if "databaseSecret" in content:
        defaults["databaseSecret.secretName"] = content["databaseSecret"]["secretName"]
    return defaults | {key: content[key] for key in _SAME_AS_VALUE if key in content}


def _warnings(content: Mapping[str, Any], path: str) -> tuple[str, ...]:
    storage = content.get("storage")
    if storage is None:
        return (f"{path}storage: not there, so data lives in an emptyDir and is lost with its pod",)
    size = storage["resources"]["requests"]["storage"]
    if quantity.value(size) < _KEPT_BYTES:
        return (
            f"{path}storage.resources.requests.storage: {size} is less than the {SEGMENTS_KEPT * SEGMENT_MEGABYTES} MB of past WAL "
            f"that are kept for replicas; where the size is enforced the volume fills up",
        )
    return ()
