"""Manifests: reads, checks and writes a stream of Kubernetes objects as helm renders it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hapg import yamlio
from hapg.chart import emitter
from hapg.errors import InputError
from hapg.spec import json_data

Manifest = dict[str, Any]

LARGEST = 8 * 1024 * 1024
"""The largest stream that is read, in bytes."""

_MOST_VALUES = 500_000
_LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?)?")


def read(data: bytes, source: str) -> list[Manifest]:
    """Return the objects in the YAML text `data`. Raises InputError if it is not YAML or contains anything else."""
    found = [item for document in yamlio.load(data, source, most=_MOST_VALUES) for item in _items(document.value)]
    wrong = [f"{source}: {problem}" for problem in _all_problems(found, _of_head)]
    if wrong:
        raise InputError(wrong)
    return [value for value in found if isinstance(value, dict)]


def _items(value: object) -> list[object]:
    """Return the objects of a List, or the value itself as the only item."""
    if isinstance(value, dict) and value.get("kind") == "List" and isinstance(value.get("items"), list):
        items: list[object] = value["items"]
        return items
    return [value]


def text(manifests: Sequence[Manifest]) -> str:
    """Return `manifests` as YAML that every reader understands alike: strings are quoted unless they are plain words."""
    return "".join(emitter.document(manifest) for manifest in manifests)


def key(manifest: Manifest) -> tuple[str, str, str, str]:
    """Return the identity of an object: group, kind, namespace ("" if it has none) and name."""
    metadata = manifest["metadata"]
    group = manifest["apiVersion"].rpartition("/")[0]
    return group, manifest["kind"], metadata.get("namespace") or "", metadata.get("name", "")


def problems(manifests: Sequence[object]) -> Iterator[str]:
    """Yield the problems of `manifests`: items that are not Kubernetes objects, and duplicates."""
    return _all_problems(manifests, _of_head_and_values)


def _all_problems(manifests: Sequence[object], of_one: Callable[[Manifest], Iterator[str]]) -> Iterator[str]:
    seen = set()
    for number, manifest in enumerate(manifests, start=1):
        called = f"manifest {number}"
        if not isinstance(manifest, dict):
            yield f"{called}: is a {type(manifest).__name__}; a mapping is expected"
            continue
        metadata = manifest.get("metadata")
        called += f" ({manifest.get('kind')} {metadata.get('name') if isinstance(metadata, dict) else None})"
        wrong = list(of_one(manifest))
        if not wrong and manifest["metadata"].get("name"):
            wrong = ["duplicate object"] if key(manifest) in seen else []
            seen.add(key(manifest))
        yield from (f"{called}: {problem}" for problem in wrong)


def _of_head_and_values(manifest: Manifest) -> Iterator[str]:
    yield from _of_head(manifest)
    yield from json_data.problems(manifest)


def _of_head(manifest: Manifest) -> Iterator[str]:
    for name in ("apiVersion", "kind"):
        if not isinstance(manifest.get(name), str) or not manifest[name]:
            yield f"{name}: a string that is not empty is expected"
    metadata = manifest.get("metadata")
    if not isinstance(metadata, dict):
        yield "metadata: a mapping is expected"
        return
    called = metadata.get("name", metadata.get("generateName"))
    if not isinstance(called, str) or not called:
        yield "metadata.name: a string that is not empty is expected"
    for name in ("labels", "annotations"):
        yield from _strings(metadata.get(name), f"metadata.{name}", labels=name == "labels")


def _strings(value: object, path: str, *, labels: bool) -> Iterator[str]:
    if value is None:
        return
    if not isinstance(value, dict):
        yield f"{path}: a mapping is expected"
        return
    for name, content in value.items():
        if not isinstance(content, str):
            yield f"{path}.{name}: a string is expected"
        elif not isinstance(name, str) or not _LABEL_KEY.fullmatch(name):
            yield f"{path}.{name}: not a valid key in Kubernetes"
        elif labels and not _LABEL_VALUE.fullmatch(content):
            yield f"{path}.{name}: {content!r} is not a label value; at most 63 letters, digits and -_., a letter or digit at both ends"
