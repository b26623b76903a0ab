"""Volumes that can grow, for tests: StorageClasses whose volumes are image files behind loop devices, which a thread of the test provides.

The file systems are XFS, because ext4 grows in use only with CAP_SYS_RESOURCE, which a machine in a container or sandbox may lack.

The thread is what an external provisioner and resizer are in other clusters: it makes the volume of a claim when its pod has a node, and
makes the disk larger when the claim requests more. Everything else is real: the API server admits or refuses the change, and kubelet
formats, mounts and grows the file systems (`local` volumes of a block device), as it does for any storage that allows it.

A class that is `offline` is played only in so far as the thread holds the last step back until the pod of the claim ends: kubelet then
grows the file system when it mounts the volume for the next pod.
"""

import json
import secrets
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hapg.spec import quantity
from tests.cluster import debian, local, loops
from tests.cluster.errors import ClusterError

_POLL_SECONDS = 1.0
_LABEL = "tests/growable"
_PROVISIONER = "tests.example.com/growable"
_NODE = "volume.kubernetes.io/selected-node"

Json = dict[str, Any]


@dataclass(frozen=True)
class Classes:
    """The names of two StorageClasses: file systems grow while they are in use, or only when a pod starts."""

    online: str
    offline: str


@contextmanager
def classes() -> Iterator[Classes]:
    """Both StorageClasses while the context lasts. Every claim of them has to be deleted, or be being deleted, at the end."""
    debian.ensure_program("xfs_growfs", "xfsprogs")
    name = f"growable-{secrets.token_hex(2)}"
    found = Classes(f"{name}-online", f"{name}-offline")
    for each in (found.online, found.offline):
        _apply(_storage_class(each))
    thread = _Provider(name, found)
    thread.start()
    try:
        yield found
    finally:
        thread.end()
        local.kubectl("delete", "storageclass", found.online, found.offline)


def _storage_class(name: str) -> Json:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": _PROVISIONER,
        "allowVolumeExpansion": True,
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def _apply(wanted: Json) -> None:
    local.kubectl("apply", "-f", "-", stdin=json.dumps(wanted))


def _list(*words: str) -> list[Json]:
    found: list[Json] = json.loads(local.kubectl("get", *words, "-o", "json"))["items"]
    return found


@dataclass
class _Provider:
    """The thread. held: the pod that used the volume of an offline claim when the claim's request grew, by the volume's name."""

    name: str
    classes: Classes
    held: dict[str, str] = field(default_factory=dict)
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to provide volumes."""
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Wait until no volume is left, for a while, and stop."""
        for _ in range(120):
            if not self._volumes():
                break
            self._ended.wait(_POLL_SECONDS)
        self._ended.set()
        assert self._thread is not None
        self._thread.join()
        for volume in self._volumes():
            self._remove(volume)

    def _run(self) -> None:
        while not self._ended.wait(_POLL_SECONDS):
            try:
                self._look()
            except (ClusterError, subprocess.SubprocessError, OSError, LookupError, ValueError) as error:
                print(f"{self.name}: {type(error).__name__}: {error}", flush=True)  # the API may be away for a moment, by a test

    def _volumes(self) -> list[Json]:
        return _list("persistentvolumes", "--selector", f"{_LABEL}={self.name}")

    def _look(self) -> None:
        claims = [each for each in _list("persistentvolumeclaims", "--all-namespaces") if self._is_mine(each)]
        volumes = {each["metadata"]["name"]: each for each in self._volumes()}
        for claim in claims:
            volume = volumes.get(_volume_name(claim))
            if volume is None and _NODE in (claim["metadata"].get("annotations") or {}) and "deletionTimestamp" not in claim["metadata"]:
                self._make(claim)
            elif volume is not None and (claim.get("status") or {}).get("phase") == "Bound":
                self._grow(claim, volume)
        wanted = {_volume_name(claim) for claim in claims}
        for name, volume in volumes.items():
            if name not in wanted:
                self._remove(volume)

    def _is_mine(self, claim: Json) -> bool:
        return claim["spec"].get("storageClassName") in (self.classes.online, self.classes.offline)

    def _make(self, claim: Json) -> None:
        name, size = _volume_name(claim), _requested(claim)
        device = loops.make(name, int(quantity.value(size)))
        there = {"key": "kubernetes.io/hostname", "operator": "In", "values": [claim["metadata"]["annotations"][_NODE]]}
        reference = {"kind": "PersistentVolumeClaim", "apiVersion": "v1"}
        reference |= {key: claim["metadata"][key] for key in ("namespace", "name", "uid")}
        spec = {
            "storageClassName": claim["spec"]["storageClassName"],
            "capacity": {"storage": size},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": reference,
            "local": {"path": device, "fsType": "xfs"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [there]}]}},
        }
        labels = {_LABEL: self.name}
        _apply({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name, "labels": labels}, "spec": spec})

    def _grow(self, claim: Json, volume: Json) -> None:
        name, size = volume["metadata"]["name"], _requested(claim)
        if quantity.value(size) <= quantity.value(volume["spec"]["capacity"]["storage"]):
            return
        if claim["spec"]["storageClassName"] == self.classes.offline and self._is_in_use(claim, name):
            if not claim["status"].get("conditions"):
                _set_status(claim, {"conditions": [_pending()]})
            return
        loops.grow(name, volume["spec"]["local"]["path"], int(quantity.value(size)))
        local.kubectl("patch", "persistentvolume", name, "--type=merge", "-p", json.dumps({"spec": {"capacity": {"storage": size}}}))
        allocated = {"allocatedResources": {"storage": size}, "allocatedResourceStatuses": {"storage": "NodeResizePending"}}
        _set_status(claim, {"conditions": [_pending()], **allocated})

    def _is_in_use(self, claim: Json, volume: str) -> bool:
        """True while the pod that used the claim when it was to grow exists and is not being deleted."""
        namespace, name = claim["metadata"]["namespace"], claim["metadata"]["name"]
        users = {pod["metadata"]["uid"]: pod for pod in _list("pods", "--namespace", namespace) if _uses(pod, name)}
        known = self.held.setdefault(volume, next(iter(users), ""))
        return known in users and "deletionTimestamp" not in users[known]["metadata"]

    def _remove(self, volume: Json) -> None:
        name = volume["metadata"]["name"]
        local.kubectl("delete", "persistentvolume", name, "--wait=false")
        loops.remove(name)


def _volume_name(claim: Json) -> str:
    return f"growable-{claim['metadata']['uid']}"


def _requested(claim: Json) -> str:
    return str(claim["spec"]["resources"]["requests"]["storage"])


def _pending() -> Json:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    message = "Waiting for user to (re-)start a pod to finish file system resize of volume on node."
    return {"type": "FileSystemResizePending", "status": "True", "lastTransitionTime": now, "message": message}


def _set_status(claim: Json, status: Json) -> None:
    words = ["patch", "persistentvolumeclaim", claim["metadata"]["name"], "--namespace", claim["metadata"]["namespace"]]
    local.kubectl(*words, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))


def _uses(pod: Json, claim: str) -> bool:
    return any((each.get("persistentVolumeClaim") or {}).get("claimName") == claim for each in pod["spec"].get("volumes") or [])
