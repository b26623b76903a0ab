"""The port to the Kubernetes API, and its errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from hapg_protocol.model import LeaseObject, LeaseState, Pod, PodPatch


class ApiError(Exception):
    """The Kubernetes API rejected a call, for a reason that a retry won't change (403, 422 …)."""


class ApiUnavailable(ApiError):
    """No answer within the time limit, no connection, 429 or 5xx. A write may take effect or not, now or later."""


class Conflict(ApiError):
    """409: the object has a different version, or already exists."""


class NotFound(ApiError):
    """404: not found."""


class KubeApi(Protocol):
    """The API calls that the agent makes. Each has a total limit of `timeout` seconds and is never retried by the adapter."""

    def get_lease(self, timeout: float) -> LeaseObject:
        """Raise NotFound, ApiUnavailable."""

    def create_lease(self, state: LeaseState, timeout: float) -> LeaseObject:
        """Raise Conflict if there already is one, ApiUnavailable."""

    def update_lease(self, state: LeaseState, version: str, timeout: float) -> LeaseObject:
        """PUT with `version`; renewTime always changes. Raise Conflict, NotFound (the Lease no longer exists), ApiUnavailable."""

    def list_pods(self, timeout: float) -> tuple[Pod, ...]:
        """Return the pods of the release, by ordinal. Raise ApiUnavailable."""

    def patch_pod(self, patch: PodPatch, timeout: float) -> Pod:
        """Raise Conflict (different UID or version), NotFound, ApiUnavailable."""

    def record_event(self, kind: str, reason: str, message: str, timeout: float) -> None:
        """Record an Event about this pod. kind: 'Normal' or 'Warning'; reason: in UpperCamelCase; message: in words."""

    def ensure_secret(self, name: str, key: str, make_entries: Callable[[], Mapping[str, str]], timeout: float) -> bytes:
        """Create the Secret with these entries if it doesn't exist; return its entry `key`. Raise ApiError if it exists without the key."""

    def change_secret(self, name: str, entries: Mapping[str, str | None], timeout: float) -> None:
        """Set entries of a Secret, None removes one; others stay. Raise NotFound, ApiUnavailable, ApiError."""


class Removal(Protocol):
    """The API calls of the Job that wipes a release. A deletion returns True while the object is still there, so it is asked for again.

    All of them raise ApiUnavailable, and ApiError if the Job has no right to them.
    """

    def is_installed(self, name: str) -> bool:
        """Tell whether there is a StatefulSet of this name that is not being deleted."""

    def pod_exists(self, name: str) -> bool:
        """Tell whether there is a pod of this name."""

    def secret_labels(self, name: str) -> Mapping[str, str] | None:
        """Return the labels of a Secret, or None if there is none of this name."""

    def delete_claim(self, name: str) -> bool:
        """Delete a PersistentVolumeClaim."""

    def delete_secret(self, name: str) -> bool:
        """Delete a Secret."""

    def delete_lease(self, name: str) -> bool:
        """Delete a Lease."""
