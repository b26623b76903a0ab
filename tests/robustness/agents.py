"""What the agents of a release say, as they say it."""

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
        """What it is about."""
        return str(self.fields.get("event", ""))

    @property
    def moment(self) -> datetime:
        """When it was said, by the agent's own clock."""
        return datetime.fromisoformat(self.fields["ts"])

    @property
    def operation(self) -> str:
        """The operation that it says to have ended well: 'rewind', 'clone', 'follow' …; none: ''."""
        return str(self.fields["op"]) if self.event == "operation" and self.fields.get("outcome") == "ok" else ""

    def is_put(self, kind: str) -> bool:
        """Whether it says that the Lease was written for this reason."""
        return self.event == "put" and self.fields.get("kind") == kind and self.fields.get("outcome") == "ok"

    def orders(self, action: str) -> bool:
        """Whether it is a decision that orders this: 'claim', 'promote', 'Report' …"""
        return self.event == "decision" and action in self.fields.get("actions", ())


def parse(pod: str, text: str) -> Line | None:
    """A line of an agent's log, None if it is none."""
    try:
        fields = json.loads(text)
        return Line(datetime.fromisoformat(fields["ts"]).timestamp(), pod, fields)
    except (ValueError, KeyError, TypeError):
        return None


def _logs(pod: str, since: datetime) -> tuple[str, ...]:
    return "logs", pod, "--container", "failover", "--since-time", since.strftime("%Y-%m-%dT%H:%M:%SZ")


def log(release: Release, pod: str, since: datetime) -> list[Line]:
    """What a pod's agent has said since then. After a node's restart the API server's first attempt may fail, on a connection of before."""
    [text] = release.wait(f"the log of {pod}", lambda: [release.namespace.kubectl(*_logs(pod, since))], LOG_SECONDS)
    return [found for line in text.splitlines() if (found := parse(pod, line))]


def operations(release: Release, since: datetime) -> dict[str, list[str]]:
    """What the agents of all pods did since then and said to have gone well, by pod, in order."""
    found = {pod.name: log(release, pod.name, since) for pod in release.pods()}
    return {pod: [line.operation for line in lines if line.operation] for pod, lines in found.items()}


def moment(release: Release, pod: str, since: datetime, **fields: str) -> datetime:
    """When a pod's agent first said something with these fields since then, by its own clock."""
    return next(line.moment for line in log(release, pod, since) if fields.items() <= line.fields.items())


class Agents:
    """The lines of the agents' logs since it was made, while the `with` lasts, in the order of their arrival. What is written before
    kubectl has connected arrives late.

    on_line: called with each of them, in the thread that reads it.
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
        time.sleep(0.5)  # until kubectl has connected, as a rule: on_line is to act at once
        return self

    def _take(self, pod: str, text: str) -> None:
        line = parse(pod, text)
        if line is None or line.moment < self._begun:
            return  # --since-time knows whole seconds only
        self.lines.append(line)
        if self._on_line is not None:
            self._on_line(line)

    def said(self, text: str, pod: str | None = None) -> list[str]:
        """The reasons that hold a text, of one pod or of all."""
        return [line.fields["reason"] for line in self.lines if text in line.fields.get("reason", "") and pod in (None, line.pod)]

    def wait_promoted(self) -> None:
        """Wait until one of them has said that its server writes."""
        self._release.wait("a server is promoted", lambda: self.said(PROMOTED), PROMOTION_SECONDS)

    def ordered(self, action: str) -> list[str]:
        """The pods that ordered an action, in order."""
        return [line.pod for line in self.lines if line.orders(action)]

    def moment(self, action: str, pod: str) -> datetime:
        """When a pod first ordered an action, by its own clock."""
        return next(line.moment for line in self.lines if line.pod == pod and line.orders(action))

    def __exit__(self, *_: object) -> None:
        self._stack.close()
