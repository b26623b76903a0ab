"""Nodes that lose power."""

from __future__ import annotations

from tests.cluster import nodes
from tests.cluster.fixtures import NodeFaults


def restart_all_nodes(faults: NodeFaults) -> None:
    """Power off all nodes at once, including the clients', and power them on again; return when all are Ready."""
    for name in nodes.names():
        faults.power_off(name)
    for name in nodes.names():
        faults.boot(name)
    nodes.wait_ready()
