"""Releases for tests: a new one for one test, or one that is reused as long as it is healthy."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tests.cluster import nodes, storage
from tests.robustness import programs
from tests.robustness.programs import ProgramError
from tests.robustness.release import CHART, VALUES, Release

SOUND_SECONDS = 60.0


@contextmanager
def installed(prefix: str, *options: str, replicas: int = 3) -> Iterator[Release]:
    """A release with the tutorial's values and further Helm options, at full strength, in a new namespace."""
    with programs.namespace(prefix) as namespace:
        release = Release(namespace, replicas=replicas)
        release.install(CHART, "--values", str(VALUES), *options, "--set", f"replicas={replicas}")
        release.settle()
        yield release


@dataclass(frozen=True)
class Kind:
    """The requirements for a release: Helm options, number of servers; disks: the chart value whose PVCs are on disks that can be made
    to fail, "" for none.
    """

    options: tuple[str, ...] = ()
    replicas: int = 3
    disks: str = ""


ASYNCHRONOUS = Kind()
DISKS = Kind(disks="storage")
WAL_DISKS = Kind(("--set", "walVolume.enabled=true,walVolume.size=1Gi"), disks="walVolume")


class Stock:
    """Creates releases on request, and keeps the last one."""

    def __init__(self) -> None:
        self._kind: Kind | None = None
        self._release: Release | None = None
        self._stack = ExitStack()
        self.disks = ""

    def get(self, kind: Kind) -> Release:
        """Return a release of this kind at full strength: the existing one, or a new one."""
        if self._release is not None and kind == self._kind and self._is_sound(self._release):
            return self._release
        self.drop()
        nodes.wait_ready()
        options = [*kind.options, "--set", f"replicas={kind.replicas}"]
        if kind.disks:
            self.disks = self._stack.enter_context(storage.volumes(f"disks-{secrets.token_hex(2)}"))
            options += ["--set", f"{kind.disks}.storageClassName={self.disks}"]
        release = Release(self._stack.enter_context(programs.namespace("faults")), replicas=kind.replicas)
        self._kind, self._release = kind, release
        release.install(CHART, "--values", str(VALUES), *options)
        release.settle()
        return release

    @staticmethod
    def _is_sound(release: Release) -> bool:
        """True if it is at full strength. Kubelet delays the restart of containers that have died before, longer each time: such pods
        are replaced."""
        try:
            release.wait_full_strength(SOUND_SECONDS)
            for pod in release.pods():
                if pod.restarts:
                    release.namespace.kubectl("delete", "pod", pod.name)
                    release.wait_full_strength(SOUND_SECONDS)
        except (AssertionError, ProgramError):
            return False
        return True

    def drop(self) -> None:
        """Delete the current release, if any."""
        self._kind = self._release = None
        self.disks = ""
        self._stack.close()
