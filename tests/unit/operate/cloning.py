"""A release whose servers are cloned onto new claims: the namespace with a StatefulSet controller, storage, kubelet and agents, as far as
`hapg resize --reclone` meets them. Whenever a copy of the data goes, it is noted which others there are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as changed
from typing import Any

from hapg.operate import kept_set, recloning
from hapg.operate.kubectl import KubectlError
from hapg_protocol import lease as lease_codec
from hapg_protocol import requests
from hapg_protocol.model import EligibleReplica, Holder, LeaseState, SyncRecord
from tests.unit.operate import conftest as shown
from tests.unit.operate import growing
from tests.unit.operate.growing import World

MIB = 2**20
SWITCHOVER_SECONDS = 3.0


@dataclass
class Disk:
    """A claim's volume. whole: it has all rows; apart: they were written with their WAL on another volume, that of the claim `pair`."""

    whole: bool = False
    apart: bool = False
    pair: str = ""


@dataclass
class Cloning(World):
    """clone_seconds: how long a clone takes; stop_seconds: how long a pod takes to end; call_seconds: how long a call takes; used: what
    the primary uses, in MiB, data and WAL; unbound: the claims that get no volume; cut_off: the pods that do not stream; behind: those that
    stream, and lack rows; dead: those whose servers do not answer, unnoticed; forbidden_size: no
    claim of it is allowed; lost: claims that went while the primary was away; copies: how many whole copies were left whenever one went;
    events: those in the namespace.
    """

    clone_seconds: float = 20.0
    stop_seconds: float = 2.0
    call_seconds: float = 0.0
    used: tuple[int, int] = (1000, 200)
    unbound: set[str] = field(default_factory=set)
    cut_off: set[str] = field(default_factory=set)
    behind: set[str] = field(default_factory=set)
    dead: set[str] = field(default_factory=set)
    forbidden_size: str = ""
    sync: SyncRecord | None = None
    disks: dict[str, Disk] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    copies: list[int] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    term: int = 7
    _asked: tuple[float, str] | None = None
    _ending: dict[str, float] = field(default_factory=dict)
    _since: dict[str, float] = field(default_factory=dict)
    _failures: int = 0
    _again: float = 0.0
    _event: bool = True

    # --- the API ---

    def _call(self, words: str, do: Callable[[], Any]) -> Any:
        answer = super()._call(words, do)
        if words.startswith("erase pods") or "statefulset" in words:
            self._event = True
        if self.call_seconds:
            self.sleep(self.call_seconds)
        return answer

    def all(self, kind: str) -> list[Mapping[str, Any]]:
        return list(self.events) if kind == "event" else super().all(kind)

    def annotate(self, pod: str, uid: str, annotations: Mapping[str, str | None]) -> None:
        super().annotate(pod, uid, annotations)
        self._event = True
        text = annotations.get(requests.SWITCHOVER)
        if text is not None:
            request = requests.switchover(text)
            assert (pod, request.term) == (self.primary, self.term)
            self._asked = (self.seconds + SWITCHOVER_SECONDS, request.to or "")

    def execute(self, pod: str, container: str, command: Sequence[str], tell: Callable[[str], None], limit: float | None) -> int:
        assert (container, command[:2]) == ("postgres", ["bash", "-c"])
        if command[2] == recloning.KEEP:
            return self._keep(pod, int(command[4]), command[5].strip("{}").split(","), tell)
        if "used" in command[2]:
            place = "apart" if self._claim_of(pod, "wal") is not None and self._has_wal(pod) else "within"
            tell(f"used {(self.used[0] + (self.used[1] if place == 'within' else 0)) * MIB} {self.used[1] * MIB} {place}")
        else:
            tell(str(int(min(1.0, (self.seconds - self._since.get(pod, 0.0)) / self.clone_seconds) * self.used[0] * MIB)))
        return 0

    def _keep(self, pod: str, needed: int, names: Sequence[str], tell: Callable[[str], None]) -> int:
        if pod != self.primary or not self._is_whole(pod) or pod in self.dead:
            tell("FATAL: the database system is shutting down")
            return 1
        found = len([name for name in names if name and self._is_whole(name) and name not in self.cut_off | self.behind])
        tell("kept" if found >= needed else f"they lack WAL: {found} of {needed}")
        return 0

    # --- the rest of the cluster ---

    def step(self) -> None:
        self._protect()
        self._control()
        for kind, name in list(self.objects):
            if kind == "pod":
                self._serve(name, self.objects[kind, name])
        if self._asked is not None and self.seconds >= self._asked[0] and self._is_whole(self._asked[1]):
            self._lead(self._asked[1])
            self._asked = None
        self.show_lease()

    def _protect(self) -> None:
        """A claim that is being deleted goes when no pod mounts it; look what is left of the data then."""
        before = {name: each["metadata"]["uid"] for (kind, name), each in self.objects.items() if kind == "persistentvolumeclaim"}
        self.work()
        for name, uid in before.items():
            if ("persistentvolumeclaim", name) not in self.objects:
                gone = self.disks.pop(uid)
                if gone.whole:
                    self._count_copies(name)

    def _count_copies(self, name: str) -> None:
        left = [pod for number in range(self.replicas) if self._is_whole(pod := f"pg-{number}")]
        self.copies.append(len(left))
        if self.primary not in left:
            self.lost.append(f"{name} went while the primary {self.primary} was not there")

    def _control(self) -> None:
        """The StatefulSet controller. It looks when something changes, and after a failure again, each time later."""
        found = self.objects.get(("statefulset", "pg"))
        if found is None or "deletionTimestamp" in found["metadata"] or not (self._event or self.seconds >= self._again):
            return
        self._event = False
        batches = [(0,), (1, 2), (3, 4, 5, 6)]
        for batch in batches:
            results = [self._control_pod(found, number) for number in batch if number < found["spec"]["replicas"]]
            if not all(results):
                self._failures += 1
                self._again = self.seconds + min(1000.0, 0.005 * 2**self._failures)
                return
        self._failures, self._again = 0, self.seconds + 1.0

    def _control_pod(self, found: Mapping[str, Any], number: int) -> bool:
        name, sizes = f"pg-{number}", kept_set.sizes(found)
        pod = self.objects.get(("pod", name))
        if pod is not None:
            if "wal" in sizes and not self._has_wal(name):
                self._make_claims(name, sizes)
                return False
            return True
        if not self._make_claims(name, sizes):
            return False
        self._uids += 1
        new = shown.pod(number, None, ready=False)
        new["metadata"]["uid"] = f"u{number}-{self._uids}"
        new["spec"]["volumes"] = mounts(name, sizes)
        self.objects["pod", name] = new
        self._since[name] = self.seconds
        return True

    def _make_claims(self, pod: str, sizes: Mapping[str, str]) -> bool:
        for volume, size in sizes.items():
            name = f"{volume}-{pod}"
            there = self.objects.get(("persistentvolumeclaim", name))
            if there is not None and "deletionTimestamp" in there["metadata"]:
                return False
            if there is None and size == self.forbidden_size:
                return False
            if there is None:
                self._uids += 1
                new = growing.claim(name, size)
                new["metadata"]["uid"] = f"uid-{name}-{self._uids}"
                if name in self.unbound:
                    new["status"] = {"phase": "Pending"}
                self.objects["persistentvolumeclaim", name] = new
                self.disks[new["metadata"]["uid"]] = Disk()
        return True

    def _serve(self, name: str, pod: dict[str, Any]) -> None:
        """Kubelet and the pod's agent."""
        if "deletionTimestamp" in pod["metadata"]:
            self._end(name, pod)
            return
        data, wal = self._claim_of(name, "data"), self._claim_of(name, "wal")
        assert data is not None
        bound = all(claim["status"]["phase"] == "Bound" for claim in (data, wal) if claim is not None and self._mounts(pod, claim))
        pod["status"]["phase"] = "Running" if bound else "Pending"
        disk, apart = self.disks[data["metadata"]["uid"]], self._has_wal(name)
        pair = wal["metadata"]["uid"] if apart and wal is not None else ""
        ready = bound and self.seconds >= self._since.get(name, -99.0) + 5.0
        if disk.whole and not disk.apart and apart:
            ready = False  # VolumesMismatched
        elif not disk.whole or (apart and disk.pair != pair):
            ready = False
            if disk.whole:
                disk.whole, self._since[name] = False, self.seconds
            if bound and self._is_whole(self.primary) and self.seconds >= self._since[name] + self.clone_seconds:
                self.disks[data["metadata"]["uid"]] = Disk(True, apart, pair)
        pod["status"]["conditions"] = [{"type": "Ready", "status": "True" if ready else "False"}]
        pod["metadata"]["labels"] |= {"kubedb.com/role": "primary" if name == self.primary else "replica"}

    def _end(self, name: str, pod: dict[str, Any]) -> None:
        uid = pod["metadata"]["uid"]
        if self.seconds < self._ending.setdefault(uid, self.seconds + self.stop_seconds):
            return
        if name == self.primary:
            others = [each for number in range(self.replicas) if (each := f"pg-{number}") != name and self._is_whole(each)]
            if not others:
                return  # it waits for one
            self._lead(others[0])
        self.restarted.append(name)
        del self.objects["pod", name]
        self._event = True

    def _lead(self, name: str) -> None:
        self.primary = name
        self.term += 1
        for number in range(self.replicas):
            if ("pod", f"pg-{number}") in self.objects:
                role = "primary" if f"pg-{number}" == name else "replica"
                self.objects["pod", f"pg-{number}"]["metadata"]["labels"] |= {"kubedb.com/role": role}

    def _is_whole(self, name: str) -> bool:
        """Whether a pod is there, serves and has all rows."""
        pod, data = self.objects.get(("pod", name)), self._claim_of(name, "data")
        if pod is None or data is None or "deletionTimestamp" in pod["metadata"]:
            return False
        return growing.is_ready(pod) and self.disks[data["metadata"]["uid"]].whole

    def _claim_of(self, pod: str, volume: str) -> dict[str, Any] | None:
        return self.objects.get(("persistentvolumeclaim", f"{volume}-{pod}"))

    def _has_wal(self, pod: str) -> bool:
        return any(each["name"] == "wal" for each in self.objects["pod", pod]["spec"]["volumes"])

    @staticmethod
    def _mounts(pod: Mapping[str, Any], claim: Mapping[str, Any]) -> bool:
        return any(each["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"] for each in pod["spec"]["volumes"])

    def show_lease(self) -> None:
        """The primary renews its Lease, if there is one: every other pod that serves is an eligible replica."""
        pods = {name: each for (kind, name), each in self.objects.items() if kind == "pod"}
        holder = Holder(self.primary, pods[self.primary]["metadata"]["uid"] if self.primary in pods else "gone")
        eligible = tuple(
            EligibleReplica(name, f"v-{name}", self._is_whole(name) and name not in self.cut_off) for name in pods if name != self.primary
        )
        state: LeaseState = changed(shown.HELD, holder=holder, eligible=eligible, term=self.term, sync=self.sync)
        lease = lease_codec.to_object(state, "pg", shown.SELECTOR, shown.NOW, None)
        lease["metadata"] |= {"resourceVersion": "50", "uid": "1a2b3c4d-0000-4000-8000-000000000000"}
        self.objects["lease", "pg"] = lease


