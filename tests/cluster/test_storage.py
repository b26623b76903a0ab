"""The tests' disks can fail as intended, and keep their contents."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.cluster import chosen, disks, local, nodes, storage
from tests.cluster.commands import run
from tests.cluster.errors import ClusterError
from tests.cluster.fixtures import Cluster, NodeFaults
from tests.cluster.images import POSTGRES_IMAGE

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

NAME = "disks-under-test"
NODE = "node2"
SECONDS = 120


def kubectl(*words: str, stdin: str | None = None) -> str:
    return local.kubectl("--namespace", NAME, *words, stdin=stdin)


def _objects() -> list[object]:
    claim = {"storageClassName": NAME, "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "32Mi"}}}
    container = {
        "name": "user",
        "image": POSTGRES_IMAGE,
        "command": ["bash", "-c", "trap 'exit 0' TERM; sleep infinity & wait"],
        "volumeMounts": [{"name": "disk", "mountPath": "/disk"}],
    }
    spec = {
        "nodeSelector": {"kubernetes.io/hostname": NODE},
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
        "volumes": [{"name": "disk", "persistentVolumeClaim": {"claimName": "disk"}}],
    }
    return [
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "disk"}, "spec": claim},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "user"}, "spec": spec},
    ]


def _start() -> None:
    kubectl("apply", "-f", "-", stdin="\n---\n".join(json.dumps(each) for each in _objects()))
    kubectl("wait", "--for=condition=Ready", "pod/user", f"--timeout={SECONDS}s")


@pytest.fixture(scope="module", autouse=True)
def user(cluster: Cluster) -> Iterator[None]:
    """A pod with a volume of the class on one node."""
    if not chosen.is_local():
        pytest.skip("disks need the local cluster")
    with storage.volumes(NAME, 32):
        local.kubectl("create", "namespace", NAME)
        try:
            _start()
            yield
        finally:
            disks.resume(NAME, NODE)
            local.kubectl("delete", "namespace", NAME, f"--timeout={SECONDS}s")


def _write(name: str, kibibytes: int = 1) -> None:
    """Write a file to the disk and wait until it is visible. Raise ClusterError if that fails or takes two seconds."""
    kubectl("exec", "user", "--", "timeout", "2", "dd", "if=/dev/zero", f"of=/disk/{name}", "bs=1K", f"count={kibibytes}", "conv=fsync")


def test_disk_that_hangs_stops_writes_and_not_reads() -> None:
    _write("before")
    disks.hang(NAME, NODE)
    try:
        with pytest.raises(ClusterError):
            run(["timeout", "3", *_exec("dd", "if=/dev/zero", "of=/disk/hung", "bs=1K", "count=1", "conv=fsync")])
        assert kubectl("exec", "user", "--", "wc", "-c", "/disk/before").split()[0] == "1024"
        assert nodes.processes(NAME, "user", "user")
    finally:
        disks.resume(NAME, NODE)
    _write("after")


def _exec(*command: str) -> list[str]:
    return [str(chosen.tools() / "kubectl"), f"--kubeconfig={chosen.kubeconfig()}", "--namespace", NAME, "exec", "user", "--", *command]


def test_full_disk_refuses_writes_until_it_has_room_again() -> None:
    _write("before", 100)
    disks.fill(NAME, NODE)
    with pytest.raises(ClusterError, match="No space left on device"):
        _write("too-much", 100)
    disks.free(NAME, NODE)
    _write("too-much", 100)


def test_slow_disk_works_slowly() -> None:
    with disks.slow(NAME, NODE, 0.3):
        _write("slowly")
    _write("quickly")


def test_broken_disk_is_read_only_until_it_is_repaired() -> None:
    _write("before")
    disks.break_(NAME, NODE)
    with pytest.raises(ClusterError, match="Read-only file system"):
        _write("refused")
    assert kubectl("exec", "user", "--", "ls", "/disk").split()
    kubectl("delete", "pod", "user", f"--timeout={SECONDS}s")
    disks.repair(NAME, NODE)
    _start()
    assert "before" in kubectl("exec", "user", "--", "ls", "/disk").split()
    _write("after")


def test_disk_that_hangs_does_not_keep_its_node_on(node_faults: NodeFaults) -> None:
    disks.hang(NAME, NODE)
    node_faults.power_off(NODE)
    assert not disks.mounted(NAME, NODE)
    node_faults.boot(NODE)
    disks.mount(NAME, NODE)
    nodes.wait_ready()
    kubectl("delete", "pod", "user", f"--timeout={SECONDS}s")
    _start()
    _write("after")
