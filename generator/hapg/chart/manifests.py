"""Manifests: reads, checks and writes a stream of Kubernetes objects as helm renders it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from hapg import yamlio
from hapg.errors import InputError
from hapg.spec import json_data

Manifest = dict[str, Any]

LARGEST = 8 * 1024 * 1024
"""The largest stream that is read, in bytes."""

_MOST_VALUES = 500_000
_LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?)?")
_PLAIN = re.compile(r"[A-Za-z_/][-A-Za-z0-9_./]*")


def read(data: bytes, source: str) -> list[Manifest]:
    """Return the objects in the YAML text `data`. Raises InputError if it is not YAML or contains anything else."""
    found = [item for document in yamlio.load(data, source, most=_MOST_VALUES) for item in _items(document.value)]
    wrong = [f"{source}: {problem}" for problem in problems(found)]
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
    return "".join(
        "---\n" + yaml.dump(manifest, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**6) for manifest in manifests
    )


def key(manifest: Manifest) -> tuple[str, str, str, str]:
    """Return the identity of an object: group, kind, namespace ("" if it has none) and name."""
    metadata = manifest["metadata"]
    group = manifest["apiVersion"].rpartition("/")[0]
    return group, manifest["kind"], metadata.get("namespace") or "", metadata.get("name", "")


def problems(manifests: Sequence[object]) -> Iterator[str]:
    """Yield the problems of `manifests`: items that are not Kubernetes objects, and duplicates."""
    seen = set()
    for number, manifest in enumerate(manifests, start=1):
        wrong = list(_problems(manifest))
        called = f"manifest {number}"
        if isinstance(manifest, dict):
            metadata = manifest.get("metadata")
            name = metadata.get("name") if isinstance(metadata, dict) else None
            called += f" ({manifest.get('kind')} {name})"
        if not wrong and isinstance(manifest, dict) and manifest["metadata"].get("name"):
            wrong = ["duplicate object"] if key(manifest) in seen else []
            seen.add(key(manifest))
        yield from (f"{called}: {problem}" for problem in wrong)


def _problems(manifest: object) -> Iterator[str]:
    if not isinstance(manifest, dict):
        yield f"is a {type(manifest).__name__}; a mapping is expected"
        return
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
    yield from json_data.problems(manifest)


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


class _Dumper(yamlio.Dumper):
    """Quotes all strings but plain words, and writes multi-line strings as blocks."""


def _represent_text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    if "\n" in value:
        style: str | None = "|"
    else:
        style = None if _PLAIN.fullmatch(value) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _represent_float(dumper: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
    """Write whole numbers as integers: helm renders large ones as 1e+09, which integer fields refuse."""
    is_whole = value.is_integer() and abs(value) < 2**63
    return dumper.represent_int(int(value)) if is_whole else dumper.represent_float(value)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(float, _represent_float)
