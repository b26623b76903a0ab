"""The faults of the bench: how each is injected into a system's primary, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.bench.systems import System
from tests.cluster import disks, nodes
from tests.robustness.failpoint import faults
from tests.robustness.release import Pod

Deed = Callable[[System, Pod], None]


@dataclass(frozen=True)
class Fault(faults.Fault[System]):
    """A fault that is measured.

    hold_ttls: it lasts at least so many TTLs; near: the writer that keeps to the old primary runs on that one's node, which nobody
    else can reach; patient: that writer waits for its answers until the fault is over; tidy: what is done after each time, so that
    the next one finds the same; on_disks: the volumes have to be disks that can hang, and each hang is measured as the first; base_s,
    ttls: one time of it takes about so many seconds and TTLs.
    """

    hold_ttls: float = 0.0
    near: bool = False
    patient: bool = False
    tidy: Deed | None = None
    on_disks: bool = False
    base_s: float = 12.0
    ttls: float = 0.0

    def seconds(self, system: type[System]) -> float:
        """Return the approximate duration of one run in seconds."""
        between_s = system.hang_counts_s if self.on_disks else 0.0
        return self.base_s + between_s + self.ttls * system.ttl_s + system.renew_s / 2


def _delete_pod(system: System, primary: Pod) -> None:
    # kubelet makes a container wait that has died before, longer each time; a new pod begins anew
    system.namespace.kubectl("delete", "pod", primary.name)


def _freeze(system: System, primary: Pod) -> None:
    for container in system.containers:
        nodes.freeze(system.namespace.name, primary.name, container, primary.node)


def _thaw(system: System, primary: Pod) -> None:
    for container in system.containers:
        nodes.thaw(system.namespace.name, primary.name, container, primary.node)


def _hang(system: System, primary: Pod) -> None:
    disks.hang(system.storage_class, primary.node)


def _go_on(system: System, primary: Pod) -> None:
    disks.resume(system.storage_class, primary.node)


def _switch_over(system: System, primary: Pod) -> None:
    system.switch_over(primary)


_BY_NAME = (
    Fault("graceful", faults.GRACEFUL.inject, base_s=12),
    Fault("switchover", _switch_over, base_s=9),
    Fault("postmaster", faults.POSTMASTER.inject, base_s=8),
    Fault("container", faults.CONTAINER.inject, local_only=True, tidy=_delete_pod, base_s=14),
    Fault("force", faults.FORCE.inject, base_s=12),
    Fault("node", faults.NODE.inject, faults.NODE.undo, local_only=True, base_s=18, ttls=1),
    Fault("partition", faults.PARTITION.inject, faults.PARTITION.undo, local_only=True, hold_ttls=2.0, near=True, patient=True, ttls=2),
    Fault("frozen", _freeze, _thaw, local_only=True, hold_ttls=2.2, patient=True, ttls=2.2),
    Fault("storage", _hang, _go_on, local_only=True, patient=True, on_disks=True, ttls=2),
)

FAULTS = {fault.name: fault for fault in _BY_NAME}
