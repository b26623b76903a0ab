"""The StatefulSet of the simulated release: readiness as kubelets probe it, rolling updates, scaling, evictions within a budget."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from . import faults

if TYPE_CHECKING:
    from .world import World

PROBE_S = 2.0
FAILURES = 2
REPORT_S = 0.3
SYNC_S = 0.3
EVICT_AGAIN_S = 5.0
NODE_GRACE_S = 40.0


class StatefulSet:
    """Lists hold a value per member, by its number. held: its pod isn't created while its node is cordoned or it is scaled away;
    replicas: as in the chart, which may leave out members; too_soon: how often it deleted the primary's pod while no standby followed.
    It has its own random numbers, so that probing readiness changes nothing else in a run.
    """

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.held = [False] * world.replicas
        self.replicas = world.replicas
        self.updating = False
        self.too_soon = 0
        self._random = random.Random(seed)
        self._failures = [0] * world.replicas
        self._heard_at = [0.0] * world.replicas
        self._old: set[int] = set()
        for member in range(world.replicas):
            world.engine.after(self._random.uniform(0.0, PROBE_S), partial(self._probe, member))

    def _soon(self, longest: float, do: Callable[[], None]) -> None:
        self.world.engine.after(self._random.uniform(longest / 10, longest), do)

    # --- readiness ---

    def is_ready(self, member: int) -> bool:
        """True if the API shows a member's pod as ready."""
        pod = self.world.api.pods.get(self.world.pod_name(member))
        return pod is not None and pod.ready and not pod.deleting

    def _probe(self, member: int) -> None:
        """Kubelet probes the failover container every two seconds. If a node sends no heartbeats, its pods become unready after a while."""
        world = self.world
        world.engine.after(PROBE_S, partial(self._probe, member))
        if not world.network.reachable(member):
            if world.engine.now - self._heard_at[member] > NODE_GRACE_S:
                self._report(member, False)
            return
        self._heard_at[member] = world.engine.now
        agent = world.agent[member]
        ready = agent.is_ready()
        self._failures[member] = 0 if ready else self._failures[member] + 1
        runs = agent.running and world.server[member].alive and agent.uid == world.uids[member]
        if ready or not runs or self._failures[member] >= FAILURES:
            self._soon(REPORT_S, partial(self._report, member, ready and runs, world.uids[member]))

    def _report(self, member: int, ready: bool, uid: str | None = None) -> None:
        pod = self.world.api.pods.get(self.world.pod_name(member))
        if pod is not None and pod.ready != ready and uid in (None, pod.uid):
            self.world.api.put_pod(replace(pod, ready=ready))

    # --- rolling updates ---

    def update(self) -> None:
        """A new pod template: the pods are replaced one at a time from the highest ordinal down, each once the one before is ready."""
        self.world.log.append(f"{self.world.engine.now:8.3f} a rolling update begins")
        self._old = set(range(self.world.replicas))
        if not self.updating:
            self.updating = True
            self._sync()

    def _sync(self) -> None:
        for member in reversed(range(self.world.replicas)):
            pod = self.world.api.pods.get(self.world.pod_name(member))
            if member in self._old and pod is not None and not pod.deleting:
                self._old.discard(member)
                server = self.world.server[member]
                self.too_soon += server.writable and not server.followers()
                faults.pod_delete(self.world, member)
                break
            if not self.is_ready(member):
                break
        else:
            self.updating = False
            return
        self._soon(SYNC_S, self._sync)

    # --- pods that stay away ---

    def scale_to_zero(self) -> None:
        """Delete every pod at once, and create none."""
        for member in range(self.world.replicas):
            self.held[member] = True
            faults.pod_delete(self.world, member)

    def scale_up(self, replicas: int) -> None:
        """Set the number of replicas, and create the pods that stayed away."""
        self.world.log.append(f"{self.world.engine.now:8.3f} replicas is {replicas}")
        self.replicas = replicas
        for member in range(replicas):
            self.let_back(member)

    def drain(self, member: int, away: float) -> None:
        """Cordon a node and evict its pod once the budget (maxUnavailable: 1) allows it; uncordon the node this many seconds later."""
        self.world.log.append(f"{self.world.engine.now:8.3f} the node of {member} is drained")
        self.held[member] = True
        self._evict(member, away)

    def _evict(self, member: int, away: float) -> None:
        others = [m for m in range(self.world.replicas) if m != member]
        if self.held[member] and all(self.is_ready(m) for m in others):
            faults.pod_delete(self.world, member)
            self.world.engine.after(away, partial(self.let_back, member))
        elif self.held[member]:
            self.world.engine.after(EVICT_AGAIN_S, partial(self._evict, member, away))

    def let_back(self, member: int) -> None:
        """Its pod may be created again."""
        if self.held[member]:
            self.held[member] = False
            self.world.kubelet.make_pod(member, self.world.uids[member])

    def stays_away(self, member: int) -> bool:
        """True if a member has no pod and none is to be created."""
        return self.held[member] and self.world.pod_name(member) not in self.world.api.pods

    def heal(self) -> None:
        """Every pod may be created."""
        self.scale_up(self.world.replicas)
