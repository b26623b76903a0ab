"""What is done to a release, in a line each."""

from __future__ import annotations

from tests.cluster import nodes
from tests.e2e.client import Client
from tests.e2e.release import Pod, Release

UNREADY_SECONDS = 60.0


def delete(release: Release, *pods: Pod, grace: int | None = None) -> None:
    """Delete pods, without waiting. grace: seconds; 0: at once and by force."""
    options = [] if grace is None else [f"--grace-period={grace}", *(["--force"] if grace == 0 else [])]
    release.namespace.kubectl("delete", "pod", *(pod.name for pod in pods), "--wait=false", *options)


def kill_postmaster(release: Release, pod: Pod) -> None:
    """kill -9 of the server's first process."""
    nodes.kill_process(release.namespace.name, pod.name, "postgres", r"^postgres -D|/postgres -D")


def kill_container(release: Release, pod: Pod, container: str = "postgres") -> None:
    """kill -9 of everything in a container."""
    nodes.kill_container(release.namespace.name, pod.name, container)


def agent_log(release: Release, pod: Pod, lines: int = 40) -> str:
    """The end of what a pod's agent has said."""
    return release.namespace.kubectl("logs", pod.name, "--container", "failover", "--tail", str(lines))


def connect_while_unready(release: Release, pod: Pod, client: Client) -> list[str]:
    """Connect anew through the Service again and again until a pod was unready and is ready again; return what went wrong meanwhile."""
    unready, wrong = False, []

    def ready_again() -> bool:
        nonlocal unready
        done = client.try_psql("SELECT 1")
        wrong.extend([done.text] if done.code else [])
        ready = release.pod(pod.name).ready
        unready = unready or not ready
        return unready and ready

    release.wait(f"{pod.name} was unready and is ready again", ready_again, UNREADY_SECONDS)
    return wrong
