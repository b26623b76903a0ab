"""Faults that are made of simpler ones, or of a flag that is set for a while."""

from __future__ import annotations

from .world import World


def _for_a_while(world: World, flags: list[bool], member: int, seconds: float) -> None:
    flags[member] = True

    def end() -> None:
        flags[member] = False

    world.engine.after(seconds, end)


def one_way(world: World, flags: list[bool], member: int, seconds: float, way: str) -> None:
    """Nothing gets through one way, while the other is open. flags: World.mute, deaf, peers_mute or peers_deaf."""
    world.fault(member, f"nothing gets through {way} for {seconds:.1f} s")
    _for_a_while(world, flags, member, seconds)


def fill_disk(world: World, member: int, seconds: float) -> None:
    """A data volume is full for a while: the server dies when it wants another segment, and starts only when there is room."""
    world.fault(member, f"the disk is full for {seconds:.1f} s")
    _for_a_while(world, world.disk_full, member, seconds)


def freeze_pod(world: World, member: int, seconds: float) -> None:
    """Agent and postgres container freeze and thaw; who wakes first differs."""
    world.freeze_now(member, seconds + world.uniform(0.0, 0.3))
    world.freeze_container(member, seconds + world.uniform(0.0, 0.3))


def flap(world: World, seconds: float) -> None:
    """The API comes and goes."""
    end = world.engine.now + seconds

    def again() -> None:
        if world.engine.now < end:
            world.api_outage(world.uniform(0.3, 4.0))
            world.engine.after(world.uniform(4.0, 9.0), again)

    again()


def lossy_peers(world: World, loss: float) -> None:
    """So many questions, and so many answers, between the agents are lost from now on."""
    for member in range(world.replicas):
        world.fault(member, f"peers lose {loss:.2f} of all questions")
    world.peer_loss = loss


def all_off(world: World, seconds: float) -> None:
    """Every node loses its power, and they come back one by one."""
    for member in range(world.replicas):
        world.power_off(member)
        world.engine.after(seconds + world.uniform(0.0, 5.0), lambda member=member: world.power_on(member))  # type: ignore[misc]
