"""The local cluster behaves like a cluster, and every fault takes effect and can be undone."""

import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.cluster import local, nodes, probe, process, supervise
from tests.cluster.errors import ClusterError
from tests.cluster.fixtures import Cluster, NodeFaults
from tests.cluster.topology import SERVICE_RANGE

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module", autouse=True)
def workload(cluster: Cluster) -> Iterator[None]:
    with probe.running():
        yield


def _node(pod: str) -> str:
    return nodes.node_of(probe.NAMESPACE, pod)


def _eventually_ready(pod: str) -> None:
    probe.kubectl("wait", "--for=condition=Ready", f"pod/{pod}", "--timeout=120s")


def test_everything_is_healthy() -> None:
    assert local.status().healthy


def test_pods_are_on_three_nodes_with_volumes_of_the_default_class() -> None:
    assert {_node(pod) for pod in probe.PODS} == set(nodes.names())
    classes = probe.kubectl("get", "pvc", "-o", "jsonpath={.items[*].spec.storageClassName}").split()
    assert classes == ["standard"] * 3


@pytest.mark.parametrize("asker", probe.PODS)
def test_services_and_names_reach_every_node(asker: str) -> None:
    """A pod is ready a moment before every node's kube-proxy and the name server know about it."""
    question = "SELECT inet_server_addr()"
    addresses = {probe.eventually(asker, f"{pod}.probe", question) for pod in probe.PODS}
    assert len(addresses) == 3
    limit, reached = time.monotonic() + 60, set[str]()
    while reached != addresses:
        assert time.monotonic() < limit, f"the Service led to {reached} of {addresses}"
        reached.add(probe.eventually(asker, "probe", question))


def test_a_pod_that_breaks_the_restricted_standard_is_refused() -> None:
    with pytest.raises(ClusterError, match="violates PodSecurity"):
        probe.kubectl("run", "root", "--image=localhost/postgres:15", "--restart=Never")


def test_nothing_leaves_the_machine() -> None:
    with pytest.raises(ClusterError):
        probe.psql("probe-0", "192.0.2.77", "SELECT 1")
    with socket.socket() as client:
        client.settimeout(2)
        with pytest.raises(OSError, match=r"No route to host|unreachable|timed out"):
            client.connect(("10.244.200.200", 80))


def test_the_host_reaches_cluster_addresses_by_a_connected_node(node_faults: NodeFaults) -> None:
    def via() -> str:
        return subprocess.run(["ip", "route", "show", SERVICE_RANGE], capture_output=True, text=True, check=True).stdout

    assert "via 172.30.0.11" in via()
    with socket.create_connection(("10.96.0.10", 53), timeout=3):
        pass
    node_faults.partition("node1")
    assert "via 172.30.0.12" in via()
    node_faults.heal("node1")
    assert "via 172.30.0.11" in via()


def test_partition_and_heal(node_faults: NodeFaults) -> None:
    probe.psql("probe-1", "/tmp", "CREATE TABLE kept AS SELECT 42 AS x")
    node_faults.partition(_node("probe-1"))
    with pytest.raises(ClusterError):
        probe.psql("probe-0", "probe-1.probe", "SELECT x FROM kept")
    running = nodes.processes(probe.NAMESPACE, "probe-1", probe.CONTAINER)
    node_faults.heal(_node("probe-1"))
    assert probe.eventually("probe-0", "probe-1.probe", "SELECT x FROM kept") == "42"
    assert nodes.processes(probe.NAMESPACE, "probe-1", probe.CONTAINER)[0] == running[0]


def test_power_off_kills_all_and_boot_brings_the_disk_back(node_faults: NodeFaults) -> None:
    probe.psql("probe-2", "/tmp", "CREATE TABLE kept AS SELECT 43 AS x; CHECKPOINT")
    running = nodes.processes(probe.NAMESPACE, "probe-2", probe.CONTAINER)
    before, node = probe.restarts("probe-2"), _node("probe-2")
    node_faults.power_off(node)
    assert not nodes.powered(node)
    assert all(process.find(each.pid) != each for each in running)
    with pytest.raises(ClusterError, match="no process"):
        nodes.processes(probe.NAMESPACE, "probe-2", probe.CONTAINER)
    node_faults.boot(node)
    nodes.wait_ready()
    assert probe.eventually("probe-0", "probe-2.probe", "SELECT x FROM kept") == "43"
    assert probe.restarts("probe-2") > before


def test_freeze_and_thaw(node_faults: NodeFaults) -> None:
    node_faults.freeze(probe.NAMESPACE, "probe-0", probe.CONTAINER)
    with pytest.raises(ClusterError):
        probe.psql("probe-1", "probe-0.probe", "SELECT 1")
    node_faults.thaw(probe.NAMESPACE, "probe-0", probe.CONTAINER)
    assert probe.eventually("probe-1", "probe-0.probe", "SELECT 1") == "1"


