"""The calls of the Job that wipes an uninstalled release: its rights are not the agent's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..ports.kubernetes import ApiError, ApiUnavailable
from .connections import Call, Connections

CALL_S = 10.0
"""The limit of a call, in seconds."""


class Removal:
    """Implements ports.Removal."""

    def __init__(self, namespace: str, configuration: Any) -> None:
        """configuration: a kubernetes.client.Configuration, `in_cluster()` in a pod."""
        self._core = f"/api/v1/namespaces/{namespace}"
        self._sets = f"/apis/apps/v1/namespaces/{namespace}/statefulsets"
        self._leases = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._connections = Connections(configuration)

    def is_installed(self, name: str) -> bool:
        """See ports.Removal."""
        found = self._call("GET", f"{self._sets}/{name}")
        return found is not None and "deletionTimestamp" not in (found.get("metadata") or {})

    def pod_exists(self, name: str) -> bool:
        """See ports.Removal."""
        return self._call("GET", f"{self._core}/pods/{name}") is not None

    def secret_labels(self, name: str) -> Mapping[str, str] | None:
        """See ports.Removal."""
        found = self._call("GET", f"{self._core}/secrets/{name}")
        return None if found is None else (found.get("metadata") or {}).get("labels") or {}

    def delete_claim(self, name: str) -> bool:
        """See ports.Removal."""
        return self._call("DELETE", f"{self._core}/persistentvolumeclaims/{name}") is not None

    def delete_secret(self, name: str) -> bool:
        """See ports.Removal."""
        return self._call("DELETE", f"{self._core}/secrets/{name}") is not None

    def delete_lease(self, name: str) -> bool:
        """See ports.Removal."""
        return self._call("DELETE", f"{self._leases}/{name}") is not None

    def _call(self, method: str, path: str) -> Mapping[str, Any] | None:
        """Return the answer, or None for 404. Raise ApiUnavailable, ApiError."""
        status, text = Call(self._connections).run(CALL_S, method, path, {}, None, "application/json")
        if status == 404:
            return None
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if 200 <= status <= 299 and isinstance(answer, dict):
            return answer
        message = f"{method} {path}: {status} {answer.get('message', '') if isinstance(answer, dict) else ''}".rstrip()
        raise ApiUnavailable(message) if status == 429 or status >= 500 or status <= 299 else ApiError(message)
