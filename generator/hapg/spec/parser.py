"""Parses a Postgres object, or its short form, into the input of a chart."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hapg import yamlio
from hapg.errors import InputError
from hapg.spec import advice, documents, error_messages, quantity, schema, storage, version_profiles
from hapg.spec.advice import Advice
from hapg.spec.version_profiles import PROFILES, ChartProfile

DEFAULT_NAME = "ha-postgres"
LARGEST = 256 * 1024
"""The largest spec file that is read, in bytes."""

Content = dict[str, Any]

_ASSUMED = {"replicas", "standbyMode", "storage"}
_SAME_AS_VALUE = ("nodeSelector", "resources", "tolerations", "affinity", "schedulerName", "imagePullSecrets")


@dataclass(frozen=True)
class Spec:
    """The input of a chart.

    name: of the chart; profile: of its major; defaults: the values that the spec sets, by dotted path; advice: warnings for the user;
    assumed: those of `defaults` that the spec leaves out; values: what its key `values` has, nested and not yet checked; place: the
    path of that key.
    """

    name: str
    profile: ChartProfile
    defaults: Mapping[str, object]
    advice: tuple[Advice, ...]
    assumed: frozenset[str] = frozenset()
    values: Mapping[str, Any] = field(default_factory=dict)
    place: str = "values"


Adjust = Callable[[Content, Callable[[Content], list[str]]], Content]
"""Changes the content of `spec` before it is checked. It is given the content, and a function that returns the problems of one."""


def parse(data: bytes, source: str, adjust: Adjust | None = None, today: dt.date | None = None) -> Spec:
    """Return the spec in the YAML text `data`. Raises InputError with all problems.

    source: the file's name in messages; today: for advice.
    """
    wanted = documents.choose(yamlio.load(data, source), source)
    document = wanted.document
    content = document.get("spec") if wanted.is_object else document
    if adjust is not None and isinstance(content, dict):
        content = adjust(content, lambda adjusted: _problems(_with_content(wanted, adjusted), adjusted, wanted))
        document = _with_content(wanted, content)
    found = _problems(document, content, wanted)
    if found or not isinstance(content, dict):
        raise InputError(found)
    profile, tag = version_profiles.find(str(content["version"]))
    name = document["metadata"]["name"] if wanted.is_object else document.get("name", DEFAULT_NAME)
    prefix = _placed("spec." if wanted.is_object else "", wanted.path)
    given = advice.on_spec(content, prefix, profile, today or dt.datetime.now(tz=dt.UTC).date())
    return Spec(
        name,
        profile,
        {**_defaults(content, tag), **wanted.values},
        (*wanted.advice, *given),
        frozenset(_ASSUMED - content.keys()),
        content.get("values", {}),
        f"{prefix}values",
    )


def _with_content(wanted: documents.Wanted, content: Content) -> Content:
    return {**wanted.document, "spec": content} if wanted.is_object else content


def _problems(document: Content, content: object, wanted: documents.Wanted) -> list[str]:
    """Return the problems of the document with this content of `spec`, each with its path."""
    whole = schema.of_spec()
    prefix = "spec." if wanted.is_object else ""
    found = error_messages.problems(schema.strict(whole if wanted.is_object else short_form(whole)), document)
    version = content.get("version") if isinstance(content, dict) else None
    if isinstance(version, (str, int, float)) and not isinstance(version, bool):
        found += _version_problems(version, f"{prefix}version")
    if isinstance(content, dict):
        found += _streaming_problems(content, f"{prefix}streamingMode")
    if not found and isinstance(content, dict):
        profile, _ = version_profiles.find(str(content["version"]))
        found = [*storage.problems(content, prefix, profile.no_archive), *_quantity_problems(content, prefix)]
    return [_placed(problem, wanted.path) for problem in found]


def _placed(text: str, path: str) -> str:
    """Return a text that begins with a key's path, with the path of the object before it; a DormantDatabase has the spec by kind."""
    return f"{path}{text.replace('spec.', 'spec.postgres.', 1) if text.startswith('spec.') else text}" if path else text


def short_form(whole: schema.Schema) -> schema.Schema:
    """Return the schema of the short form, with only the keys of `spec` and a name, from that of the object."""
    content = whole["properties"]["spec"]
    name = {"name": whole["properties"]["metadata"]["properties"]["name"]}
    return {**content, "properties": {**name, **content["properties"]}, "definitions": whole["definitions"]}


def _version_problems(version: str | float, path: str) -> list[str]:
    name = str(version)
    if isinstance(version, float) and name not in PROFILES:
        return [f'{path}: {name} is a number, and as numbers 16.1 and 16.10 are the same; quote it: "{name}"']
    try:
        version_profiles.find(name)
    except KeyError:
        known = ", ".join(f'"{major}"' for major in PROFILES)
        return [
            f'{path}: {error_messages.shown(version)} is not a supported version; allowed are {known}, or a release of one, such as "15.4"'
        ]
    return []


def _streaming_problems(content: Mapping[str, Any], path: str) -> list[str]:
    if str(content.get("streamingMode")).lower() != "synchronous" or content.get("replicas", 1) != 1:
        return []
    return [f"{path}: synchronous needs a standby, but replicas is 1; set replicas to at least 2, or remove it"]


def _quantity_problems(content: Mapping[str, Any], prefix: str) -> Iterator[str]:
    if content.get("storage") is not None:
        path = f"{prefix}storage.resources.requests.storage"
        yield from quantity.size_problems(path, content["storage"]["resources"]["requests"]["storage"])
    yield from quantity.resources_problems(f"{prefix}resources", content.get("resources", {}))
    yield from quantity.resources_problems(f"{prefix}backupSchedule.resources", content.get("backupSchedule", {}).get("resources", {}))


def _defaults(content: Mapping[str, Any], tag: str | None) -> dict[str, object]:
    defaults: dict[str, object] = {"replicas": content.get("replicas", 1), "standbyMode": content.get("standbyMode", "warm").lower()}
    if tag is not None:
        defaults["image.tag"] = tag
    claim = content.get("storage")
    if claim is None:
        defaults["storage"] = None
    else:
        defaults |= {f"storage.{key}": claim[key] for key in ("storageClassName", "accessModes") if key in claim}
        defaults["storage.resources.requests.storage"] = claim["resources"]["requests"]["storage"]
    if content.get("streamingMode", "").lower() == "synchronous":
        defaults["replication.mode"] = "synchronous"
    if "databaseSecret" in content:
        defaults["databaseSecret.secretName"] = content["databaseSecret"]["secretName"]
    scripts = content.get("init", {}).get("scriptSource", {})
    for source, key in (("configMap", "name"), ("secret", "secretName")):
        if source in scripts:
            defaults[f"initdb.scripts{source[0].upper()}{source[1:]}"] = scripts[source][key]
    if content.get("doNotPause"):
        defaults["doNotPause"] = True
    if "monitor" in content:
        defaults["monitor.agent"] = content["monitor"]["agent"]
        defaults |= {f"monitor.prometheus.{key}": value for key, value in content["monitor"].get("prometheus", {}).items()}
    return defaults | storage.defaults(content) | {key: content[key] for key in _SAME_AS_VALUE if key in content}
