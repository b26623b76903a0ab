"""The Kubernetes API: the calls the agent makes, and its watches. The only module that imports `kubernetes`.

The client library gives the configuration (address, CA, rotating token) and the TLS connections; objects are plain JSON,
because building its models costs more time than the calls. Nothing here repeats a call.
"""

from __future__ import annotations

import json
import random
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import urllib3
from kubernetes.client import Configuration
from kubernetes.client.rest import RESTClientObject
from kubernetes.config import load_incluster_config

from ..core import lease as lease_codec
from ..core import pods as pod_codec
from ..core.model import LeaseObject, LeaseState, Pod, PodPatch
from .ports import ApiError, ApiUnavailable, Conflict, NotFound

_COMPONENT = "ha-postgres-failover"
_MERGE_PATCH = "application/merge-patch+json"
_WATCH_SECONDS = 60
_CONNECT_SECONDS = 1.2
_BACKOFF_SECONDS = (0.1, 1.0)


@dataclass(frozen=True)
class Scope:
    """What of the cluster is this release's.

    name: of the Lease and the StatefulSet; selector: the labels of the pods; role_label: the key of the role's label;
    pod, uid: this pod, whom Events are about.
    """

    namespace: str
    name: str
    selector: Mapping[str, str] = field(default_factory=dict)
    role_label: str = "kubedb.com/role"
    pod: str = ""
    uid: str = ""

    @property
    def leases(self) -> str:
        """The path of the namespace's Leases."""
        return f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases"

    def core(self, kind: str) -> str:
        """Return the path of a kind of the core API group."""
        return f"/api/v1/namespaces/{self.namespace}/{kind}"

    @property
    def label_selector(self) -> str:
        """The pods' labels as a query."""
        return ",".join(f"{key}={value}" for key, value in sorted(self.selector.items()))


def in_cluster() -> Any:
    """Return the configuration of a pod's service account. Its token is read again every minute, for it rotates."""
    configuration = Configuration()
    load: Callable[..., None] = load_incluster_config
    load(client_configuration=configuration)
    return configuration


class Requests:
    """Counts what is sent, by verb; a watch is counted as 'WATCH'."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}

    def note(self, verb: str) -> None:
        """One more."""
        with self._lock:
            self._counts[verb] = self._counts.get(verb, 0) + 1

    def counts(self) -> dict[str, int]:
        """How many there have been."""
        with self._lock:
            return dict(self._counts)


class _Connections:
    """Connections to the API server, without retries."""

    def __init__(self, configuration: Any, requests: Requests | None = None) -> None:
        self._configuration = configuration
        self._requests = requests or Requests()
        configuration.retries = False
        self._rest = RESTClientObject(configuration)

    def open(
        self, method: str, path: str, query: Mapping[str, object], body: bytes | None, content_type: str, timeout: urllib3.Timeout
    ) -> urllib3.BaseHTTPResponse:
        """Send a request and return the answer, its body not read yet. timeout: of each operation on the socket."""
        self._requests.note("WATCH" if "watch" in query else method)
        headers = {"Accept": "application/json", "Content-Type": content_type, "User-Agent": _COMPONENT}
        for setting in self._configuration.auth_settings().values():
            headers[setting["key"]] = setting["value"]
        url = self._configuration.host + path + ("?" + urlencode(query) if query else "")
        response: urllib3.BaseHTTPResponse = self._rest.pool_manager.request(
            method, url, body=body, headers=headers, timeout=timeout, retries=False, preload_content=False
        )
        return response

    def drop_idle(self) -> None:
        """Forget the idle connections: where one doesn't answer, the others may lead to the same dead server."""
        self._rest.pool_manager.clear()


