"""The fake namespace of `hapg resize` answers like a real one: the same tests run against both."""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hapg.operate import kept_set
from hapg.operate.kubectl import Kubectl, KubectlError, Resizable
from tests.cluster import chosen
from tests.cluster.commands import run
from tests.fakes.namespace import FakeNamespace

SIZES = ("64Mi", "128Mi")
PATH = "/apis/apps/v1/namespaces/{}/statefulsets/pg"


def stateful_set(namespace: str) -> dict[str, Any]:
    """No pod of it is ever scheduled."""
    labels = {"app": "pg"}
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": SIZES[0]}}, "storageClassName": "none"}
    spec = {"containers": [{"name": "none", "image": "none"}], "schedulerName": "nobody"}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "pg", "namespace": namespace},
        "spec": {
            "replicas": 1,
            "serviceName": "pg",
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}],
        },
    }


def claim(name: str, volume: str, storage_class: str) -> dict[str, Any]:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": SIZES[0]}}, "storageClassName": storage_class}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": {**spec, "volumeName": volume}}


class FakeSide:
    def __init__(self) -> None:
        self.api = FakeNamespace("contract", growing={"grows"})
        self.classes = ("grows", "fixed")
        self.resizable: Resizable = self.api

    def settle(self) -> None:
        self.api.work()

    def add_claims(self) -> None:
        for name, storage_class in zip(("grows", "fixed"), self.classes, strict=True):
            self.api.create(claim(name, "any", storage_class), "tests")
            self.api.change("persistentvolumeclaim", name, {"status": {"phase": "Bound", "capacity": {"storage": SIZES[0]}}})

    def close(self) -> None:
        pass


class RealSide:
    """A namespace, and two StorageClasses with a volume each."""

    def __init__(self, kubeconfig: str) -> None:
        self.name = f"contract-{secrets.token_hex(4)}"
        self.classes = (f"{self.name}-grows", f"{self.name}-fixed")
        self._kubectl = ["kubectl", f"--kubeconfig={kubeconfig}"]
        self.resizable: Resizable = Kubectl(self.name, kubeconfig=kubeconfig)
        run([*self._kubectl, "create", "namespace", self.name])
        self._account()

    def _account(self) -> None:
        """Wait for the namespace's service account: no pod is created before."""
        until(lambda: "default" in run([*self._kubectl, "--namespace", self.name, "get", "serviceaccounts"]))

    def settle(self) -> None:
        time.sleep(0.1)

    def add_claims(self) -> None:
        for name, grows in zip(self.classes, (True, False), strict=True):
            head = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name}}
            spec = {"storageClassName": name, "capacity": {"storage": SIZES[0]}, "accessModes": ["ReadWriteOnce"]}
            spec |= {"hostPath": {"path": "/none"}, "persistentVolumeReclaimPolicy": "Retain"}
            spec["claimRef"] = {"namespace": self.name, "name": name.rpartition("-")[2]}
            self._apply({**head, "provisioner": "tests/none", "allowVolumeExpansion": grows})
            self._apply({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec})
        for name in self.classes:
            self._apply(claim(name.rpartition("-")[2], name, name))
        for name in ("grows", "fixed"):
            self._wait_for("persistentvolumeclaim", name, "Bound")

    def _apply(self, wanted: dict[str, Any]) -> None:
        run([*self._kubectl, "--namespace", self.name, "apply", "--filename", "-"], stdin=json.dumps(wanted))

    def _wait_for(self, kind: str, name: str, phase: str) -> None:
        until(lambda: ((self.resizable.find(kind, name) or {}).get("status") or {}).get("phase") == phase)

    def close(self) -> None:
        run([*self._kubectl, "delete", "namespace", self.name, "--wait=false"])
        run([*self._kubectl, "delete", "storageclass", *self.classes, "--ignore-not-found"])
        run([*self._kubectl, "delete", "persistentvolume", *self.classes, "--ignore-not-found", "--wait=false"])


Side = FakeSide | RealSide


def until(condition: Callable[[], bool], limit: float = 15.0) -> None:
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, "did not come true in time"
        time.sleep(0.1)


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.cluster)])
def side(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Side]:
    if request.param == "fake":
        yield FakeSide()
        return
    cluster = request.getfixturevalue("cluster")
    monkeypatch.setenv("PATH", chosen.environment()["PATH"])
    real = RealSide(str(cluster.kubeconfig))
    try:
        yield real
    finally:
        real.close()


def gone(side: Side) -> bool:
    side.settle()
    return side.resizable.find("statefulset", "pg") is None


def created(side: Side) -> dict[str, Any]:
    """A new StatefulSet that nobody changes any more."""
    side.resizable.create(stateful_set(side.resizable.namespace), "tests")
    if isinstance(side, RealSide):
        until(lambda: ((side.resizable.find("statefulset", "pg") or {}).get("status") or {}).get("replicas") == 1)
        time.sleep(1)
    found = side.resizable.find_with_managers("statefulset", "pg")
    assert found is not None
    return dict(found)


