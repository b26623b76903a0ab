"""Network policies of the local cluster: kube-router, used only as a firewall, on every node.

It runs only while a test asks for it, because it rewrites a node's iptables whenever a pod changes, which would disturb tests that
measure times.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.cluster import builds, debian, supervise
from tests.cluster.commands import run, succeeds
from tests.cluster.errors import ClusterError
from tests.cluster.pki import kubeconfig
from tests.cluster.supervise import Component
from tests.cluster.topology import NODES, SERVICE_RANGE, Node

_READY_SECONDS = 60.0
_POLL_SECONDS = 0.2
_CHAIN = "KUBE-ROUTER-FORWARD"


def program() -> Path:
    """Builds the controller and installs its dependencies, if needed; returns its path."""
    debian.ensure_program("ipset", "ipset")
    return builds.ensure(builds.POLICY_BUILDS)["kube-router"]


def _component(node: Node, path: Path) -> Component:
    options = ("--run-firewall=true", "--run-router=false", "--run-service-proxy=false", "--health-port=0")
    place = (f"--kubeconfig={kubeconfig('admin')}", f"--hostname-override={node.name}", f"--service-cluster-ip-range={SERVICE_RANGE}")
    return Component(f"kube-router-{node.name}", (str(path), *options, *place), node.name)


def _await(node: Node) -> None:
    limit = time.monotonic() + _READY_SECONDS
    while not succeeds([*supervise.inside(node.name), "iptables", "-w", "-S", _CHAIN]):
        if time.monotonic() > limit:
            raise ClusterError(f"kube-router of {node.name} not ready after {_READY_SECONDS:.0f} s")
        time.sleep(_POLL_SECONDS)


@contextmanager
def enforced() -> Iterator[None]:
    """Network policies are enforced while the context lasts. All nodes must be on when it begins and ends."""
    path = program()
    components = [_component(node, path) for node in NODES]
    with ThreadPoolExecutor(max_workers=len(NODES)) as pool:
        try:
            supervise.start(components)
            list(pool.map(_await, NODES))
            yield
        finally:
            supervise.request("remove", names=[each.name for each in components])
            list(pool.map(lambda node: run([*supervise.inside(node.name), str(path), "--cleanup-config"]), NODES))
