"""The members' agents among themselves: requests for grants over HTTP, each signed with a key that only the pods of a release have.

POST /grant, a JSON object of core.model.GrantRequest; the answer is one of {volume, granted, reason}. `X-Ha-Postgres-Mac` is the
HMAC-SHA256 (RFC 2104) of the body; that of an answer covers the request's MAC too, so that no old answer passes for a new one. An
answer that can't be verified, or that comes too late, is no answer.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from ..core.fields import Fields
from ..core.model import GrantRequest, Holder
from .sockets import listen, serve

_MAC = "X-Ha-Postgres-Mac"
_LONGEST_BODY = 4096
_CLIENT_SECONDS = 0.5
_AT_ONCE = 8


class PeerError(Exception):
    """A peer couldn't be reached, didn't answer in time, or its answer isn't signed with our key."""


@dataclass(frozen=True)
class PeerAnswer:
    """What a member said: its volume's UUID, whether it grants, the reason in words."""

    volume: str
    granted: bool
    reason: str


def peer_key(password: str) -> bytes:
    """Return the key of a release, made of the superuser's password, which all its pods have and nobody else should."""
    return hmac.digest(password.encode(), b"ha-postgres: requests among agents", hashlib.sha256)


def _sign(key: bytes, *parts: bytes) -> str:
    return hmac.new(key, b"\n".join(parts), hashlib.sha256).hexdigest()


def encode(request: GrantRequest) -> bytes:
    """Return the body of a request."""
    holder = {"pod": request.holder.pod, "uid": request.holder.uid}
    return json.dumps({"holder": holder, "term": request.term, "serial": request.serial, "seconds": request.seconds}).encode()


def decode(body: bytes) -> GrantRequest:
    """Return the request in a body. Raise ValueError, with the field's name."""
    fields = Fields.parse(body.decode("utf-8", "replace"), "request")
    holder = fields.object("holder")
    if holder is None:
        raise ValueError("request.holder: missing")
    return GrantRequest(
        Holder(holder.text("pod"), holder.text("uid")), fields.integer("term"), fields.integer("serial"), fields.seconds("seconds")
    )


class PeerClient:
    """Asks other members' agents."""

    def __init__(self, key: bytes, port: int) -> None:
        """port: on which every agent listens."""
        self._key = key
        self._port = port

    def ask(self, request: GrantRequest, address: str, timeout: float) -> PeerAnswer:
        """Ask the agent at `address`; every operation on the socket takes at most `timeout` seconds. Raise PeerError."""
        body = encode(request)
        mac = _sign(self._key, b"request", body)
        connection = HTTPConnection(address, self._port, timeout=timeout)
        try:
            connection.request("POST", "/grant", body, {_MAC: mac, "Content-Type": "application/json"})
            response = connection.getresponse()
            text = response.read(_LONGEST_BODY)
        except (OSError, HTTPException) as error:
            raise PeerError(str(error) or type(error).__name__) from error
        finally:
            connection.close()
        if response.status != HTTPStatus.OK:
            raise PeerError(f"{response.status} {response.reason}")
        if not hmac.compare_digest(response.headers.get(_MAC, ""), _sign(self._key, b"answer", mac.encode(), text)):
            raise PeerError("the answer isn't signed with our key")
        try:
            fields = Fields.parse(text.decode("utf-8", "replace"), "answer")
            return PeerAnswer(fields.text("volume"), fields.flag("granted"), fields.text("reason"))
        except ValueError as error:
            raise PeerError(str(error)) from error


class PeerServer:
    """Answers other members' agents, a few at a time."""

    def __init__(self, port: int, key: bytes, ask: Callable[[GrantRequest], PeerAnswer | None]) -> None:
        """port: 0 for any; ask: returns None if there is no answer in time. Raise OSError if the port is taken."""
        self._server = _Server(port, key, ask)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.server_port

    def start(self) -> None:
        """Begin to serve, until the process ends."""
        serve(self._server, "peers")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, key: bytes, ask: Callable[[GrantRequest], PeerAnswer | None]) -> None:
        super().__init__(("", port), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listen(port)
        self.server_port = self.socket.getsockname()[1]
        self.key = key
        self.ask = ask
        self.free = threading.BoundedSemaphore(_AT_ONCE)

    def handle_error(self, request: object, client_address: object) -> None:
        """A peer that went away is no event."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _CLIENT_SECONDS

    def do_POST(self) -> None:
        """Answer a request that is signed with our key."""
        if not self.server.free.acquire(blocking=False):
            self._send(HTTPStatus.SERVICE_UNAVAILABLE)
            return
        try:
            self._answer()
        finally:
            self.server.free.release()

    def _answer(self) -> None:
        length = self.headers.get("Content-Length", "")
        if self.path != "/grant" or not length.isdecimal() or int(length) > _LONGEST_BODY:
            self._send(HTTPStatus.BAD_REQUEST)
            return
        body = self.rfile.read(int(length))
        mac = self.headers.get(_MAC, "")
        if not hmac.compare_digest(mac, _sign(self.server.key, b"request", body)):
            self._send(HTTPStatus.FORBIDDEN)
            return
        try:
            answer = self.server.ask(decode(body))
        except ValueError:
            self._send(HTTPStatus.BAD_REQUEST)
            return
        if answer is None:
            self._send(HTTPStatus.SERVICE_UNAVAILABLE)
            return
        text = json.dumps({"volume": answer.volume, "granted": answer.granted, "reason": answer.reason}).encode()
        self._send(HTTPStatus.OK, text, _sign(self.server.key, b"answer", mac.encode(), text))

    def _send(self, status: HTTPStatus, body: bytes = b"", mac: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if mac:
            self.send_header("Content-Type", "application/json")
            self.send_header(_MAC, mac)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Requests come often while the API is away: what matters of them is a decision, which is logged."""
