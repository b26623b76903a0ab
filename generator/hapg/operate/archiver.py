"""The archiver of a release, read from its objects in the cluster."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hapg.chart.fixed_settings import REPOSITORY_MOUNT
from hapg.operate.kubectl import Cluster, Object
from hapg.operate.release import OperateError

_CREDENTIALS = "repository-credentials"
_SAME = ("bucket", "endpoint", "region", "uriStyle", "verifyTls")


def repository(cluster: Cluster, name: str) -> Mapping[str, Any]:
    """Return the repository of a release, as backup.json has it. Raise OperateError if it has none; KubectlError."""
    config = cluster.find("configmap", f"{name}-config") or {}
    try:
        found = json.loads((config.get("data") or {}).get("backup.json", "{}")).get("repository")
    except ValueError as error:
        raise OperateError(f"release {name}: backup.json in ConfigMap {name}-config can't be read: {error}") from error
    if not found:
        raise OperateError(f"release {name} has no archive; set the value archiver.type")
    repository: Mapping[str, Any] = found
    return repository


def values(repository: Mapping[str, Any], stateful_set: Object) -> dict[str, Any]:
    """Return the values of the chart's `archiver` that gave this repository, without those that say how it is compressed."""
    volumes = {each["name"]: each for each in stateful_set["spec"]["template"]["spec"]["volumes"]}
    found: dict[str, Any] = {key: repository[key] for key in _SAME if key in repository}
    if repository["type"] == "local":
        found |= {"type": "posix", "path": repository["path"].removeprefix(REPOSITORY_MOUNT)}
        found["claimName"] = volumes["repository"]["persistentVolumeClaim"]["claimName"]
    else:
        found |= {"type": repository["type"], "path": repository["path"]}
    for source in volumes.get(_CREDENTIALS, {}).get("projected", {}).get("sources", []):
        found["cipherSecretName" if source["secret"].get("items") else "secretName"] = source["secret"]["name"]
    return dict(sorted(found.items()))
