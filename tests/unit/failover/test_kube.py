"""The calls of the Kubernetes adapter against a server that misbehaves on request."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from kubernetes.client import Configuration

from hapg_failover.adapters.kube.client import Kube
from hapg_failover.adapters.kube.connections import Call, Connections, in_cluster
from hapg_failover.adapters.ports.kubernetes import ApiError, ApiUnavailable, Conflict, NotFound
from hapg_protocol.model import PodPatch
from tests.unit.failover.kube_server import LEASE, LONG, SCOPE, STATE, Answer, Api, dribbles, refuses, says

SILENCE = pytest.param(lambda handler: time.sleep(LONG), id="silence")
TRICKLE = pytest.param(dribbles(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"), id="a body that trickles in")


# ---- the limit ----


@pytest.mark.parametrize(
    "answer",
    [
        SILENCE,
        pytest.param(dribbles(b"HTTP/1.1 200 OK\r\nX-"), id="a header that never ends"),
        TRICKLE,
    ],
)
def test_no_call_takes_longer_than_its_limit(api: Api, answer: Answer) -> None:
    api.answers = [answer]
    with pytest.raises(ApiUnavailable, match=r"no answer within 0\.3 s"):
        api.kube().get_lease(0.3)
    assert len(api.requests) == 1


@pytest.mark.parametrize("answer", [SILENCE, TRICKLE])
def test_nor_does_one_on_an_open_connection(api: Api, answer: Answer) -> None:
    api.answers = [says(200, LEASE), answer]
    kube = api.kube()
    kube.get_lease(LONG)
    with pytest.raises(ApiUnavailable, match=r"no answer within 0\.3 s"):
        kube.get_lease(0.3)
    assert len(api.requests) == 2


def test_a_call_on_an_open_connection_needs_no_thread(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.answers = [says(200, LEASE)]
    kube = api.kube()
    kube.get_lease(LONG)
    monkeypatch.setattr(threading.Thread, "start", lambda thread: pytest.fail(f"{thread.name} was started"))
    assert kube.get_lease(LONG).version == "7"
    assert api.connections == 1


def test_a_connection_that_another_call_forgets_meanwhile_is_none(api: Api) -> None:
    """is_open looks at connections that other threads take and close: in any state it returns an answer."""
    api.answers = [says(200, LEASE)]
    connections, stop = Connections(api.configuration), threading.Event()

    def look() -> None:
        while not stop.is_set():
            connections.is_open()

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        for _ in range(50):
            Call(connections).run(LONG, "GET", "/", {}, None, "application/json")
            connections.drop_idle()
        stop.set()
        looking.result()


def test_the_thread_of_an_abandoned_call_ends(api: Api) -> None:
    before = set(threading.enumerate())
    api.answers = [dribbles(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")]
    with pytest.raises(ApiUnavailable):
        api.kube().get_lease(0.2)
    end = time.monotonic() + LONG
    while any(thread.name == "api-call" for thread in set(threading.enumerate()) - before):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(ApiUnavailable, match="refused"):
        Kube(SCOPE, Configuration(host=f"http://127.0.0.1:{port}")).get_lease(1.0)


def test_a_server_that_accepts_and_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        kube = Kube(SCOPE, Configuration(host=f"https://127.0.0.1:{mute.getsockname()[1]}"))
        with pytest.raises(ApiUnavailable):
            kube.get_lease(0.3)


def test_a_call_that_failed_leaves_no_connection_to_the_next(api: Api) -> None:
    """The others in the pool may lead to the same dead server."""

    def dies(handler: BaseHTTPRequestHandler) -> None:
        handler.connection.shutdown(socket.SHUT_RDWR)

    api.answers = [says(200, LEASE), dies, says(200, LEASE)]
    kube = api.kube()
    kube.get_lease(1.0)
    with pytest.raises(ApiUnavailable):
        kube.get_lease(1.0)
    assert kube.get_lease(1.0).version == "7"


# ---- what answers mean ----


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refuses(404), NotFound),
        (refuses(409), Conflict),
        (refuses(422, causes=[{"field": "metadata.uid"}]), Conflict),
        (refuses(422, causes=[{"field": "spec"}]), ApiError),
        (refuses(401), ApiError),
        (refuses(403), ApiError),
        (refuses(429), ApiUnavailable),
        (refuses(500), ApiUnavailable),
        (refuses(503), ApiUnavailable),
        (says(200, None, raw=b"<html>"), ApiUnavailable),
        (says(200, [1]), ApiUnavailable),
        (says(502, None, raw=b"bad gateway"), ApiUnavailable),
    ],
)
def test_refusals_are_told_apart_and_nothing_is_repeated(api: Api, answer: Answer, error: type[Exception]) -> None:
    api.answers = [answer]
    with pytest.raises(ApiError) as caught:
        api.kube().patch_pod(PodPatch("db-0", "uid"), 1.0)
    assert type(caught.value) is error
    assert len(api.requests) == 1


def test_the_message_names_the_call_and_the_servers_reason(api: Api) -> None:
    api.answers = [refuses(403, "leases is forbidden")]
    with pytest.raises(ApiError, match="/namespaces/ns/leases/db: 403 leases is forbidden"):
        api.kube().get_lease(1.0)


def test_a_lease_without_a_readable_annotation_is_an_error_and_not_an_empty_state(api: Api) -> None:
    api.answers = [says(200, {"metadata": {"name": "db", "resourceVersion": "8"}, "spec": {}})]
    with pytest.raises(ApiError, match="no annotation ha-postgres/state"):
        api.kube().get_lease(1.0)


# ---- what is sent ----


def test_a_put_keeps_what_others_wrote(api: Api) -> None:
    api.answers = [says(200, LEASE)]
    kube = api.kube()
    kube.get_lease(1.0)
    kube.update_lease(STATE, "9", 1.0)
    put = api.requests[1]
    assert (put.method, put.path) == ("PUT", "/apis/coordination.k8s.io/v1/namespaces/ns/leases/db")
    metadata, spec = put.body["metadata"], put.body["spec"]
    assert metadata["resourceVersion"] == "9"
    assert metadata["uid"] == "lease-uid"
    assert metadata["labels"] == {"theirs": "kept", "app": "db", "tier": "x", "ha-postgres/major": "15"}
    assert metadata["annotations"]["theirs"] == "kept"
    assert "managedFields" not in metadata
    assert spec["holderIdentity"] == "db-0/uid-0"
    assert spec["leaseDurationSeconds"] == 6
    assert spec["acquireTime"] == "2026-01-01T00:00:00.000000Z"
    assert spec["renewTime"] > spec["acquireTime"]


def test_a_put_by_a_client_that_has_read_nothing_reads_first_for_the_uid(api: Api) -> None:
    api.answers = [says(200, LEASE)]
    api.kube().update_lease(STATE, "7", 1.0)
    assert [request.method for request in api.requests] == ["GET", "PUT"]
    assert api.requests[1].body["metadata"]["uid"] == "lease-uid"


@pytest.mark.parametrize(
    ("look", "error"),
    [(refuses(404), NotFound), (says(200, LEASE), Conflict), (refuses(503), Conflict)],
    ids=["gone", "changed", "unknown"],
)
def test_a_conflict_is_looked_into(api: Api, look: Answer, error: type[Exception]) -> None:
    api.answers = [says(200, LEASE), refuses(409), look]
    kube = api.kube()
    kube.get_lease(1.0)
    with pytest.raises(ApiError) as caught:
        kube.update_lease(STATE, "7", 1.0)
    assert type(caught.value) is error


def test_a_patch_carries_its_preconditions(api: Api) -> None:
    api.answers = [says(200, {"metadata": {"name": "db-1", "uid": "u", "resourceVersion": "5"}})]
    api.kube().patch_pod(PodPatch("db-1", "u", "4", {"role": None}, {"a": "b"}), 1.0)
    (request,) = api.requests
    assert request.headers["Content-Type"] == "application/merge-patch+json"
    assert request.body == {"metadata": {"uid": "u", "resourceVersion": "4", "labels": {"role": None}, "annotations": {"a": "b"}}}


def test_pods_are_asked_for_by_label_and_strangers_are_left_out(api: Api) -> None:
    names = ["db-10", "db-2", "db-copy", "db-x-1", "other-0"]
    api.answers = [says(200, {"items": [{"metadata": {"name": name}} for name in names]})]
    pods = api.kube().list_pods(1.0)
    assert [pod.name for pod in pods] == ["db-2", "db-10"]
    assert api.requests[0].path == "/api/v1/namespaces/ns/pods?labelSelector=app%3Ddb%2Ctier%3Dx"


def test_an_event_is_about_this_pod(api: Api) -> None:
    api.answers = [says(201, {})]
    kube = api.kube()
    kube.record_event("Normal", "Promoted", "words " * 1000, 1.0)
    kube.record_event("Normal", "Promoted", "words", 1.0)
    one, two = (request.body for request in api.requests)
    assert one["involvedObject"] == {"apiVersion": "v1", "kind": "Pod", "namespace": "ns", "name": "db-0", "uid": "uid-0"}
    assert one["metadata"]["name"] != two["metadata"]["name"]
    assert len(one["message"]) == 1024


def test_a_secret_that_was_lost_in_a_race_is_taken_as_it_is(api: Api) -> None:
    there = {"data": {"PASSWORD": "eA=="}}
    api.answers = [refuses(404), refuses(409), says(200, there)]
    assert api.kube().ensure_secret("s", "PASSWORD", lambda: {"PASSWORD": "mine"}, 1.0) == b"x"


def test_entries_of_a_secret_are_merged_into_it(api: Api) -> None:
    api.answers = [says(200, {})]
    api.kube().change_secret("s", {"uri": "x", "ro-uri": None}, 1.0)
    (request,) = api.requests
    assert (request.method, request.path) == ("PATCH", "/api/v1/namespaces/ns/secrets/s")
    assert request.body == {"data": {"uri": "eA==", "ro-uri": None}}


def test_the_token_of_the_pod_is_sent(api: Api, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "token").write_text("first")
    (tmp_path / "ca.crt").write_text("irrelevant for http")
    module = "kubernetes.config.incluster_config"
    monkeypatch.setattr(f"{module}.SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(f"{module}.SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(api.server.server_port))
    configuration = in_cluster()
    assert configuration.host == f"https://127.0.0.1:{api.server.server_port}"
    assert [setting["value"].lower() for setting in configuration.auth_settings().values()] == ["bearer first"]
