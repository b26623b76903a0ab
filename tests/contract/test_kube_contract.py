"""The fake Kubernetes API answers like a real one: the same tests run against both."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import pytest
from kubernetes.client import ApiException, Configuration, CoreV1Api
from kubernetes.client.api_client import ApiClient
from kubernetes.config import load_kube_config

from hapg_failover.adapters.kube.client import Kube
from hapg_failover.adapters.kube.scope import Scope
from hapg_failover.adapters.kube.watch import Watcher
from hapg_failover.adapters.ports.kubernetes import ApiError, Conflict, KubeApi, NotFound
from hapg_protocol import position_report as report_codec
from hapg_protocol.lsn import Position
from hapg_protocol.model import EligibleReplica, Holder, LeaseObject, LeaseState, Pod, PodPatch, PositionReport, Release, VolumeState
from tests.fakes.kube import FakeCluster

LIMIT = 5.0
ROLE = "kubedb.com/role"


class Side(Protocol):
    """The operations that tests need in addition to the contract's calls."""

    def client(self) -> KubeApi: ...
    def add_pod(self, ordinal: int) -> None: ...
    def delete_pod(self, name: str) -> None: ...
    def add_secret_without_key(self, name: str) -> None: ...
    def watch_lease(self, on_state: Callable[[LeaseObject | None], None]) -> None: ...
    def watch_pods(self, on_pod: Callable[[Pod, bool], None]) -> None: ...
    def delete_lease(self) -> None: ...


class FakeSide:
    def __init__(self) -> None:
        self._cluster = FakeCluster()
        self.client = self._cluster.client
        self.delete_pod = self._cluster.delete_pod
        self.delete_lease = self._cluster.delete_lease
        self.watch_lease = self._cluster.watch_lease
        self.watch_pods = self._cluster.watch_pods

    def add_pod(self, ordinal: int) -> None:
        self._cluster.add_pod(ordinal, secrets.token_hex(8))

    def add_secret_without_key(self, name: str) -> None:
        self._cluster.secrets[name] = {}


class RealSide:
    """A new namespace. Its pods are never scheduled, so they are deleted at once."""

    def __init__(self, namespace: str, stop: threading.Event) -> None:
        self._scope = Scope(namespace, "db", {"app": "db"}, ROLE, "db-0", "0")
        self._watcher = Watcher(self._scope, _configuration(), stop)
        self._api: Any = ApiClient(_configuration())
        self._core: Any = CoreV1Api(self._api)

    def client(self) -> Kube:
        return Kube(self._scope, _configuration())

    def watch_lease(self, on_state: Callable[[LeaseObject | None], None]) -> None:
        self._watcher.watch_lease(on_state)

    def watch_pods(self, on_pod: Callable[[Pod, bool], None]) -> None:
        self._watcher.watch_pods(on_pod)

    def add_pod(self, ordinal: int) -> None:
        body = {
            "metadata": {"name": f"db-{ordinal}", "labels": {"app": "db"}},
            "spec": {"containers": [{"name": "none", "image": "none"}], "schedulerName": "nobody"},
        }
        # The namespace's default service account is created a moment after the namespace.
        until(lambda: _succeeds(lambda: self._core.create_namespaced_pod(self._scope.namespace, body), 403))

    def delete_pod(self, name: str) -> None:
        self._core.delete_namespaced_pod(name, self._scope.namespace)

    def add_secret_without_key(self, name: str) -> None:
        self._core.create_namespaced_secret(self._scope.namespace, {"metadata": {"name": name}})

    def delete_lease(self) -> None:
        self._api.rest_client.pool_manager.request(
            "DELETE", f"{self._api.configuration.host}{self._scope.leases}/db", headers=_authorization(self._api.configuration)
        )

    def create_namespace(self) -> None:
        self._core.create_namespace({"metadata": {"name": self._scope.namespace}})

    def delete_namespace(self) -> None:
        self._core.delete_namespace(self._scope.namespace)
        self._api.close()


def _configuration() -> Any:
    configuration = Configuration()
    load: Callable[..., None] = load_kube_config
    load(config_file=os.environ["KUBECONFIG"], client_configuration=configuration)
    return configuration


def _authorization(configuration: Any) -> dict[str, str]:
    return {setting["key"]: setting["value"] for setting in configuration.auth_settings().values()}


def _succeeds(call: Callable[[], object], status: int) -> bool:
    try:
        call()
    except ApiException as error:
        if error.status != status:
            raise
        return False
    return True


