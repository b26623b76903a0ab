"""Stops and restarts programs of the cluster, takes DNS away, and restores etcd to an earlier state."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster import local, nodes, supervise
from tests.cluster.paths import CLUSTER
from tests.cluster.topology import NODES

_ETCD = CLUSTER / "etcd"
_NOWHERE = {"tests/nowhere": "true"}


@contextmanager
def stopped(component: str) -> Iterator[None]:
    """Kills a program of the cluster, such as `kubelet-node1`, and keeps it down while the context lasts."""
    supervise.request("stop", names=[component])
    try:
        yield
    finally:
        supervise.request("resume", names=[component])


@contextmanager
def without_dns() -> Iterator[None]:
    """No node has a DNS server while the context lasts; cached names expire within seconds."""
    _place_dns(_NOWHERE)
    try:
        local.kubectl("-n", "kube-system", "wait", "pod", "-l", "k8s-app=kube-dns", "--for=delete", "--timeout=60s")
        yield
    finally:
        _place_dns({"tests/nowhere": None})
        local.kubectl("-n", "kube-system", "rollout", "status", "daemonset/coredns", "--timeout=60s")


def _place_dns(selector: object) -> None:
    patch = {"spec": {"template": {"spec": {"nodeSelector": selector}}}}
    local.kubectl("-n", "kube-system", "patch", "daemonset", "coredns", "--type=merge", "-p", json.dumps(patch))


@contextmanager
def etcd_saved() -> Iterator[Path]:
    """A copy of etcd's current contents, for `put_etcd_back`; the API server is down for a moment."""
    copy = _ETCD.with_name("etcd-saved")
    with _etcd_stopped():
        shutil.copytree(_ETCD, copy)
    try:
        yield copy
    finally:
        shutil.rmtree(copy)


def put_etcd_back(copy: Path) -> None:
    """Restore etcd's contents from the copy, and restart every program that knows something newer.

    kubernetes.io/docs/tasks/administer-cluster/configure-upgrade-etcd, 'Restoring an etcd cluster'.
    """
    with _etcd_stopped():
        shutil.rmtree(_ETCD)
        shutil.copytree(copy, _ETCD)
    kubelets = [f"kubelet-{node.name}" for node in NODES]
    supervise.request("stop", names=kubelets)
    supervise.request("resume", names=kubelets)


@contextmanager
def _etcd_stopped() -> Iterator[None]:
    nodes.stop_api()
    supervise.request("stop", names=["etcd"])
    try:
        yield
    finally:
        supervise.request("resume", names=["etcd"])
        nodes.start_api()
