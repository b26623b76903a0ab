"""Kills or freezes processes and containers directly in the local cluster, whether or not the API and kubelet work."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tests.cluster import nodes, process
from tests.cluster.fixtures import NodeFaults
from tests.robustness.agents import Agents, Line
from tests.robustness.client import Client
from tests.robustness.release import Pod, Release

BOTH = ("postgres", "failover")
"""The containers of a pod."""
POSTMASTER = r"^postgres -D|/postgres -D"
BACKEND = r"postgres: postgres postgres .*\) (INSERT|UPDATE|COMMIT|BEGIN|idle)"
RECEIVER = r"postgres: walreceiver"
RESTART_SECONDS = 60.0
STOP = "/tmp/stop-connecting"
CONNECTS = f"rm -f {STOP}; until [[ -e {STOP} ]]; do psql -qAtXc 'SELECT 1' 2>&1 >/dev/null; sleep 0.2; done"


def signal_process(release: Release, pod: Pod, pattern: str, number: int = signal.SIGKILL) -> None:
    """Send a signal (default SIGKILL) to the server's processes whose command line matches."""
    nodes.kill_process(release.namespace.name, pod.name, "postgres", pattern, number)


def kill_postmaster(release: Release, pod: Pod) -> None:
    """Kill the postmaster (kill -9)."""
    signal_process(release, pod, POSTMASTER)


def kill_container(release: Release, pod: Pod, container: str = "postgres") -> None:
    """Kill (kill -9) everything in a container."""
    nodes.kill_container(release.namespace.name, pod.name, container)


def kill_everything(release: Release) -> None:
    """Kill (kill -9) everything in all containers of all pods."""
    for container in BOTH:
        for pod in release.pods():
            kill_container(release, pod, container)


def kill_agent(release: Release, pod: Pod) -> None:
    """Kill (kill -9) the agent in a failover container, whose PID 1 keeps running."""
    [_, agent, *_] = nodes.processes(release.namespace.name, pod.name, "failover", pod.node)
    process.kill([agent])


def kill_failover_container(release: Release, pod: Pod, client: Client) -> str:
    """Kill (kill -9) everything in a failover container. A client opens a new connection through the Service five times a second until
    the container is back and ready; return the errors of its failed attempts.
    """
    count = '{.status.initContainerStatuses[?(@.name=="failover")].restartCount}'
    restarts = int(release.namespace.kubectl("get", "pod", pod.name, f"--output=jsonpath={count}"))
    with ThreadPoolExecutor(1) as pool:
        told = pool.submit(client.namespace.kubectl, *client.command("bash", "-c", CONNECTS), limit=2 * RESTART_SECONDS)
        try:
            kill_container(release, pod, "failover")
            for reached in (f"jsonpath={count}={restarts + 1}", "condition=Ready"):
                release.namespace.kubectl("wait", "pod", pod.name, f"--for={reached}", f"--timeout={RESTART_SECONDS:.0f}s")
        finally:
            client.namespace.kubectl(*client.command("touch", STOP))
        return told.result()


def kill_at(release: Release, step: str, killed: list[str], but: str = "") -> Agents:
    """Kill the failover container of the first pod (other than `but`) that orders a step, at once; its name is appended to `killed`."""

    def on_line(line: Line) -> None:
        if not killed and line.pod != but and line.orders(step):
            killed.append(line.pod)
            nodes.kill_container(release.namespace.name, line.pod, "failover")

    return Agents(release, on_line)


@contextmanager
def frozen(faults: NodeFaults, release: Release, pods: Iterable[Pod], containers: Iterable[str] = BOTH) -> Iterator[None]:
    """Freeze containers of some pods (SIGSTOP) while the context lasts, then thaw them."""
    targets = [(release.namespace.name, pod.name, container, pod.node) for pod in pods for container in containers]
    for each in targets:
        faults.freeze(*each)
    try:
        yield
    finally:
        for each in targets:
            faults.thaw(*each)
