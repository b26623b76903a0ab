"""The fixed layout of the cluster: names, addresses, and the nodes' places in the networks.

With FAMILY=ipv6 in the environment of every command the cluster has IPv6 addresses alone.
"""

import os
from dataclasses import dataclass

from hapg_protocol.addresses import with_port


@dataclass(frozen=True)
class Networks:
    """The networks of one family of addresses; `host` is the machine's address on the bridge, where the API server listens."""

    host: str
    nodes: str
    nodes_length: int
    services: str
    pods: str
    node_pods: str
    api_service: str
    dns_service: str
    anywhere: str
    flag: str
    filter: str


NETWORKS = {
    "ipv4": Networks(
        host="172.30.0.1",
        nodes="172.30.0.1{}",
        nodes_length=24,
        services="10.96.0.0/16",
        pods="10.244.0.0/16",
        node_pods="10.244.{}.0/24",
        api_service="10.96.0.1",
        dns_service="10.96.0.10",
        anywhere="0.0.0.0",
        flag="-4",
        filter="iptables",
    ),
    "ipv6": Networks(
        host="fd00:172:30::1",
        nodes="fd00:172:30::1{}",
        nodes_length=64,
        services="fd00:10:96::/112",
        pods="fd00:10:244::/48",
        node_pods="fd00:10:244:{}::/64",
        api_service="fd00:10:96::1",
        dns_service="fd00:10:96::10",
        anywhere="::",
        flag="-6",
        filter="ip6tables",
    ),
}
FAMILY = os.environ.get("FAMILY", "ipv4")
if FAMILY not in NETWORKS:
    raise SystemExit(f"error: FAMILY: {FAMILY} is not allowed; {' or '.join(NETWORKS)}")
NETWORK = NETWORKS[FAMILY]
HOST_ADDRESS = NETWORK.host
API_SERVER = f"https://{with_port(HOST_ADDRESS, 6443)}"
SERVICE_RANGE = NETWORK.services
POD_RANGE = NETWORK.pods
API_SERVICE = NETWORK.api_service
DNS_SERVICE = NETWORK.dns_service
BRIDGE = "hapg0"
CGROUP = "ha-postgres"


@dataclass(frozen=True)
class Node:
    """One node: its number from 1 on gives every name and address."""

    number: int

    @property
    def name(self) -> str:
        return f"node{self.number}"

    @property
    def address(self) -> str:
        return NETWORK.nodes.format(self.number)

    @property
    def pods(self) -> str:
        return NETWORK.node_pods.format(self.number)

    @property
    def link(self) -> str:
        """The host's end of the node's cable."""
        return f"hapg-{self.name}"

    @property
    def cgroup(self) -> str:
        return f"{CGROUP}/{self.name}"


NODES = tuple(Node(number) for number in (1, 2, 3))


def node(name: str) -> Node:
    """The node with this name; raises ValueError for any other name."""
    for candidate in NODES:
        if candidate.name == name:
            return candidate
    raise ValueError(f"no node {name!r}; there are {', '.join(each.name for each in NODES)}")
