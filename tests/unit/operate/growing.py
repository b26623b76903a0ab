"""A release whose volumes grow: the fake namespace, with what else runs in a cluster: StatefulSet controller, storage, kubelet, agents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from dataclasses import replace as changed
from typing import Any

from hapg.operate import resizing
from hapg.spec import quantity
from hapg_protocol import lease as lease_codec
from hapg_protocol.model import EligibleReplica, Holder, LeaseState
from tests.fakes.namespace import FakeNamespace
from tests.unit.operate import conftest as shown

SIZE = "8Gi"
KUBELET_SECONDS = 75
"""How long kubelet takes by itself until it looks at a pod."""


def stateful_set(replicas: int = 3, wal: str | None = None, manager: str = "helm") -> dict[str, Any]:
    sizes = {"data": SIZE} | ({} if wal is None else {"wal": wal})
    templates = [{"metadata": {"name": name}, "spec": {"resources": {"requests": {"storage": size}}}} for name, size in sizes.items()]
    metadata = {
        "name": "pg",
        "uid": "first",
        "generation": 4,
        "labels": dict(shown.SELECTOR),
        "annotations": {"meta.helm.sh/release-name": "orders"},
        "managedFields": [
            {"manager": manager, "operation": "Apply"},
            {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status"},
        ],
    }
    spec = {"replicas": replicas, "template": {"spec": {"containers": []}}, "volumeClaimTemplates": templates}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": spec, "status": {"readyReplicas": replicas}}


def claim(name: str, size: str = SIZE, storage_class: str = "fast") -> dict[str, Any]:
    spec = {"resources": {"requests": {"storage": size}}, "storageClassName": storage_class}
    return {"metadata": {"name": name, "uid": f"uid-{name}"}, "spec": spec, "status": {"phase": "Bound", "capacity": {"storage": size}}}


@dataclass
class World(FakeNamespace):
    """The namespace and its surroundings.

    offline: a file system grows only when its pod starts; broken: not even then; storage_seconds: how long the storage takes to grow a
    disk; before_call, after_call: what happens at each call of the command.
    """

    replicas: int = 3
    offline: bool = False
    broken: bool = False
    storage_seconds: float = 3.0
    seconds: float = 0.0
    primary: str = "pg-0"
    restarted: list[str] = field(default_factory=list)
    before_call: Callable[[str], None] | None = None
    after_call: Callable[[str], None] | None = None
    calls: list[str] = field(default_factory=list)
    orphans_seen: int = 0
    _due: dict[str, float] = field(default_factory=dict)
    _kubelet: dict[str, float] = field(default_factory=dict)
    _starting: dict[str, float] = field(default_factory=dict)
    _mounted: dict[str, str] = field(default_factory=dict)
    _uids: int = 0

    # --- the API, with time passing ---

    def find(self, kind: str, name: str) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = self._call(f"find {kind}/{name}", lambda: super(World, self).find(kind, name))
        return found

    def find_with_managers(self, kind: str, name: str) -> dict[str, Any] | None:
        return super().find_with_managers(kind, name)

    def patch(self, kind: str, name: str, patch: Mapping[str, Any], *, dry_run: bool = False) -> None:
        words = f"{'try' if dry_run else 'patch'} {kind}/{name}"
        self._call(words, lambda: super(World, self).patch(kind, name, patch, dry_run=dry_run))

    def create(self, wanted: Mapping[str, Any], manager: str) -> None:
        self._call(f"create {wanted['kind'].lower()}/{wanted['metadata']['name']}", lambda: super(World, self).create(wanted, manager))

    def delete(self, kind: str, name: str) -> None:
        self._call(f"delete {kind}/{name}", lambda: super(World, self).delete(kind, name))

    def erase(self, path: str, uid: str, version: str | None = None, *, orphan: bool = False, dry_run: bool = False) -> None:
        words = f"{'try' if dry_run else 'erase'} {'/'.join(path.split('/')[-2:])}"
        self._call(words, lambda: super(World, self).erase(path, uid, version, orphan=orphan, dry_run=dry_run))

    def _call(self, words: str, do: Callable[[], Any]) -> Any:
        if self.before_call is not None:
            self.before_call(words)
        answer = do()
        if not words.startswith("find"):
            self.calls.append(words)
        if self.after_call is not None:
            self.after_call(words)
        return answer

    @contextmanager
    def interrupted(self, number: int, lost_answer: bool, counts: Callable[[str], bool] = lambda _: True) -> Iterator[None]:
        """Interrupt the command at this call of those that count: before it reaches the API, or after it, so that its answer is lost."""
        left = number

        def interrupt(call: str) -> None:
            nonlocal left
            left -= counts(call)
            if left == 0:
                raise KeyboardInterrupt

        self.after_call, self.before_call = (interrupt, None) if lost_answer else (None, interrupt)
        yield
        self.after_call = self.before_call = None

    @contextmanager
    def joined(self, number: int, lost_answer: bool, other: Callable[[], None], counts: Callable[[str], bool]) -> Iterator[None]:
        """Let another operator do all of `other` at this call of those that count: before it reaches the API, or before its answer."""
        left = number

        def join(call: str) -> None:
            nonlocal left
            left -= counts(call)
            if left == 0:
                self.after_call = self.before_call = None
                other()

        self.after_call, self.before_call = (join, None) if lost_answer else (None, join)
        yield
        self.after_call = self.before_call = None

    # --- the clock of the command ---

    def monotonic(self) -> float:
        return self.seconds

    def time(self) -> float:
        return 1e9 + self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self.step()

    # --- the rest of the cluster ---

    def step(self) -> None:
        """Let everything in the cluster do what is due."""
        self.work()
        self._run_stateful_set()
        for kind, name in list(self.objects):
            if kind == "persistentvolumeclaim":
                self._run_storage(name, self.objects[kind, name])
        for kind, name in list(self.objects):
            if kind == "pod":
                self._run_kubelet(name, self.objects[kind, name])
        self.show_lease()

    def _run_stateful_set(self) -> None:
        found = self.objects.get(("statefulset", "pg"))
        if found is None or "deletionTimestamp" in found["metadata"]:
            self.orphans_seen += 1
            return
        for number in range(found["spec"]["replicas"]):
            name = f"pg-{number}"
            if ("pod", name) not in self.objects:
                self._uids += 1
                new = shown.pod(number, None, ready=False)
                new["metadata"]["uid"] = f"u{number}-{self._uids}"
                self.objects["pod", name] = new
                self._starting[name] = self.seconds + 5

    def _run_storage(self, name: str, found: dict[str, Any]) -> None:
        wanted, has = (quantity.value(each) for each in (_request(found), found["status"]["capacity"]["storage"]))
        if wanted <= has:
            return
        self._due.setdefault(name, self.seconds + self.storage_seconds)
        if self.seconds >= self._due[name] and "allocatedResourceStatuses" not in found["status"]:
            self._kubelet[name] = self.seconds + KUBELET_SECONDS
            pending = {"conditions": [{"type": "FileSystemResizePending"}], "allocatedResourceStatuses": {"storage": "NodeResizePending"}}
            self._mounted[name] = self._uid_of_pod(name)
            self.change("persistentvolumeclaim", name, {"status": pending})
        elif "allocatedResourceStatuses" in found["status"]:
            self._grow_file_system(name, found)

    def _grow_file_system(self, name: str, found: dict[str, Any]) -> None:
        """Kubelet grows it when it looks at the pod, or when it mounts the volume for another pod."""
        pod = self.objects.get(("pod", name.partition("-")[2]))
        if pod is None:
            return
        looked = resizing.LOOK in (pod["metadata"].get("annotations") or {}) or self.seconds >= self._kubelet[name]
        mounted_again = self._mounted[name] != pod["metadata"]["uid"] and self.seconds >= self._starting[pod["metadata"]["name"]] - 1
        if not self.broken and (mounted_again if self.offline else looked):
            done = {"conditions": None, "allocatedResourceStatuses": None, "capacity": {"storage": _request(found)}}
            self.change("persistentvolumeclaim", name, {"status": done})
            del self._due[name]

    def _uid_of_pod(self, claim_name: str) -> str:
        pod = self.objects.get(("pod", claim_name.partition("-")[2]))
        return "" if pod is None else str(pod["metadata"]["uid"])

    def _run_kubelet(self, name: str, pod: dict[str, Any]) -> None:
        if "deletionTimestamp" in pod["metadata"]:
            self.restarted.append(name)
            del self.objects["pod", name]
            others = [each["metadata"]["name"] for (kind, _), each in self.objects.items() if kind == "pod" and is_ready(each)]
            if name == self.primary and others:
                self.primary = others[0]
        elif self.seconds >= self._starting.get(name, 0.0):
            pod["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
        if ("pod", name) in self.objects:
            role = "primary" if name == self.primary else "replica"
            pod["metadata"]["labels"] |= {"kubedb.com/role": role}

    def show_lease(self) -> None:
        """The primary renews its Lease: every other ready pod is an eligible replica."""
        pods = {each["metadata"]["name"]: each for (kind, _), each in self.objects.items() if kind == "pod"}
        holder = Holder(self.primary, pods[self.primary]["metadata"]["uid"] if self.primary in pods else "gone")
        eligible = tuple(EligibleReplica(name, f"v-{name}") for name, pod in pods.items() if is_ready(pod) and name != self.primary)
        state: LeaseState = changed(shown.HELD, holder=holder, eligible=eligible)
        lease = lease_codec.to_object(state, "pg", shown.SELECTOR, shown.NOW, None)
        lease["metadata"] |= {"resourceVersion": "50", "uid": "1a2b3c4d-0000-4000-8000-000000000000"}
        self.objects["lease", "pg"] = lease


def _request(found: Mapping[str, Any]) -> str:
    return str(found["spec"]["resources"]["requests"]["storage"])


def is_ready(pod: Mapping[str, Any]) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"]["conditions"])


def world(replicas: int = 3, wal: str | None = None, **options: Any) -> World:
    """A release at full strength, whose StorageClass `fast` allows its volumes to grow."""
    found = World(replicas=replicas, growing={"fast"}, **options)
    config = shown.config(replicas=replicas)
    config["metadata"]["uid"] = "uid-config"
    found.objects["configmap", "pg-config"] = config
    found.objects["statefulset", "pg"] = stateful_set(replicas, wal)
    found.objects["statefulset", "pg"]["metadata"]["resourceVersion"] = "99"
    for number in range(replicas):
        for volume in ("data",) if wal is None else ("data", "wal"):
            name = f"{volume}-pg-{number}"
            found.objects["persistentvolumeclaim", name] = claim(name, SIZE if volume == "data" else wal or "")
        pod = shown.pod(number, "primary" if number == 0 else "replica")
        pod["metadata"]["ownerReferences"] = [{"uid": "first", "name": "pg"}]
        found.objects["pod", f"pg-{number}"] = pod
    found.show_lease()
    return found
