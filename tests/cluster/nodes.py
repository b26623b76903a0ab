"""Faults of nodes, pods and containers of the local cluster, for tests and for the command line.

A node is named `node1`, `node2` or `node3`; a container by namespace, pod and container name. All functions raise ClusterError if the
local cluster is not up or the node or container does not exist.
"""

import json
import re
import shlex
import signal
import time
from typing import Any, Literal

from tests.cluster import cgroups, configuration, disks, files, local, network, process, runtime, supervise
from tests.cluster.commands import run
from tests.cluster.errors import ClusterError
from tests.cluster.paths import STATE_LOCK
from tests.cluster.topology import HOST_ADDRESS, NETWORK, NODES, POD_RANGE, Node
from tests.cluster.topology import node as _find_node

Direction = Literal["both", "to", "from"]

_STOP_SECONDS = 5.0
_API_PORT = "6443"
_DNS_PORT = "53"


def _node(name: str) -> Node:
    try:
        return _find_node(name)
    except ValueError as error:
        raise ClusterError(str(error)) from error


def _route_services() -> None:
    powered = supervise.status()["nodes"]
    network.route_services(node for node in network.connected() if node.name in powered)


def partition(node: str) -> None:
    """Cuts a node off from the API server, the other nodes and the host; everything on it keeps running."""
    supervise.inside(node)
    network.plug(_node(node), connected=False)
    _route_services()


def heal(node: str) -> None:
    """Ends a node's partition."""
    supervise.inside(node)
    network.plug(_node(node), connected=True)
    _route_services()


def power_off(node: str) -> None:
    """Kills everything on a node at once, disconnects its cable and clears its memory; its disk stays."""
    with files.lock(STATE_LOCK):
        disks.resume_all(_node(node).name)
        supervise.request("node-down", node=_node(node).name)
        _route_services()


def boot(node: str) -> None:
    """Starts a node that was powered off, with its old disk; returns before it is Ready."""
    with files.lock(STATE_LOCK):
        supervise.request("node-up", node=_node(node).name)
        supervise.request("resume", names=configuration.names(_node(node)))
        _route_services()


def wait_ready(seconds: float = 120.0) -> None:
    """Waits until the API server reports every node as Ready; ClusterError after `seconds`."""
    limit = time.monotonic() + seconds
    while not local.nodes_ready():
        if time.monotonic() > limit:
            raise ClusterError(f"not all nodes Ready after {seconds:.0f} s: {local.node_conditions()}")
        time.sleep(0.2)


def stop_api() -> None:
    """Kills the API server and keeps it down until `start_api`; the nodes and their pods keep running."""
    supervise.request("stop", names=["kube-apiserver"])


def start_api() -> None:
    """Starts the API server again, and restarts the controllers; returns when it answers.

    Controllers with leader election exit during an outage. Ours run without it, and for a minute or more they would act on their old
    state: they'd mark nodes NotReady that aren't. kube-proxy retries after up to a minute, and until then routes to a Service's old
    endpoints.
    """
    supervise.request("resume", names=["kube-apiserver"])
    local.wait_for_api()
    late = ["kube-controller-manager", "kube-scheduler", *(f"kube-proxy-{node.name}" for node in NODES)]
    components = supervise.status()["components"]
    running = [name for name in late if name in components and components[name]["state"] == "running"]
    supervise.request("stop", names=running)
    supervise.request("resume", names=running)