def until(condition: Callable[[], bool], limit: float = 10.0) -> None:
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, "did not come true in time"
        time.sleep(0.02)


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.cluster)])
def side(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Side]:
    if request.param == "fake":
        yield FakeSide()
        return
    monkeypatch.setenv("KUBECONFIG", str(request.getfixturevalue("cluster").kubeconfig))
    stop = threading.Event()
    real = RealSide(f"contract-{secrets.token_hex(4)}", stop)
    real.create_namespace()
    try:
        yield real
    finally:
        stop.set()
        real.delete_namespace()


STATE = LeaseState(
    holder=Holder("db-0", "uid-0"),
    term=3,
    ttl_s=6.5,
    system_identifier="7711467995189675420",
    volume="11111111-2222-3333-4444-555555555555",
    address="10.244.1.7",
    timeline=4,
    eligible=(EligibleReplica("db-0", "v0"), EligibleReplica("db-1", "v1")),
    release=Release('switched "over" – on request', True, Position(4, 0x16B374D848), "db-1", 1.5),
)


def test_a_lease_is_read_as_it_was_written(side: Side) -> None:
    kube = side.client()
    with pytest.raises(NotFound):
        kube.get_lease(LIMIT)
    created = kube.create_lease(STATE, LIMIT)
    assert created.state == STATE
    assert side.client().get_lease(LIMIT) == created


def test_a_lease_is_created_once(side: Side) -> None:
    side.client().create_lease(STATE, LIMIT)
    with pytest.raises(Conflict):
        side.client().create_lease(STATE, LIMIT)


def test_a_lease_is_replaced_by_version(side: Side) -> None:
    one, other = side.client(), side.client()
    created = one.create_lease(STATE, LIMIT)
    claimed = LeaseState(Holder("db-1", "uid-1"), term=4, ttl_s=6.0)
    second = other.update_lease(claimed, created.version, LIMIT)
    assert second.state == claimed
    assert second.version != created.version
    with pytest.raises(Conflict):
        one.update_lease(STATE, created.version, LIMIT)
    assert one.get_lease(LIMIT) == second


def test_a_renewal_that_changes_nothing_still_makes_a_new_version(side: Side) -> None:
    kube = side.client()
    lease = kube.create_lease(STATE, LIMIT)
    versions = {lease.version}
    for _ in range(3):
        lease = kube.update_lease(STATE, lease.version, LIMIT)
        versions.add(lease.version)
    assert len(versions) == 4


def test_a_lease_that_has_gone_can_be_created_anew_and_not_replaced(side: Side) -> None:
    kube = side.client()
    created = kube.create_lease(STATE, LIMIT)
    side.delete_lease()
    with pytest.raises(NotFound):
        kube.update_lease(STATE, created.version, LIMIT)
    with pytest.raises(NotFound):
        side.client().update_lease(STATE, created.version, LIMIT)
    again = kube.create_lease(STATE, LIMIT)
    with pytest.raises(Conflict):
        kube.update_lease(STATE, created.version, LIMIT)
    assert kube.get_lease(LIMIT) == again


def test_pods_are_listed_by_ordinal(side: Side) -> None:
    for ordinal in (10, 0, 2):
        side.add_pod(ordinal)
    pods = side.client().list_pods(LIMIT)
    assert [(pod.name, pod.ordinal) for pod in pods] == [("db-0", 0), ("db-2", 2), ("db-10", 10)]
    assert all(pod.uid and pod.version for pod in pods)
    assert {(pod.ip, pod.node, pod.role, pod.deleting, pod.ready, pod.report) for pod in pods} == {(None, None, None, False, False, None)}


def test_a_patch_sets_and_removes(side: Side) -> None:
    side.add_pod(0)
    kube = side.client()
    (pod,) = kube.list_pods(LIMIT)
    said = PositionReport("17", "nonce", VolumeState.DATA, "v0", "77", Position(2, 0x5000060), True, 3, True)
    changed = kube.patch_pod(
        PodPatch("db-0", pod.uid, None, {ROLE: "primary"}, {report_codec.ANNOTATION: report_codec.encode(said)}), LIMIT
    )
    assert (changed.role, changed.report) == ("primary", said)
    assert changed.version != pod.version
    assert kube.list_pods(LIMIT) == (changed,)
    changed = kube.patch_pod(PodPatch("db-0", pod.uid, changed.version, {ROLE: None}), LIMIT)
    assert (changed.role, changed.report) == (None, said)


