"""Named faults of a release's primary, and how each is undone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from tests.cluster import chosen, nodes
from tests.robustness.failpoint import acts, processes
from tests.robustness.release import Pod, Release

R = TypeVar("R", bound=Release)


@dataclass(frozen=True)
class Fault(Generic[R]):
    """A fault: its name, its effect on the primary, and how it is undone once writes continue.

    local_only: it is possible only in the local cluster.
    """

    name: str
    inject: Callable[[R, Pod], None]
    undo: Callable[[R, Pod], None] | None = None
    local_only: bool = False

    @property
    def possible(self) -> bool:
        """True if it is possible in the chosen cluster."""
        return not self.local_only or chosen.is_local()


def _delete(release: Release, primary: Pod) -> None:
    acts.delete(release, primary)


def _delete_by_force(release: Release, primary: Pod) -> None:
    acts.delete(release, primary, grace=0)


def _switch_over(release: Release, _: Pod) -> None:
    acts.switchover(release)


def _kill_container(release: Release, primary: Pod) -> None:
    processes.kill_container(release, primary)


def _power_off(_: Release, primary: Pod) -> None:
    nodes.power_off(primary.node)


def _boot(_: Release, primary: Pod) -> None:
    nodes.boot(primary.node)
    nodes.wait_ready()


def _partition(_: Release, primary: Pod) -> None:
    nodes.partition(primary.node)


def _heal(_: Release, primary: Pod) -> None:
    nodes.heal(primary.node)
    nodes.wait_ready()


GRACEFUL = Fault("graceful", _delete)
FORCE = Fault("force", _delete_by_force)
SWITCHOVER = Fault("switchover", _switch_over)
POSTMASTER = Fault("postmaster", acts.kill_postmaster_by_exec)
CONTAINER = Fault("container", _kill_container, local_only=True)
NODE = Fault("node", _power_off, _boot, local_only=True)
PARTITION = Fault("partition", _partition, _heal, local_only=True)


@contextmanager
def undone(fault: Fault[R], release: R, primary: Pod) -> Iterator[Callable[[], None]]:
    """Yields the function that undoes a fault, and calls it at the end unless it was called already."""
    with contextlib.ExitStack() as stack:
        if fault.undo is not None:
            stack.callback(fault.undo, release, primary)
        yield stack.close
