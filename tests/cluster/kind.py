"""CLUSTER=kind: a cluster in an existing Docker engine instead of the local one.

Not tried on the machines that this project is developed on, since they have no Docker; kept small for that reason.
"""

from pathlib import Path

from tests.cluster.commands import run, succeeds
from tests.cluster.errors import ClusterError
from tests.cluster.images import Archive
from tests.cluster.output import step
from tests.cluster.paths import STATE

KUBECONFIG = STATE / "kind.conf"
_NAME = "ha-postgres"
_CONFIGURATION = """\
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes: [{role: control-plane}, {role: worker}, {role: worker}, {role: worker}]
"""


def _require() -> None:
    if not succeeds(["docker", "info"]) or not succeeds(["kind", "version"]):
        raise ClusterError("CLUSTER=kind needs a Docker engine that answers and the program kind")


def _exists() -> bool:
    return _NAME in run(["kind", "get", "clusters"]).split()


def up(archives: list[Archive]) -> Path:
    """Makes the cluster unless it exists, loads the images and returns the path of its kubeconfig."""
    _require()
    STATE.mkdir(parents=True, exist_ok=True)
    if not _exists():
        with step("making a kind cluster"):
            options = ["--name", _NAME, "--kubeconfig", str(KUBECONFIG), "--wait", "180s", "--config", "-"]
            run(["kind", "create", "cluster", *options], stdin=_CONFIGURATION)
    load(archives)
    return KUBECONFIG


def load(archives: list[Archive]) -> None:
    """Loads images into the cluster, if there is one."""
    _require()
    for archive in archives if _exists() else []:
        with step(f"loading {archive.reference}"):
            run(["kind", "load", "image-archive", str(archive.path), "--name", _NAME])


def down() -> None:
    """Deletes the cluster."""
    _require()
    run(["kind", "delete", "cluster", "--name", _NAME, "--kubeconfig", str(KUBECONFIG)])
