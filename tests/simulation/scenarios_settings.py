"""Scenarios about settings that a server reads only when it starts."""

from __future__ import annotations

from hapg_failover.core.state.actions import Op
from hapg_failover.core.write_quorum import ASYNCHRONOUS, Policy

from .scenarios import primary_of
from .settings import postgresql_conf
from .world import World

PAUSE_S = 0.05
LONGEST_S = 150.0


class Watched:
    """A healthy release whose settings are changed, and what is seen meanwhile.

    restarting: the most servers that were starting at the same time; answering: the fewest hot standbys.
    """

    def __init__(self, replicas: int, seed: int, mode: str = "hot", policy: Policy = ASYNCHRONOUS) -> None:
        self.world = world = World(replicas, seed, policy=policy)
        world.standby_mode = mode
        world.set_up(postgresql_conf(100, 128))
        world.settle(60.0)
        world.run(10.0)
        self.begun = list(world.server)
        self.restarting, self.answering = 0, replicas - 1

    def change(self, max_connections: int, shared_buffers: int) -> None:
        """Change the settings, and wait until every server runs with them and all is well."""
        world, text = self.world, postgresql_conf(max_connections, shared_buffers)
        world.reconfigure(text)
        begun = world.engine.now
        while world.engine.now - begun < LONGEST_S and (world.trouble() or not self._is_steady()):
            self.watch(PAUSE_S)
        assert world.trouble() == [], world.log[-40:]
        assert self._is_steady(), world.log[-40:]

    def watch(self, seconds: float) -> None:
        """Let time pass."""
        world = self.world
        world.run(seconds)
        self.restarting = max(self.restarting, sum(each.memory.operation.op is Op.START for each in world.agent))
        self.answering = min(self.answering, sum(each.hot and each.state == "standby" for each in world.server))

    def _is_steady(self) -> bool:
        """True if every standby has the configured mode."""
        world = self.world
        return all(each.hot == (world.standby_mode == "hot") for each in world.server if each is not world.server[primary_of(world)])
