"""Requests to the API server: connections, time limits, and request counts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any
from urllib.parse import urlencode

import urllib3
from kubernetes.client import Configuration
from kubernetes.client.rest import RESTClientObject
from kubernetes.config import load_incluster_config

from ..ports.kubernetes import ApiUnavailable

COMPONENT = "ha-postgres-failover"
_PART = 65536


def in_cluster() -> Any:
    """Return the configuration of the pod's service account. Its token rotates, so it is re-read every minute."""
    configuration = Configuration()
    load: Callable[..., None] = load_incluster_config
    load(client_configuration=configuration)
    return configuration


class Requests:
    """Counts requests by verb; a watch is counted as 'WATCH'."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}

    def note(self, verb: str) -> None:
        """Count one request."""
        with self._lock:
            self._counts[verb] = self._counts.get(verb, 0) + 1

    def counts(self) -> dict[str, int]:
        """Return the counts so far."""
        with self._lock:
            return dict(self._counts)


class Connections:
    """Connections to the API server, without retries."""

    def __init__(self, configuration: Any, requests: Requests | None = None) -> None:
        self._configuration = configuration
        self._requests = requests or Requests()
        configuration.retries = False
        self._manager: urllib3.PoolManager = RESTClientObject(configuration).pool_manager
        self._pool = self._manager.connection_from_url(configuration.host)

    def open(
        self, method: str, path: str, query: Mapping[str, object], body: bytes | None, content_type: str, timeout: urllib3.Timeout
    ) -> urllib3.BaseHTTPResponse:
        """Send a request and return the response, with its body unread. timeout: per socket operation."""
        self._requests.note("WATCH" if "watch" in query else method)
        headers = {"Accept": "application/json", "Content-Type": content_type, "User-Agent": COMPONENT}
        for setting in self._configuration.auth_settings().values():
            headers[setting["key"]] = setting["value"]
        url = self._configuration.host + path + ("?" + urlencode(query) if query else "")
        response: urllib3.BaseHTTPResponse = self._manager.request(
            method, url, body=body, headers=headers, timeout=timeout, retries=False, preload_content=False
        )
        return response

    def is_open(self) -> bool:
        """True if the next request gets a live connection, so that it needs no name lookup and no TLS handshake."""
        idle = self._pool.pool
        try:
            next_one = idle.queue[-1] if idle is not None else None
            return next_one is not None and next_one.is_connected
        except (IndexError, ValueError, OSError):
            return False  # another call has just taken it, or dropped them all

    def drop_idle(self) -> None:
        """Drop the idle connections: if one doesn't answer, the others may lead to the same dead server."""
        self._manager.clear()
        self._pool = self._manager.connection_from_url(self._configuration.host)


class Call:
    """One request, and its time limit.

    Socket timeouts limit single operations; only a second thread can limit the sum of many, including name lookup and TLS. On an open
    connection there are few: send the request, receive the headers, and read the body, which is abandoned at the first part after the
    limit. There, a thread would cost more than the call.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._answer: Future[tuple[int, bytes]] = Future()
        self._response: urllib3.BaseHTTPResponse | None = None

    def run(self, timeout: float, *request: Any) -> tuple[int, bytes]:
        """Return status and body; raise ApiUnavailable if they don't arrive within `timeout` seconds."""
        end = time.monotonic() + timeout
        arguments = (end, *request, urllib3.Timeout(total=timeout))
        if self._connections.is_open():
            self._work(*arguments)
        else:
            threading.Thread(target=self._work, args=arguments, name="api-call", daemon=True).start()
        try:
            return self._answer.result(end - time.monotonic())
        except (TimeoutError, urllib3.exceptions.ReadTimeoutError) as error:
            self._abandon()
            raise ApiUnavailable(f"no answer within {timeout:g} s") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            self._connections.drop_idle()
            raise ApiUnavailable(str(error)) from error

    def _work(self, end: float, *request: Any) -> None:
        try:
            self._response = self._connections.open(*request)
            self._answer.set_result((self._response.status, _body(self._response, end)))
        except BaseException as error:  # passed on to the caller, whatever it is
            self._answer.set_exception(error)

    def _abandon(self) -> None:
        """Stop a body that trickles in. If the headers haven't arrived yet, the thread ends by the socket's own timeout."""
        self._connections.drop_idle()
        response = self._response
        if response is not None:
            try:
                response.shutdown()
            except (ValueError, RuntimeError, OSError):
                return  # it has ended in the meantime


def _body(response: urllib3.BaseHTTPResponse, end: float) -> bytes:
    """Read the body; raise TimeoutError at the first part that arrives after `end`."""
    parts = []
    while part := response.read1(_PART):
        parts.append(part)
        if time.monotonic() > end:
            response.close()
            raise TimeoutError
    return b"".join(parts)
