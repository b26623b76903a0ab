"""Checks from outside whether the agents' memory and number of open files grow."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster import nodes
from tests.cluster.process import Process
from tests.robustness.release import Release

WARM_SECONDS = 30.0
KIBIBYTES = 8 * 1024
FILES = 8


@dataclass(frozen=True)
class Look:
    """One sample of a process: its time (monotonic seconds), memory in KiB (resident, not shared with files), and number of open files."""

    at: float
    memory: int
    files: int


@dataclass
class Growth:
    """Samples every process of every failover container, by pod and process, so that a restarted one counts as new."""

    looks: dict[tuple[str, Process], list[Look]] = field(default_factory=dict)

    def look(self, release: Release) -> None:
        """Sample all of them. A process that exits meanwhile is left out."""
        for pod in release.pods():
            for process in nodes.processes(release.namespace.name, pod.name, "failover", pod.node):
                folder = Path(f"/proc/{process.pid}")
                try:
                    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
                    seen = Look(time.monotonic(), int(status["RssAnon"].split()[0]), len(os.listdir(folder / "fd")))
                except (OSError, KeyError):
                    continue
                self.looks.setdefault((pod.name, process), []).append(seen)

    def _spans(self) -> dict[tuple[str, Process], tuple[Look, Look]]:
        """The first sample of each process after its warm-up, and the last one."""
        found = {}
        for who, looks in self.looks.items():
            warm = [look for look in looks if look.at >= looks[0].at + WARM_SECONDS]
            if len(warm) > 1:
                found[who] = (warm[0], warm[-1])
        return found

    def violations(self) -> list[str]:
        """The processes that have grown by more than 8 MiB or 8 files since their warm-up; or an error if none was seen for long enough."""
        spans = self._spans()
        if not spans:
            return ["no agent lived long enough to see whether it grows"]
        return [
            f"{pod}, process {process.pid}: {first.memory} -> {last.memory} KiB, {first.files} -> {last.files} files"
            for (pod, process), (first, last) in spans.items()
            if last.memory > first.memory + KIBIBYTES or last.files > first.files + FILES
        ]

    def summary(self) -> dict[str, object]:
        """The greatest growth of all, and the longest time that a process was observed."""
        spans = list(self._spans().values())
        return {
            "grown_kib": max(last.memory - first.memory for first, last in spans),
            "grown_files": max(last.files - first.files for first, last in spans),
            "longest_s": round(max(last.at - first.at for first, last in spans)),
        }
