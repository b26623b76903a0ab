"""What the agents of a release say, as they say it."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

from tests.cluster import chosen
from tests.robustness.release import Release

Line = dict[str, Any]

LOG_SECONDS = 20.0
PROMOTED = "writable on timeline"
PROMOTION_SECONDS = 60.0


def _logs(pod: str, since: datetime) -> tuple[str, ...]:
    return "logs", pod, "--container", "failover", "--since-time", since.strftime("%Y-%m-%dT%H:%M:%SZ")


def log(release: Release, pod: str, since: datetime) -> list[Line]:
    """What a pod's agent has said since then. After a node's restart the API server's first attempt may fail, on a connection of before."""
    [text] = release.wait(f"the log of {pod}", lambda: [release.namespace.kubectl(*_logs(pod, since))], LOG_SECONDS)
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def operations(release: Release, since: datetime) -> dict[str, list[str]]:
    """What the agents of all pods did since then and said to have gone well, by pod, in order."""
    found = {pod.name: log(release, pod.name, since) for pod in release.pods()}
    return {pod: [line["op"] for line in lines if "op" in line and line.get("outcome") == "ok"] for pod, lines in found.items()}


def moment(release: Release, pod: str, since: datetime, **fields: str) -> datetime:
    """When a pod's agent first said something with these fields since then, by its own clock."""
    return next(datetime.fromisoformat(line["ts"]) for line in log(release, pod, since) if fields.items() <= line.items())


class Agents:
    """The lines of the agents' logs since it was made, while the `with` lasts: (pod, line) in the order of their arrival. What is
    written before kubectl has connected arrives late.

    on_line: called with each of them, in the thread that reads it.
    """

    def __init__(self, release: Release, on_line: Callable[[str, Line], None] | None = None) -> None:
        self.lines: list[tuple[str, Line]] = []
        self._release = release
        self._on_line = on_line
        self._begun = datetime.now(UTC)
        self._stack = ExitStack()

    def __enter__(self) -> Agents:
        for pod in self._release.pods():
            self._follow(pod.name)
        time.sleep(0.5)  # until kubectl has connected, as a rule: on_line is to act at once
        return self

    def _follow(self, pod: str) -> None:
        command = ["kubectl", "--namespace", self._release.namespace.name, *_logs(pod, self._begun), "--follow"]
        process = self._stack.enter_context(
            subprocess.Popen(
                command, env=chosen.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        )
        self._stack.callback(process.kill)

        def read() -> None:
            assert process.stdout is not None
            for text in process.stdout:
                if text.startswith("{"):
                    line = json.loads(text)
                    if datetime.fromisoformat(line["ts"]) < self._begun:
                        continue  # --since-time knows whole seconds only
                    self.lines.append((pod, line))
                    if self._on_line is not None:
                        self._on_line(pod, line)

        threading.Thread(target=read, name=f"log-{pod}", daemon=True).start()

    def said(self, text: str, pod: str | None = None) -> list[str]:
        """The reasons that hold a text, of one pod or of all."""
        return [line["reason"] for who, line in self.lines if text in line.get("reason", "") and pod in (None, who)]

    def wait_promoted(self) -> None:
        """Wait until one of them has said that its server writes."""
        self._release.wait("a server is promoted", lambda: self.said(PROMOTED), PROMOTION_SECONDS)

    def ordered(self, action: str) -> list[str]:
        """The pods that ordered an action: 'claim', 'promote', 'Publish' …, in order."""
        return [who for who, line in self.lines if action in line.get("actions", [])]

    def moment(self, action: str, pod: str) -> datetime:
        """When a pod first ordered an action, by its own clock."""
        return next(datetime.fromisoformat(line["ts"]) for who, line in self.lines if who == pod and action in line.get("actions", []))

    def __exit__(self, *_: object) -> None:
        self._stack.close()