def mounts(pod: str, volumes: Mapping[str, str] | Sequence[str]) -> list[dict[str, Any]]:
    """The volumes of a pod."""
    return [{"name": volume, "persistentVolumeClaim": {"claimName": f"{volume}-{pod}"}} for volume in volumes]


def pod_template() -> dict[str, Any]:
    """What is needed of a chart's."""
    mount = {"name": "data", "mountPath": "/var/lib/postgresql/data"}
    failover = {"name": "failover", "env": [{"name": "POD_IP"}], "volumeMounts": [mount]}
    postgres = {"name": "postgres", "env": [{"name": "HAPG_INITDB_ARGS"}], "volumeMounts": [mount]}
    return {"spec": {"initContainers": [failover], "containers": [postgres], "volumes": [{"name": "run"}]}}


def cloning(replicas: int = 3, wal: str | None = None, **options: Any) -> Cloning:
    """A release at full strength."""
    found = Cloning(replicas=replicas, **options)
    found.objects = growing.world(replicas, wal).objects
    found.objects["statefulset", "pg"]["spec"]["template"] = pod_template()
    found.objects["storageclass", "fast"] = {"metadata": {"name": "fast"}}
    volumes = ("data",) if wal is None else ("data", "wal")
    for number in range(replicas):
        name = f"pg-{number}"
        found.objects["pod", name]["spec"]["volumes"] = mounts(name, volumes)
        pair = "" if wal is None else f"uid-wal-{name}"
        found.disks[f"uid-data-{name}"] = Disk(True, wal is not None, pair)
        if wal is not None:
            found.disks[pair] = Disk()
    for number in range(replicas):
        role = "primary" if f"pg-{number}" == found.primary else "replica"
        found.objects["pod", f"pg-{number}"]["metadata"]["labels"] |= {"kubedb.com/role": role}
    found.show_lease()
    return found


def event(about: str, uid: str, message: str, **changes: Any) -> dict[str, Any]:
    """A warning about an object."""
    involved = {"name": about, "uid": uid}
    return {"type": "Warning", "reason": "ProvisioningFailed", "message": message, "metadata": {}, "involvedObject": involved, **changes}


def fail(words: str) -> Callable[[str], None]:
    """Let the API refuse one call."""

    def refuse(call: str) -> None:
        if call == words:
            raise KubectlError(f"kubectl {call}: has the label ha-postgres/protected")

    return refuse
