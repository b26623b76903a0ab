"""Requests between agents over HTTP, each signed with a key that only the pods of a release have.

There is one key per release password. After a password change the pods pick it up at different times, up to a minute or so apart; the other
key stays the same for all of them.

POST /lease-extension: a JSON object of core.state.extensions.ExtensionRequest; the answer is an object {volume, granted, reason}.
POST /wal: a JSON object of core.unreplicated_wal.WalRequest; the answer is WAL, or 409 if none is available.

`X-Ha-Postgres-Mac` is the HMAC-SHA256 (RFC 2104) of the body. The MAC of an answer also covers the request's MAC, so an old answer can't be
replayed. An answer that can't be verified or comes too late is discarded. Unsigned input is neither parsed nor kept.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from http import HTTPStatus

from hapg_protocol.json_fields import Fields
from hapg_protocol.model import Holder

from ..core.state.extensions import ExtensionRequest
from ..core.unreplicated_wal import AT_ONCE, WalRequest
from ..credentials.secret_entries import Passwords
from .ports.peers import NotNow, PeerAnswer, PeerError
from .requests import Request, Response
from .serving import HttpServer, Later

_MAC = "X-Ha-Postgres-Mac"
_LONGEST_BODY = 4096
_LONGEST_ANSWER = 16384
_CHUNK = 65536
_LABELS = {"/lease-extension": b"request", "/wal": b"fetch_wal"}
"""Signed along with the request body, so that a request is valid for one path only."""
_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3}) ")


class _UnknownKey(PeerError):
    """The peer doesn't know the key that our request was signed with."""


Keys = Callable[[], Sequence[bytes]]
"""Returns the current keys, the preferred one first."""


def peer_key(password: str) -> bytes:
    """Return the key derived from one of the release's passwords."""
    return hmac.digest(password.encode(), b"ha-postgres: requests among agents", hashlib.sha256)


def peer_keys(passwords: Passwords) -> tuple[bytes, ...]:
    """Return the keys of a release. The one of the replication password comes first, because no client has that password."""
    return peer_key(passwords.replication), peer_key(passwords.superuser)


def _sign(key: bytes, *parts: bytes) -> str:
    return hmac.new(key, b"\n".join(parts), hashlib.sha256).hexdigest()


def encode(request: ExtensionRequest) -> bytes:
    """Return the body of a lease extension request."""
    holder = {"pod": request.holder.pod, "uid": request.holder.uid}
    return json.dumps({"holder": holder, "term": request.term, "serial": request.serial, "seconds": request.seconds}).encode()


def decode(body: bytes) -> ExtensionRequest:
    """Parse the body of a lease extension request. Raise ValueError that names the field."""
    fields = Fields.parse(body.decode("utf-8", "replace"), "request")
    holder = fields.object("holder")
    if holder is None:
        raise ValueError("request.holder: missing")
    return ExtensionRequest(
        Holder(holder.text("pod"), holder.text("uid")), fields.integer("term"), fields.integer("serial"), fields.seconds("seconds")
    )


def encode_wal_request(request: WalRequest) -> bytes:
    """Return the body of a WAL request."""
    return json.dumps({"term": request.term, "timeline": request.timeline, "lsn": request.lsn}).encode()


def decode_wal_request(body: bytes) -> WalRequest:
    """Parse the body of a WAL request. Raise ValueError that names the field."""
    fields = Fields.parse(body.decode("utf-8", "replace"), "request")
    return WalRequest(fields.integer("term"), fields.integer("timeline"), fields.integer("lsn"))


class PeerClient:
    """Sends requests to the agents of other pods."""

    def __init__(self, keys: Keys, port: int) -> None:
        """port: the port that every agent listens on."""
        self._keys = keys
        self._port = port

    def ask(self, request: ExtensionRequest, address: str, timeout: float) -> PeerAnswer:
        """Ask the agent at `address`; all of it takes at most `timeout` seconds, even if the answer trickles in. Raise PeerError."""
        text = self._post("/lease-extension", encode(request), address, timeout, _LONGEST_ANSWER)
        try:
            fields = Fields.parse(text.decode("utf-8", "replace"), "answer")
            return PeerAnswer(fields.text("volume"), fields.flag("granted"), fields.text("reason"))
        except ValueError as error:
            raise PeerError(str(error)) from error

    def fetch_wal(self, request: WalRequest, address: str, timeout: float) -> bytes:
        """Return WAL of the dead server whose agent is at `address`, b'' if there is no more. Otherwise as `ask`."""
        return self._post("/wal", encode_wal_request(request), address, timeout, AT_ONCE + _LONGEST_ANSWER)

    def _post(self, path: str, body: bytes, address: str, timeout: float, most: int) -> bytes:
        end = time.monotonic() + timeout
        *others, last = self._keys()
        for key in others:
            with suppress(_UnknownKey):
                return self._post_with(key, path, body, address, end, most)
        return self._post_with(last, path, body, address, end, most)

    def _post_with(self, key: bytes, path: str, body: bytes, address: str, end: float, most: int) -> bytes:
        mac = _sign(key, _LABELS[path], body)
        head = f"POST {path} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{_MAC}: {mac}\r\n\r\n"
        try:
            said = _exchange((address, self._port), head.encode() + body, end, most)
        except OSError as error:
            raise PeerError(str(error) or type(error).__name__) from error
        return _verified(said, mac, key)


