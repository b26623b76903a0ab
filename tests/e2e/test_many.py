"""Twenty releases in one namespace, installed at once: all become ready, and what they consume at rest is measured."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster import chosen, nodes
from tests.cluster.fixtures import Cluster
from tests.robustness import consumption, programs
from tests.robustness.consumption import METRICS, Memory
from tests.robustness.programs import Namespace
from tests.robustness.release import CHART, Pod, Release
from tests.robustness.waiting import wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.thorough, pytest.mark.timeout(2400)]

RELEASES = 20
SERVERS = 2
TOGETHER = 4
"""How many helm install run at a time."""
READY_SECONDS = 1200.0
SETTLE_SECONDS = 30.0
WATCH_SECONDS = 120.0
SMALL = {
    "replicas": str(SERVERS),
    "storage.storageClassName": "standard",
    "storage.resources.requests.storage": "50Mi",
    "resources.requests.cpu": "5m",
    "resources.requests.memory": "64Mi",
    "failoverResources.requests.cpu": "10m",
    "failoverResources.requests.memory": "64Mi",
}
"""Requests with which 40 pods fit on three nodes that share two cores."""
PODS = ("--selector", "kubedb.com/kind=Postgres")
MEBIBYTE = 2**20


@dataclass(frozen=True)
class Many:
    """The namespace, its releases, and the machine's memory in use before there were any, in bytes."""

    namespace: Namespace
    releases: tuple[Release, ...]
    used_before: int

    def pods(self) -> list[Pod]:
        """The pods of all releases."""
        return [Pod.of(found) for found in self.namespace.get("pods", *PODS)]

    def serving(self) -> list[Pod]:
        """All pods, if all are ready and each release has one primary and otherwise replicas; otherwise an empty list."""
        pods = self.pods()
        roles = {release.name: sorted(pod.role for pod in pods if pod.name.startswith(f"{release.name}-")) for release in self.releases}
        well = all(pod.ready and not pod.deleting for pod in pods)
        return pods if well and all(found == ["primary", *["replica"] * (SERVERS - 1)] for found in roles.values()) else []

    def sent(self, pods: Iterable[Pod]) -> list[tuple[float, int]]:
        """Until when, in seconds, each pod's agent has sent how many requests to the API."""
        script = ("bash", "-c", METRICS, "metrics", "127.0.0.1")
        return [(time.monotonic(), consumption.sent(self.releases[0].inside(pod.name, *script))) for pod in pods]


def used() -> int:
    """The machine's memory in use that the kernel could not give to others, in bytes."""
    lines = (line.split() for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines())
    values = {words[0]: int(words[1]) * 1024 for words in lines}
    return values["MemTotal:"] - values["MemAvailable:"]


@pytest.fixture(scope="module")
def many(cluster: Cluster) -> Iterator[Many]:
    """The releases, installed at the same time."""
    if not chosen.is_local():
        pytest.skip("the memory of processes is measured on the local cluster")
    before = used()
    with programs.namespace("e2e-many") as namespace:
        releases = tuple(Release(namespace, name=f"orders-{number:02}", replicas=SERVERS) for number in range(RELEASES))
        options = [word for value in SMALL.items() for word in ("--set", "=".join(value))]
        with ThreadPoolExecutor(TOGETHER) as pool:
            list(pool.map(lambda each: each.install(CHART, "--set", f"fullnameOverride={each.name}", *options), releases))
        yield Many(namespace, releases, before)


def test_all_become_ready(many: Many, measured: list[str]) -> None:
    begun = time.monotonic()
    pods = wait_for(f"{RELEASES} releases serve", many.serving, READY_SECONDS, lambda: many.namespace.try_kubectl("get", "pods").text, 2.0)
    took = time.monotonic() - begun
    assert len(pods) == RELEASES * SERVERS
    measured.append(f"{RELEASES} releases of {SERVERS} servers: all ready {took:.0f} s after the last helm install")


def test_each_has_data_of_its_own(many: Many) -> None:
    """Each primary's server knows only its own standby, and no two have the same database."""
    found = set()
    for release in many.releases:
        release.wait("its standby streams", lambda release=release: standbys(release) == 1, 120)  # type: ignore[misc]
        found.add(release.ask_inside("SELECT system_identifier FROM pg_control_system()"))
    assert len(found) == RELEASES


def standbys(release: Release) -> int:
    return int(release.ask_inside("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"))


def test_what_they_consume_at_rest(many: Many, measured: list[str]) -> None:
    """No promotion and no restart meanwhile, and every agent's memory and requests are what one release's are."""
    time.sleep(SETTLE_SECONDS)
    pods = many.pods()
    terms = [release.lease()["term"] for release in many.releases]
    first, served_first, begun = many.sent(pods), consumption.served_now(), time.monotonic()
    time.sleep(WATCH_SECONDS)
    served = consumption.per_second(served_first, consumption.served_now(), time.monotonic() - begun)
    last = many.sent(pods)
    per_second = sum((after - before) / (end - start) for (start, before), (end, after) in zip(first, last, strict=True))
    agents = [memory(many.namespace, pod, "failover") for pod in pods]
    servers = [memory(many.namespace, pod, "postgres") for pod in pods]
    mib = {name: sum(each.proportional for each in found) / MEBIBYTE for name, found in (("agents", agents), ("servers", servers))}
    measured += [
        f"{RELEASES} releases of {SERVERS} servers at rest: {per_second:.2f} API requests/s counted by the agents "
        f"({per_second / RELEASES:.3f} per release), {sum(served.values()):.2f} by the API server",
        "by kind: " + ", ".join(f"{name} {rate:.2f}" for name, rate in sorted(served.items(), key=lambda item: -item[1])),
        f"agents' resident memory: {sum(each.resident for each in agents) / MEBIBYTE:.0f} MiB in all, "
        f"{max(each.resident for each in agents) / MEBIBYTE:.1f} MiB the largest",
        f"proportional: agents {mib['agents']:.0f} MiB, servers {mib['servers']:.0f} MiB; "
        f"the machine uses {(used() - many.used_before) / MEBIBYTE:.0f} MiB more than before",
    ]
    assert [release.lease()["term"] for release in many.releases] == terms
    assert {pod.uid for pod in many.serving()} == {pod.uid for pod in pods}


def memory(namespace: Namespace, pod: Pod, container: str) -> Memory:
    return Memory.of(each.pid for each in nodes.processes(namespace.name, pod.name, container, pod.node))
