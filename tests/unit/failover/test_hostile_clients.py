"""Clients that are slow, silent, verbose or send garbage, at the ports for probes and for peers: other clients still get answers."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.client import HTTPConnection
from typing import Any

import pytest

from hapg_failover.adapters import peers, serving
from hapg_failover.adapters.clock import boottime
from hapg_failover.adapters.peers import PeerClient, PeerServer, decode, encode, peer_key
from hapg_failover.adapters.ports.peers import PeerAnswer, PeerError
from hapg_failover.adapters.probes import Answers, Probes
from hapg_failover.adapters.threads import Threads
from hapg_failover.core.decide import decide
from hapg_failover.core.state.actions import AnswerExtension, AskExtensions, PutLease, WriteDeadline
from hapg_failover.core.state.extensions import ExtensionAnswer, ExtensionRequest
from hapg_failover.core.state.lease_view import LeaseView
from hapg_failover.core.state.memory import Memory
from hapg_failover.core.state.observation import Observation
from hapg_failover.core.state.phases import Phase
from hapg_failover.core.state.results import PutOutcome, PutResult
from hapg_failover.core.timing import PEER_ANSWER_S
from hapg_failover.core.unreplicated_wal import WalRequest
from hapg_failover.events import Event, PeerAnswered, PeerAsked, VolumeFacts
from hapg_failover.lease_extensions import LeaseExtensions
from hapg_protocol.model import Holder, Pod
from tests.memories import changed

from .test_decide import FOLLOWING, MINE, OTHER, PRIMARY, SAID, seen

IDLE = 200
CROWDED_S = 1.0
READY = 1.0, 2  # timeoutSeconds and failureThreshold of the chart's readiness probe
LIVE = 5.0, 6  # and of its liveness probe
GRANT = PEER_ANSWER_S, 3  # an extension lasts for three more requests after the one it answers
KEY = peer_key("secret")
REQUEST = ExtensionRequest(Holder("pg-0", "u0"), 5, 3, 1.6)
POST = b"POST /lease-extension HTTP/1.1\r\nContent-Length: "
LARGE = "figures " * (1 << 19)


def dial(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def no_wal(request: WalRequest) -> None:
    """Has nothing to send."""


class Crowd:
    """Clients that repeat the same thing for as long as a test lasts, each in its own thread."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []
        self._idle: list[socket.socket] = []

    def stay_silent(self, number: int = IDLE) -> None:
        for _ in range(number):
            self._idle.append(dial(self._port))

    def trickle(self, beginning: bytes) -> None:
        """Send this, and then a byte every few hundredths of a second."""

        def one(client: socket.socket) -> None:
            client.sendall(beginning)
            while not self._ended.wait(0.03):
                client.sendall(b"x")

        self._join(one, 12)

    def say(self, what: Callable[[], bytes]) -> None:
        """Send everything, and read nothing of the answer."""

        def one(client: socket.socket) -> None:
            client.sendall(what())
            self._ended.wait(0.05)

        self._join(one, 4)

    def read_slowly(self, path: bytes) -> None:
        """Request something large, and read none of it."""

        def one(client: socket.socket) -> None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            client.sendall(b"GET " + path + b" HTTP/1.1\r\n\r\n")
            self._ended.wait(1.0)

        self._join(one, 12)

    def _join(self, one: Callable[[socket.socket], None], number: int) -> None:
        def come_again() -> None:
            while not self._ended.is_set():
                with contextlib.suppress(OSError), dial(self._port) as client:
                    one(client)

        for _ in range(number):
            self._threads.append(threading.Thread(target=come_again, daemon=True))
            self._threads[-1].start()

    def leave(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(20)
        for client in self._idle:
            client.close()


@pytest.fixture
def crowd() -> Iterator[Callable[[int], Crowd]]:
    made: list[Crowd] = []

    def come(port: int) -> Crowd:
        made.append(Crowd(port))
        return made[-1]

    yield come
    for each in made:
        each.leave()


def garbage() -> bytes:
    return os.urandom(random.Random().randrange(1, 60000))


def all_of_them(crowd: Crowd) -> None:
    crowd.stay_silent()
    crowd.trickle(b"GET /livez HTTP/1.1\r\nX")
    crowd.trickle(POST + b"4000\r\n\r\n")
    crowd.say(lambda: POST + b"1000000000\r\n\r\n" + bytes(1 << 20))
    crowd.say(lambda: b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 100000)
    crowd.say(garbage)
    crowd.read_slowly(b"/metrics")


CROWDS: dict[str, Callable[[Crowd], None]] = {
    "silent": Crowd.stay_silent,
    "slow writers": lambda crowd: crowd.trickle(b"GET /livez HTTP/1.1\r\nX"),
    "slow bodies": lambda crowd: crowd.trickle(POST + b"4000\r\n\r\n"),
    "slow readers": lambda crowd: crowd.read_slowly(b"/metrics"),
    "big bodies": lambda crowd: crowd.say(lambda: POST + b"1000000000\r\n\r\n" + bytes(1 << 20)),
    "big heads": lambda crowd: crowd.say(lambda: b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 100000),
    "garbage": lambda crowd: crowd.say(garbage),
    "all": all_of_them,
}


KINDS = [pytest.param(kind, marks=() if kind == "all" else pytest.mark.slow) for kind in CROWDS]
"""Each second of a crowd takes as much of the processors as it can get. All of them at once are in make test-fast too."""


def in_time(ask: Callable[[float], Any], limit: tuple[float, int]) -> Any:
    """Return the first answer that arrives in time. limit: seconds per attempt, and how many attempts in a row may fail before it
    matters."""
    timeout, tries = limit
    for left in reversed(range(tries)):
        try:
            return ask(timeout)
        except (OSError, PeerError):
            if not left:
                raise
    raise AssertionError


def get(port: int, path: str, timeout: float) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


@pytest.mark.parametrize("kind", KINDS)
def test_probes_are_answered_within_their_timeouts(crowd: Callable[[int], Crowd], kind: str) -> None:
    probes = Probes(0, Answers(lambda: True, lambda: (True, "primary"), lambda: LARGE, str))
    probes.start()
    CROWDS[kind](crowd(probes.port))
    end = time.monotonic() + CROWDED_S
    while time.monotonic() < end:
        assert in_time(partial(get, probes.port, "/readyz"), READY) == 200
        assert in_time(partial(get, probes.port, "/livez"), LIVE) == 200


@pytest.mark.parametrize("kind", KINDS)
def test_a_peer_is_answered_and_nobody_else_is_heard(crowd: Callable[[int], Crowd], kind: str) -> None:
    heard: list[ExtensionRequest] = []

    def ask(request: ExtensionRequest) -> PeerAnswer:
        heard.append(request)
        return PeerAnswer("v1", True, "fine")

    server = PeerServer(0, lambda: (KEY,), ask, no_wal)
    server.start()
    CROWDS[kind](crowd(server.port))
    client = PeerClient(lambda: (KEY,), server.port)
    end = time.monotonic() + CROWDED_S
    asked = 0
    while time.monotonic() < end:
        assert in_time(partial(client.ask, REQUEST, "127.0.0.1"), GRANT) == PeerAnswer("v1", True, "fine")
        asked += 1
    assert len(heard) >= asked
    assert set(heard) == {REQUEST}


def test_a_client_has_one_deadline_for_all_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "CLIENT_SECONDS", 0.3)
    probes = Probes(0, Answers(lambda: True, lambda: (True, "primary"), lambda: "", str))
    probes.start()
    with dial(probes.port) as client, pytest.raises(ConnectionError):
        client.sendall(b"GET /livez HTTP/1.1\r\nX")
        end = time.monotonic() + 8
        while time.monotonic() < end:
            client.sendall(b"x")
            time.sleep(0.02)