def _verified(said: bytes, mac: str, key: bytes) -> bytes:
    """Return the body of an answer, verified with the key of its request.

    Raise PeerError, which quotes nothing from an unverified answer.
    """
    head, _, text = said.partition(b"\r\n\r\n")
    status = _STATUS.match(head)
    if status is not None and int(status[1]) == HTTPStatus.FORBIDDEN:
        raise _UnknownKey(f"status {status[1].decode()}")
    if status is not None and int(status[1]) == HTTPStatus.CONFLICT:
        raise NotNow(f"status {status[1].decode()}")
    if status is None or int(status[1]) != HTTPStatus.OK:
        raise PeerError(f"status {status[1].decode()}" if status else "not an HTTP answer")
    lines = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    headers = {name.lower(): value.strip() for name, _, value in lines}
    signature = _sign(key, b"answer", mac.encode(), text).encode()
    if not hmac.compare_digest(headers.get(_MAC.lower().encode(), b""), signature):
        raise PeerError("the answer is not signed with our key")
    return text


def _exchange(address: tuple[str, int], said: bytes, end: float, most: int) -> bytes:
    """Send `said` to a server and return its answer, read until the server closes. most: in bytes; end: monotonic time. Raise OSError."""
    with socket.create_connection(address, timeout=_left(end)) as connection:
        connection.sendall(said)
        answer = bytearray()
        while len(answer) <= most:
            connection.settimeout(_left(end))
            part = connection.recv(_CHUNK)
            if not part:
                return bytes(answer)
            answer += part
    raise OSError(f"the answer has more than {most} bytes")


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


class PeerServer:
    """Answers the agents of other pods, a few at a time."""

    def __init__(
        self,
        port: int,
        keys: Keys,
        ask: Callable[[ExtensionRequest], PeerAnswer | None],
        fetch_wal: Callable[[WalRequest], bytes | None],
    ) -> None:
        """port: 0 for any; ask: may block, returns None if there is no answer in time; fetch_wal: returns WAL, None if the peer may not
        have it, and may raise OSError. Raise OSError if the port is taken.
        """
        self._keys = keys
        self._ask = ask
        self._fetch_wal = fetch_wal
        self._server = HttpServer(port, "peers", self._answer, _LONGEST_BODY)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._server.port

    def start(self) -> None:
        """Start serving, until the process ends."""
        self._server.start()

    def close(self) -> None:
        """Release the port; only for a server that was not started."""
        self._server.close()

    def _answer(self, request: Request) -> Response | Later:
        """Handle a request; it is parsed only if it is signed with one of our keys."""
        if request.method != "POST" or request.path not in _LABELS:
            return Response(HTTPStatus.BAD_REQUEST)
        mac, label = request.headers.get(_MAC.lower().encode(), b""), _LABELS[request.path]
        key = next((key for key in self._keys() if hmac.compare_digest(mac, _sign(key, label, request.body).encode())), None)
        if key is None:
            return Response(HTTPStatus.FORBIDDEN)
        try:
            if request.path == "/wal":
                wanted = decode_wal_request(request.body)
                return lambda: self._given(wanted, mac, key)
            asked = decode(request.body)
        except ValueError:
            return Response(HTTPStatus.BAD_REQUEST)
        return lambda: self._decided(asked, mac, key)

    def _given(self, request: WalRequest, mac: bytes, key: bytes) -> Response:
        data = self._fetch_wal(request)
        if data is None:
            return Response(HTTPStatus.CONFLICT)
        return _signed(data, "application/octet-stream", mac, key)

    def _decided(self, request: ExtensionRequest, mac: bytes, key: bytes) -> Response:
        answer = self._ask(request)
        if answer is None:
            return Response(HTTPStatus.SERVICE_UNAVAILABLE)
        text = json.dumps({"volume": answer.volume, "granted": answer.granted, "reason": answer.reason}).encode()
        return _signed(text, "application/json", mac, key)


def _signed(body: bytes, kind: str, mac: bytes, key: bytes) -> Response:
    """Return a signed answer to the request with this MAC."""
    return Response(HTTPStatus.OK, body, {"Content-Type": kind, _MAC: _sign(key, b"answer", mac, body)})
