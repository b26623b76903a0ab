"""Adds the company's labels to every object, and takes the images from its mirror, pinned by digest.

    hapg generate postgres.yaml -o charts --hooks company.py
    helm install … --post-renderer hapg --post-renderer-args=post-render --post-renderer-args=--hooks=company.py

The first command makes the mirror the chart's default, the second labels the installed objects.
"""

from __future__ import annotations

from typing import Any

from hapg.hooks import Refused, hook
from hapg.hooks.specs import Chart

MIRROR = "registry.example.com/mirror"

DIGESTS = {
    "postgres:15": "sha256:8d3be35b184e70d81e54cbcbd3df3c0b47f37d06482c0dd1c140db5dbcc6a808",
    "ha-postgres-failover:0.1.0": "sha256:0f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f8",
}
"""The images in the mirror, by name and tag. All others have not been reviewed."""

LABELS = {
    "example.com/platform": "databases",
    "example.com/data-class": "confidential",
}


@hook
def adjust_values(values: dict[str, Any], chart: Chart) -> None:
    """Take the images from the company's mirror, by digest."""
    values["global"]["imageRegistry"] = MIRROR
    for key in ("image", "failoverImage"):
        image = values[key]
        name = f"{image['repository']}:{image['tag'] or chart.major}"
        if name not in DIGESTS:
            raise Refused(f"the image {name} is not in the mirror; available are {', '.join(DIGESTS)}")
        image["digest"] = DIGESTS[name]


@hook
def adjust_manifests(manifests: list[dict[str, Any]]) -> None:
    """Label every object, but not the pods: a changed label there would restart the servers."""
    for manifest in manifests:
        manifest["metadata"].setdefault("labels", {}).update(LABELS)
