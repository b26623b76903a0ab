"""The kubelets and the StatefulSet controller of the simulated release: they stop containers and
pods and start new ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .agent import Agent
from .server import Server

if TYPE_CHECKING:
    from .world import World


class Kubelet:
    """Starts and stops the containers of the members' pods. Each step takes a while, and may be overtaken by events."""

    GRACE_S = 30.0
    SUPERVISOR_RESERVE_S = 10.0

    def __init__(self, world: World) -> None:
        self.world = world

    def start_agent(self, member: int, uid: str) -> None:
        """The failover container starts again in the same pod."""
        world = self.world
        if world.uids[member] == uid and world.on[member] and not world.agent[member].running:
            world.agent[member] = Agent(world, member)

    def end_container(self, member: int) -> None:
        """The postgres container dies; it is restarted, unless its pod is terminating."""
        world = self.world
        server = world.server[member]
        if not server.alive:
            return
        server.die()
        if server.terminating:
            world.engine.after(0.5, lambda: self.end_pod(member, server.uid))
        world.engine.after(world.uniform(0.3, 3.0), lambda: self._start_container(server))

    def _start_container(self, dead: Server) -> None:
        world, member = self.world, dead.member
        if world.server[member] is not dead or dead.terminating or not world.on[member] or world.uids[member] != dead.uid:
            return
        if world.agent[member].locks and world.agent[member].running:
            return
        world.server[member] = world.new_server(member)

    def container_may_start(self, member: int) -> None:
        """The agent released the locks."""
        server = self.world.server[member]
        if not server.alive:
            self.world.engine.after(self.world.uniform(0.1, 1.0), lambda: self._start_container(server))

    def container_may_end(self, member: int) -> None:
        """The agent lets the supervisor exit."""
        server = self.world.server[member]
        if server.terminating and server.state == "down" and server.alive:
            self.end_pod(member, self.world.uids[member])

    def stop_pod(self, member: int, uid: str) -> None:
        """A deleted pod's containers are told to stop, and killed after the grace period."""
        world = self.world
        if world.uids[member] != uid:
            return
        if not world.on[member] or world.network.api_cut[member]:
            world.engine.after(1.0, lambda: self.stop_pod(member, uid))
            return
        server = world.server[member]
        server.terminating = True
        world.engine.after(self.GRACE_S + 5.0, lambda: self.stop_pod(member, uid))
        if not server.alive:
            world.engine.after(0.5, lambda: self.end_pod(member, uid))
            return
        world.engine.after(self.GRACE_S - self.SUPERVISOR_RESERVE_S, lambda: self._stop_server(server))
        world.engine.after(self.GRACE_S, lambda: self.end_pod(member, uid))

    @staticmethod
    def _stop_server(server: Server) -> None:
        if server.alive:
            server.stop_fast(lambda: None)

    def end_pod(self, member: int, uid: str) -> None:
        """The postgres container has ended; next the agent ends, then the pod is replaced."""
        world = self.world
        if world.uids[member] != uid or not world.on[member]:
            return
        world.server[member].terminating = True
        world.server[member].die()
        world.engine.after(world.uniform(0.0, 0.5), lambda: self._remove_pod(member, uid))

    def _remove_pod(self, member: int, old: str) -> None:
        world = self.world
        if world.uids[member] != old or not world.on[member]:
            return
        world.agent[member].running = False
        world.api.remove_pod(world.pod_name(member))
        uid = world.new_uid(member)
        world.engine.after(world.uniform(0.3, 3.0), lambda: self.make_pod(member, uid))

    def make_pod(self, member: int, uid: str) -> None:
        """The controller replaces a deleted pod, unless the pod must stay away or already exists."""
        world = self.world
        if world.uids[member] != uid or world.pod_name(member) in world.api.pods or world.statefulset.held[member]:
            return
        world.api.put_pod(world.new_pod(member))
        if world.on[member]:
            self.start_pod(member)

    def start_pod(self, member: int) -> None:
        """Both containers of a pod start; the processes that ran in it before are gone."""
        world = self.world
        world.server[member].die()
        world.agent[member].running = False
        world.server[member] = world.new_server(member)
        world.agent[member] = Agent(world, member)

    def end_replaced_pod(self, member: int, server: Server, agent: Agent) -> None:
        """When a pod's object is deleted, its processes are killed and the new pod of that name starts."""
        world = self.world
        if not world.on[member] or world.server[member] is not server:
            return
        if world.network.api_cut[member]:
            world.engine.after(1.0, lambda: self.end_replaced_pod(member, server, agent))
            return
        server.die()
        agent.running = False
        world.engine.after(world.uniform(0.1, 1.0), lambda: self._start_pod_after(member, server))

    def _start_pod_after(self, member: int, old: Server) -> None:
        if self.world.server[member] is old and self.world.on[member]:
            self.start_pod(member)
