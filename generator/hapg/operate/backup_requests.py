"""Requests to the container `backup` of a release's pods, through kubectl exec."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hapg.operate import backups
from hapg.operate.backups import Archive
from hapg.operate.kubectl import Cluster
from hapg.operate.release import OperateError, Release
from hapg_protocol.model import Pod

INFO_SECONDS = 120.0


@dataclass(frozen=True)
class Answer:
    """The end of a request. code: its exit code; lines: its output."""

    code: int
    lines: tuple[str, ...]

    @property
    def last(self) -> str:
        """The last line that says something."""
        return next((line.strip() for line in reversed(self.lines) if line.strip()), "")


def primary(release: Release) -> Pod:
    """Return the primary's pod. Raise OperateError if there is none."""
    if release.held and release.holder is not None:
        return release.holder
    raise OperateError(f"{release.name} has no primary, which alone can do this; see `hapg status`")


def ask(cluster: Cluster, pod: Pod, request: str, tell: Callable[[str], None], limit: float | None) -> Answer:
    """Send a request to the container `backup` of a pod. tell: is given each line as it comes; limit: seconds. Raise KubectlError."""
    lines: list[str] = []

    def take(line: str) -> None:
        lines.append(line)
        tell(line)

    code = cluster.execute(pod.name, backups.CONTAINER, (*backups.PROGRAM, request), take, limit)
    return Answer(code, tuple(lines))


def info(cluster: Cluster, pod: Pod) -> Archive:
    """Return what a pod's container `backup` says of the archive. Raise OperateError, KubectlError."""
    answer = ask(cluster, pod, "info", lambda _: None, INFO_SECONDS)
    if answer.code:
        raise OperateError(f"{pod.name}: {backups.failure(answer.code, answer.last)}")
    return backups.read(answer.lines)
