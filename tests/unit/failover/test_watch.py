"""The watches of the Kubernetes adapter against a server that misbehaves on request."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from hapg_failover.adapters.kube import watch as watching
from hapg_failover.adapters.kube.connections import Connections
from hapg_failover.adapters.kube.watch import Watcher
from hapg_failover.core.projection import ConfigMap, digest
from hapg_protocol import lease as lease_codec
from hapg_protocol.model import LeaseObject, Pod
from tests.unit.failover.kube_server import LEASE, LONG, SCOPE, STATE, Answer, Api, refuses


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def streams(*events: Any, then: Answer | None = None, pieces: int = 1) -> Answer:
    """Answer a watch with events, then end it, or continue as `then` says. pieces: number of writes per line."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for event in events:
            line = json.dumps(event).encode() + b"\n"
            size = -(-len(line) // pieces)
            for start in range(0, len(line), size):
                part = line[start : start + size]
                handler.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        if then is None:
            handler.wfile.write(b"0\r\n\r\n")
        else:
            then(handler)

    return answer


def stays_open(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(30)


def lease_event(kind: str, version: str) -> dict[str, Any]:
    return {"type": kind, "object": {**LEASE, "metadata": {**LEASE["metadata"], "resourceVersion": version}}}


def collect(api: Api, stop: threading.Event) -> queue.SimpleQueue[LeaseObject | None]:
    seen: queue.SimpleQueue[LeaseObject | None] = queue.SimpleQueue()
    Watcher(SCOPE, api.configuration, stop).watch_lease(seen.put)
    return seen


def test_a_watch_delivers_events_and_goes_on_where_it_ended(api: Api, stop: threading.Event) -> None:
    bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "12"}}}
    api.answers = [
        streams(lease_event("ADDED", "10"), lease_event("MODIFIED", "11"), bookmark, pieces=3),
        streams(lease_event("DELETED", "13"), then=stays_open),
    ]
    seen = collect(api, stop)
    assert [seen.get(timeout=2), seen.get(timeout=2), seen.get(timeout=2)] == [
        LeaseObject("10", STATE, "lease-uid"),
        LeaseObject("11", STATE, "lease-uid"),
        None,
    ]
    first, second = api.requests
    assert "fieldSelector=metadata.name%3Ddb" in first.path
    assert "resourceVersion" not in first.path
    assert "resourceVersion=12" in second.path


@pytest.mark.parametrize(
    "gone",
    [
        pytest.param(refuses(410), id="at once"),
        pytest.param(streams({"type": "ERROR", "object": {"code": 410, "message": "too old"}}), id="later"),
    ],
)
def test_a_version_that_is_too_old_begins_anew(api: Api, stop: threading.Event, gone: Answer) -> None:
    api.answers = [streams(lease_event("ADDED", "10")), gone, streams(lease_event("ADDED", "50"), then=stays_open)]
    seen = collect(api, stop)
    assert seen.get(timeout=2) == LeaseObject("10", STATE, "lease-uid")
    assert seen.get(timeout=2) == LeaseObject("50", STATE, "lease-uid")
    assert ["resourceVersion" in request.path for request in api.requests] == [False, True, False]


def test_a_silent_watch_is_opened_anew(api: Api, stop: threading.Event) -> None:
    seen: list[LeaseObject] = []
    answers = [streams(lease_event("ADDED", "10"), then=stays_open), streams(lease_event("MODIFIED", "11"), then=stays_open)]
    api.answers = answers
    connections = Connections(api.configuration)
    watch = watching._Watch(connections, "/watch", {}, 60, 0.2, lambda kind, item: seen.append(lease_codec.from_object(item)), stop)
    threading.Thread(target=watch.run, daemon=True).start()
    end = time.monotonic() + LONG
    while [item.version for item in seen] != ["10", "11"]:
        assert time.monotonic() < end
        time.sleep(0.01)


class Pauses(threading.Event):
    """A stop event that becomes set on the seventh wait. seconds: the requested lengths of the waits."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout)
        return len(self.seconds) > 6


def test_errors_slow_a_watch_down(api: Api) -> None:
    api.answers = [refuses(500)]
    pauses = Pauses()
    thread = Watcher(SCOPE, api.configuration, pauses).watch_lease(lambda state: None)
    thread.join(LONG)
    assert not thread.is_alive()
    assert pauses.seconds == [0.0, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert len(api.requests) == 6


def test_an_unreadable_event_does_not_end_a_watch(api: Api, stop: threading.Event) -> None:
    broken = {"type": "MODIFIED", "object": {"metadata": {"name": "db", "resourceVersion": "11"}}}
    api.answers = [streams(broken), streams(lease_event("MODIFIED", "12"), then=stays_open)]
    assert collect(api, stop).get(timeout=2) == LeaseObject("12", STATE, "lease-uid")


def test_pods_are_watched_by_label(api: Api, stop: threading.Event) -> None:
    def event(kind: str, name: str) -> dict[str, Any]:
        return {"type": kind, "object": {"metadata": {"name": name, "uid": "u", "resourceVersion": "5"}}}

    api.answers = [streams(event("ADDED", "db-1"), event("ADDED", "stranger"), event("DELETED", "db-1"), then=stays_open)]
    seen: queue.SimpleQueue[tuple[Pod, bool]] = queue.SimpleQueue()
    Watcher(SCOPE, api.configuration, stop).watch_pods(lambda pod, deleted: seen.put((pod, deleted)))
    pod = Pod("db-1", "u", "5", 1)
    assert [seen.get(timeout=2), seen.get(timeout=2)] == [(pod, False), (pod, True)]
    assert "labelSelector=app%3Ddb%2Ctier%3Dx" in api.requests[0].path


def config_map(kind: str, version: str, **data: str) -> dict[str, Any]:
    return {"type": kind, "object": {"metadata": {"name": "db-config", "resourceVersion": version}, "data": data}}


def test_the_config_map_is_watched_by_name_for_long_times(api: Api, stop: threading.Event) -> None:
    api.answers = [
        streams(config_map("ADDED", "5", conf="a"), config_map("MODIFIED", "6", conf="b"), config_map("DELETED", "7"), then=stays_open)
    ]
    seen: queue.SimpleQueue[ConfigMap | None] = queue.SimpleQueue()
    Watcher(SCOPE, api.configuration, stop).watch_configuration(seen.put, lambda why: None)
    found = [seen.get(timeout=2) for _ in range(3)]
    assert found == [ConfigMap("5", digest({"conf": b"a"})), ConfigMap("6", digest({"conf": b"b"})), None]
    path = api.requests[0].path
    assert path.startswith("/api/v1/namespaces/ns/configmaps?fieldSelector=metadata.name%3Ddb-config&watch=true")
    assert int(path.rpartition("timeoutSeconds=")[2]) >= 2880


def test_a_watch_that_the_role_forbids_is_told_of_once_and_hardly_tried(api: Api) -> None:
    api.answers = [refuses(403)]
    pauses, told = Pauses(), list[str]()
    thread = Watcher(SCOPE, api.configuration, pauses).watch_configuration(lambda found: None, told.append)
    thread.join(LONG)
    assert not thread.is_alive()
    assert pauses.seconds == [0.0, *[600.0] * 6]
    assert told == ["watch /api/v1/namespaces/ns/configmaps: 403"]
