"""A random walk: faults of all kinds at random times, then a fair end."""

from __future__ import annotations

from collections.abc import Callable

from hapg_failover.core.timing import Timing
from hapg_failover.core.write_quorum import ASYNCHRONOUS, Policy

from . import faults
from .network import SOUND_LATENCY_S
from .settings import postgresql_conf
from .world import World

Fault = Callable[[World, int], None]


def _lossy(world: World, _: int) -> None:
    faults.lossy_api(world, world.uniform(0.05, 0.6), world.uniform(0.01, 0.3))


def _clean(world: World, _: int) -> None:
    faults.lossy_api(world, 0.0, SOUND_LATENCY_S)


def _slow(world: World, _: int) -> None:
    faults.lossy_api(world, 0.0, world.uniform(0.2, 0.8))


def _failing(world: World, _: int) -> None:
    world.op_failure = world.uniform(0.0, 0.4)
    world.wal_gone = world.uniform(0.0, 0.3)


def _switchover(world: World, member: int) -> None:
    to = world.randint(0, world.replicas - 1)
    stale = world.randint(0, 3) if world.chance(0.2) else None
    faults.switchover(world, member, to if world.chance(0.5) else None, stale)


def _upgrade(world: World, _: int) -> None:
    faults.upgrade(world, world.random.choice((Timing(), faults.SHORT_TIMES, faults.LONG_TIMES)))


def _reconfigure(world: World, _: int) -> None:
    """Change settings that need a restart; a member may refuse them until the end of all faults."""
    if world.chance(0.2):
        world.refuses[world.randint(0, world.replicas - 1)] = True
    world.reconfigure(postgresql_conf(world.random.choice((50, 100, 200)), world.random.choice((128, 256))))


def _delete_lease_once(world: World, _: int) -> None:
    """What a second deletion may do is a known limit (docs/protocol.md, section 7)."""
    if world.api.deleted_at < 0:
        faults.delete_lease(world)


FAULTS: dict[str, tuple[int, Fault]] = {
    "nothing": (4, lambda w, m: None),
    "agent crash": (3, faults.agent_crash),
    "agent freeze": (3, lambda w, m: faults.freeze_agent(w, m, w.uniform(0.2, 15.0))),
    "agent freeze before it acts": (3, lambda w, m: faults.freeze_before_action(w, m, w.uniform(0.2, 12.0))),
    "postmaster kill": (2, faults.postmaster_kill),
    "container kill": (2, faults.container_kill),
    "cut from the API": (3, lambda w, m: faults.cut_api(w, m, w.uniform(0.5, 20.0))),
    "cut from the peers": (2, lambda w, m: faults.cut_peers(w, m, w.uniform(0.5, 20.0))),
    "power off": (1, faults.power_off),
    "power on": (2, faults.power_on),
    "API outage": (1, lambda w, m: faults.api_outage(w, w.uniform(0.5, 15.0))),
    "pod delete": (2, faults.pod_delete),
    "switchover": (2, _switchover),
    "forced promotion": (1, faults.force),
    "other times": (1, _upgrade),
    "other settings": (2, _reconfigure),
    "pod replace": (1, faults.pod_replace),
    "disk hang": (1, lambda w, m: faults.hang_disk(w, m, w.uniform(0.5, 12.0))),
    "silent watch": (2, lambda w, m: faults.break_watch(w, m, w.uniform(1.0, 30.0))),
    "slow stream": (2, lambda w, m: faults.stall_stream(w, m, w.uniform(0.0, 1.0))),
    "lossy API": (2, _lossy),
    "sound API": (2, _clean),
    "failing operations": (1, _failing),
    "slow API": (1, _slow),
    "flapping API": (1, lambda w, m: faults.flap(w, w.uniform(3.0, 25.0))),
    "agent and container freeze": (2, lambda w, m: faults.freeze_pod(w, m, w.uniform(0.2, 15.0))),
    "container freeze": (2, lambda w, m: faults.freeze_container(w, m, w.uniform(0.2, 15.0))),
    "calls don't arrive": (2, lambda w, m: faults.one_way(w, w.network.mute, m, w.uniform(0.5, 20.0), "to the API")),
    "answers don't arrive": (2, lambda w, m: faults.one_way(w, w.network.deaf, m, w.uniform(0.5, 20.0), "from the API")),
    "peers don't hear it": (1, lambda w, m: faults.one_way(w, w.network.peers_mute, m, w.uniform(0.5, 20.0), "to the peers")),
    "it doesn't hear its peers": (1, lambda w, m: faults.one_way(w, w.network.peers_deaf, m, w.uniform(0.5, 20.0), "from the peers")),
    "lossy peers": (1, lambda w, m: faults.lossy_peers(w, w.uniform(0.1, 0.7))),
    "all off": (1, lambda w, m: faults.all_off(w, w.uniform(0.5, 20.0))),
    "Lease deleted": (1, _delete_lease_once),
    "bulk load": (2, lambda w, m: faults.bulk_load(w, m, w.uniform(0.5, 15.0))),
    "backend crash": (1, faults.backend_crash),
    "SQL hangs": (1, lambda w, m: faults.hang_sql(w, m, w.uniform(1.0, 30.0))),
    "slow link": (1, lambda w, m: faults.slow_link(w, m, w.uniform(5.0, 200.0))),
    "slow client": (1, lambda w, m: faults.receive_slowly(w, m, w.uniform(5.0, 200.0))),
    "rolling update": (1, lambda w, m: w.statefulset.update()),
    "drain": (1, lambda w, m: w.statefulset.drain(m, w.uniform(1.0, 20.0))),
    "scale to 0": (1, lambda w, m: faults.scale_to_zero(w, w.uniform(5.0, 60.0))),
    "disk full": (1, lambda w, m: faults.fill_disk(w, m, w.uniform(1.0, 30.0))),
}
RARE: dict[str, tuple[int, Fault]] = {"promotion by hand": (2, faults.promote_by_hand), "lets nobody in": (1, faults.silence_sql)}
"""Faults of walks of their own, so that the other walks keep their course."""


def apply(world: World, name: str, member: int) -> None:
    """Inject the fault `name` into a member."""
    (FAULTS | RARE)[name][1](world, member)


def walk(seed: int, steps: int = 40, *, settle: float = 400.0, policy: Policy = ASYNCHRONOUS, rare: bool = False) -> World:
    """Walk through this many faults, heal, and check that all is well within `settle` seconds; return the world.

    rare: the faults of RARE are among them.
    """
    world = World(2 + policy.k + seed % (4 - policy.k), seed, fresh=seed % 7 == 3, policy=policy)
    world.set_up(postgresql_conf(100, 128))
    world.run(world.uniform(0.0, 20.0))
    possible = FAULTS | RARE if rare else FAULTS
    names = list(possible)
    weights = [weight for weight, _ in possible.values()]
    for _ in range(steps):
        if world.violations:
            return world
        [name] = world.random.choices(names, weights)
        favourite = world.primary()
        member = favourite if favourite is not None and world.chance(0.5) else world.randint(0, world.replicas - 1)
        apply(world, name, member)
        world.run(world.uniform(0.0, 1.0) if world.chance(0.5) else world.uniform(0.0, 12.0))
    if not world.violations:
        world.settle(settle)
    return world