class _Call:
    """One request in a thread of its own.

    Timeouts of the socket limit single operations; only a second thread can limit their sum, name look-up and TLS included.
    """

    def __init__(self, connections: _Connections) -> None:
        self._connections = connections
        self._answer: Future[tuple[int, bytes]] = Future()
        self._response: urllib3.BaseHTTPResponse | None = None

    def run(self, timeout: float, *request: Any) -> tuple[int, bytes]:
        """Return status and body, raise ApiUnavailable if they aren't there within `timeout` seconds."""
        limits = urllib3.Timeout(total=timeout)
        threading.Thread(target=self._work, args=(*request, limits), name="api-call", daemon=True).start()
        try:
            return self._answer.result(timeout)
        except (TimeoutError, urllib3.exceptions.ReadTimeoutError) as error:
            self._abandon()
            raise ApiUnavailable(f"no answer within {timeout:g} s") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            self._connections.drop_idle()
            raise ApiUnavailable(str(error)) from error

    def _work(self, *request: Any) -> None:
        try:
            self._response = self._connections.open(*request)
            self._answer.set_result((self._response.status, self._response.data))
        except BaseException as error:  # handed to the caller, whatever it is
            self._answer.set_exception(error)

    def _abandon(self) -> None:
        """End a body that trickles in; before the headers have come the thread ends by the socket's own timeout."""
        self._connections.drop_idle()
        response = self._response
        if response is not None:
            try:
                response.shutdown()
            except (ValueError, OSError):
                return  # it has ended meanwhile


class Kube:
    """The calls of ports.KubeApi."""

    def __init__(self, scope: Scope, configuration: Any, requests: Requests | None = None) -> None:
        """configuration: a kubernetes.client.Configuration, `in_cluster()` in a pod; requests: where they are counted."""
        self._scope = scope
        self._connections = _Connections(configuration, requests)
        self._last_lease: Mapping[str, Any] | None = None

    def get_lease(self, timeout: float) -> LeaseObject:
        """See ports.KubeApi."""
        return self._lease(self._call("GET", f"{self._scope.leases}/{self._scope.name}", timeout))

    def create_lease(self, state: LeaseState, timeout: float) -> LeaseObject:
        """See ports.KubeApi."""
        body = lease_codec.to_object(state, self._scope.name, self._scope.selector, datetime.now(UTC), None)
        return self._lease(self._call("POST", self._scope.leases, timeout, body))

    def update_lease(self, state: LeaseState, version: str, timeout: float) -> LeaseObject:
        """See ports.KubeApi; what others have written beside our fields is kept as it was last read.

        The UID of what was read goes with it: without one the API server answers a PUT on a deleted Lease by creating it anew, whatever
        the version, and a late renewal would bring an old term back. With it the answer is 409, so a look has to tell 'gone' from
        'changed'.
        """
        end = time.monotonic() + timeout
        if self._last_lease is None:
            self.get_lease(timeout)
        body = lease_codec.to_object(state, self._scope.name, self._scope.selector, datetime.now(UTC), self._last_lease)
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
            "source": {"component": _COMPONENT},
            "reportingComponent": _COMPONENT,
            "reportingInstance": scope.pod,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        self._call("POST", scope.core("events"), timeout, body)

    def ensure_secret(self, name: str, key: str, make_value: Callable[[], str], timeout: float) -> bool:
        """See ports.KubeApi."""
        end = time.monotonic() + timeout
        if self._secret_has(name, key, timeout):
            return False
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "labels": dict(self._scope.selector)},
            "type": "Opaque",
            "data": {key: b64encode(make_value().encode()).decode()},
        }
        try:
            self._call("POST", self._scope.core("secrets"), _left(end), body)
        except Conflict:
            return not self._secret_has(name, key, _left(end))
        return True

    def _secret_has(self, name: str, key: str, timeout: float) -> bool:
        try:
            secret = self._call("GET", f"{self._scope.core('secrets')}/{name}", timeout)
        except NotFound:
            return False
        if not (secret.get("data") or {}).get(key):
            raise ApiError(f"Secret {name} is there but has no key {key}: add it, or delete the Secret")
        return True

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
        status, text = _Call(self._connections).run(timeout, method, path, query or {}, data, content_type)
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if 200 <= status <= 299 and isinstance(answer, dict):
            return answer
        raise _error(status, answer if isinstance(answer, dict) else {}, f"{method} {path}")


def _left(end: float) -> float:
    """Return the seconds until `end`; never none, for that would mean 'without a limit'."""
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


