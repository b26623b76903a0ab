"""The agents of a release, as seen in their logs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from tests.robustness.following import Follower
from tests.robustness.release import Release

LOG_SECONDS = 20.0
PROMOTED = "writable on timeline"
PROMOTION_SECONDS = 60.0


@dataclass(frozen=True)
class Line:
    """A line of an agent's log: seconds since the epoch, its pod, its fields."""

    at: float
    pod: str
    fields: dict[str, Any]

    @property
    def event(self) -> str:
        """The subject of the line."""
        return str(self.fields.get("event", ""))

    @property
    def moment(self) -> datetime:
        """When it was logged, by the agent's own clock."""
        return datetime.fromisoformat(self.fields["ts"])

    @property
    def operation(self) -> str:
        """The operation it reports as completed: 'rewind', 'clone', 'follow' …; none: ''."""
        return str(self.fields["op"]) if self.event == "operation" and self.fields.get("outcome") == "ok" else ""

    def is_put(self, kind: str) -> bool:
        """True if it says that the Lease was written for this reason."""
        return self.event == "put" and self.fields.get("kind") == kind and self.fields.get("outcome") == "ok"

    def orders(self, action: str) -> bool:
        """True if it is a decision that orders this: 'claim', 'promote', 'Report' …"""
        return self.event == "decision" and action in self.fields.get("actions", ())


def parse(pod: str, text: str) -> Line | None:
    """Parse a line of an agent's log; None if it isn't one."""
    try:
        fields = json.loads(text)
        return Line(datetime.fromisoformat(fields["ts"]).timestamp(), pod, fields)
    except (ValueError, KeyError, TypeError):
        return None


def _logs(pod: str, since: datetime) -> tuple[str, ...]:
    return "logs", pod, "--container", "failover", "--since-time", since.strftime("%Y-%m-%dT%H:%M:%SZ")


def log(release: Release, pod: str, since: datetime) -> list[Line]:
    """The log of a pod's agent since then. After a node's restart the API server's first attempt may fail, because it reuses an old
    connection."""
    [text] = release.wait(f"the log of {pod}", lambda: [release.namespace.kubectl(*_logs(pod, since))], LOG_SECONDS)
    return [found for line in text.splitlines() if (found := parse(pod, line))]


def operations(release: Release, since: datetime) -> dict[str, list[str]]:
    """The operations that the agents of all pods have completed since then, by pod, in order."""
    found = {pod.name: log(release, pod.name, since) for pod in release.pods()}
    return {pod: [line.operation for line in lines if line.operation] for pod, lines in found.items()}


def moment(release: Release, pod: str, since: datetime, **fields: str) -> datetime:
    """When a pod's agent first logged these fields since then, by its own clock."""
    return next(line.moment for line in log(release, pod, since) if fields.items() <= line.fields.items())


class Agents:
    """The lines of the agents' logs from its creation on, while the `with` lasts, in order of arrival. Lines written before kubectl has
    connected arrive late.
    on_line: called with each line, in the thread that reads it.
    """

    def __init__(self, release: Release, on_line: Callable[[Line], None] | None = None) -> None:
        self.lines: list[Line] = []
        self._release = release
        self._on_line = on_line
        self._begun = datetime.now(UTC)
        self._stack = ExitStack()

    def __enter__(self) -> Agents:
        for pod in self._release.pods():
            logs = (*_logs(pod.name, self._begun), "--follow")
            self._stack.enter_context(Follower(self._release.namespace, *logs, on_line=partial(self._take, pod.name)))
        time.sleep(0.5)  # usually long enough for kubectl to connect: on_line must be called at once
        return self

    def _take(self, pod: str, text: str) -> None:
        line = parse(pod, text)
        if line is None or line.moment < self._begun:
            return  # --since-time has a resolution of one second
        self.lines.append(line)
        if self._on_line is not None:
            self._on_line(line)

    def said(self, text: str, pod: str | None = None) -> list[str]:
        """The reasons that contain a text, of one pod or of all."""
        return [line.fields["reason"] for line in self.lines if text in line.fields.get("reason", "") and pod in (None, line.pod)]

    def wait_promoted(self) -> None:
        """Wait until an agent has logged that its server is writable."""
        self._release.wait("a server is promoted", lambda: self.said(PROMOTED), PROMOTION_SECONDS)

    def ordered(self, action: str) -> list[str]:
        """The pods that ordered an action, in order."""
        return [line.pod for line in self.lines if line.orders(action)]

    def moment(self, action: str, pod: str) -> datetime:
        """When a pod first ordered an action, by its own clock."""
        return next(line.moment for line in self.lines if line.pod == pod and line.orders(action))

    def __exit__(self, *_: object) -> None:
        self._stack.close()