def _pod(namespace: str, pod: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(local.kubectl("get", "pod", pod, "--namespace", namespace, "-o", "json"))
    return found


def node_of(namespace: str, pod: str) -> str:
    """The name of the node where a pod was scheduled."""
    name = _pod(namespace, pod)["spec"].get("nodeName")
    if not name:
        raise ClusterError(f"pod {namespace}/{pod} is on no node yet")
    return str(name)


def _processes_on(node: str, namespace: str, pod: str, container: str) -> list[process.Process]:
    labels = {"pod.namespace": namespace, "pod.name": pod, "container.name": container}
    wanted = ",".join(f'labels."io.kubernetes.{name}"=={value}' for name, value in labels.items())
    ctr = [*supervise.inside(node), "ctr", "--namespace", runtime.NAMESPACE, "containers", "list", "--quiet", wanted]
    return [each for identifier in run(ctr).split() for each in cgroups.container(_node(node).cgroup, identifier)]


def processes(namespace: str, pod: str, container: str, node: str | None = None) -> list[process.Process]:
    """The processes of a running container (or native sidecar), its PID 1 first.

    It asks the nodes, not the API server, so it also works while the API server is down or a node is cut off. `node` is needed only if
    two nodes run a pod of this name, as after the replacement of a pod on a partitioned node.
    """
    candidates = [node] if node else list(supervise.status()["nodes"])
    found = {name: running for name in candidates if (running := _processes_on(name, namespace, pod, container))}
    if len(found) > 1:
        raise ClusterError(f"pod {namespace}/{pod} runs on {' and '.join(found)}: name the node that is meant")
    if not found:
        raise ClusterError(f"no process of container {container} of pod {namespace}/{pod} on {', '.join(candidates)}")
    return next(iter(found.values()))


def freeze(namespace: str, pod: str, container: str, node: str | None = None) -> None:
    """Freezes all processes of a container (SIGSTOP), as if it hung; returns when all of them are stopped."""
    limit = time.monotonic() + _STOP_SECONDS
    while moving := [each for each in processes(namespace, pod, container, node) if process.state(each.pid) not in "TtXZ"]:
        for each in moving:
            process.send(each, signal.SIGSTOP)
        if time.monotonic() > limit:
            raise ClusterError(f"container {container} of {namespace}/{pod} still moves {_STOP_SECONDS} s after SIGSTOP")


def thaw(namespace: str, pod: str, container: str, node: str | None = None) -> None:
    """Thaws a frozen container (SIGCONT)."""
    for each in processes(namespace, pod, container, node):
        process.send(each, signal.SIGCONT)


def kill_container(namespace: str, pod: str, container: str, number: int = signal.SIGKILL, node: str | None = None) -> None:
    """Sends a signal (default SIGKILL) to all processes of a container; does not wait until they exit."""
    for each in processes(namespace, pod, container, node):
        process.send(each, number)


def kill_process(
    namespace: str,
    pod: str,
    container: str,
    pattern: str,
    number: int = signal.SIGKILL,
    node: str | None = None,
) -> list[int]:
    """Sends a signal to the container's processes whose command line matches a regular expression (re.search).

    Returns their pids (the machine's); raises ClusterError if no process matches.
    """
    expression = re.compile(pattern)
    running = processes(namespace, pod, container, node)
    matching = [each for each in running if expression.search(process.command_line(each.pid))]
    if not matching:
        raise ClusterError(f"no process of container {container} of {namespace}/{pod} matches {pattern!r}")
    return [each.pid for each in matching if process.send(each, number)]


def _cut_name(namespace: str, pod: str) -> str:
    return f"ha-postgres-cut:{namespace}/{pod}"


def _forward_rules(node: str) -> list[list[str]]:
    listing = run([*supervise.inside(node), NETWORK.filter, "-w", "-t", "mangle", "-S", "FORWARD"])
    return [shlex.split(line) for line in listing.splitlines()]


def address(namespace: str, pod: str) -> tuple[str, str]:
    """A pod's address and its node."""
    found = _pod(namespace, pod)
    address, node = found["status"].get("podIP"), found["spec"].get("nodeName")
    if not address or not node:
        raise ClusterError(f"pod {namespace}/{pod} has no address yet")
    return str(address), str(node)


def cut(namespace: str, pod: str, peer: str, direction: Direction = "both") -> None:
    """Drops a pod's packets to and from the API server (`api`), all other pods except DNS (`peers`), or one other pod of its namespace
    (`pod/NAME`); or only those `to` it, or only those `from` it.
    It applies to the current addresses, until `restore`; kubelet's own probes continue.
    """
    own, node = address(namespace, pod)
    chain = [*supervise.inside(node), NETWORK.filter, "-w", "-t", "mangle", "-I", "FORWARD"]
    comment = ["-m", "comment", "--comment", _cut_name(namespace, pod)]
    if peer == "api":
        to = ["-d", HOST_ADDRESS, "-p", "tcp", "--dport", _API_PORT]
        back = ["-s", HOST_ADDRESS, "-p", "tcp", "--sport", _API_PORT]
    elif peer == "peers":
        to, back = ["-d", POD_RANGE], ["-s", POD_RANGE]
    elif peer.startswith("pod/"):
        other = address(namespace, peer.removeprefix("pod/"))[0]
        to, back = ["-d", other], ["-s", other]
    else:
        raise ClusterError(f"{peer!r} is no peer; it may be api, peers or pod/NAME")
    rules = {"to": ["-s", own, *to], "from": ["-d", own, *back]}
    for name, rule in rules.items():
        if direction in ("both", name):
            run([*chain, *rule, *comment, "-j", "DROP"])
    if peer == "peers":
        for protocol in ("udp", "tcp"):
            run([*chain, "-s", own, "-p", protocol, "--dport", _DNS_PORT, *comment, "-j", "ACCEPT"])
            run([*chain, "-d", own, "-p", protocol, "--sport", _DNS_PORT, *comment, "-j", "ACCEPT"])


def restore(namespace: str, pod: str) -> None:
    """Undoes every `cut` of a pod of this name, on any node; does nothing if there is none."""
    name = _cut_name(namespace, pod)
    for node in supervise.status()["nodes"]:
        for rule in _forward_rules(node):
            if name in rule:
                run([*supervise.inside(node), NETWORK.filter, "-w", "-t", "mangle", "-D", *rule[1:]])


def powered(node: str) -> bool:
    """True if a node is powered on."""
    return _node(node).name in supervise.status()["nodes"]


def names() -> list[str]:
    """The names of all nodes."""
    return [node.name for node in NODES]
