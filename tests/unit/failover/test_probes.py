"""The container's HTTP server."""

from __future__ import annotations

import socket
from http.client import HTTPConnection

import pytest

from hapg_failover.adapters.probes import Answers, Probes


class Agent:
    alive = True
    readiness = (True, "primary")
    reason = ""

    def live(self) -> bool:
        return self.alive

    def ready(self) -> tuple[bool, str]:
        return self.readiness

    def metrics(self) -> str:
        return "hapg_term 4\n"

    def refused(self) -> str:
        return self.reason


@pytest.fixture
def agent() -> Agent:
    return Agent()


@pytest.fixture
def port(agent: Agent) -> int:
    probes = Probes(0, Answers(agent.live, agent.ready, agent.metrics, agent.refused))
    probes.start()
    return probes.port


def get(port: int, path: str, host: str = "127.0.0.1") -> tuple[int, str]:
    connection = HTTPConnection(host, port, timeout=20)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def test_the_answers(port: int, agent: Agent) -> None:
    assert get(port, "/livez") == (200, "the main loop runs\n")
    assert get(port, "/readyz") == (200, "primary\n")
    assert get(port, "/metrics") == (200, "hapg_term 4\n")
    assert get(port, "/configz") == (200, "the configuration is accepted\n")
    assert get(port, "/")[0] == 404
    agent.reason = "postgresql.parameters.work_mem: invalid value"
    assert get(port, "/configz") == (503, "postgresql.parameters.work_mem: invalid value\n")
    agent.alive, agent.readiness = False, (False, "the server isn't initialised")
    assert get(port, "/livez") == (503, "the main loop is stuck\n")
    assert get(port, "/readyz") == (503, "the server isn't initialised\n")


def test_both_families_are_served_where_there_are_both(port: int) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    try:
        assert get(port, "/livez", "::1")[0] == 200
    except OSError:
        pytest.skip("no IPv6 loopback here")


def test_a_client_that_says_nothing_is_dropped(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)):
        assert get(port, "/readyz")[0] == 200


@pytest.mark.parametrize(
    ("said", "status"),
    [
        pytest.param(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", b"200", id="HTTP 1.1"),
        pytest.param(b"GET /livez HTTP/1.0\n\n", b"200", id="bare line ends"),
        pytest.param(b"GET /livez HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", b"431", id="headers without an end"),
        pytest.param(b"nonsense\r\n\r\n", b"400", id="no request"),
        pytest.param(b"\xff\xff \xff\r\n\r\n", b"400", id="no text"),
    ],
)
def test_a_request_is_read_to_its_end(port: int, said: bytes, status: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(said)
        line = client.makefile("rb").readline()
    assert line.split()[1] == status
    assert get(port, "/livez")[0] == 200


def test_other_methods_are_refused(port: int) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    connection.request("POST", "/livez")
    assert connection.getresponse().status == 501
    connection.close()
