"""How long Kubernetes takes to lead clients elsewhere: from a changed label to the Service's endpoints, and to the first connection.

It is measured with pods of its own that answer each connection with their name, so that nothing but routing is in it.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from tests.bench.summary import Quantiles
from tests.bench.watching import SLICES, leads_to
from tests.robustness import programs
from tests.robustness.client import restricted_pod
from tests.robustness.following import Follower
from tests.robustness.programs import Namespace
from tests.robustness.waiting import wait_for

TIMES = 10
QUIET_SECONDS = 2.0
"""Longer than kube-proxy lets pass between two changes that it programs."""
SECONDS = 20.0
PORT = 8000
LABEL = "role"

SERVER = f"""
import os, socket
server = socket.create_server(("", {PORT}))
while True:
    connection, _ = server.accept()
    connection.sendall(os.environ["HOSTNAME"].encode())
    connection.close()
"""
CLIENT = f"""
import os, socket, time
while True:
    begun = time.time()
    try:
        with socket.create_connection((os.environ["ADDRESS"], {PORT}), timeout=0.3) as connection:
            who = connection.recv(100).decode()
    except OSError:
        who = "-"
    print(time.time(), who, flush=True)
    time.sleep(max(0.001, 0.005 - (time.time() - begun)))
"""


@dataclass(frozen=True)
class Answer:
    """A connection: when it was answered or refused (seconds since the epoch), and by which pod
    ('-': none).
    """

    at: float
    who: str


def answers(lines: Sequence[tuple[float, str]]) -> list[Answer]:
    """Return the answers that the client has printed."""
    return [Answer(float(words[0]), words[1]) for _, text in lines if len(words := text.split()) == 2]


def first_by(found: Sequence[Answer], who: str, since: float) -> float | None:
    """Return the seconds from then until the first answer by this pod."""
    return next((each.at - since for each in found if each.at >= since and each.who == who), None)


def last_by(found: Sequence[Answer], who: str, since: float) -> float:
    """Return the seconds from then until the last answer by this pod; 0 if there was none."""
    return max((each.at - since for each in found if each.at >= since and each.who == who), default=0.0)


class Api:
    """The API over one connection that stays open, so that no time is spent on connecting."""

    def __init__(self, namespace: Namespace, port: int) -> None:
        """port: of kubectl's proxy on this machine."""
        self._namespace = namespace
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

    def label(self, pod: str, role: str | None) -> float:
        """Set a pod's role, or remove it with None; return when the request was sent (seconds since
        the epoch).
        """
        body = json.dumps({"metadata": {"labels": {LABEL: role}}})
        path = f"/api/v1/namespaces/{self._namespace.name}/pods/{pod}"
        sent = time.time()
        self._connection.request("PATCH", path, body, {"Content-Type": "application/merge-patch+json"})
        response = self._connection.getresponse()
        text = response.read()
        assert response.status == 200, text
        return sent


@contextmanager
def _api(namespace: Namespace) -> Iterator[Api]:
    with programs.begin("kubectl", "proxy", "--port=0") as proxy:
        try:
            assert proxy.stdout is not None
            yield Api(namespace, int(proxy.stdout.readline().rpartition(":")[2]))
        finally:
            proxy.terminate()


def measure(image: str) -> dict[str, object]:
    """Label and unlabel pods; return quantiles in seconds.

    image: one with Python. `appears`: a Service that led nowhere leads to a pod; `moves`: a second pod gets the label and at once the
    first loses it, as after a promotion; what is counted begins with the sending of the first change.
    """
    with programs.namespace("routing") as namespace, _api(namespace) as api:
        wait_for("the namespace has its account", lambda: namespace.get("serviceaccount", "default"), SECONDS)
        namespace.apply(*_objects(namespace.name, image))
        namespace.kubectl("wait", "--for=condition=Ready", "--timeout=60s", "pod/a", "pod/b", "pod/client")
        watch = Follower(
            namespace, "get", "endpointslices", "--selector", "kubernetes.io/service-name=routed", "--watch", "--output", SLICES
        )
        with Follower(namespace, "logs", "--follow", "client") as client, watch:
            wait_for("the client asks", lambda: answers(client.lines), SECONDS)
            addresses = {name: namespace.get("pod", name)["status"]["podIP"] for name in ("a", "b")}
            found: dict[str, list[float]] = {}
            for _ in range(TIMES):
                for name, seconds in _once(api, client, watch, addresses).items():
                    found.setdefault(name, []).append(seconds)
    return {"n": TIMES, **{name: asdict(Quantiles.of(values)) for name, values in found.items()}}


def _once(api: Api, client: Follower, watch: Follower, addresses: dict[str, str]) -> dict[str, float]:
    time.sleep(QUIET_SECONDS)
    labelled = api.label("a", "primary")
    appears = wait_for("the client reaches a", lambda: first_by(answers(client.lines), "a", labelled), SECONDS, pause=0.05)
    listed = wait_for("a is in the slice", lambda: leads_to(watch.lines, addresses["a"], labelled), SECONDS, pause=0.05)
    time.sleep(QUIET_SECONDS)
    moved = api.label("b", "primary")
    api.label("a", None)
    moves = wait_for("the client reaches b", lambda: first_by(answers(client.lines), "b", moved), SECONDS, pause=0.05)
    time.sleep(QUIET_SECONDS)
    stays = last_by(answers(client.lines), "a", moved)
    api.label("b", None)
    wait_for("the client reaches nobody", lambda: answers(client.lines)[-1].who == "-", SECONDS)
    assert listed is not None
    assert appears is not None
    assert moves is not None
    return {"appears_in_slice": listed - labelled, "appears": appears, "moves": moves, "old_answers_until": stays}


def _objects(namespace: str, image: str) -> list[dict[str, object]]:
    address = f"routed.{namespace}"
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "routed"},
            "spec": {"selector": {LABEL: "primary"}, "ports": [{"port": PORT}]},
        },
        *(_pod(name, image, SERVER, {}) for name in ("a", "b")),
        _pod("client", image, CLIENT, {"ADDRESS": address}),
    ]


def _pod(name: str, image: str, script: str, variables: dict[str, str]) -> dict[str, object]:
    container: dict[str, object] = {
        "name": "python",
        "image": image,
        "command": ["python3", "-u", "-c", script],
        "env": [{"name": key, "value": value} for key, value in variables.items()],
    }
    return restricted_pod(name, container, terminationGracePeriodSeconds=0)
