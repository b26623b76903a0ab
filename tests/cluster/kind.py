"""CLUSTER=kind: a cluster in this machine's Docker engine, created and deleted with kind.

Untested: no Docker engine was available when it was written. All uses of kind are here, three commands in all.
"""

from collections.abc import Iterable
from pathlib import Path

from tests.cluster.commands import run
from tests.cluster.images import Archive
from tests.cluster.output import step
from tests.cluster.paths import STATE

KUBECONFIG = STATE / "kind.conf"
_NAME = "ha-postgres"
_NODES = """\
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes: [{role: control-plane}, {role: worker}, {role: worker}, {role: worker}]
"""


def _exists() -> bool:
    return _NAME in run(["kind", "get", "clusters"]).split()


def up(archives: Iterable[Archive]) -> Path:
    """Creates the cluster if needed, loads the images and returns the path of its kubeconfig."""
    if not _exists():
        STATE.mkdir(parents=True, exist_ok=True)
        with step("making a kind cluster"):
            run(["kind", "create", "cluster", "--name", _NAME, "--kubeconfig", str(KUBECONFIG), "--config", "-"], stdin=_NODES)
    load(archives)
    return KUBECONFIG


def load(archives: Iterable[Archive]) -> None:
    """Loads images into the cluster, if there is one."""
    for archive in archives if _exists() else []:
        with step(f"loading {archive.reference}"):
            run(["kind", "load", "image-archive", str(archive.path), "--name", _NAME])


def down() -> None:
    """Deletes the cluster."""
    run(["kind", "delete", "cluster", "--name", _NAME, "--kubeconfig", str(KUBECONFIG)])