def test_killing_a_container_starts_it_again() -> None:
    before = probe.restarts("probe-1")
    nodes.kill_container(probe.NAMESPACE, "probe-1", probe.CONTAINER)
    limit = time.monotonic() + 60
    while probe.restarts("probe-1") == before:
        assert time.monotonic() < limit
        time.sleep(0.2)
    _eventually_ready("probe-1")


def test_killing_one_process_leaves_the_container() -> None:
    before = nodes.processes(probe.NAMESPACE, "probe-0", probe.CONTAINER)
    assert len(nodes.kill_process(probe.NAMESPACE, "probe-0", probe.CONTAINER, "walwriter")) == 1
    assert probe.eventually("probe-0", "/tmp", "SELECT 1") == "1"
    assert nodes.processes(probe.NAMESPACE, "probe-0", probe.CONTAINER)[0] == before[0]
    with pytest.raises(ClusterError, match="matches"):
        nodes.kill_process(probe.NAMESPACE, "probe-0", probe.CONTAINER, "no such process")


def test_cut_from_peers_leaves_the_api_and_dns(node_faults: NodeFaults) -> None:
    _eventually_ready("probe-2")
    node_faults.cut(probe.NAMESPACE, "probe-2", "peers")
    with pytest.raises(ClusterError):
        probe.psql("probe-0", "probe-2.probe", "SELECT 1")
    with pytest.raises(ClusterError):
        probe.psql("probe-2", "probe-0.probe", "SELECT 1")
    assert _reaches_api("probe-2")
    assert probe.kubectl("exec", "probe-2", "--", "getent", "hosts", "probe-0.probe")
    node_faults.restore(probe.NAMESPACE, "probe-2")
    assert probe.eventually("probe-0", "probe-2.probe", "SELECT 1") == "1"


def test_cut_from_the_api_leaves_the_peers(node_faults: NodeFaults) -> None:
    node_faults.cut(probe.NAMESPACE, "probe-0", "api")
    assert not _reaches_api("probe-0")
    assert probe.psql("probe-0", "probe-1.probe", "SELECT 1") == "1"
    node_faults.restore(probe.NAMESPACE, "probe-0")
    assert _reaches_api("probe-0")


def test_the_api_goes_and_comes_while_containers_can_still_be_found(node_faults: NodeFaults) -> None:
    node_faults.stop_api()
    assert not _api_listens()
    assert nodes.processes(probe.NAMESPACE, "probe-0", probe.CONTAINER)
    node_faults.start_api()
    assert _api_listens()
    assert probe.eventually("probe-0", "probe-1.probe", "SELECT 1") == "1"


def test_what_is_left_broken_is_undone() -> None:
    faults = NodeFaults()
    try:
        faults.power_off(_node("probe-2"))
        faults.partition(_node("probe-1"))
        faults.cut(probe.NAMESPACE, "probe-0", "peers")
        faults.freeze(probe.NAMESPACE, "probe-0", probe.CONTAINER)
    finally:
        faults.undo()
    limit = time.monotonic() + 60
    while not (found := local.status()).healthy:
        assert time.monotonic() < limit, found
        time.sleep(0.3)
    for pod in probe.PODS:
        assert probe.eventually("probe-0", f"{pod}.probe", "SELECT 1") == "1"


def test_a_component_that_dies_is_started_again_and_counted() -> None:
    before = supervise.status()["components"]["kube-scheduler"]
    found = process.find(before["pid"])
    assert found is not None
    process.kill([found])
    limit = time.monotonic() + 30
    while (now := supervise.status()["components"]["kube-scheduler"])["state"] != "running" or now["pid"] == before["pid"]:
        assert time.monotonic() < limit
        time.sleep(0.1)
    assert now["restarts"] == before["restarts"] + 1
    assert now["last_exit"] == -9
    assert now["pid"] != before["pid"]


def test_names_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ClusterError, match="no node 'node9'"):
        nodes.power_off("node9")
    with pytest.raises(ClusterError, match="no process of container nothing"):
        nodes.freeze(probe.NAMESPACE, "probe-0", "nothing")


def _api_listens() -> bool:
    try:
        socket.create_connection(("172.30.0.1", 6443), timeout=2).close()
    except OSError:
        return False
    return True


def _reaches_api(pod: str) -> bool:
    script = "timeout 2 bash -c '</dev/tcp/10.96.0.1/443' && echo yes || echo no"
    return probe.kubectl("exec", pod, "--", "bash", "-c", script).strip() == "yes"
