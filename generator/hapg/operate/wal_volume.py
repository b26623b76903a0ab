"""A StatefulSet of a chart gets the WAL volume that the chart's value `walVolume.enabled` would give it. Pure.

What is added has the places that the chart's template gives it, so that the upgrade that sets the value finds nothing to change;
tests/chart/test_storage.py holds both against each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from hapg.operate.kubectl import Object

_MOUNT = {"name": "wal", "mountPath": "/var/lib/postgresql/wal"}
_VARIABLE = {"name": "HAPG_WAL_VOLUME", "value": _MOUNT["mountPath"]}
_AFTER = {"failover": "POD_IP", "backup": "POD_NAME", "postgres": "HAPG_INITDB_ARGS"}
"""The containers that need the volume, and the variable after which its own comes."""


def has_one(stateful_set: Object) -> bool:
    """True if the StatefulSet has a claim template for WAL."""
    return _template(stateful_set) is not None


def storage_class(stateful_set: Object) -> str | None:
    """Return the StorageClass of the claim template for WAL, None if it names none or there is none."""
    template = _template(stateful_set)
    found: str | None = None if template is None else template["spec"].get("storageClassName")
    return found


def added(stateful_set: Object, size: str, storage_class: str | None) -> dict[str, Any]:
    """Return the StatefulSet with a WAL volume of this size. storage_class: None for the cluster's default.

    Raise ValueError if the StatefulSet is not as a chart makes it.
    """
    new = deepcopy(dict(stateful_set))
    pod = new["spec"]["template"]["spec"]
    containers = {each["name"]: each for each in [*(pod.get("initContainers") or []), *pod["containers"]]}
    if missing := {"failover", "postgres"} - containers.keys():
        raise ValueError(f"it has no container {min(missing)}")
    if any(each["name"] == _MOUNT["name"] for each in pod.get("volumes") or []):
        raise ValueError(f"it has another volume of the name {_MOUNT['name']}")
    for name, variable in _AFTER.items():
        if name in containers:
            _insert(name, containers[name].setdefault("env", []), variable, _VARIABLE)
            _insert(name, containers[name].setdefault("volumeMounts", []), "data", _MOUNT)
    spec: dict[str, Any] = {} if storage_class is None else {"storageClassName": storage_class}
    spec |= {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": _MOUNT["name"]}, "spec": spec}
    new["spec"]["volumeClaimTemplates"].append(claim)
    return new


def _template(stateful_set: Object) -> Mapping[str, Any] | None:
    templates = stateful_set["spec"].get("volumeClaimTemplates") or []
    return next((each for each in templates if each["metadata"]["name"] == _MOUNT["name"]), None)


def _insert(container: str, entries: list[Any], after: str, entry: Object) -> None:
    names = [each["name"] for each in entries]
    if after not in names:
        raise ValueError(f"its container {container} has no {after}")
    entries.insert(names.index(after) + 1, dict(entry))
