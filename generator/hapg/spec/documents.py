"""Finds the Postgres object among the documents of a file, and says what happens to the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hapg.errors import InputError
from hapg.spec import error_messages
from hapg.spec.advice import Advice
from hapg.yamlio import Document

_OBJECT_KEYS = ("apiVersion", "kind", "metadata", "spec")
_KUBEDB = "kubedb.com/"

_REFUSED_KINDS = {
    "DormantDatabase": (
        "a paused database needs no object: `helm uninstall` keeps its volumes, Secret and Lease, and `helm install` with the same name "
        "continues with them; remove the document"
    ),
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

    document: the Postgres object, or its short form; is_object: True for the object; advice: on the other documents of the file.
    """

    document: dict[str, Any]
    is_object: bool
    advice: tuple[Advice, ...]


def choose(documents: Sequence[Document], source: str) -> Wanted:
    """Return the Postgres object among `documents`. Raises InputError if there is none, or more than one."""
    mappings = []
    for document in documents:
        if not isinstance(document.value, dict):
            raise InputError([f"{document.place}: {error_messages.shown(document.value)} is not a Postgres object; a mapping is expected"])
        mappings.append((document.place, document.value))
    refused = [f"{place}: {value['kind']}: {_REFUSED_KINDS[value['kind']]}" for place, value in mappings if _is_refused(value)]
    if refused:
        raise InputError(refused)
    wanted = [(place, value) for place, value in mappings if len(mappings) == 1 or not _is_beside(value)]
    if len(wanted) != 1:
        held = f"{len(wanted)} Postgres objects; only one is allowed, so split the file" if wanted else "no Postgres object"
        raise InputError([f"{source}: contains {held}"])
    place, value = wanted[0]
    beside = [advice for other, ignored in mappings if other != place for advice in _on_document(other, ignored)]
    return Wanted(value, any(key in value for key in _OBJECT_KEYS), tuple(beside))


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
