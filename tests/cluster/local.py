"""The local cluster: start, stop, state. Every change is made under one lock per machine."""

import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import builds, cgroups, configuration, debian, disks, files, images, loops, network, pki, process, runtime, supervise
from tests.cluster.commands import run, succeeds
from tests.cluster.errors import ClusterError
from tests.cluster.images import Archive
from tests.cluster.output import say, step
from tests.cluster.paths import BIN, CACHE, CLUSTER, KUBECONFIG, LOGS, MANIFESTS, PHASE, STATE, STATE_LOCK, node_directory
from tests.cluster.topology import API_SERVER, DNS_SERVICE, FAMILY, NODES, Node

_API_SECONDS = 60.0
_READY_SECONDS = 120.0
_POLL_SECONDS = 0.2


def kubectl(*words: str, stdin: str | None = None) -> str:
    """Runs kubectl against the local cluster and returns its stdout."""
    return run([str(BIN / "kubectl"), f"--kubeconfig={KUBECONFIG}", *words], stdin=stdin)


def is_up() -> bool:
    """True if the local cluster was fully started and its supervisor still answers."""
    return files.read_json(PHASE) == "up" and supervise.running()


def up() -> Path:
    """Starts the cluster if needed, loads images that changed, and returns the path of its kubeconfig.

    Raises ClusterError if it can't be started; then everything that was started is stopped again.
    """
    debian.ensure_packages()
    with ThreadPoolExecutor(max_workers=2) as pool:
        programs = pool.submit(images.ensure_programs)
        systems = pool.submit(images.ensure_debian)
        archives = [*programs.result(), *systems.result()]
    binaries = builds.ensure(builds.CLUSTER_BUILDS)
    with files.lock(STATE_LOCK):
        if is_up():
            _check_family()
            _load_everywhere(archives)
            _warn_of_faults()
            return KUBECONFIG
        _clean_up()
        try:
            with step("starting the cluster"):
                _start(binaries, archives)
        except BaseException:
            _keep_logs()
            _clean_up()
            raise
    return KUBECONFIG


def _check_family() -> None:
    [cluster] = yaml.safe_load(KUBECONFIG.read_text(encoding="utf-8"))["clusters"]
    if cluster["cluster"]["server"] != API_SERVER:
        raise ClusterError(f"the local cluster is up, but its addresses are not FAMILY={FAMILY}; 'make cluster-down' stops it")


def load(archives: list[Archive]) -> None:
    """Imports images into every running node that doesn't have them yet."""
    with files.lock(STATE_LOCK):
        if not is_up():
            raise ClusterError("the local cluster is not up")
        _load_everywhere(archives)


def down() -> None:
    """Stops the cluster and removes everything: processes, mounts, links, routes, control groups, volumes."""
    with files.lock(STATE_LOCK), step("stopping the cluster"):
        _clean_up()


def _start(binaries: dict[str, Path], archives: list[Archive]) -> None:
    for folder in (CACHE, STATE):
        if any(folder.is_relative_to(hidden) for hidden in supervise.HIDDEN):
            raise ClusterError(f"{folder} is hidden from the nodes by folders of their own; choose another place")
    for point in supervise.MOUNT_POINTS:
        point.mkdir(parents=True, exist_ok=True)
    files.write_json(PHASE, "starting")
    pki.make()
    configuration.write()
    network.make_host()
    supervise.launch()
    supervise.start(configuration.first_components(binaries))
    for node in NODES:
        supervise.request("node-up", node=node.name)
    network.route_services(NODES)
    _give_images(archives)
    supervise.start([configuration.containerd(node) for node in NODES])
    with step("waiting for the API server"):
        wait_for_api()
    for node in NODES:
        supervise.start(configuration.node_components(node, binaries))
    manifests = [path.read_text().replace("DNS_SERVICE", DNS_SERVICE) for path in sorted(MANIFESTS.glob("*.yaml"))]
    kubectl("apply", "--server-side", "-f", "-", stdin="\n---\n".join(manifests))
    supervise.start(configuration.second_components(binaries))
    with step("waiting for the nodes and their DNS"):
        _wait("the nodes", nodes_ready, _READY_SECONDS)
        _wait("CoreDNS", _dns_ready, _READY_SECONDS)
    files.write_json(PHASE, "up")


def wait_for_api() -> None:
    """Waits until the API server reports that it is ready; ClusterError after a minute."""
    _wait("the API server", _api_answers, _API_SECONDS)


def _warn_of_faults() -> None:
    """Prints which nodes are still broken, for example by a killed test; a running test may have broken them on purpose."""
    connected = network.connected()
    for node in NODES:
        if node.name not in supervise.status()["nodes"]:
            say(f"warning: {node.name} is powered off; 'boot {node.name}' starts it")
        elif node not in connected:
            say(f"warning: {node.name} is partitioned; 'heal {node.name}' ends that")


