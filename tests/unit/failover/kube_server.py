"""A small HTTP server in place of the Kubernetes API that misbehaves on request."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from kubernetes.client import Configuration

from hapg_failover.adapters.kube.client import Kube
from hapg_failover.adapters.kube.scope import Scope
from hapg_protocol import lease as lease_codec
from hapg_protocol.model import Holder, LeaseState

SCOPE = Scope("ns", "db", {"app": "db", "tier": "x"}, "role", "db-0", "uid-0", "15")
STATE = LeaseState(Holder("db-0", "uid-0"), 3, 5.5)
LEASE: dict[str, Any] = {
    "metadata": {
        "name": "db",
        "uid": "lease-uid",
        "resourceVersion": "7",
        "managedFields": [{}],
        "labels": {"theirs": "kept"},
        "annotations": {"theirs": "kept", lease_codec.ANNOTATION: lease_codec.encode(STATE)},
    },
    "spec": {"leaseTransitions": 3, "acquireTime": "2026-01-01T00:00:00.000000Z", "renewTime": "2026-01-01T00:00:00.000000Z"},
}
LONG = 20.0
"""Far beyond every limit below: a call that ends before has ended by its limit."""

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Api:
    """answers: one per request; the last is repeated."""

    server: ThreadingHTTPServer
    requests: list[Request] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    connections: int = 0

    @property
    def configuration(self) -> Any:
        return Configuration(host=f"http://127.0.0.1:{self.server.server_port}")

    def kube(self) -> Kube:
        return Kube(SCOPE, self.configuration)


def says(status: int, body: Any, *, raw: bytes | None = None) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        data = json.dumps(body).encode() if raw is None else raw
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def refuses(status: int, message: str = "no", **details: Any) -> Answer:
    return says(status, {"kind": "Status", "message": message, "details": details})


def dribbles(before: bytes, pause: float = 0.05) -> Answer:
    """Answer with `before` and then a byte every now and then, forever."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(before)
        while True:
            handler.wfile.write(b"x")
            time.sleep(pause)

    return answer


@contextmanager
def serving() -> Iterator[Api]:
    """A server that answers as `Api.answers` says."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            known.connections += 1

        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline()
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            known.requests.append(Request(self.command, self.path, dict(self.headers), json.loads(text) if text else None))
            answer = known.answers.pop(0) if len(known.answers) > 1 else known.answers[0]
            try:
                answer(self)
            except OSError:
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: object, client_address: object) -> None: ...

    with Server(("127.0.0.1", 0), Handler) as server:
        known = Api(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield known
        server.shutdown()