def test_a_patch_for_another_uid_or_version_is_a_conflict(side: Side) -> None:
    side.add_pod(0)
    kube = side.client()
    (pod,) = kube.list_pods(LIMIT)
    with pytest.raises(Conflict):
        kube.patch_pod(PodPatch("db-0", "00000000-0000-0000-0000-000000000000", None, {ROLE: "primary"}), LIMIT)
    kube.patch_pod(PodPatch("db-0", pod.uid, pod.version, {ROLE: "replica"}), LIMIT)
    with pytest.raises(Conflict):
        kube.patch_pod(PodPatch("db-0", pod.uid, pod.version, {ROLE: "primary"}), LIMIT)
    assert kube.list_pods(LIMIT)[0].role == "replica"


def test_a_patch_of_a_missing_pod_finds_none(side: Side) -> None:
    with pytest.raises(NotFound):
        side.client().patch_pod(PodPatch("db-7", "uid", None, {ROLE: "primary"}), LIMIT)


def test_a_patch_that_changes_nothing_keeps_the_version(side: Side) -> None:
    side.add_pod(0)
    kube = side.client()
    (pod,) = kube.list_pods(LIMIT)
    changed = kube.patch_pod(PodPatch("db-0", pod.uid, None, {ROLE: "replica"}), LIMIT)
    again = kube.patch_pod(PodPatch("db-0", pod.uid, None, {ROLE: "replica"}), LIMIT)
    assert again == changed


def test_events_are_accepted(side: Side) -> None:
    kube = side.client()
    for _ in range(2):
        kube.record_event("Warning", "FailedOver", "db-1 was promoted: db-0 is gone", LIMIT)


def test_a_secret_is_made_once(side: Side) -> None:
    for value in ("first", "second"):
        entries = {"POSTGRES_PASSWORD": value}
        assert side.client().ensure_secret("db-auth", "POSTGRES_PASSWORD", entries.copy, LIMIT) == b"first"
    side.add_secret_without_key("bare")
    with pytest.raises(ApiError, match="bare exists but has no key POSTGRES_PASSWORD"):
        side.client().ensure_secret("bare", "POSTGRES_PASSWORD", lambda: {"POSTGRES_PASSWORD": "third"}, LIMIT)


def test_entries_of_a_secret_are_changed_and_removed_and_others_stay(side: Side) -> None:
    kube = side.client()

    def entry(key: str) -> bytes:
        return kube.ensure_secret("db-app", key, lambda: {"password": "p", "uri": "old", "ro-uri": "read"}, LIMIT)

    assert entry("uri") == b"old"
    for _ in range(2):
        kube.change_secret("db-app", {"uri": "new", "ro-uri": None}, LIMIT)
    assert (entry("uri"), entry("password")) == (b"new", b"p")
    with pytest.raises(ApiError, match="db-app exists but has no key ro-uri"):
        entry("ro-uri")
    with pytest.raises(NotFound):
        kube.change_secret("other", {"uri": "new"}, LIMIT)


def test_a_watch_delivers_the_lease_from_the_beginning(side: Side) -> None:
    kube = side.client()
    seen: list[LeaseObject | None] = []
    created = kube.create_lease(STATE, LIMIT)
    side.watch_lease(seen.append)
    until(lambda: seen == [created])
    renewed = kube.update_lease(STATE, created.version, LIMIT)
    until(lambda: seen == [created, renewed])
    side.delete_lease()
    until(lambda: seen == [created, renewed, None])


def test_a_watch_that_began_without_a_lease_sees_it_created(side: Side) -> None:
    seen: list[LeaseObject | None] = []
    side.watch_lease(seen.append)
    created = side.client().create_lease(STATE, LIMIT)
    until(lambda: seen == [created])


def test_a_watch_delivers_pods_as_they_come_change_and_go(side: Side) -> None:
    side.add_pod(0)
    seen: dict[str, tuple[str | None, bool]] = {}

    def remember(pod: Pod, deleted: bool) -> None:
        seen[pod.name] = (pod.role, deleted)

    side.watch_pods(remember)
    until(lambda: seen == {"db-0": (None, False)})
    side.add_pod(1)
    until(lambda: "db-1" in seen)
    kube = side.client()
    kube.patch_pod(PodPatch("db-1", kube.list_pods(LIMIT)[1].uid, None, {ROLE: "primary"}), LIMIT)
    until(lambda: seen["db-1"] == ("primary", False))
    with contextlib.suppress(NotFound):
        side.delete_pod("db-0")
    until(lambda: seen["db-0"] == (None, True))
