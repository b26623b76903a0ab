"""Releases by name: by their own, which their objects have, or by the one under which Helm has installed them."""

from __future__ import annotations

from collections.abc import Iterable

from hapg.operate.kubectl import Cluster, Object
from hapg.operate.release import OperateError

_INSTANCE = "app.kubernetes.io/instance"


def full_name(cluster: Cluster, name: str) -> str:
    """Return the name that the objects of the release `name` have.

    That is `name` itself if there is such a release, or none that Helm knows as `name`. Raises OperateError if Helm installed several
    with one name, KubectlError.
    """
    if cluster.find("configmap", f"{name}-config") is not None:
        return name
    found = of_configs(cluster.select("configmaps", {_INSTANCE: name}))
    if len(found) > 1:
        raise OperateError(f"{name}: Helm has installed several releases under this name: {', '.join(found)}; name one of them")
    return found[0] if found else name


def helm_name(cluster: Cluster, name: str) -> str:
    """Return the name under which Helm has installed the release `name`; `name` itself if no release has it. Raises KubectlError."""
    config = cluster.find("configmap", f"{name}-config")
    labels = {} if config is None else config["metadata"].get("labels") or {}
    return str(labels.get(_INSTANCE, name))


def of_configs(configs: Iterable[Object]) -> list[str]:
    """Return the names of the releases whose settings are among these ConfigMaps, sorted."""
    names = (str(each["metadata"]["name"]) for each in configs if "failover.json" in (each.get("data") or {}))
    return sorted(name.removesuffix("-config") for name in names if name.endswith("-config"))
