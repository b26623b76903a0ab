"""Volumes for tests.

A StorageClass whose volumes are disks that can hang, fill up and break: one volume on each node, see `disks`. And a folder shared by
pods on every node, which is possible because the nodes share one file system.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.cluster import disks, local, paths
from tests.cluster.topology import NODES

MEBIBYTES = 1024
STANDARD = "standard"


def _objects(name: str, mebibytes: int) -> list[object]:
    kind = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    labels = {"storage-class": name}
    places = {node.name: _on(node.name, disks.data(name, node.name)) for node in NODES}
    volumes = [_volume(f"{name}-{node}", name, mebibytes, "ReadWriteOnce", place, labels) for node, place in places.items()]
    return [kind, *volumes]


def _volume(
    name: str, storage_class: str, mebibytes: int, mode: str, source: Mapping[str, object], labels: Mapping[str, str] | None = None
) -> dict[str, object]:
    """A PersistentVolume that is kept when its PVC is deleted. source: its location and its claim."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "labels": dict(labels or {})},
        "spec": {
            "storageClassName": storage_class,
            "capacity": {"storage": f"{mebibytes}Mi"},
            "accessModes": [mode],
            "persistentVolumeReclaimPolicy": "Retain",
            **source,
        },
    }


def _on(node: str, folder: Path) -> dict[str, object]:
    """A folder that exists on one node."""
    there = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}
    return {"local": {"path": str(folder)}, "nodeAffinity": {"required": {"nodeSelectorTerms": [there]}}}


def folder_of(node: str, namespace: str, claim: str) -> Path:
    """The folder on the machine that is the volume of a PVC of the standard StorageClass. node: the pod's."""
    [found] = (paths.node_directory(node) / "volumes").glob(f"*_{namespace}_{claim}")
    return found


def make(name: str, mebibytes: int = MEBIBYTES) -> None:
    """Creates a StorageClass of this name and one volume of this size on each node: enough for one release with three replicas."""
    for node in NODES:
        disks.make(name, node.name, mebibytes)
    local.kubectl("apply", "-f", "-", stdin="\n---\n".join(json.dumps(each) for each in _objects(name, mebibytes)))


def remove(name: str) -> None:
    """Removes the StorageClass, its volumes and their disks, once no pod uses them; does nothing if there is none.

    The PVCs must be deleted first.
    """
    local.kubectl("delete", "storageclass", name, "--ignore-not-found")
    local.kubectl("delete", "persistentvolume", "--selector", f"storage-class={name}", "--wait=false")
    for node in NODES:
        disks.remove(name, node.name)


@contextmanager
def volumes(name: str, mebibytes: int = MEBIBYTES) -> Iterator[str]:
    """A StorageClass of this name while the context lasts; yields the name."""
    make(name, mebibytes)
    try:
        yield name
    finally:
        remove(name)


@contextmanager
def shared(namespace: str, claim: str, storage_class: str, mebibytes: int) -> Iterator[Path]:
    """A ReadWriteMany volume, for one PVC that is created later, while the context lasts; yields its folder.

    Nothing may write to it at the end.
    """
    name = f"{namespace}-{claim}"
    folder = paths.CLUSTER / "shared" / name
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    source = {"claimRef": {"namespace": namespace, "name": claim}, "hostPath": {"path": str(folder), "type": "Directory"}}
    volume = _volume(name, storage_class, mebibytes, "ReadWriteMany", source)
    local.kubectl("apply", "-f", "-", stdin=json.dumps(volume))
    try:
        yield folder
    finally:
        local.kubectl("delete", "persistentvolume", name, "--wait=false")
        shutil.rmtree(folder)


@contextmanager
def given(namespace: str, claim: str, folder: Path, node: str, mebibytes: int) -> Iterator[None]:
    """A PVC whose volume is a folder with data, as when a storage system restores a snapshot, while the context lasts.

    Nobody may use it at the end, when the PVC is deleted; the folder stays.
    """
    name = f"{namespace}-{claim}"
    source = {"claimRef": {"namespace": namespace, "name": claim}, **_on(node, folder)}
    volume = _volume(name, STANDARD, mebibytes, "ReadWriteOnce", source)
    wanted = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"namespace": namespace, "name": claim},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": f"{mebibytes}Mi"}},
            "storageClassName": STANDARD,
            "volumeName": name,
        },
    }
    local.kubectl("apply", "-f", "-", stdin=json.dumps(volume) + "\n---\n" + json.dumps(wanted))
    try:
        yield
    finally:
        local.kubectl("delete", "persistentvolumeclaim", claim, "--namespace", namespace)
        local.kubectl("delete", "persistentvolume", name)
