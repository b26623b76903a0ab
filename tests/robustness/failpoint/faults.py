"""What is done to the primary of a release."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.cluster import chosen, nodes
from tests.robustness import programs
from tests.robustness.release import Pod, Release

DATA = "/var/lib/postgresql/data/pgdata"


@dataclass(frozen=True)
class Fault:
    """A fault: its name, what it does to the primary, and how that is undone once writes go on.

    local_only: it needs the hand of the local cluster.
    """

    name: str
    inject: Callable[[Release, Pod], None]
    undo: Callable[[Pod], None] | None = None
    local_only: bool = False

    @property
    def possible(self) -> bool:
        """Whether the chosen cluster lets it be done."""
        return not self.local_only or chosen.is_local()


def _delete_pod(release: Release, primary: Pod) -> None:
    release.namespace.kubectl("delete", "pod", primary.name, "--wait=false")


def _delete_by_force(release: Release, primary: Pod) -> None:
    release.namespace.kubectl("delete", "pod", primary.name, "--force", "--grace-period=0", "--wait=false")


def _switch_over(release: Release, primary: Pod) -> None:
    programs.run(str(programs.HAPG), "switchover", release.name, "--namespace", release.namespace.name, limit=60)


def _kill_postmaster(release: Release, primary: Pod) -> None:
    script = f"read -r pid <{DATA}/postmaster.pid && kill -9 $pid"
    release.namespace.kubectl("exec", primary.name, "--container", "postgres", "--", "bash", "-c", script)


def _kill_container(release: Release, primary: Pod) -> None:
    nodes.kill_container(release.namespace.name, primary.name, "postgres")


def _power_off(_: Release, primary: Pod) -> None:
    nodes.power_off(primary.node)


def _boot(primary: Pod) -> None:
    nodes.boot(primary.node)
    nodes.wait_ready()


GRACEFUL = Fault("graceful", _delete_pod)
FORCE = Fault("force", _delete_by_force)
SWITCHOVER = Fault("switchover", _switch_over)
POSTMASTER = Fault("postmaster", _kill_postmaster)
CONTAINER = Fault("container", _kill_container, local_only=True)
NODE = Fault("node", _power_off, _boot, local_only=True)


@contextmanager
def undone(fault: Fault, primary: Pod) -> Iterator[Callable[[], None]]:
    """Gives the function that undoes a fault, and calls it in the end if nobody has."""
    with contextlib.ExitStack() as stack:
        if fault.undo is not None:
            stack.callback(fault.undo, primary)
        yield stack.close
