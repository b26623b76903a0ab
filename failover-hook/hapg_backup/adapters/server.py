"""The HTTP server of port 8011. Signed requests are answered line by line (docs/contract.md, `Port 8011`)."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from ..core.signing import HEADER, VALID_S, Refused, answer_mac, verify
from .closed import is_closed

_REQUEST_S = 5.0
_ALIVE_S = 5.0
_LONGEST_BODY = 4096
_PLACES = 16

CarryOut = Callable[[str, Mapping[str, Any], Callable[[str], None], Callable[[], bool]], int]


class HttpServer(ThreadingHTTPServer):
    """Serves metrics to everybody and requests to those who have the key.

    A client has 5 s for its request; if all places are taken, a new client replaces the oldest whose request is not verified.
    """

    daemon_threads = True
    address_family = socket.AF_INET6

    def __init__(
        self, port: int, key: Callable[[], bytes], paths: tuple[str, ...], carry_out: CarryOut, metrics: Callable[[], str]
    ) -> None:
        """key: the current one, raises OSError or ValueError without one. Raise OSError if the port is taken."""
        self.key = key
        self.paths = paths
        self.carry_out = carry_out
        self.metrics = metrics
        self._seen: dict[str, float] = {}
        self._strangers: dict[socket.socket, float] = {}  # since when, by age
        self._lock = threading.Lock()
        try:
            super().__init__(("::", port), _Handler)
        except OSError:  # a node without IPv6
            self.address_family = socket.AF_INET
            super().__init__(("", port), _Handler)

    def server_bind(self) -> None:
        """Listen on IPv4, too, and without looking up the host's name, as HTTPServer does."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a client in a thread of its own."""
        with self._lock:
            if len(self._strangers) >= _PLACES:
                self._drop_oldest()
            self._strangers[request] = time.monotonic()
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        """Drop clients whose time for the request is over; called twice a second."""
        with self._lock:
            while self._strangers and next(iter(self._strangers.values())) < time.monotonic() - _REQUEST_S:
                self._drop_oldest()

    def _drop_oldest(self) -> None:
        oldest = next(iter(self._strangers))
        del self._strangers[oldest]
        with suppress(OSError):
            oldest.shutdown(socket.SHUT_RDWR)

    def forget(self, request: socket.socket) -> None:
        """Take a client off the list of those that are not verified."""
        with self._lock:
            self._strangers.pop(request, None)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        self.forget(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that go away are no event."""

    def verified(self, path: str, body: bytes, mac: str) -> dict[str, Any]:
        """Return the fields of a signed request, which is valid once. Raise Refused, and OSError or ValueError without a key."""
        now, key = time.time(), self.key()
        with self._lock:
            self._seen = {nonce: at for nonce, at in self._seen.items() if abs(now - at) < 2 * VALID_S}
            fields = verify(key, path, body, mac, now, self._seen)
            self._seen[str(fields["nonce"])] = now
        return fields


class _Handler(BaseHTTPRequestHandler):
    server: HttpServer
    timeout = _REQUEST_S

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _answer(self, status: HTTPStatus, text: str = "") -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        if self.path == "/livez":
            self._answer(HTTPStatus.OK)
        elif self.path == "/metrics":
            self._answer(HTTPStatus.OK, self.server.metrics())
        else:
            self._answer(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if self.path not in self.server.paths:
            self._answer(HTTPStatus.NOT_FOUND)
        elif not length.isdigit() or int(length) > _LONGEST_BODY:
            self._answer(HTTPStatus.BAD_REQUEST)
        else:
            body, mac = self.rfile.read(int(length)), self.headers.get(HEADER, "")
            try:
                fields = self.server.verified(self.path, body, mac)
            except Refused as error:
                self._answer(HTTPStatus.FORBIDDEN, f"{error}\n")
            except (OSError, ValueError):
                self._answer(HTTPStatus.SERVICE_UNAVAILABLE, "the Secret with the key is not mounted yet\n")
            else:
                self.server.forget(self.connection)
                self._carry_out(fields, mac)

    def _carry_out(self, fields: Mapping[str, Any], mac: str) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/x-ndjson")
        self.end_headers()
        stream = _Stream(self.connection)
        stop = threading.Event()
        threading.Thread(target=stream.keep_alive, args=(stop,), daemon=True).start()
        try:
            code = self.server.carry_out(self.path, fields, lambda line: stream.send({"line": line}), stream.is_gone)
        finally:
            stop.set()
        stream.end(code, self.server.key(), mac)


class _Stream:
    """The lines of an answer."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._sent = b""
        self._gone = False
        connection.settimeout(_REQUEST_S)

    def send(self, fields: Mapping[str, Any]) -> None:
        """Send a line."""
        with self._lock:
            self._send(fields)

    def _send(self, fields: Mapping[str, Any]) -> None:
        line = json.dumps(fields).encode() + b"\n"
        self._sent += line
        try:
            self._connection.sendall(line)
        except OSError:
            self._gone = True

    def keep_alive(self, stop: threading.Event) -> None:
        """Send a sign of life every few seconds."""
        while not stop.wait(_ALIVE_S):
            self.send({})

    def is_gone(self) -> bool:
        """True once the client has closed the connection."""
        return self._gone or is_closed(self._connection)

    def end(self, code: int, key: bytes, mac: str) -> None:
        """Send the last line, which signs all others."""
        with self._lock:
            self._send({"exit": code, "mac": answer_mac(key, mac, self._sent)})
