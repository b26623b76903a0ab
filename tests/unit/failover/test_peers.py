"""Requests among agents, over real sockets."""

from __future__ import annotations

import json
from http.client import HTTPConnection

import pytest

from hapg_failover.adapters.peers import PeerAnswer, PeerClient, PeerError, PeerServer, decode, encode, peer_key
from hapg_failover.core.model import GrantRequest, Holder

KEY = peer_key("secret")
REQUEST = GrantRequest(Holder("pg-0", "u0"), 5, 3, 1.6)
LIMIT = 5.0


class Desk:
    """Answers as it is told to."""

    def __init__(self) -> None:
        self.heard: list[GrantRequest] = []
        self.answer: PeerAnswer | None = PeerAnswer("v1", True, "fine")

    def ask(self, request: GrantRequest) -> PeerAnswer | None:
        self.heard.append(request)
        return self.answer


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def port(desk: Desk) -> int:
    server = PeerServer(0, KEY, desk.ask)
    server.start()
    return server.port


def test_a_request_survives_its_encoding() -> None:
    assert decode(encode(REQUEST)) == REQUEST


def test_a_peer_answers(desk: Desk, port: int) -> None:
    assert PeerClient(KEY, port).ask(REQUEST, "127.0.0.1", LIMIT) == PeerAnswer("v1", True, "fine")
    assert desk.heard == [REQUEST]


def test_another_release_is_not_heard(desk: Desk, port: int) -> None:
    with pytest.raises(PeerError, match="403"):
        PeerClient(peer_key("another"), port).ask(REQUEST, "127.0.0.1", LIMIT)
    assert desk.heard == []


def test_no_decision_is_no_answer(desk: Desk, port: int) -> None:
    desk.answer = None
    with pytest.raises(PeerError, match="503"):
        PeerClient(KEY, port).ask(REQUEST, "127.0.0.1", LIMIT)


def test_nobody_there_is_an_error() -> None:
    server = PeerServer(0, KEY, lambda request: None)
    free = server.port
    server.close()
    with pytest.raises(PeerError):
        PeerClient(KEY, free).ask(REQUEST, "127.0.0.1", LIMIT)


def raw(port: int, path: str, body: bytes, **headers: str) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=LIMIT)
    try:
        connection.request("POST", path, body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [("/other", b"{}", 400), ("/grant", b"x" * 5000, 400), ("/grant", encode(REQUEST), 403), ("/grant", b"", 403)],
    ids=["another path", "too long", "not signed", "empty"],
)
def test_what_is_no_request_of_ours_is_refused(desk: Desk, port: int, path: str, body: bytes, status: int) -> None:
    assert raw(port, path, body) == status
    assert desk.heard == []


def test_a_signed_body_must_be_a_request(desk: Desk, port: int) -> None:
    import hashlib
    import hmac

    body = json.dumps({"term": 1}).encode()
    mac = hmac.new(KEY, b"\n".join((b"request", body)), hashlib.sha256).hexdigest()
    assert raw(port, "/grant", body, **{"X-Ha-Postgres-Mac": mac}) == 400
    assert desk.heard == []