def test_the_oldest_gives_its_place_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "CLIENT_SECONDS", 3600.0)
    probes = Probes(0, Answers(lambda: True, lambda: (True, "primary"), lambda: "", str))
    probes.start()
    clients = [dial(probes.port) for _ in range(serving.PLACES + 2)]
    assert get(probes.port, "/livez", 10) == 200, "so all of them have been accepted"
    for client in clients[:3]:
        assert client.recv(1) == b"", "hung up"
    for client in clients[3:]:
        client.sendall(b"GET /livez HTTP/1.1\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.0 200 ")
    for client in clients:
        client.close()


def test_nothing_is_parsed_of_a_request_that_is_not_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[bytes] = []

    def note(body: bytes) -> ExtensionRequest:
        parsed.append(body)
        return decode(body)

    monkeypatch.setattr(peers, "decode", note)
    server = PeerServer(0, lambda: (KEY,), lambda _: None, no_wal)
    server.start()
    for mac in ("", "0" * 64, "ä" * 32, "x" * 4000):
        connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.request("POST", "/lease-extension", encode(REQUEST), {"X-Ha-Postgres-Mac": mac.encode("latin-1").decode("latin-1")})
        assert connection.getresponse().status == 403
        connection.close()
    assert parsed == []
    with pytest.raises(PeerError, match="503"):
        PeerClient(lambda: (KEY,), server.port).ask(REQUEST, "127.0.0.1", 10.0)
    assert parsed == [encode(REQUEST)]


