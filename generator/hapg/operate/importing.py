"""How the import into a release is getting on, as its Job's pod and log show it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hapg.operate.kubectl import Cluster, KubectlError, Object

IMPORT = "ha-postgres/import"
"""The annotation of the ConfigMap of a release that imports, and the label, with the release's name, of the Job's pods."""
_PREFIX = "import: "


def state(cluster: Cluster, config: Object, name: str) -> str:
    """Return the state in words, '' if the release imports nothing. config: its ConfigMap. Raise KubectlError."""
    if IMPORT not in (config["metadata"].get("annotations") or {}):
        return ""
    pods = cluster.select("pods", {IMPORT: name})
    if not pods:
        return "its Job has no pod; see `kubectl describe job`"
    newest = max(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")))
    phase = str((newest.get("status") or {}).get("phase") or "Unknown")
    if phase == "Succeeded":
        return "done"
    return f"{phase.lower()}: {_said(cluster, newest)}"


def _said(cluster: Cluster, pod: Object) -> str:
    """Return the last line of the log; if it can't be read, why the pod is waiting, or where the log is."""
    name = pod["metadata"]["name"]
    try:
        line = cluster.last_line(name).strip()
    except KubectlError:
        line = ""
    return line.removeprefix(_PREFIX) or _waits(pod.get("status") or {}) or f"`kubectl logs {name}` says more"


def _waits(status: Mapping[str, Any]) -> str:
    waiting = [each["state"]["waiting"] for each in status.get("containerStatuses") or () if "waiting" in (each.get("state") or {})]
    return next((str(each.get("message") or each.get("reason") or "") for each in waiting), "")
