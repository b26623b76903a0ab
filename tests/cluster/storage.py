"""Volumes for tests.

A StorageClass whose volumes are disks that can hang, fill up and break: one volume on each node, see `disks`. And a folder that
pods on every node share, for the nodes have their file system in common.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster import disks, local, paths
from tests.cluster.topology import NODES

MEBIBYTES = 1024


def _objects(name: str, mebibytes: int) -> list[object]:
    kind = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    volumes = [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"{name}-{node.name}", "labels": {"storage-class": name}},
            "spec": {
                "storageClassName": name,
                "capacity": {"storage": f"{mebibytes}Mi"},
                "accessModes": ["ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": "Retain",
                "local": {"path": str(disks.data(name, node.name))},
                "nodeAffinity": {
                    "required": {
                        "nodeSelectorTerms": [
                            {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node.name]}]}
                        ]
                    }
                },
            },
        }
        for node in NODES
    ]
    return [kind, *volumes]


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
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "storageClassName": storage_class,
            "capacity": {"storage": f"{mebibytes}Mi"},
            "accessModes": ["ReadWriteMany"],
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {"namespace": namespace, "name": claim},
            "hostPath": {"path": str(folder), "type": "Directory"},
        },
    }
    local.kubectl("apply", "-f", "-", stdin=json.dumps(volume))
    try:
        yield folder
    finally:
        local.kubectl("delete", "persistentvolume", name, "--wait=false")
        shutil.rmtree(folder)
