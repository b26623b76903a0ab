"""The container's HTTP server: /livez and /readyz for kubelet, /metrics for Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer

from .sockets import listen, serve

_CLIENT_SECONDS = 0.5
_WORDS = 3
_MOST_HEADERS = 100
_LONGEST_LINE = 65537


@dataclass(frozen=True)
class Answers:
    """What is answered. live: the agent's loop turns; ready: whether, and why or why not; metrics: Prometheus' text format."""

    live: Callable[[], bool]
    ready: Callable[[], tuple[bool, str]]
    metrics: Callable[[], str]


class Probes:
    """Serves in one thread, one request after the other: a client that says nothing is dropped after half a second."""

    def __init__(self, port: int, answers: Answers) -> None:
        """port: 0 for any. Raise OSError if it is taken."""
        self._server = _Server(port, answers)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.server_port

    def start(self) -> None:
        """Begin to serve, until the process ends."""
        serve(self._server, "probes")


class _Server(HTTPServer):
    def __init__(self, port: int, answers: Answers) -> None:
        super().__init__(("", port), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listen(port)
        self.server_port = self.socket.getsockname()[1]
        self.answers = answers

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no event."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _CLIENT_SECONDS
    raw_requestline: bytes

    def parse_request(self) -> bool:
        """Take the first line and pass the headers over: no answer depends on them, and parsing them is half of a probe's price."""
        self.requestline = self.raw_requestline.decode("latin-1").rstrip("\r\n")
        self.request_version, self.close_connection = self.protocol_version, True
        words = self.requestline.split()
        if len(words) != _WORDS:
            self.send_error(HTTPStatus.BAD_REQUEST)
            return False
        self.command, self.path = words[:2]
        for _ in range(_MOST_HEADERS):
            if self.rfile.readline(_LONGEST_LINE).strip() == b"":
                return True
        self.send_error(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        return False

    def do_GET(self) -> None:
        """Answer."""
        answers = self.server.answers
        if self.path == "/livez":
            live = answers.live()
            self._answer(live, "the loop turns" if live else "the loop does not turn")
        elif self.path == "/readyz":
            self._answer(*answers.ready())
        elif self.path == "/metrics":
            self._send(HTTPStatus.OK, answers.metrics(), "text/plain; version=0.0.4; charset=utf-8")
        else:
            self._send(HTTPStatus.NOT_FOUND, "/livez, /readyz or /metrics\n", "text/plain; charset=utf-8")

    def _answer(self, good: bool, reason: str) -> None:
        self._send(HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE, reason + "\n", "text/plain; charset=utf-8")

    def _send(self, status: HTTPStatus, text: str, content_type: str) -> None:
        body = text.encode()
        head = f"HTTP/1.0 {status.value} {status.phrase}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)

    def log_message(self, format: str, *args: object) -> None:
        """Probes come all the time: nothing is logged."""
