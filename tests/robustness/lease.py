"""Every version of a release's Lease."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.robustness.following import Follower
from tests.robustness.release import Release

FORMAT = r'jsonpath={.metadata.annotations.ha-postgres/state}{"\n"}'
RETRY_SECONDS = 1.0


@dataclass(frozen=True)
class Reign:
    """A term: its leader and the highest timeline reserved in it."""

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
    """Records every version of a release's Lease seen for the duration of the `with`."""

    def __init__(self, release: Release) -> None:
        self._versions: list[tuple[float, Reign]] = []
        watch = ("get", "lease", release.name, "--watch", "--output", FORMAT)
        self._follower = Follower(release.namespace, *watch, on_line=self._note, again_after_s=RETRY_SECONDS)

    def __enter__(self) -> LeaseHistory:
        self._follower.__enter__()
        return self

    def _note(self, line: str) -> None:
        if line.strip():
            self._versions.append((time.time(), Reign.of(json.loads(line))))

    @property
    def reigns(self) -> list[Reign]:
        """Terms, leaders and timelines so far, in order."""
        return [reign for _, reign in self.timed]

    @property
    def timed(self) -> list[tuple[float, Reign]]:
        """The same, each with the time when it was first seen, in seconds since the epoch."""
        return reigns(list(self._versions))

    def __exit__(self, *_: object) -> None:
        self._follower.__exit__()
