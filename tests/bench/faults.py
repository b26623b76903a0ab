"""What is done to the primary of a system, and how it is undone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.bench.systems import System
from tests.cluster import chosen, disks, nodes
from tests.robustness.failpoint import faults
from tests.robustness.release import Pod

Deed = Callable[[System, Pod], None]


@dataclass(frozen=True)
class Fault:
    """A fault: what it does to the primary, and how that is undone once writes go on.

    hold_ttls: it lasts at least so many TTLs; near: the writer that keeps to the old primary runs on that one's node, which nobody
    else can reach; patient: that writer waits for its answers until the fault is over; tidy: what is done after each time, so that
    the next one finds the same; on_disks: the volumes have to be disks that can hang; base_s, ttls: one time of it takes about so many
    seconds and TTLs.
    """

    name: str
    inject: Deed
    undo: Deed | None = None
    hold_ttls: float = 0.0
    near: bool = False
    patient: bool = False
    tidy: Deed | None = None
    local_only: bool = True
    on_disks: bool = False
    base_s: float = 12.0
    ttls: float = 0.0

    def seconds(self, system: type[System]) -> float:
        """About how long one time of it takes."""
        return self.base_s + self.ttls * system.ttl_s + system.renew_s / 2

    @property
    def possible(self) -> bool:
        """Whether the chosen cluster lets it be done."""
        return not self.local_only or chosen.is_local()


def _as_in_tests(fault: faults.Fault) -> tuple[Deed, Deed | None]:
    undo = fault.undo
    return fault.inject, None if undo is None else lambda _, primary: undo(primary)


def _delete_pod(system: System, primary: Pod) -> None:
    # kubelet makes a container wait that has died before, longer each time; a new pod begins anew
    system.namespace.kubectl("delete", "pod", primary.name)


def _partition(_: System, primary: Pod) -> None:
    nodes.partition(primary.node)


def _heal(_: System, primary: Pod) -> None:
    nodes.heal(primary.node)
    nodes.wait_ready()


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


_BY_NAME = (
    Fault("graceful", faults.GRACEFUL.inject, local_only=False, base_s=12),
    Fault("switchover", lambda system, primary: system.switch_over(primary), local_only=False, base_s=9),
    Fault("postmaster", faults.POSTMASTER.inject, local_only=False, base_s=8),
    Fault("container", faults.CONTAINER.inject, tidy=_delete_pod, base_s=14),
    Fault("force", faults.FORCE.inject, local_only=False, base_s=12),
    Fault("node", *_as_in_tests(faults.NODE), base_s=18, ttls=1),
    Fault("partition", _partition, _heal, hold_ttls=2.0, near=True, patient=True, base_s=12, ttls=2),
    Fault("frozen", _freeze, _thaw, hold_ttls=2.2, patient=True, base_s=12, ttls=2.2),
    Fault("storage", _hang, _go_on, patient=True, on_disks=True, base_s=12, ttls=2),
)

FAULTS = {fault.name: fault for fault in _BY_NAME}
