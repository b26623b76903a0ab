"""A namespace with releases that sleep: what `helm uninstall` keeps, and what it doesn't."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from dataclasses import replace as changed
from typing import Any

from hapg_protocol import lease as lease_codec
from hapg_protocol.lsn import Position
from hapg_protocol.model import EligibleReplica, Holder, LeaseState, Release, ReleaseCause
from tests.unit.operate.conftest import HELD, NOW

CLEAN = Release("the pod is being deleted", True, Position(4, 0x3000028), cause=ReleaseCause.DELETION)


def labels(release: str, domain: str = "kubedb.com") -> dict[str, str]:
    return {f"{domain}/name": release, f"{domain}/kind": "Postgres"}


def of(name: str, given: Mapping[str, str] | None = None, **rest: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": dict(given or {})}, **rest}


def claim(name: str, given: Mapping[str, str] | None = None, size: str = "8Gi") -> dict[str, Any]:
    return of(name, given, spec={"resources": {"requests": {"storage": size}}}, status={"capacity": {"storage": size}})


def lease(release: str, state: LeaseState | None = None) -> dict[str, Any]:
    default = changed(
        HELD, holder=Holder(f"{release}-1", "u"), release=CLEAN, eligible=tuple(EligibleReplica(f"{release}-{n}", f"v{n}") for n in (0, 2))
    )
    return lease_codec.to_object(state or default, release, {**labels(release), lease_codec.MAJOR: "15"}, NOW, None)


@dataclass
class FakeNamespace:
    """kubectl's view of a namespace. held: what its deletion doesn't remove; after: what happens after each deletion."""

    objects: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    namespace: str = "demo"
    held: set[str] = field(default_factory=set)
    deleted: list[str] = field(default_factory=list)
    after: Callable[[], None] | None = None

    def all(self, kind: str) -> list[Mapping[str, Any]]:
        return list(self.objects.get(kind, []))

    def find(self, kind: str, name: str) -> Mapping[str, Any] | None:
        return next((each for each in self.all(kind) if each["metadata"]["name"] == name), None)

    def delete(self, kind: str, name: str) -> None:
        self.deleted.append(f"{kind}/{name}")
        if name not in self.held:
            self.objects[kind] = [each for each in self.objects.get(kind, []) if each["metadata"]["name"] != name]
        if self.after is not None:
            self.after()

    def add(self, kind: str, *found: dict[str, Any]) -> None:
        self.objects.setdefault(kind, []).extend(found)

    def names(self) -> set[str]:
        return {f"{kind}/{each['metadata']['name']}" for kind, found in self.objects.items() for each in found}


def uninstalled(*releases: str, replicas: int = 3) -> FakeNamespace:
    """What is kept of these releases, all in one namespace."""
    found = FakeNamespace()
    for release in releases:
        found.add("persistentvolumeclaim", *(claim(f"data-{release}-{number}", labels(release)) for number in range(replicas)))
        found.add("secret", *(of(f"{release}-{word}", labels(release)) for word in ("auth", "replication")))
        found.add("lease", lease(release))
    return found


def install(namespace: FakeNamespace, release: str, replicas: int = 3, pods: int = 0, helm_release: str | None = None) -> FakeNamespace:
    """Add the StatefulSet and the ConfigMap of an installed release, and some of its pods."""
    given = {**labels(release), "app.kubernetes.io/instance": helm_release or release}
    namespace.add("statefulset", of(release, given, spec={"replicas": replicas}))
    namespace.add("configmap", of(f"{release}-config", given))
    namespace.add("pod", *(of(f"{release}-{number}", labels(release)) for number in range(pods)))
    return namespace
