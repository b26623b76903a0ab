"""Stop leaves nothing behind, and a start works regardless of what an earlier cluster left.

These tests take the cluster down, so they run last; at the end it is up again, and empty.
"""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cluster import cgroups, local, nodes, probe, process, supervise
from tests.cluster.fixtures import NodeFaults
from tests.cluster.paths import CLUSTER, PHASE, STATE, SUPERVISOR
from tests.cluster.topology import CGROUP

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("node_faults")]


def _output(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def _links() -> set[str]:
    return {link["ifname"] for link in json.loads(_output("ip", "-json", "link", "show"))}


def _routes() -> set[str]:
    return set(_output("ip", "route", "show", "table", "all").splitlines())


def _rules() -> list[str]:
    text = _output("iptables-save") + _output("ip6tables-save")
    return [line.split(" [")[0] for line in text.splitlines() if not line.startswith("#")]


def _namespaces() -> set[str]:
    """Network and mount namespaces that contain any process, and the named ones."""
    found = set()
    for pid in process.pids():
        for kind in ("net", "mnt"):
            try:
                found.add(os.readlink(f"/proc/{pid}/ns/{kind}"))
            except OSError:
                continue
    named = Path("/run/netns")
    return found | ({path.name for path in named.iterdir()} if named.is_dir() else set())


def _cgroups() -> set[str]:
    """Every group with the cluster's name, at any depth: those of another cluster exist before and after."""
    return {str(path) for path in Path("/sys/fs/cgroup").glob(f"**/{CGROUP}*")}


def _snapshot() -> dict[str, object]:
    return {
        "mounts": Path("/proc/self/mountinfo").read_text().splitlines(),
        "links": _links(),
        "routes": _routes(),
        "rules": _rules(),
        "namespaces": _namespaces(),
        "cgroups": _cgroups(),
        "processes": [process.command_line(each.pid) for each in process.marked(f"{process.MARK}={CLUSTER}")],
        "shims": [line for pid in process.pids() if "containerd-shim" in (line := process.command_line(pid))],
        "forwarding": Path("/proc/sys/net/ipv4/ip_forward").read_text(),
        "folders": [path.exists() for path in (Path("/var/lib/cni"), Path("/var/lib/kubelet"), Path("/run/containerd"))],
        "state": sorted(path.name for path in STATE.iterdir()),
    }


def _settled_snapshot(wanted: dict[str, object]) -> dict[str, object]:
    """The kernel frees namespaces and links a moment after their last process has exited."""
    limit = time.monotonic() + 5
    while (found := _snapshot()) != wanted and time.monotonic() < limit:
        time.sleep(0.2)
    return found


def test_a_stop_leaves_nothing_behind(node_faults: NodeFaults) -> None:
    local.down()
    before = _snapshot()
    assert before["processes"] == []
    assert cgroups.folders() == []
    local.up()
    probe.start()
    node_faults.partition(nodes.node_of(probe.NAMESPACE, "probe-1"))
    node_faults.power_off(nodes.node_of(probe.NAMESPACE, "probe-2"))
    node_faults.freeze(probe.NAMESPACE, "probe-0", probe.CONTAINER)
    local.down()
    assert _settled_snapshot(before) == before
    local.up()


def test_a_second_start_starts_nothing() -> None:
    local.up()
    before = {name: component["pid"] for name, component in local.status().components.items()}
    local.up()
    assert {name: component["pid"] for name, component in local.status().components.items()} == before


@pytest.mark.thorough
def test_a_start_works_after_everything_was_killed() -> None:
    probe.start()
    for each in [*process.marked(f"{process.MARK}={CLUSTER}"), *cgroups.processes()]:
        process.send(each, signal.SIGKILL)
    SUPERVISOR.write_text('{"pid": 1')
    PHASE.write_text('"u')
    assert not local.is_up()
    local.up()
    assert local.status().healthy


@pytest.mark.thorough
def test_a_half_finished_start_is_cleaned_up() -> None:
    """A start that was killed half-way: the supervisor and some nodes run, the rest never started."""
    supervise.request("stop", names=["etcd", "kube-apiserver", "kubelet-node1"])
    supervise.request("node-down", node="node3")
    PHASE.write_text('"starting"')
    assert not local.is_up()
    local.up()
    assert local.status().healthy


@pytest.mark.thorough
def test_a_stale_record_costs_no_other_process_its_life() -> None:
    with subprocess.Popen(["sleep", "60"]) as bystander:
        local.down()
        CLUSTER.mkdir(parents=True)
        SUPERVISOR.write_text(json.dumps({"pid": bystander.pid, "start": 1}))
        PHASE.write_text('"up"')
        assert not local.is_up()
        local.up()
        assert bystander.poll() is None
        bystander.kill()
