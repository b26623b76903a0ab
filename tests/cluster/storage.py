"""Volumes for tests.

A StorageClass whose volumes are disks that can hang, fill up and break: one volume on each node, see `disks`. And a folder that
pods on every node share, for the nodes have their file system in common.
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
    """A PersistentVolume that is kept when its claim goes. source: where it lies, and for whom."""
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
    """A folder that is there on one node."""
    there = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}
    return {"local": {"path": str(folder)}, "nodeAffinity": {"required": {"nodeSelectorTerms": [there]}}}


def folder_of(node: str, namespace: str, claim: str) -> Path:
    """The folder of the machine that is the volume of a claim of the standard StorageClass. node: that of its pod."""
    [found] = (paths.node_directory(node) / "volumes").glob(f"*_{namespace}_{claim}")
    return found


def make(name: str, mebibytes: int = MEBIBYTES) -> None:
    """Makes a StorageClass of this name and one volume of this size on each node: enough for one release with three replicas."""
    for node in NODES:
        disks.make(name, node.name, mebibytes)
    local.kubectl("apply", "-f", "-", stdin="\n---\n".join(json.dumps(each) for each in _objects(name, mebibytes)))


def remove(name: str) -> None:
    """Removes the StorageClass, its volumes and their disks, once no pod uses them any more; does nothing when there is none.

    The claims have to be deleted before.
    """
    local.kubectl("delete", "storageclass", name, "--ignore-not-found")
    local.kubectl("delete", "persistentvolume", "--selector", f"storage-class={name}", "--wait=false")
    for node in NODES:
        disks.remove(name, node.name)


@contextmanager
def volumes(name: str, mebibytes: int = MEBIBYTES) -> Iterator[str]:
    """A StorageClass of this name for as long as the context lasts; gives the name."""
    make(name, mebibytes)
    try:
        yield name
    finally:
        remove(name)


@contextmanager
def shared(namespace: str, claim: str, storage_class: str, mebibytes: int) -> Iterator[Path]:
    """A volume that takes ReadWriteMany, for one claim that is to be made, as long as the context lasts; gives its folder.

    Nothing may write to it any more in the end.
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
    """A claim whose volume is a folder that has data, as a storage system gives it that restores a snapshot, as long as the context lasts.

    Nobody may use it any more in the end, when the claim is deleted; the folder stays.
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
