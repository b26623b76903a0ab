"""Requests to the API server: the way there, each within a limit, and how many there have been."""

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

from ..ports import ApiUnavailable

COMPONENT = "ha-postgres-failover"
_PART = 65536


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
        """Send a request and return the answer, its body not read yet. timeout: of each operation on the socket."""
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
        """Whether the next request finds a connection that is alive, so that no name is looked up and no TLS is agreed on for it."""
        idle = self._pool.pool
        try:
            next_one = idle.queue[-1] if idle is not None else None
            return next_one is not None and next_one.is_connected
        except (IndexError, ValueError, OSError):
            return False  # another call has just taken it, or forgotten them all

    def drop_idle(self) -> None:
        """Forget the idle connections: where one doesn't answer, the others may lead to the same dead server."""
        self._manager.clear()
        self._pool = self._manager.connection_from_url(self._configuration.host)


class Call:
    """One request, and its limit.

    Timeouts of the socket limit single operations; only a second thread can limit the sum of many, name look-up and TLS included. On an
    open connection there are few: the request is sent, the headers come, and the body is given up at the first part after the limit.
    There a thread would cost more than the call.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._answer: Future[tuple[int, bytes]] = Future()
        self._response: urllib3.BaseHTTPResponse | None = None

    def run(self, timeout: float, *request: Any) -> tuple[int, bytes]:
        """Return status and body, raise ApiUnavailable if they aren't there within `timeout` seconds."""
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
        except BaseException as error:  # handed to the caller, whatever it is
            self._answer.set_exception(error)

    def _abandon(self) -> None:
        """End a body that trickles in; before the headers have come the thread ends by the socket's own timeout."""
        self._connections.drop_idle()
        response = self._response
        if response is not None:
            try:
                response.shutdown()
            except (ValueError, RuntimeError, OSError):
                return  # it has ended meanwhile


def _body(response: urllib3.BaseHTTPResponse, end: float) -> bytes:
    """Read the body, up to the first part that comes after `end`. Raise TimeoutError then."""
    parts = []
    while part := response.read1(_PART):
        parts.append(part)
        if time.monotonic() > end:
            response.close()
            raise TimeoutError
    return b"".join(parts)
