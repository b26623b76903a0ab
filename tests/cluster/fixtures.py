"""pytest fixtures: the cluster, and faults that are undone when the test ends."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cluster import chosen, nodes
from tests.cluster.errors import ClusterError
from tests.cluster.paths import BIN


@dataclass(frozen=True)
class Cluster:
    """The chosen cluster: the path of its kubeconfig, and the folder with kubectl, helm and the other tools."""

    kubeconfig: Path
    bin: Path


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """Starts or finds the cluster that CLUSTER selects, with the current images loaded."""
    chosen.tools()
    return Cluster(chosen.up(), BIN)


@dataclass
class NodeFaults:
    """The faults of tests.cluster.nodes, each recorded until it is undone; `undo` undoes the rest."""

    _undoing: dict[tuple[str, ...], Callable[[], None]] = field(default_factory=dict)

    def partition(self, node: str) -> None:
        """Like nodes.partition."""
        self._undoing["partition", node] = lambda: nodes.heal(node)
        nodes.partition(node)

    def heal(self, node: str) -> None:
        """Like nodes.heal."""
        nodes.heal(node)
        self._undoing.pop(("partition", node), None)

    def power_off(self, node: str) -> None:
        """Like nodes.power_off."""
        self._undoing["power", node] = lambda: nodes.boot(node)
        self._undoing.pop(("partition", node), None)
        nodes.power_off(node)

    def boot(self, node: str) -> None:
        """Like nodes.boot."""
        nodes.boot(node)
        self._undoing.pop(("power", node), None)

    def cut(self, namespace: str, pod: str, peer: str, direction: nodes.Direction = "both") -> None:
        """Like nodes.cut."""
        self._undoing["cut", namespace, pod] = lambda: nodes.restore(namespace, pod)
        nodes.cut(namespace, pod, peer, direction)

    def restore(self, namespace: str, pod: str) -> None:
        """Like nodes.restore."""
        nodes.restore(namespace, pod)
        self._undoing.pop(("cut", namespace, pod), None)

    def freeze(self, namespace: str, pod: str, container: str, node: str | None = None) -> None:
        """Like nodes.freeze."""

        def thaw() -> None:
            try:
                nodes.thaw(namespace, pod, container, node)
            except ClusterError:
                return  # the container is gone, and its frozen processes with it

        self._undoing["freeze", namespace, pod, container] = thaw
        nodes.freeze(namespace, pod, container, node)

    def thaw(self, namespace: str, pod: str, container: str, node: str | None = None) -> None:
        """Like nodes.thaw."""
        nodes.thaw(namespace, pod, container, node)
        self._undoing.pop(("freeze", namespace, pod, container), None)

    def stop_api(self) -> None:
        """Like nodes.stop_api."""
        self._undoing[("api",)] = nodes.start_api
        nodes.stop_api()

    def start_api(self) -> None:
        """Like nodes.start_api."""
        nodes.start_api()
        self._undoing.pop(("api",), None)

    def undo(self) -> None:
        """Undoes the remaining faults, the latest first, and waits until every node is Ready."""
        for action in reversed(list(self._undoing.values())):
            action()
        self._undoing.clear()
        nodes.wait_ready()


@pytest.fixture
def node_faults(cluster: Cluster) -> Iterator[NodeFaults]:
    """Faults for one test; skips it unless the cluster is the local one."""
    if not chosen.is_local():
        pytest.skip("faults of nodes need the local cluster")
    faults = NodeFaults()
    yield faults
    faults.undo()