def _wait(what: str, ready: Callable[[], bool], seconds: float) -> None:
    limit = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > limit:
            raise ClusterError(f"{what} not ready after {seconds:.0f} s")
        time.sleep(_POLL_SECONDS)


def _api_answers() -> bool:
    return succeeds([str(BIN / "kubectl"), f"--kubeconfig={KUBECONFIG}", "get", "--raw", "/readyz"], timeout=10)


def nodes_ready() -> bool:
    """True if every node is registered and Ready."""
    return sorted(name for name, ready in node_conditions().items() if ready) == [node.name for node in NODES]


def node_conditions() -> dict[str, bool]:
    """Each registered node, and whether the API server considers it Ready."""
    found = yaml.safe_load(kubectl("get", "nodes", "-o", "json"))
    return {item["metadata"]["name"]: _is_ready(item) for item in found["items"]}


def _is_ready(item: dict[str, Any]) -> bool:
    conditions = item["status"].get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _dns_ready() -> bool:
    words = ["get", "daemonset", "coredns", "-n", "kube-system", "-o", "jsonpath={.status.numberReady}"]
    return kubectl(*words) == str(len(NODES))


def _give_images(archives: list[Archive]) -> None:
    """Copies the images to every node before its containerd starts."""
    stable = [archive for archive in archives if archive.reference != images.FAILOVER_IMAGE]
    changing = [archive for archive in archives if archive not in stable]
    runtime.populate([node_directory(node.name) / "containerd" for node in NODES], stable, changing)
    for node in NODES:
        files.write_json(_image_note(node), {archive.reference: archive.key for archive in archives})


def _image_note(node: Node) -> Path:
    """The file that records which version of each image a node has."""
    return node_directory(node.name) / "images.json"


def _load_everywhere(archives: list[Archive]) -> None:
    running = [node for node in NODES if node.name in supervise.status()["nodes"]]
    with ThreadPoolExecutor(max_workers=len(NODES)) as pool:
        list(pool.map(lambda node: _load(node, archives), running))


def _load(node: Node, archives: list[Archive]) -> None:
    note = _image_note(node)
    known = files.read_json(note) or {}
    wanted = [archive for archive in archives if known.get(archive.reference) != archive.key]
    if not wanted:
        return
    ctr = [*supervise.inside(node.name), "ctr", "--namespace", runtime.NAMESPACE]
    for archive in wanted:
        with step(f"importing {archive.reference} into {node.name}"):
            runtime.import_image(ctr, archive)
        known[archive.reference] = archive.key
        files.write_json(note, known)


def _kept_logs() -> Path:
    return CLUSTER.with_name("failed-start-logs")


def _keep_logs() -> None:
    shutil.rmtree(_kept_logs(), ignore_errors=True)
    if LOGS.is_dir():
        shutil.copytree(LOGS, _kept_logs())
        say(f"the start failed; the logs are in {_kept_logs()}")


def _clean_up() -> None:
    """Removes everything that any start may have left, whether or not it is still alive or readable."""
    supervisor = supervise.recorded()
    if supervise.running():
        disks.resume_everywhere()
    if supervisor:
        process.kill([supervisor])
    while processes := process.marked(f"{process.MARK}={CLUSTER}"):
        process.kill(processes)
    cgroups.remove()
    network.remove_host()
    for point in supervise.MOUNT_POINTS:
        _remove_if_empty(point)
    loops.remove_all()
    if CLUSTER.exists():
        shutil.rmtree(CLUSTER)


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


@dataclass(frozen=True)
class NodeStatus:
    """True if a node is powered on, has its cable connected, and is Ready (None: the API server doesn't know it)."""

    powered: bool
    connected: bool
    ready: bool | None


@dataclass(frozen=True)
class Status:
    """`components` is the result of supervise.status; `complete` is False for a start that did not finish."""

    supervisor: bool
    complete: bool
    components: dict[str, dict[str, Any]]
    nodes: dict[str, NodeStatus]

    @property
    def healthy(self) -> bool:
        """True if every component runs and every node is powered, connected and Ready."""
        running = all(component["state"] == "running" for component in self.components.values())
        nodes = all(node.powered and node.connected and node.ready for node in self.nodes.values())
        return self.supervisor and self.complete and running and nodes


def status() -> Status:
    """The running components; never raises for a cluster that is down."""
    if not supervise.running():
        return Status(False, False, {}, {})
    answer = supervise.status()
    connected = network.connected()
    try:
        ready = node_conditions()
    except ClusterError:
        ready = {}
    nodes = {node.name: NodeStatus(node.name in answer["nodes"], node in connected, ready.get(node.name)) for node in NODES}
    return Status(True, files.read_json(PHASE) == "up", answer["components"], nodes)
