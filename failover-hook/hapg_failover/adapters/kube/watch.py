"""Watches of the Lease, the pods and the ConfigMap."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Mapping
from typing import Any

import urllib3

from hapg_protocol import lease as lease_codec
from hapg_protocol import pods as pod_codec
from hapg_protocol.model import LeaseObject, Pod

from ...core.projection import ConfigMap, digest
from ..ports.kubernetes import ApiError
from .connections import Connections, Requests
from .scope import Scope

_LEASE_SECONDS = 300
_POD_SECONDS = 60
"""A watch is reopened after this time. For the Lease it can be long, because its silence is noticed within five seconds."""
_CONFIGURATION_SECONDS = 3600
_CONFIGURATION_SILENCE_S = 150.0
"""The API server sends a bookmark about every minute, so this much silence means a dead connection."""
_FORBIDDEN_S = 600.0
"""Pause before a forbidden watch is tried again."""
_CONNECT_SECONDS = 1.2
_BACKOFF_SECONDS = (0.1, 1.0)


class Forbidden(ApiError):
    """The Role doesn't allow a watch."""


class Watcher:
    """The watches, each in a thread of its own and over its own connection.

    A watch only wakes the agent; facts come from reads. So a gap between two watch requests does no harm.
    """

    def __init__(self, scope: Scope, configuration: Any, stop: threading.Event, requests: Requests | None = None) -> None:
        """stop: ends the watches, within the silence they allow; requests: counts the requests."""
        self._scope = scope
        self._connections = Connections(configuration, requests)
        self._stop = stop

    def watch_lease(self, on_state: Callable[[LeaseObject | None], None]) -> threading.Thread:
        """Call `on_state` from another thread for every change of the Lease, with None if it was deleted.

        A held Lease changes every two seconds, so five silent seconds mean a dead connection (or a failing leader).
        """

        def deliver(kind: str, item: Mapping[str, Any]) -> None:
            on_state(None if kind == "DELETED" else lease_codec.from_object(item))

        query = {"fieldSelector": f"metadata.name={self._scope.name}"}
        return self._start("watch-lease", self._scope.leases, query, _LEASE_SECONDS, 5.0, deliver)

    def watch_pods(self, on_pod: Callable[[Pod, bool], None]) -> threading.Thread:
        """Call `on_pod` from another thread for every change of a pod; the second argument is True if it was deleted."""

        def deliver(kind: str, item: Mapping[str, Any]) -> None:
            pod = pod_codec.from_object(item, self._scope.name, self._scope.role_label)
            if pod is not None:
                on_pod(pod, kind == "DELETED")

        query = {"labelSelector": self._scope.label_selector}
        return self._start("watch-pods", self._scope.core("pods"), query, _POD_SECONDS, _POD_SECONDS + 10.0, deliver)

    def watch_configuration(
        self, on_configuration: Callable[[ConfigMap | None], None], on_forbidden: Callable[[str], None]
    ) -> threading.Thread:
        """Call `on_configuration` from another thread for every change of the release's ConfigMap, with None if it was deleted.

        on_forbidden: called once, with the reason, if the Role doesn't allow this watch (an older chart's); then it is tried rarely.
        """

        def deliver(kind: str, item: Mapping[str, Any]) -> None:
            entries = {name: text.encode() for name, text in (item.get("data") or {}).items()}
            on_configuration(None if kind == "DELETED" else ConfigMap(item["metadata"]["resourceVersion"], digest(entries)))

        name = self._scope.configuration
        path, query = self._scope.core("configmaps"), {"fieldSelector": f"metadata.name={name}"}
        watch = "watch-configuration", path, query, _CONFIGURATION_SECONDS, _CONFIGURATION_SILENCE_S, deliver
        return self._start(*watch, on_forbidden)

    def _start(
        self,
        name: str,
        path: str,
        query: Mapping[str, str],
        seconds: int,
        silence: float,
        deliver: Callable[[str, Mapping[str, Any]], None],
        on_forbidden: Callable[[str], None] | None = None,
    ) -> threading.Thread:
        watch = _Watch(self._connections, path, query, seconds, silence, deliver, self._stop, on_forbidden)
        thread = threading.Thread(target=watch.run, name=name, daemon=True)
        thread.start()
        return thread


class _Watch:
    """One watch: without a resource version the server starts with the current state, with one it continues from there."""

    def __init__(
        self,
        connections: Connections,
        path: str,
        query: Mapping[str, str],
        seconds: int,
        silence: float,
        deliver: Callable[[str, Mapping[str, Any]], None],
        stop: threading.Event,
        on_forbidden: Callable[[str], None] | None = None,
    ) -> None:
        """on_forbidden: called once if the Role refuses, and the pause is a long one then; without it, that is an error like others."""
        self._connections = connections
        self._path = path
        self._query = query
        self._seconds = seconds
        self._silence = silence
        self._deliver = deliver
        self._stop = stop
        self._on_forbidden = on_forbidden
        self._is_told = False
        self._version: str | None = None

    def run(self) -> None:
        """Watch until the stop event is set."""
        delay = 0.0
        while not self._stop.wait(delay):
            try:
                self._request()
                delay = 0.0
            except urllib3.exceptions.ReadTimeoutError:
                delay = 0.0  # no data for too long: reopen at once
            except (urllib3.exceptions.HTTPError, OSError, ApiError, ValueError) as error:
                if isinstance(error, Forbidden) and self._on_forbidden is not None:
                    delay = self._forbidden(self._on_forbidden, str(error))
                    continue
                self._connections.drop_idle()
                delay = min(max(2 * delay, _BACKOFF_SECONDS[0]), _BACKOFF_SECONDS[1])

    def _forbidden(self, tell: Callable[[str], None], why: str) -> float:
        """Tell of the refusal once; return the seconds until the next try."""
        if not self._is_told:
            self._is_told = True
            tell(why)
        return _FORBIDDEN_S

    def _request(self) -> None:
        seconds = round(self._seconds * random.uniform(0.8, 1.0))
        query = {**self._query, "watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": seconds}
        if self._version is not None:
            query["resourceVersion"] = self._version
        limits = urllib3.Timeout(connect=_CONNECT_SECONDS, read=self._silence)
        response = self._connections.open("GET", self._path, query, None, "application/json", limits)
        try:
            if response.status != 200:
                self._version = None
                refusal = Forbidden if response.status == 403 else ApiError
                raise refusal(f"watch {self._path}: {response.status}")
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
