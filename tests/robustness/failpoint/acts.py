"""Operations on a release through the API, which any user may do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.robustness.release import DATA, Pod, Release

ROLL_SECONDS = 300
DRAIN_SECONDS = 180
KILL_POSTMASTER = f"read -r pid <{DATA}/postmaster.pid && kill -9 $pid"
SIGNAL_RECEIVERS = r"""for file in /proc/[0-9]*/cmdline; do
  if [[ $(tr '\0' ' ' <"$file" 2>/dev/null) == postgres:*walreceiver* ]]; then kill -%s "${file//[^0-9]/}"; fi
done; true"""


def delete(release: Release, *pods: Pod, grace: int | None = None) -> None:
    """Delete pods, without waiting. grace: seconds; 0: force-delete at once."""
    options = [] if grace is None else [f"--grace-period={grace}", *(["--force"] if grace == 0 else [])]
    release.namespace.kubectl("delete", "pod", *(pod.name for pod in pods), "--wait=false", *options)


def switchover(release: Release, to: Pod | None = None) -> None:
    """Request a switchover with `hapg switchover`."""
    release.hapg("switchover", *(["--to", to.name] if to is not None else []))


def scale(release: Release, replicas: int) -> None:
    """Scale the StatefulSet to this many pods, as `kubectl scale` does: the release's values don't change."""
    release.namespace.kubectl("scale", f"statefulset/{release.name}", f"--replicas={replicas}")


def roll(release: Release) -> None:
    """Replace all pods, as an image upgrade does, and wait until that is done."""
    name = f"statefulset/{release.name}"
    release.namespace.kubectl("rollout", "restart", name)
    release.namespace.kubectl("rollout", "status", name, f"--timeout={ROLL_SECONDS}s", limit=ROLL_SECONDS + 10.0)
    release.wait_full_strength()


@contextmanager
def cordoned(release: Release, node: str) -> Iterator[None]:
    """Cordon a node while the context lasts."""
    release.namespace.kubectl("cordon", node)
    try:
        yield
    finally:
        release.namespace.kubectl("uncordon", node)


@contextmanager
def drained(release: Release, node: str, seconds: int = DRAIN_SECONDS) -> Iterator[None]:
    """Evict the release's pods from a node, under the PodDisruptionBudget, and let them return at the end. seconds: timeout."""
    only = f"--pod-selector={release.selector}"
    try:
        release.namespace.kubectl("drain", node, only, "--delete-emptydir-data", f"--timeout={seconds}s", limit=seconds + 10.0)
        yield
    finally:
        release.namespace.kubectl("uncordon", node)


def kill_postmaster_by_exec(release: Release, pod: Pod) -> None:
    """Kill the postmaster (kill -9) by a command in its container."""
    release.inside(pod.name, "bash", "-c", KILL_POSTMASTER)


def _signal_receivers(release: Release, signal: str) -> None:
    for pod in release.standbys():
        release.inside(pod.name, "bash", "-c", SIGNAL_RECEIVERS % signal)


@contextmanager
def nobody_streams(release: Release) -> Iterator[Callable[[], None]]:
    """Freeze the WAL receiver of every standby by commands in their containers. Yields the function that thaws them, and calls it at the
    end.
    """
    _signal_receivers(release, "STOP")
    try:
        yield lambda: _signal_receivers(release, "CONT")
    finally:
        _signal_receivers(release, "CONT")
