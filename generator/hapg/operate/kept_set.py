"""A StatefulSet that is deleted and made again: what is kept of it meanwhile, and how it comes back. Pure.

Kubernetes refuses every change of volumeClaimTemplates, so the StatefulSet has to be replaced while its pods run on. What is needed to
make it again is kept in a ConfigMap, so that whoever runs the command next can go on after an interruption.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from hapg.operate.kubectl import Object

MANAGER = "hapg-resize"
"""The field manager of the new StatefulSet, until its former managers are put back."""

_KEY = "statefulset.json"
_CLAIMS = "claims.json"
_SERVERS_OWN = (
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
)


def name_of(release: str) -> str:
    """Return the name of the ConfigMap."""
    return f"{release}-resize"


def sizes(stateful_set: Object) -> dict[str, str]:
    """Return the size in each claim template, as a quantity, by the template's name."""
    templates = stateful_set["spec"].get("volumeClaimTemplates") or []
    return {each["metadata"]["name"]: str(each["spec"]["resources"]["requests"]["storage"]) for each in templates}


def note(release: str, stateful_set: Object, config: Object, claims: Mapping[str, str]) -> dict[str, Any]:
    """Return the ConfigMap. It has no labels of the release, or Argo CD would prune it; it is deleted with the release's own ConfigMap.

    config: that ConfigMap; claims: see `content`.
    """
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": config["metadata"]["name"], "uid": config["metadata"]["uid"]}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name_of(release), "namespace": config["metadata"]["namespace"], "ownerReferences": [owner]},
        "data": content(stateful_set, claims),
    }


def content(stateful_set: Object, claims: Mapping[str, str]) -> dict[str, str]:
    """Return the ConfigMap's data. claims: those whose data does not fit the new StatefulSet, by name their UIDs."""
    return {_KEY: json.dumps(dict(stateful_set)), _CLAIMS: json.dumps(dict(claims))}


def of_note(found: Object) -> Object:
    """Return the StatefulSet that the ConfigMap holds. Raise ValueError if it holds none."""
    try:
        read = json.loads(found["data"][_KEY])
        sizes(read)
        read["metadata"]["uid"]
    except (KeyError, TypeError) as error:
        raise ValueError(f"no StatefulSet in it: {type(error).__name__}: {error}") from error
    return dict(read)


def claims_of_note(found: Object) -> dict[str, str]:
    """Return the claims that the ConfigMap holds. Raise ValueError if they can't be read."""
    read = json.loads((found.get("data") or {}).get(_CLAIMS, "{}"))
    if not isinstance(read, dict):
        raise ValueError("its claims are no object")
    return {str(name): str(uid) for name, uid in read.items()}


def with_sizes(old: Object, wanted: Mapping[str, str]) -> dict[str, Any]:
    """Return the StatefulSet to create: the same with other sizes of claim templates, by their names."""
    new = deepcopy(dict(old))
    new.pop("status", None)
    for key in _SERVERS_OWN:
        new["metadata"].pop(key, None)
    new["metadata"]["finalizers"] = [each for each in new["metadata"].get("finalizers") or [] if each != "orphan"]
    for template in new["spec"]["volumeClaimTemplates"]:
        size = wanted.get(template["metadata"]["name"])
        if size is not None:
            template["spec"]["resources"]["requests"]["storage"] = size
    return new


def is_ours(stateful_set: Object) -> bool:
    """True if its fields still count as set by this program. Then Helm 4 and Argo CD's server-side apply would refuse to change them."""
    return any(each["manager"] == MANAGER for each in stateful_set["metadata"].get("managedFields") or [])


def managers_back(old: Object, new: Object) -> dict[str, Any]:
    """Return the merge patch that gives the new StatefulSet's fields back to the old one's managers, unless it has changed meanwhile."""
    former = [each for each in old["metadata"].get("managedFields") or [] if "subresource" not in each]
    since = [each for each in new["metadata"].get("managedFields") or [] if each["manager"] != MANAGER]
    known = {_identity(each) for each in since}
    fields = [*(each for each in former if _identity(each) not in known), *since]
    return {"metadata": {"resourceVersion": new["metadata"]["resourceVersion"], "managedFields": fields}}


def _identity(entry: Object) -> tuple[object, ...]:
    return tuple(entry.get(key) for key in ("manager", "operation", "apiVersion", "subresource"))
