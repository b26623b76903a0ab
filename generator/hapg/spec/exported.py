"""Objects as `kubectl get -o yaml` prints them: in a List, and with what Kubernetes and operators have filled in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from hapg.yamlio import Document

FILLED_METADATA = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
)
"""Keys of `metadata` that a running object has and its author has not written."""

FILLED_ANNOTATIONS = ("kubectl.kubernetes.io/last-applied-configuration",)


def unpacked(documents: Iterable[Document]) -> Iterator[Document]:
    """Yield the documents, and instead of a List its items; their place is SOURCE:LINE of the List, and the item."""
    for document in documents:
        value = document.value
        if isinstance(value, dict) and str(value.get("kind")).endswith("List") and isinstance(value.get("items"), list):
            yield from (Document(f"{document.place}: items[{index}]", item) for index, item in enumerate(value["items"]))
        else:
            yield document


def cleaned(value: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return an object without what was filled in, and the paths that were removed."""
    removed = list(filled(value))
    if not removed:
        return value, []
    out = {key: child for key, child in value.items() if key != "status"}
    metadata = out.get("metadata")
    if isinstance(metadata, dict):
        kept = {key: child for key, child in metadata.items() if key not in FILLED_METADATA}
        annotations = kept.get("annotations")
        if isinstance(annotations, dict) and annotations:
            kept["annotations"] = {key: child for key, child in annotations.items() if key not in FILLED_ANNOTATIONS}
            if not kept["annotations"]:
                del kept["annotations"]
        out["metadata"] = kept
    return out, removed


def filled(value: dict[str, Any]) -> Iterator[str]:
    """Yield the paths of an object that were filled in."""
    metadata = value.get("metadata")
    if isinstance(metadata, dict):
        yield from (f"metadata.{key}" for key in FILLED_METADATA if key in metadata)
        annotations = metadata.get("annotations")
        if isinstance(annotations, dict):
            yield from (f"metadata.annotations.{key}" for key in FILLED_ANNOTATIONS if key in annotations)
    if "status" in value:
        yield "status"
