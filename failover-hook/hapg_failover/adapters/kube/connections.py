"""Requests to the API server: the way there, each within a limit, and how many there have been."""

from __future__ import annotations

import threading
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
        self._rest = RESTClientObject(configuration)

    def open(
        self, method: str, path: str, query: Mapping[str, object], body: bytes | None, content_type: str, timeout: urllib3.Timeout
    ) -> urllib3.BaseHTTPResponse:
        """Send a request and return the answer, its body not read yet. timeout: of each operation on the socket."""
        self._requests.note("WATCH" if "watch" in query else method)
        headers = {"Accept": "application/json", "Content-Type": content_type, "User-Agent": COMPONENT}
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


class Call:
    """One request in a thread of its own.

    Timeouts of the socket limit single operations; only a second thread can limit their sum, name look-up and TLS included.
    """

    def __init__(self, connections: Connections) -> None:
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
