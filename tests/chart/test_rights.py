"""The Role allows exactly the calls of the failover container: each call is recorded and compared
with the rules.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from kubernetes.client import Configuration

from hapg_failover.adapters.kube.client import Kube
from hapg_failover.adapters.kube.scope import Scope
from hapg_failover.adapters.kube.watch import Watcher
from hapg_failover.adapters.ports.kubernetes import ApiError, ApiUnavailable
from hapg_protocol.model import Holder, LeaseState, PodPatch
from tests.chart import helm

# Group, resource, verb, and the object's name where Kubernetes knows it when it decides.
Right = tuple[str, str, str, str | None]

VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


def right(method: str, target: str) -> Right:
    """What Kubernetes asks its authoriser for a request."""
    split = urlsplit(target)
    parts = split.path.strip("/").split("/")
    group = "" if parts[0] == "api" else parts[1]
    resource, *name = parts[parts.index("namespaces") + 2 :]
    query = {key: values[0] for key, values in parse_qs(split.query).items()}
    verb = VERBS[method]
    if verb == "get" and not name:
        verb = "watch" if query.get("watch") == "true" else "list"
        name = [field.removeprefix("metadata.name=") for field in query.get("fieldSelector", "").split(",") if field]
    return group, resource, verb, name[0] if name else None


@pytest.fixture
def requests() -> Iterator[tuple[Configuration, set[Right]]]:
    """An API server that has nothing but the Lease that is given to it, and what was asked of it."""
    asked: set[Right] = set()

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.add(right(self.command, self.path))
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            taken = "/leases" in self.path and sent
            document: helm.Object = json.loads(sent) if taken else {"kind": "Status", "code": 404, "message": "not found"}
            document.setdefault("metadata", {}).update(uid="lease", resourceVersion="1")
            body = json.dumps(document).encode()
            self.send_response(200 if taken else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - so http.server calls them

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    configuration = Configuration()
    configuration.host = f"http://127.0.0.1:{server.server_port}"
    yield configuration, asked
    server.shutdown()
    server.server_close()
    thread.join()


def calls(configuration: Configuration) -> None:
    """Everything that the adapter can do, once."""
    scope = Scope("demo", "ha-postgres", {"kubedb.com/name": "ha-postgres"}, pod="ha-postgres-0", uid="u")
    kube = Kube(scope, configuration)
    state = LeaseState(holder=Holder("ha-postgres-0", "u"), term=1, ttl_s=6.0)
    for call in (
        lambda: kube.get_lease(2.0),
        lambda: kube.create_lease(state, 2.0),
        lambda: kube.update_lease(state, "1", 2.0),
        lambda: kube.list_pods(2.0),
        lambda: kube.patch_pod(PodPatch("ha-postgres-0", "u"), 2.0),
        lambda: kube.record_event("Normal", "Promoted", "text", 2.0),
        lambda: kube.ensure_secret("ha-postgres-auth", "POSTGRES_PASSWORD", dict, 2.0),
        lambda: kube.ensure_secret("ha-postgres-replication", "REPLICATION_PASSWORD", dict, 2.0),
        lambda: kube.ensure_secret("ha-postgres-app", "password", dict, 2.0),
        lambda: kube.change_secret("ha-postgres-app", {"uri": "x"}, 2.0),
    ):
        with contextlib.suppress(ApiError, ApiUnavailable):
            call()


def test_the_role_allows_what_the_container_does_and_no_more(requests: tuple[Configuration, set[Right]]) -> None:
    configuration, asked = requests
    calls(configuration)
    stop = threading.Event()
    watcher = Watcher(Scope("demo", "ha-postgres", {"kubedb.com/name": "ha-postgres"}), configuration, stop)
    threads = [
        watcher.watch_lease(lambda _: None),
        watcher.watch_pods(lambda _pod, _gone: None),
        watcher.watch_configuration(lambda _: None, lambda _: None),
    ]
    end = time.monotonic() + 10
    while len([one for one in asked if one[2] == "watch"]) < 3 and time.monotonic() < end:
        time.sleep(0.02)
    stop.set()
    for thread in threads:
        thread.join(10)

    rules = helm.objects("--set", "app.database=orders")["Role", "ha-postgres"]["rules"]
    allowed: set[Right] = {
        (group, resource, verb, name)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [None])
        if name is None or not name[-1].isdigit() or name.endswith("-0")
    }
    assert asked == allowed
