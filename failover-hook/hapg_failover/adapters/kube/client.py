"""The calls the agent makes: the Lease, pods, Events, Secrets."""

from __future__ import annotations

import json
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from hapg_protocol import lease as lease_codec
from hapg_protocol import pods as pod_codec
from hapg_protocol.model import LeaseObject, LeaseState, Pod, PodPatch

from ..ports.kubernetes import ApiError, ApiUnavailable, Conflict, NotFound
from .connections import COMPONENT, Call, Connections, Requests
from .scope import Scope

_MERGE_PATCH = "application/merge-patch+json"


class Kube:
    """Implements ports.KubeApi."""

    def __init__(self, scope: Scope, configuration: Any, requests: Requests | None = None) -> None:
        """configuration: a kubernetes.client.Configuration, `in_cluster()` in a pod; requests: counts the requests."""
        self._scope = scope
        self._connections = Connections(configuration, requests)
        self._last_lease: Mapping[str, Any] | None = None

    def get_lease(self, timeout: float) -> LeaseObject:
        """See ports.KubeApi."""
        return self._lease(self._call("GET", f"{self._scope.leases}/{self._scope.name}", timeout))

    def create_lease(self, state: LeaseState, timeout: float) -> LeaseObject:
        """See ports.KubeApi."""
        body = lease_codec.to_object(state, self._scope.name, self._scope.lease_labels, datetime.now(UTC), None)
        return self._lease(self._call("POST", self._scope.leases, timeout, body))

    def update_lease(self, state: LeaseState, version: str, timeout: float) -> LeaseObject:
        """See ports.KubeApi; fields that are not ours keep the values last read.

        The UID from the last read is sent too. Without it, the API server answers a PUT on a deleted Lease by creating a new one, whatever
        the version, and a late renewal would bring back an old term. With it the answer is 409, so a read has to tell 'deleted' from
        'changed'.
        """
        end = time.monotonic() + timeout
        if self._last_lease is None:
            self.get_lease(timeout)
        body = lease_codec.to_object(state, self._scope.name, self._scope.lease_labels, datetime.now(UTC), self._last_lease)
        body["metadata"]["resourceVersion"] = version
        try:
            return self._lease(self._call("PUT", f"{self._scope.leases}/{self._scope.name}", _left(end), body))
        except Conflict as conflict:
            try:
                self.get_lease(_left(end))
            except NotFound:
                raise
            except ApiError:
                raise conflict from None
            raise

    def _lease(self, answer: Mapping[str, Any]) -> LeaseObject:
        try:
            decoded = lease_codec.from_object(answer)
        except ValueError as error:
            raise ApiError(str(error)) from error
        self._last_lease = answer
        return decoded

    def list_pods(self, timeout: float) -> tuple[Pod, ...]:
        """See ports.KubeApi."""
        scope = self._scope
        answer = self._call("GET", scope.core("pods"), timeout, query={"labelSelector": scope.label_selector})
        found = (pod_codec.from_object(item, scope.name, scope.role_label) for item in answer.get("items") or ())
        return tuple(sorted((pod for pod in found if pod is not None), key=lambda pod: pod.ordinal))

    def patch_pod(self, patch: PodPatch, timeout: float) -> Pod:
        """See ports.KubeApi."""
        path = f"{self._scope.core('pods')}/{patch.pod}"
        answer = self._call("PATCH", path, timeout, pod_codec.merge_patch(patch), content_type=_MERGE_PATCH)
        pod = pod_codec.from_object(answer, self._scope.name, self._scope.role_label)
        if pod is None:
            raise ApiError(f"{patch.pod} is not a pod of {self._scope.name}")
        return pod

    def record_event(self, kind: str, reason: str, message: str, timeout: float) -> None:
        """See ports.KubeApi."""
        scope = self._scope
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{scope.pod}.{uuid4().hex[:16]}"},
            "involvedObject": {
                "apiVersion": "v1",
                "kind": "Pod",
                "namespace": scope.namespace,
                "name": scope.pod,
                "uid": scope.uid,
            },
            "type": kind,
            "reason": reason,
            "message": message[:1024],
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
            "reportingInstance": scope.pod,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        self._call("POST", scope.core("events"), timeout, body)

    def ensure_secret(self, name: str, key: str, make_entries: Callable[[], Mapping[str, str]], timeout: float) -> bytes:
        """See ports.KubeApi."""
        end = time.monotonic() + timeout
        path = f"{self._scope.core('secrets')}/{name}"
        try:
            return _entry(self._call("GET", path, timeout), name, key)
        except NotFound:
            pass
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "labels": dict(self._scope.selector)},
            "type": "Opaque",
            "data": {entry: _encoded(value) for entry, value in make_entries().items()},
        }
        try:
            return _entry(self._call("POST", self._scope.core("secrets"), _left(end), body), name, key)
        except Conflict:
            return _entry(self._call("GET", path, _left(end)), name, key)

    def change_secret(self, name: str, entries: Mapping[str, str | None], timeout: float) -> None:
        """See ports.KubeApi."""
        patch = {"data": {entry: None if value is None else _encoded(value) for entry, value in entries.items()}}
        self._call("PATCH", f"{self._scope.core('secrets')}/{name}", timeout, patch, content_type=_MERGE_PATCH)

    def _call(
        self,
        method: str,
        path: str,
        timeout: float,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, object] | None = None,
        content_type: str = "application/json",
    ) -> Mapping[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        status, text = Call(self._connections).run(timeout, method, path, query or {}, data, content_type)
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if 200 <= status <= 299 and isinstance(answer, dict):
            return answer
        raise _error(status, answer if isinstance(answer, dict) else {}, f"{method} {path}")


def _entry(secret: Mapping[str, Any], name: str, key: str) -> bytes:
    value = (secret.get("data") or {}).get(key)
    if not value:
        raise ApiError(f"Secret {name} exists but has no key {key}: add it, or delete the Secret")
    return b64decode(value)


def _encoded(value: str) -> str:
    return b64encode(value.encode()).decode()


def _left(end: float) -> float:
    """Return the seconds until `end`; never 0, which would mean 'no limit'."""
    return max(0.001, end - time.monotonic())


def _error(status: int, answer: Mapping[str, Any], call: str) -> ApiError:
    message = f"{call}: {status} {answer.get('message') or ''}".rstrip()
    causes = (answer.get("details") or {}).get("causes") or ()
    if status == 409 or (status == 422 and any(cause.get("field") == "metadata.uid" for cause in causes)):
        return Conflict(message)
    if status == 404:
        return NotFound(message)
    if status == 429 or status >= 500 or status <= 299:
        return ApiUnavailable(message)
    return ApiError(message)
