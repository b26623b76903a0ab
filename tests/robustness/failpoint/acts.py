"""What is done to a release, in a line each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.cluster import nodes
from tests.robustness import programs
from tests.robustness.client import Client
from tests.robustness.programs import Done
from tests.robustness.release import Pod, Release

RESTART_SECONDS = 60.0
STATUS_SECONDS = 60.0
STOP = "/tmp/stop-connecting"
CONNECTS = f"rm -f {STOP}; until [[ -e {STOP} ]]; do psql -qAtXc 'SELECT 1' 2>&1 >/dev/null; sleep 0.2; done"


def delete(release: Release, *pods: Pod, grace: int | None = None) -> None:
    """Delete pods, without waiting. grace: seconds; 0: at once and by force."""
    options = [] if grace is None else [f"--grace-period={grace}", *(["--force"] if grace == 0 else [])]
    release.namespace.kubectl("delete", "pod", *(pod.name for pod in pods), "--wait=false", *options)


def switchover(release: Release, to: Pod | None = None) -> None:
    """Have the primary hand over by `hapg switchover`."""
    options = ["--to", to.name] if to is not None else []
    programs.run(str(programs.HAPG), "switchover", release.name, "--namespace", release.namespace.name, *options)


def status(release: Release, *options: str) -> Done:
    """What `hapg status` says, whatever that is."""
    command = (str(programs.HAPG), "status", release.name, "--namespace", release.namespace.name)
    return programs.attempt(*command, *options, limit=STATUS_SECONDS)


def scale(release: Release, replicas: int) -> None:
    """Have the StatefulSet keep so many pods, as `kubectl scale` does: the release's values don't know of it."""
    release.namespace.kubectl("scale", f"statefulset/{release.name}", f"--replicas={replicas}")


def kill_postmaster(release: Release, pod: Pod) -> None:
    """kill -9 of the server's first process."""
    nodes.kill_process(release.namespace.name, pod.name, "postgres", r"^postgres -D|/postgres -D")


def kill_container(release: Release, pod: Pod, container: str = "postgres") -> None:
    """kill -9 of everything in a container."""
    nodes.kill_container(release.namespace.name, pod.name, container)


def agent_log(release: Release, pod: Pod, lines: int = 40) -> str:
    """The end of what a pod's agent has said."""
    return release.namespace.kubectl("logs", pod.name, "--container", "failover", "--tail", str(lines))


def kill_failover_container(release: Release, pod: Pod, client: Client) -> str:
    """kill -9 of everything in a failover container. A client connects anew through the Service, five times a second, until the container
    is back and ready; return what it was told when it wasn't let in.
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