class Watcher:
    """Watches, each in a thread of its own and over its own connection.

    A watch wakes the agent up; what is true it learns by reading. So a gap between two requests does no harm.
    """

    def __init__(self, scope: Scope, configuration: Any, stop: threading.Event, requests: Requests | None = None) -> None:
        """stop: ends the watches, within the silence they allow; requests: where they are counted."""
        self._scope = scope
        self._connections = _Connections(configuration, requests)
        self._stop = stop

    def watch_lease(self, on_state: Callable[[LeaseObject | None], None]) -> threading.Thread:
        """Call `on_state` from another thread for every change of the Lease, with None when it was deleted.

        A held Lease changes every two seconds, so five silent ones mean a dead connection (or a failing holder).
        """

        def deliver(kind: str, item: Mapping[str, Any]) -> None:
            on_state(None if kind == "DELETED" else lease_codec.from_object(item))

        query = {"fieldSelector": f"metadata.name={self._scope.name}"}
        return self._start("watch-lease", self._scope.leases, query, 5.0, deliver)

    def watch_pods(self, on_pod: Callable[[Pod, bool], None]) -> threading.Thread:
        """Call `on_pod` from another thread for every change of a pod; True as second argument: it was deleted."""

        def deliver(kind: str, item: Mapping[str, Any]) -> None:
            pod = pod_codec.from_object(item, self._scope.name, self._scope.role_label)
            if pod is not None:
                on_pod(pod, kind == "DELETED")

        query = {"labelSelector": self._scope.label_selector}
        return self._start("watch-pods", self._scope.core("pods"), query, _WATCH_SECONDS + 10.0, deliver)

    def _start(
        self,
        name: str,
        path: str,
        query: Mapping[str, str],
        silence: float,
        deliver: Callable[[str, Mapping[str, Any]], None],
    ) -> threading.Thread:
        watch = _Watch(self._connections, path, query, silence, deliver, self._stop)
        thread = threading.Thread(target=watch.run, name=name, daemon=True)
        thread.start()
        return thread


class _Watch:
    """One watch: without a version the server begins with what there is, with one it goes on from there."""

    def __init__(
        self,
        connections: _Connections,
        path: str,
        query: Mapping[str, str],
        silence: float,
        deliver: Callable[[str, Mapping[str, Any]], None],
        stop: threading.Event,
    ) -> None:
        self._connections = connections
        self._path = path
        self._query = query
        self._silence = silence
        self._deliver = deliver
        self._stop = stop
        self._version: str | None = None

    def run(self) -> None:
        """Watch until the stop event is set."""
        delay = 0.0
        while not self._stop.wait(delay):
            try:
                self._request()
                delay = 0.0
            except urllib3.exceptions.ReadTimeoutError:
                delay = 0.0  # silent: reopen at once
            except (urllib3.exceptions.HTTPError, OSError, ApiError, ValueError):
                self._connections.drop_idle()
                delay = min(max(2 * delay, _BACKOFF_SECONDS[0]), _BACKOFF_SECONDS[1])

    def _request(self) -> None:
        seconds = round(_WATCH_SECONDS * random.uniform(0.8, 1.0))
        query = {**self._query, "watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": seconds}
        if self._version is not None:
            query["resourceVersion"] = self._version
        limits = urllib3.Timeout(connect=_CONNECT_SECONDS, read=self._silence)
        response = self._connections.open("GET", self._path, query, None, "application/json", limits)
        try:
            if response.status != 200:
                self._version = None
                raise ApiError(f"watch {self._path}: {response.status}")
            rest = b""
            for chunk in response.stream():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._event(json.loads(line))
                if self._stop.is_set():
                    return
        finally:
            response.close()

    def _event(self, event: Mapping[str, Any]) -> None:
        kind, item = event["type"], event["object"]
        if kind == "ERROR":
            self._version = None
            raise ApiError(f"watch {self._path}: {item.get('code')} {item.get('message')}")
        self._version = item["metadata"]["resourceVersion"]
        if kind != "BOOKMARK":
            self._deliver(kind, item)
