"""Links, addresses and routes of the host and the nodes."""

import json
import shutil
from collections.abc import Iterable
from typing import Any

from tests.cluster.commands import run, succeeds
from tests.cluster.topology import BRIDGE, FAMILY, HOST_ADDRESS, NETWORK, NETWORKS, NODES, POD_RANGE, SERVICE_RANGE, Node

_WORST_METRIC = "4278198272"
_AT_ONCE = ["nodad"] if FAMILY == "ipv6" else []
"""No wait for another owner of the address."""


def _ip(*words: str) -> str:
    return run(["ip", NETWORK.flag, *words])


def _json(*words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(_ip("-json", *words) or "[]")
    return found


def links() -> list[str]:
    """The names of this cluster's links on the host."""
    ours = {BRIDGE, *(node.link for node in NODES)}
    return [link["ifname"] for link in _json("link", "show") if link["ifname"] in ours]


def make_host() -> None:
    """Creates the bridge, and unreachable routes, so that no packet for a pod or Service ever leaves the host."""
    _ip("link", "add", BRIDGE, "type", "bridge")
    _ip("address", "add", f"{HOST_ADDRESS}/{NETWORK.nodes_length}", "dev", BRIDGE, *_AT_ONCE)
    _ip("link", "set", BRIDGE, "up")
    for target in (SERVICE_RANGE, POD_RANGE):
        _ip("route", "replace", "unreachable", target, "metric", _WORST_METRIC)


def remove_host() -> None:
    """Removes the cluster's links, with their routes, and the unreachable routes."""
    if not shutil.which("ip"):
        return  # then nothing was ever created
    for name in links():
        if name != BRIDGE:
            succeeds(["ip", "link", "delete", name])
    if BRIDGE in links():
        _ip("link", "delete", BRIDGE)
    for family in NETWORKS.values():
        for target in (family.services, family.pods):
            if run(["ip", family.flag, "route", "show", "type", "unreachable", "exact", target]):
                run(["ip", family.flag, "route", "delete", "unreachable", target, "metric", _WORST_METRIC])


def make_node(node: Node, pid: int) -> None:
    """Connects the network namespace of process `pid` as this node; the host can reach its pods."""
    if node.link in links():
        _ip("link", "delete", node.link)
    _ip("link", "add", node.link, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
    _ip("link", "set", node.link, "master", BRIDGE, "up")
    inside = ["nsenter", f"--net=/proc/{pid}/ns/net", "ip", NETWORK.flag]
    run([*inside, "link", "set", "lo", "up"])
    run([*inside, "address", "add", f"{node.address}/{NETWORK.nodes_length}", "dev", "eth0", *_AT_ONCE])
    run([*inside, "link", "set", "eth0", "up"])
    run([*inside, "route", "add", SERVICE_RANGE, "via", HOST_ADDRESS])
    for other in NODES:
        if other != node:
            run([*inside, "route", "add", other.pods, "via", other.address])
    run([*inside, "route", "add", "unreachable", "default"])
    _ip("route", "replace", node.pods, "via", node.address)


def remove_node(node: Node) -> None:
    """Disconnects a node's cable."""
    if node.link in links():
        _ip("link", "delete", node.link)


def plug(node: Node, connected: bool) -> None:
    """Sets the host's end of a node's cable up or down."""
    _ip("link", "set", node.link, "up" if connected else "down")


def connected() -> list[Node]:
    """The nodes whose cable exists and is up."""
    up = {link["ifname"] for link in _json("link", "show") if "UP" in link["flags"]}
    return [node for node in NODES if node.link in up]


def route_services(nodes: Iterable[Node]) -> None:
    """Routes the host's own traffic for ClusterIPs (the API server's webhooks) through the first of the nodes, if any."""
    for node in nodes:
        _ip("route", "replace", SERVICE_RANGE, "via", node.address)
        return
    succeeds(["ip", NETWORK.flag, "route", "delete", SERVICE_RANGE, "dev", BRIDGE])
