"""The release's ConfigMap: as the API has it, as each node's kubelet knows it, and the files in each pod."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from hapg_failover.core import projection
from hapg_failover.core.timing import Timing

if TYPE_CHECKING:
    from .world import World

KUBELET_SYNC_S = 60.0
"""By itself, kubelet updates a pod's files within this time."""
KUBELET_LEARNS_S = 1.5
"""Kubelet's own watch is behind the API by up to this time."""
POD_SYNC_S = (0.1, 0.6)
"""A changed pod's files are updated after a time in this range."""


class ConfigMap:
    """Its only entry is the timing. The files in the pods are `World.timings`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._version = 1
        self._known = [world.timing] * world.replicas
        self._touches: dict[str, str] = {}

    @property
    def current(self) -> projection.ConfigMap:
        """The ConfigMap as a watch reports it."""
        return projection.ConfigMap(str(self._version), projection.digest(_entries(self._world.timing)))

    def files(self, member: int) -> Mapping[str, bytes]:
        """Return the files in a member's pod."""
        return _entries(self._world.timings[member])

    def change(self, timing: Timing) -> None:
        """Helm changes it. The watches report that, and each kubelet learns of it and updates its pod's files by itself after a while."""
        world = self._world
        world.timing, self._version = timing, self._version + 1
        for member in range(world.replicas):
            world.engine.after(world.uniform(0.0, KUBELET_LEARNS_S), partial(self._learn, member))
            world.engine.after(KUBELET_LEARNS_S + world.uniform(0.0, KUBELET_SYNC_S), partial(self._project, member))
        world.network.configuration_changed()

    def annotated(self, member: int, value: str) -> None:
        """An agent annotates its pod; kubelet looks at the pod only if the value is another one."""
        world = self._world
        uid = world.uids[member]
        if self._touches.get(uid) != value:
            self._touches[uid] = value
            world.engine.after(world.uniform(*POD_SYNC_S), partial(self._project, member))

    def _learn(self, member: int) -> None:
        self._known[member] = self._world.timing

    def _project(self, member: int) -> None:
        if self._world.on[member]:
            self._world.timings[member] = self._known[member]


def _entries(timing: Timing) -> Mapping[str, bytes]:
    return {"failover.json": repr(timing).encode()}
