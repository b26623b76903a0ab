"""The fixed layout of the cluster: names, addresses, and the nodes' places in the networks."""

from dataclasses import dataclass

HOST_ADDRESS = "172.30.0.1"
API_SERVER = f"https://{HOST_ADDRESS}:6443"
SERVICE_RANGE = "10.96.0.0/16"
POD_RANGE = "10.244.0.0/16"
API_SERVICE = "10.96.0.1"
DNS_SERVICE = "10.96.0.10"
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
        return f"172.30.0.{10 + self.number}"

    @property
    def pods(self) -> str:
        return f"10.244.{self.number}.0/24"

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
