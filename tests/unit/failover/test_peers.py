"""Requests between agents, over real sockets."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from http.client import HTTPConnection

import pytest

from hapg_failover.adapters import peers
from hapg_failover.adapters.peers import PeerClient, PeerServer, decode, encode, peer_key
from hapg_failover.adapters.ports.peers import NotNow, PeerAnswer, PeerError
from hapg_failover.core.state.extensions import ExtensionRequest
from hapg_failover.core.unreplicated_wal import WalRequest
from hapg_failover.credentials.secret_entries import Passwords
from hapg_protocol.model import Holder
from tests.ports import needs_ipv6

KEY = peer_key("secret")
REQUEST = ExtensionRequest(Holder("pg-0", "u0"), 5, 3, 1.6)
LIMIT = 5.0


def keys() -> tuple[bytes, ...]:
    return (KEY,)


def no_wal(request: WalRequest) -> None:
    """Has nothing to send."""


class Desk:
    """Answers as configured."""

    def __init__(self) -> None:
        self.heard: list[ExtensionRequest] = []
        self.answer: PeerAnswer | None = PeerAnswer("v1", True, "fine")

    def ask(self, request: ExtensionRequest) -> PeerAnswer | None:
        self.heard.append(request)
        return self.answer


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def port(desk: Desk) -> int:
    server = PeerServer(0, keys, desk.ask, no_wal)
    server.start()
    return server.port


def test_a_request_survives_its_encoding() -> None:
    assert decode(encode(REQUEST)) == REQUEST


def test_a_peer_answers(desk: Desk, port: int) -> None:
    assert PeerClient(keys, port).ask(REQUEST, "127.0.0.1", LIMIT) == PeerAnswer("v1", True, "fine")
    assert desk.heard == [REQUEST]


def test_a_peer_answers_at_an_ipv6_address(desk: Desk, port: int) -> None:
    needs_ipv6()
    assert PeerClient(keys, port).ask(REQUEST, "::1", LIMIT) == PeerAnswer("v1", True, "fine")


def test_another_release_is_not_heard(desk: Desk, port: int) -> None:
    with pytest.raises(PeerError, match="403"):
        PeerClient(lambda: (peer_key("another"), peer_key("third")), port).ask(REQUEST, "127.0.0.1", LIMIT)
    assert desk.heard == []


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (Passwords("new", "same"), Passwords("old", "same")),
        (Passwords("same", "new"), Passwords("same", "old")),
        (Passwords("same", "unknown to a version before it"), None),
    ],
    ids=["the superuser's has changed", "the members' has changed", "one of us has only the superuser's"],
)
def test_a_password_that_others_do_not_have_yet_stops_no_grant(desk: Desk, theirs: Passwords, ours: Passwords | None) -> None:
    def all_theirs() -> Sequence[bytes]:
        return peers.peer_keys(theirs)

    def all_ours() -> Sequence[bytes]:
        return (peer_key("same"),) if ours is None else peers.peer_keys(ours)

    for asking, answering in ((all_theirs, all_ours), (all_ours, all_theirs)):
        server = PeerServer(0, answering, desk.ask, no_wal)
        server.start()
        try:
            answer = PeerClient(asking, server.port).ask(REQUEST, "127.0.0.1", LIMIT)
        except PeerError as error:
            pytest.fail(f"no answer: {error}")
        assert answer.granted


def test_no_decision_is_no_answer(desk: Desk, port: int) -> None:
    desk.answer = None
    with pytest.raises(PeerError, match="503"):
        PeerClient(keys, port).ask(REQUEST, "127.0.0.1", LIMIT)


def test_nobody_there_is_an_error() -> None:
    server = PeerServer(0, keys, lambda request: None, no_wal)
    free = server.port
    server.close()
    with pytest.raises(PeerError):
        PeerClient(keys, free).ask(REQUEST, "127.0.0.1", LIMIT)


def raw(port: int, path: str, body: bytes, **headers: str) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=LIMIT)
    try:
        connection.request("POST", path, body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/other", b"{}", 400),
        ("/lease-extension", b"x" * 5000, 400),
        ("/lease-extension", encode(REQUEST), 403),
        ("/lease-extension", b"", 403),
    ],
    ids=["another path", "too long", "not signed", "empty"],
)
def test_what_is_no_request_of_ours_is_refused(desk: Desk, port: int, path: str, body: bytes, status: int) -> None:
    assert raw(port, path, body) == status
    assert desk.heard == []


def test_a_signed_body_must_be_a_request(desk: Desk, port: int) -> None:

    body = json.dumps({"term": 1}).encode()
    mac = hmac.new(KEY, b"\n".join((b"request", body)), hashlib.sha256).hexdigest()
    assert raw(port, "/lease-extension", body, **{"X-Ha-Postgres-Mac": mac}) == 400
    assert desk.heard == []


def given(fetch_wal: Callable[[WalRequest], bytes | None]) -> int:
    server = PeerServer(0, keys, lambda request: None, fetch_wal)
    server.start()
    return server.port


def test_a_peer_gives_what_its_dead_server_had_not_sent() -> None:
    heard: list[WalRequest] = []
    wal = bytes(range(256)) * 16_000

    def fetch_wal(request: WalRequest) -> bytes:
        heard.append(request)
        return wal

    asked = WalRequest(7, 3, 0x1_0500_0028)
    assert PeerClient(keys, given(fetch_wal)).fetch_wal(asked, "127.0.0.1", LIMIT) == wal
    assert heard == [asked]


def test_a_peer_that_has_nothing_to_give_says_so() -> None:
    with pytest.raises(NotNow):
        PeerClient(keys, given(no_wal)).fetch_wal(WalRequest(7, 3, 0), "127.0.0.1", LIMIT)


def test_the_signature_of_a_request_for_an_extension_gives_no_wal() -> None:
    body = peers.encode_wal_request(WalRequest(7, 3, 0))
    mac = hmac.new(KEY, b"\n".join((b"request", body)), hashlib.sha256).hexdigest()
    connection = HTTPConnection("127.0.0.1", given(lambda request: b"wal"), timeout=LIMIT)
    connection.request("POST", "/wal", body, {"X-Ha-Postgres-Mac": mac})
    assert connection.getresponse().status == 403
