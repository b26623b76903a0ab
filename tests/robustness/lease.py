"""Every version of a release's Lease."""

from __future__ import annotations

import itertools
import json
import subprocess
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.cluster import chosen
from tests.robustness.release import Release

FORMAT = r'jsonpath={.metadata.annotations.ha-postgres/state}{"\n"}'
RETRY_SECONDS = 1.0


@dataclass(frozen=True)
class Reign:
    """A term: its holder and the highest timeline that is reserved under it."""

    term: int
    pod: str
    uid: str
    timeline: int

    @classmethod
    def of(cls, state: dict[str, Any]) -> Reign:
        """Read it from a Lease's state."""
        return cls(state["term"], state["holder"]["pod"], state["holder"]["uid"], state["timeline"])


def reigns(versions: Iterable[tuple[float, Reign]]) -> list[tuple[float, Reign]]:
    """The sequence without repetitions: the first of each, with its time."""
    return [next(same) for _, same in itertools.groupby(versions, key=lambda version: version[1])]


class LeaseHistory:
    """Watches the Lease from `with` to the end of it."""

    def __init__(self, release: Release) -> None:
        self._release = release
        self._versions: list[tuple[float, Reign]] = []
        self._stopped = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._watch, name="lease", daemon=True)

    def __enter__(self) -> LeaseHistory:
        self._thread.start()
        return self

    def _watch(self) -> None:
        names = ["--namespace", self._release.namespace.name, "get", "lease", self._release.name]
        command = ["kubectl", *names, "--watch", "--output", FORMAT]
        while not self._stopped.is_set():
            with subprocess.Popen(
                command, env=chosen.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            ) as process:
                self._process = process
                assert process.stdout is not None
                for line in process.stdout:
                    if line.strip():
                        self._versions.append((time.time(), Reign.of(json.loads(line))))
            self._stopped.wait(RETRY_SECONDS)

    @property
    def reigns(self) -> list[Reign]:
        """Terms, holders and timelines until now, in order."""
        return [reign for _, reign in self.timed]

    @property
    def timed(self) -> list[tuple[float, Reign]]:
        """The same, each with the time at which it was first seen, in seconds since the epoch."""
        return reigns(list(self._versions))

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        if self._process is not None:
            self._process.terminate()
        self._thread.join(10)
