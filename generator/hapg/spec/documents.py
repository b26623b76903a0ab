"""Finds the Postgres object among the documents of a file, and says what happens to the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hapg.errors import InputError
from hapg.spec import error_messages, exported, foreign, schema
from hapg.spec.advice import Advice
from hapg.yamlio import Document

_OBJECT_KEYS = ("apiVersion", "kind", "metadata", "spec")
_KUBEDB = "kubedb.com/"
_DORMANT = "DormantDatabase"

_REFUSED_KINDS = {
    "Snapshot": ("there is no operator to take backups: with an archiver, `hapg backup now RELEASE` takes one; remove the document"),
}
_BESIDE = {
    "Namespace": "`helm install --create-namespace` creates it",
    "Secret": "apply it yourself, because a chart contains no password",
    "Service": "the chart has its own Services; change them with the values service.*",
}


@dataclass(frozen=True)
class Wanted:
    """The input of a chart.

    document: the Postgres object, or its short form; is_object: True for the object; advice: on the other documents of the file; path:
    where a DormantDatabase has the object, with a dot at its end; values: those that a DormantDatabase sets beside it.
    """

    document: dict[str, Any]
    is_object: bool
    advice: tuple[Advice, ...]
    path: str = ""
    values: Mapping[str, object] = field(default_factory=dict)


def choose(documents: Sequence[Document], source: str) -> Wanted:
    """Return the Postgres object among `documents`. Raises InputError if there is none, or more than one."""
    mappings = []
    for document in exported.unpacked(documents):
        if not isinstance(document.value, dict):
            raise InputError([f"{document.place}: {error_messages.shown(document.value)} is not a Postgres object; a mapping is expected"])
        mappings.append((document.place, document.value))
    others = [f"{place}: {_words(value)}; `hapg migrate {source}` translates it" for place, value in mappings if foreign.is_foreign(value)]
    if others:
        raise InputError(others)
    refused = [f"{place}: {value['kind']}: {_REFUSED_KINDS[value['kind']]}" for place, value in mappings if _is_refused(value)]
    if refused:
        raise InputError(refused)
    wanted = [(place, value) for place, value in mappings if len(mappings) == 1 or not _is_beside(value)]
    if len(wanted) != 1:
        held = f"{len(wanted)} Postgres objects; only one is allowed, so split the file" if wanted else "no Postgres object"
        raise InputError([f"{source}: contains {held}"])
    place, value = wanted[0]
    beside = [advice for other, ignored in mappings if other != place for advice in _on_document(other, ignored)]
    if value.get("kind") == _DORMANT:
        return _from_dormant(value, tuple(beside))
    value, ignored = exported.cleaned(value)
    if ignored:
        beside.append(Advice("exported", place, f"{', '.join(ignored)}: filled in by Kubernetes or an operator, and ignored here"))
    return Wanted(value, any(key in value for key in _OBJECT_KEYS), tuple(beside))


def _words(value: dict[str, Any]) -> str:
    found = foreign.system(value)
    version = f" ({value['apiVersion']})" if "apiVersion" in value else ""
    return f"{found.words if found else 'unknown'}{version}"


def _from_dormant(value: dict[str, Any], advice: tuple[Advice, ...]) -> Wanted:
    """Return the Postgres object that was paused, and the values that keep it asleep. Raises InputError."""
    problems = error_messages.problems(schema.strict(schema.of_dormant()), value)
    if problems:
        raise InputError(problems)
    content, metadata = value["spec"], value["spec"]["origin"]["metadata"]
    document = {
        "apiVersion": value["apiVersion"],
        "kind": "Postgres",
        "metadata": {key: metadata[key] for key in ("name", "namespace") if key in metadata},
        "spec": content["origin"]["spec"]["postgres"],
    }
    values = {"pause": not content.get("resume", False), "wipeOut": content.get("wipeOut", False)}
    return Wanted(document, True, advice, "spec.origin.", values)


def _is_refused(value: dict[str, Any]) -> bool:
    return str(value.get("apiVersion", "")).startswith(_KUBEDB) and str(value.get("kind")) in _REFUSED_KINDS


def _is_beside(value: dict[str, Any]) -> bool:
    """True for a Kubernetes object that is not KubeDB's."""
    version, kind = value.get("apiVersion"), value.get("kind")
    return isinstance(version, str) and isinstance(kind, str) and not version.startswith(_KUBEDB)


def _on_document(place: str, value: dict[str, Any]) -> list[Advice]:
    kind = value["kind"]
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    called = f"{kind} {name}" if isinstance(name, str) else kind
    found = [Advice("ignored", place, f"{called} is not part of the chart; {_BESIDE.get(kind, 'apply it yourself')}")]
    if kind == "Secret" and (value.get("data") or value.get("stringData")):
        found.append(Advice("password", place, f"{called} contains secrets in plain text; keep the file out of Git"))
    return found