def managers(found: Any) -> list[str]:
    return [each["manager"] for each in found["metadata"]["managedFields"] if "subresource" not in each]


def test_resize_deletes_a_stateful_set_only_as_it_was_seen(side: Side) -> None:
    found = created(side)
    path, uid, version = PATH.format(side.resizable.namespace), found["metadata"]["uid"], found["metadata"]["resourceVersion"]
    with pytest.raises(KubectlError, match=r"\(Conflict\)"):
        side.resizable.erase(path, uid, "1", orphan=True)
    with pytest.raises(KubectlError, match=r"\(Conflict\)"):
        side.resizable.erase(path, "another", version, orphan=True)
    side.resizable.erase(path, uid, version, orphan=True, dry_run=True)
    again = side.resizable.find("statefulset", "pg")
    assert again is not None
    assert "deletionTimestamp" not in again["metadata"]
    side.resizable.erase(path, uid, version, orphan=True)
    until(lambda: gone(side))


def test_resize_creates_a_stateful_set_again_and_gives_its_fields_back(side: Side) -> None:
    old = created(side)
    with pytest.raises(KubectlError, match=r"\(AlreadyExists\)"):
        side.resizable.create(kept_set.with_sizes(old, {"data": SIZES[1]}), kept_set.MANAGER)
    side.resizable.erase(PATH.format(side.resizable.namespace), old["metadata"]["uid"], old["metadata"]["resourceVersion"], orphan=True)
    until(lambda: gone(side))
    side.resizable.create(kept_set.with_sizes(old, {"data": SIZES[1]}), kept_set.MANAGER)
    new = side.resizable.find_with_managers("statefulset", "pg")
    assert new is not None
    assert (kept_set.sizes(new), managers(new), kept_set.is_ours(new)) == ({"data": SIZES[1]}, [kept_set.MANAGER], True)
    stale = {**new, "metadata": {**new["metadata"], "resourceVersion": "1"}}
    with pytest.raises(KubectlError, match=r"\(Conflict\)"):
        side.resizable.patch("statefulset", "pg", kept_set.managers_back(old, stale))

    def back() -> bool:
        now = side.resizable.find_with_managers("statefulset", "pg")
        assert now is not None
        with contextlib.suppress(KubectlError):
            side.resizable.patch("statefulset", "pg", kept_set.managers_back(old, now))
            return True
        return False

    until(back)
    new = side.resizable.find_with_managers("statefulset", "pg")
    assert (managers(new), kept_set.is_ours(new or {})) == (["tests"], False)


def test_resize_of_a_claim_is_refused_where_its_class_does_not_allow_it(side: Side) -> None:
    side.add_claims()
    larger = {"spec": {"resources": {"requests": {"storage": SIZES[1]}}}}
    for dry_run in (True, False):
        with pytest.raises(KubectlError, match="must support resize"):
            side.resizable.patch("persistentvolumeclaim", "fixed", larger, dry_run=dry_run)
    side.resizable.patch("persistentvolumeclaim", "grows", larger, dry_run=True)
    assert requested(side, "grows") == SIZES[0]
    side.resizable.patch("persistentvolumeclaim", "grows", larger)
    assert requested(side, "grows") == SIZES[1]
    with pytest.raises(KubectlError, match="is invalid"):
        side.resizable.patch("persistentvolumeclaim", "grows", {"spec": {"resources": {"requests": {"storage": "32Mi"}}}})


def requested(side: Side, name: str) -> str:
    found = side.resizable.find("persistentvolumeclaim", name)
    assert found is not None
    return str(found["spec"]["resources"]["requests"]["storage"])


def test_resize_asks_what_it_may(side: Side) -> None:
    assert side.resizable.may("create", "statefulsets.apps")
    assert side.resizable.may("patch", "configmaps/pg-resize")


def test_resize_deletes_a_claim_only_as_it_was_seen(side: Side) -> None:
    wanted = claim("old", "any", "none")
    side.resizable.create(wanted, "tests")
    found = side.resizable.find("persistentvolumeclaim", "old")
    assert found is not None
    path, uid = f"/api/v1/namespaces/{side.resizable.namespace}/persistentvolumeclaims/old", found["metadata"]["uid"]
    with pytest.raises(KubectlError, match=r"\(Conflict\)"):
        side.resizable.erase(path, "another")
    side.resizable.erase(path, uid, dry_run=True)
    assert [each["metadata"]["uid"] for each in side.resizable.all("persistentvolumeclaim")] == [uid]
    side.resizable.erase(path, uid)

    def is_gone() -> bool:
        side.settle()
        return side.resizable.find("persistentvolumeclaim", "old") is None

    until(is_gone)