def test_no_more_requests_wait_for_a_decision_than_there_are_threads_for() -> None:
    go_on, begun = threading.Event(), threading.Semaphore(0)

    def ask(request: ExtensionRequest) -> PeerAnswer:
        begun.release()
        go_on.wait(20)
        return PeerAnswer("v1", True, "fine")

    server = PeerServer(0, lambda: (KEY,), ask, no_wal)
    server.start()
    client = PeerClient(lambda: (KEY,), server.port)
    answers: list[PeerAnswer] = []
    waiting = [
        threading.Thread(target=lambda: answers.append(client.ask(REQUEST, "127.0.0.1", 20.0)), daemon=True) for _ in range(serving.WAITING)
    ]
    for thread in waiting:
        thread.start()
        assert begun.acquire(timeout=20)
    with pytest.raises(PeerError, match="503"):
        client.ask(REQUEST, "127.0.0.1", 10.0)
    go_on.set()
    for thread in waiting:
        thread.join(20)
    assert len(answers) <= serving.WAITING
    assert client.ask(REQUEST, "127.0.0.1", 10.0) == PeerAnswer("v1", True, "fine")


@pytest.mark.parametrize("ending", [b"x", b""], ids=["trickles", "falls silent"])
def test_a_peer_that_never_ends_its_answer_costs_the_limit_and_no_more(ending: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            client, _ = listener.accept()
            with contextlib.suppress(OSError), client:
                client.sendall(b"HTTP/1.0 200 OK\r\nX: ")
                end = time.monotonic() + 20
                while time.monotonic() < end:
                    client.sendall(ending)
                    time.sleep(0.02)

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(PeerError, match="timed out"):
            PeerClient(lambda: (KEY,), listener.getsockname()[1]).ask(REQUEST, "127.0.0.1", 0.3)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"", "not an HTTP answer"),
        (b"\xff" * 1000, "not an HTTP answer"),
        (b"HTTP/1.0 200 secret words\r\n\r\n{}", "is not signed"),
        (b"HTTP/1.0 200 OK\r\nX-Ha-Postgres-Mac: \xff\xfe\r\n\r\n{}", "is not signed"),
        (b"HTTP/1.0 500 secret words\r\n\r\n", "^status 500$"),
        (b"HTTP/1.0 200 OK\r\n" + b"x" * 100000, "more than 16384 bytes|reset"),
    ],
)
def test_an_answer_of_somebody_else_is_not_quoted(said: bytes, words: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            client, _ = listener.accept()
            with contextlib.suppress(OSError), client:
                client.recv(65536)
                client.sendall(said)

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(PeerError, match=words) as refusal:
            PeerClient(lambda: (KEY,), listener.getsockname()[1]).ask(REQUEST, "127.0.0.1", 10.0)
    assert "secret" not in str(refusal.value)


# --- a primary without the API, and a peer under load from a crowd of clients ---

VOLUME = VolumeFacts(SAID.state, "v0", "system", 5)


class EligibleReplica:
    """The deciding thread of an agent: real decisions, and real requests for extensions. `observe` supplies the rest of its
    observations."""

    def __init__(self, memory: Memory, observe: Callable[[float], Observation], volume: str) -> None:
        self.memory = memory
        self.asked: list[ExtensionRequest] = []
        self.granted: list[ExtensionAnswer] = []
        self.deadline = 0.0
        self._observe = observe
        self._volume = volume
        self._put: tuple[float, PutLease] | None = None
        self._lock = threading.Lock()
        self.extensions: LeaseExtensions | None = None

    def report(self, event: Event) -> None:
        with self._lock:
            match event:
                case PeerAsked(request):
                    self.asked.append(request)
                case PeerAnswered(answer):
                    self.granted.append(answer)

    def turn(self) -> None:
        now = boottime()
        with self._lock:
            asked, granted = tuple(self.asked), tuple(self.granted)
            self.asked, self.granted = [], []
        put = None
        if self._put is not None and now - self._put[0] > 1.2:
            put = PutResult(self._put[1].kind, PutOutcome.UNKNOWN, self._put[0], self._put[1].state, None)
            self._put = None
        decision = decide(replace(self._observe(now), now=now, asked=asked, granted=granted, put=put), self.memory)
        self.memory = decision.memory
        assert self.extensions is not None
        for action in decision.actions:
            match action:
                case AskExtensions():
                    self.extensions.ask(action)
                case AnswerExtension(request, is_granted, reason):
                    self.extensions.answered(request, is_granted, reason, self._volume)
                case WriteDeadline(deadline):
                    self.deadline = deadline or 0.0
                case PutLease():
                    self._put = (now, action)


@pytest.mark.parametrize("is_crowded", [True, False], ids=["a crowd", "the port is closed"])
def test_a_primary_stays_in_an_api_outage_while_a_crowd_is_at_its_members(crowd: Callable[[int], Crowd], is_crowded: bool) -> None:
    """For longer than its own Lease lasts; and not without the peer's promise, which shows that the promise keeps it primary."""
    begun = boottime()
    last = begun - 3.3

    def view() -> LeaseView:
        return LeaseView("40", MINE, last, last)

    def of_replica(now: float) -> Observation:
        return seen(me=OTHER, ordinal=0, volume="v0", heartbeat_at=now, probe_at=now, lease=view(), pods_listed_at=now)

    replica = EligibleReplica(changed(FOLLOWING, promised_until=0.0, read_at=begun, phase_since=begun), of_replica, "v0")
    log: Any = lambda *_, **__: None  # noqa: E731
    replica.extensions = LeaseExtensions(Threads(), PeerClient(lambda: (KEY,), 0), replica.report, log)
    server = PeerServer(0, lambda: (KEY,), replica.extensions.asked_by_peer, no_wal)
    port = server.port
    if is_crowded:
        server.start()
        all_of_them(crowd(port))
    else:
        server.close()
    pods = (Pod("pg-0", "u0", "1", 0, "127.0.0.1", report=replace(SAID, volume="v0")), Pod("pg-1", "u1", "1", 1, "127.0.0.2"))

    def of_primary(now: float) -> Observation:
        return seen(server="primary", term_in_force=5, heartbeat_at=now, probe_at=now, lease=view(), pods=pods, pods_listed_at=now)

    memory = changed(PRIMARY, renewed_at=last, put_at=last, claimants=("v0",), promised_until=0.0, label_at=begun, phase_since=last)
    primary = EligibleReplica(memory, of_primary, "v1")
    primary.extensions = LeaseExtensions(Threads(), PeerClient(lambda: (KEY,), port), primary.report, log)
    primary.deadline = last + 4.7
    ended = threading.Event()

    def decide_on_requests() -> None:
        while not ended.wait(0.01):
            replica.turn()

    deciding = threading.Thread(target=decide_on_requests, daemon=True)
    deciding.start()
    while boottime() < begun + 5.0 and boottime() < primary.deadline:
        primary.turn()
        time.sleep(0.02)
    ended.set()
    deciding.join(10)
    assert primary.memory.extensions.by_extensions is is_crowded
    assert (primary.memory.phase is Phase.PRIMARY and boottime() < primary.deadline) is is_crowded
    assert primary.memory.extensions.serial > 0
