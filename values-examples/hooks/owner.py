"""Requires an owner and a cost centre for every database, and adds them to every object.

    helm install … --values owned.yaml --post-renderer hapg --post-renderer-args=post-render --post-renderer-args=--hooks=owner.py

owned.yaml contains:

    podAnnotations:
      example.com/owner: orders
      example.com/cost-centre: "4711"
"""

from __future__ import annotations

import re
from typing import Any

from hapg.hooks import Refused, hook

REQUIRED = {
    "example.com/owner": (r"[a-z][-a-z0-9]*", "the name of a team in lower case"),
    "example.com/cost-centre": (r"[0-9]{4}", "a number of four digits"),
}


@hook(tryfirst=True)
def adjust_manifests(manifests: list[dict[str, Any]]) -> None:
    """Refuse pods without the annotations, and copy these to every object."""
    (stateful_set,) = (manifest for manifest in manifests if manifest["kind"] == "StatefulSet")
    found = stateful_set["spec"]["template"]["metadata"].get("annotations", {})
    for name, (pattern, meaning) in REQUIRED.items():
        if not re.fullmatch(pattern, found.get(name, "")):
            said = f"is {found[name]!r}" if name in found else "is missing"
            raise Refused(f"podAnnotations: {name} {said}; {meaning} is required")
    for manifest in manifests:
        manifest["metadata"].setdefault("annotations", {}).update({name: found[name] for name in REQUIRED})
