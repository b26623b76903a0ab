"""Directed scenarios: each takes a seed, which varies the clocks and delays, and returns the final world."""

from __future__ import annotations

from collections.abc import Callable

from hapg_failover.core.state.phases import Phase
from hapg_failover.core.timing import Timing

from . import faults
from .engine import Clock
from .world import World


def running(replicas: int = 3, seed: int = 0) -> World:
    """A healthy release."""
    world = World(replicas, seed)
    world.settle(60.0)
    return world


def wait_until(world: World, condition: Callable[[], bool], seconds: float = 60.0, step: float = 0.05) -> None:
    """Run until the condition holds, which is looked at every `step` seconds."""
    end = world.engine.now + seconds
    while not condition():
        assert world.engine.now < end, world.log[-30:]
        world.run(step)


def primary_of(world: World) -> int:
    """Return the writable member."""
    member = world.primary()
    assert member is not None, world.log[-20:]
    return member


def successor_lost(seed: int, wrote_for: float | None = None) -> World:
    """The primary of two is isolated and comes back as its only successor is lost: before the successor could write, or after it has
    written for this long."""
    world = running(2, seed)
    old = primary_of(world)
    faults.cut_node(world, old, 40.0)
    new = promoting(world)
    while wrote_for is not None and not world.server[new].writable:
        world.run(0.01)
    world.run(wrote_for or 0.0)
    faults.power_off(world, new)
    world.run(60.0)
    return world


def back_with_less(seed: int) -> World:
    """An isolated primary writes much that nobody receives, is replaced, and follows its successor; it is member 0."""
    world = running(3, seed)
    old = primary_of(world)
    faults.cut_node(world, old, 20.0)
    faults.bulk_load(world, old, 1.0)
    world.run(20.0)
    world.settle(120.0)
    return world


def lost_before_it_is_followed(seed: int) -> World:
    """A promoted replica is lost before any other is on its timeline; another is promoted."""
    world = running(3, seed)
    faults.power_off(world, primary_of(world))
    new = promoting(world)
    for member in range(3):
        faults.stall_stream(world, member, 1.0)
    while not world.server[new].writable:
        world.run(0.01)
    faults.power_off(world, new)
    world.run(30.0)
    return world


def lease_deleted(seed: int, after: float = 1.0) -> World:
    """The primary's node is lost, and a moment later someone deletes the Lease."""
    world = running(3, seed)
    faults.power_off(world, primary_of(world))
    world.run(after)
    faults.delete_lease(world)
    world.run(120.0)
    return world


def _slow_down(world: World, member: int) -> None:
    """Give a member the slowest clock, and the others the fastest."""
    for other in range(world.replicas):
        world.clocks[other] = Clock(world.engine, 1.0 if other == member else 1.05, world.clock(other).now)


def cut_off(seed: int) -> World:
    """The primary, on the slowest clock, loses the API and its peers; the others have the fastest clocks."""
    world = running(3, seed)
    old = primary_of(world)
    _slow_down(world, old)
    world.run(world.uniform(5.0, 8.0))
    faults.cut_node(world, old, 30.0)
    world.run(20.0)
    return world


def cut_off_from_sealed_ones(seed: int) -> World:
    """Like `cut_off`, and the replicas' servers die at the same moment: they start without a WAL receiver, because they reach no
    primary."""
    world = running(3, seed)
    old = primary_of(world)
    world.run(world.uniform(5.0, 8.0))
    faults.cut_node(world, old, 30.0)
    for member in range(3):
        if member != old:
            faults.postmaster_kill(world, member)
    world.run(20.0)
    return world


def _upgraded_but_the_primary(seed: int, times: Timing) -> tuple[World, int]:
    """A release with new timing values that the replicas have read and the primary has not; and the primary."""
    world = running(3, seed)
    old = primary_of(world)
    world.timing = times
    world.timings = [world.timings[old] if member == old else times for member in range(3)]
    world.run(world.uniform(5.0, 8.0))
    return world, old


def ttl_shortened(seed: int) -> World:
    """While the TTL is being shortened, the primary is isolated: it still uses the longer times, the replicas the new ones."""
    world, old = _upgraded_but_the_primary(seed, faults.SHORT_TIMES)
    _slow_down(world, old)
    faults.cut_node(world, old, 30.0)
    world.run(20.0)
    return world


def lease_lowered(seed: int) -> World:
    """While L is being lowered for the same TTL, the primary's agent freezes: it uses the longer L, the replicas the new one."""
    world, old = _upgraded_but_the_primary(seed, faults.LOWER_LEASE)
    faults.freeze_agent(world, old, 10.0)
    world.run(20.0)
    return world


def none_starts(seed: int) -> World:
    """All servers die, and none starts for a while, as in a storage outage; meanwhile the pods are replaced."""
    world = running(3, seed)
    world.op_failure = 1.0
    for member in range(3):
        faults.container_kill(world, member)
    world.run(60.0)
    for member in range(3):
        faults.pod_delete(world, member)
    world.run(60.0)
    world.op_failure = 0.0
    world.run(60.0)
    return world


def cut_from_the_api(seed: int) -> World:
    """The primary reaches all peers but not the API, and continues as long as it may."""
    world = running(3, seed)
    old = primary_of(world)
    world.run(world.uniform(5.0, 8.0))
    faults.cut_api(world, old, 30.0)
    world.run(20.0)
    return world


def agent_stands_still(seed: int) -> World:
    """The primary's agent freezes while its server writes on."""
    world = running(3, seed)
    world.run(world.uniform(5.0, 8.0))
    faults.freeze_agent(world, primary_of(world), 10.0)
    world.run(20.0)
    return world


def writes_refused(seed: int) -> World:
    """For a while the primary can read the Lease but not write it, and doesn't reach its peers; then it loses the API."""
    world = running(3, seed)
    old = primary_of(world)
    faults.break_watch(world, old, 30.0)
    faults.cut_peers(world, old, 30.0)
    world.network.put_refused[old] = True
    world.run(2.5)
    faults.cut_api(world, old, 30.0)
    world.run(20.0)
    return world


def promoting(world: World) -> int:
    """Run until a member is about to be promoted; return it."""
    for _ in range(10_000):
        world.run(0.002)
        for agent in world.agent:
            if agent.running and agent.memory.phase is Phase.PROMOTING:
                return agent.member
    raise AssertionError(world.log[-20:])


def frozen_before_promotion(seed: int) -> World:
    """The winner's agent freezes between its successful claim and the promotion, until another has taken over; it wakes without the API."""
    world = running(3, seed)
    old = primary_of(world)
    faults.power_off(world, old)
    while world.api.lease is None or world.api.lease.state.holder.uid == world.uids[old]:
        world.run(0.001)
    winner = next(agent.member for agent in world.agent if agent.me == world.api.lease.state.holder)
    faults.freeze_before_action(world, winner, 9.4)
    faults.cut_api(world, winner, 30.0)
    world.run(40.0)
    return world


def follower_agents_crash(seed: int) -> World:
    """The replicas' agents are restarted again and again."""
    world = running(3, seed)
    old = primary_of(world)
    for _ in range(12):
        faults.agent_crash(world, (old + world.randint(1, 2)) % 3)
        world.run(world.uniform(2.0, 6.0))
    return world


def promotion_fails(seed: int) -> World:
    """The winner's server never becomes writable."""
    world = running(3, seed)
    faults.power_off(world, primary_of(world))
    promoting(world)
    world.op_failure = 1.0
    world.run(world.timing.stall + 8.0)
    return world


def _behind(seed: int, unreplicated_wal_lost: bool = True) -> tuple[World, int]:
    """A release in which no replica has all of the primary's rows; and the primary.

    unreplicated_wal_lost: replicas can't fetch them from a dead server's volume either.
    """
    world = running(4, seed)
    world.unreplicated_wal_lost = unreplicated_wal_lost
    old = primary_of(world)
    for member in range(4):
        faults.stall_stream(world, member, 1.0)
    world.run(1.0)
    for member in range(4):
        faults.stall_stream(world, member, 0.0 if member == old else 0.97)
    return world, old


def server_dies(seed: int) -> World:
    """The primary's server is killed while no replica has all of its rows."""
    world, old = _behind(seed)
    faults.postmaster_kill(world, old)
    world.run(8.0)
    return world


def server_dies_for_good(seed: int) -> World:
    """The primary's server is killed while no replica has all of its rows, and doesn't start for a while; its volume is readable."""
    world, old = _behind(seed, unreplicated_wal_lost=False)
    world.recovery_s[old] = 60.0
    faults.postmaster_kill(world, old)
    world.run(20.0)
    return world


def container_dies(seed: int) -> World:
    """The primary's whole container is killed while no replica has all of its rows; it is back within three seconds."""
    world, old = _behind(seed)
    faults.container_kill(world, old)
    world.run(8.0)
    return world


def dies_twice(seed: int) -> World:
    """The primary's server dies with all that it wrote replicated, wins again, and dies with rows that nobody else has.

    One replica is cut off meanwhile and has not followed it since the first death. So after the second it reports first, and the same end
    as after the first.
    """
    world = running(3, seed)
    old = primary_of(world)
    late, other = (member for member in range(3) if member != old)
    for member in range(3):
        faults.stall_stream(world, member, 0.0)
    faults.postmaster_kill(world, old)
    while world.agent[old].memory.reads.checked is None:
        world.run(0.005)
    faults.cut_peers(world, late, 30.0)
    faults.cut_api(world, late, 4.0)
    faults.cut_api(world, other, 4.0)
    while world.primary() != old:
        world.run(0.01)
    world.run(6.0)
    world.unreplicated_wal_lost = True
    faults.stall_stream(world, other, 1.0)
    world.run(1.0)
    faults.freeze_agent(world, other, 0.4)
    faults.container_kill(world, old)
    world.run(8.0)
    return world


def disk_full(seed: int, recovery_s: float = 0.0) -> World:
    """The primary's volume fills up while no replica has all of its rows, and the server dies as a result. Streaming after that is fast.

    recovery_s: how much longer its start takes than the others', which have less to redo.
    """
    world, old = _behind(seed)
    world.recovery_s[old] = recovery_s
    faults.fill_disk(world, old, 60.0)
    end = world.engine.now + 40.0 + recovery_s
    while world.server[old].state != "down" and world.engine.now < end:
        world.run(0.02)
    for member in range(4):
        faults.stall_stream(world, member, 0.0)
    world.run(end - world.engine.now)
    return world


def disk_full_long_recovery(seed: int) -> World:
    """Like `disk_full`, after a bulk load: recovery takes twelve seconds."""
    return disk_full(seed, 12.0)


def disk_fills_between_looks(seed: int) -> World:
    """The primary's volume fills up just after its agent looked at the free space, and the server dies before the next look; recovery takes
    twelve seconds."""
    world, old = _behind(seed)
    world.recovery_s[old] = 12.0
    looked_at = world.agent[old].real.world.room_at
    while world.agent[old].real.world.room_at == looked_at:
        world.run(0.01)
    faults.fill_disk(world, old, 60.0)
    faults.postmaster_kill(world, old)
    for member in range(4):
        faults.stall_stream(world, member, 0.0)
    world.run(50.0)
    return world


def disk_hangs(seed: int) -> World:
    """Writes to the primary's volume no longer succeed."""
    world = running(3, seed)
    faults.hang_disk(world, primary_of(world), 60.0)
    world.run(25.0)
    return world


def lets_nobody_in(seed: int) -> World:
    """The primary's server accepts no more connections."""
    world = running(3, seed)
    faults.silence_sql(world, primary_of(world))
    world.run(40.0)
    return world


def outage(seed: int) -> World:
    """The API is down for longer than a TTL, and the primary continues because all peers have extended its Lease."""
    world = running(3, seed)
    world.log.clear()
    faults.api_outage(world, 8.0)
    world.run(20.0)
    return world


def switched_over(seed: int) -> World:
    """An operator requests a switchover from the primary; no pod is deleted."""
    world = running(3, seed)
    old = primary_of(world)
    faults.switchover(world, old, (old + 2) % 3)
    world.run(15.0)
    return world


def scaled_away(seed: int) -> World:
    """Three of five pods are deleted at once, as when a release is scaled down to two; the last of them is the primary."""
    world = running(5, seed)
    faults.switchover(world, primary_of(world), 4)
    promoting(world)
    world.settle(60.0)
    for member in (4, 3, 2):
        faults.pod_delete(world, member)
    world.run(6.0)
    return world


def asked_again(seed: int) -> World:
    """A request for an earlier term is on the primary's pod again, as if it had never been removed."""
    world = running(3, seed)
    faults.switchover(world, 0, 1, term=0)
    world.run(10.0)
    return world


def forced_long_ago(seed: int) -> World:
    """A forced failover was requested while the primary was healthy, and the request was not removed. Later the primary dies while
    another replica is ahead."""
    world = running(3, seed)
    asked = world.api.lease
    faults.stall_stream(world, 1, 1.0)
    world.run(5.0)
    faults.force(world, 1, version=asked.version if asked is not None else "")
    world.run(1.0)
    faults.power_off(world, 0)
    world.run(15.0)
    return world


def forced_stranger(seed: int) -> World:
    """The primary has no eligible replica left, so no deadline, and loses the API; the replica that it dropped is promoted by force."""
    world = running(2, seed)
    faults.cut_peers(world, 1, 100.0)
    world.run(40.0)
    faults.cut_api(world, 0, 40.0)
    world.run(6.5)
    faults.force(world, 1)
    world.run(12.0)
    return world


def promotion_hangs(seed: int) -> World:
    """The primary hangs, and so does the promotion of the hot standby that follows it; the TTL is long."""
    world = running(2, seed)
    old = primary_of(world)
    faults.upgrade(world, faults.LONG_TIMES)
    world.run(20.0)
    faults.freeze_pod(world, old, 100.0)
    wait_until(world, lambda: world.agent[1 - old].memory.phase is Phase.CLAIMING, step=0.01)
    world.op_failure = 1.0
    world.run(45.0)
    return world


def forced_and_gone(seed: int) -> World:
    """A member that lacks a bulk load is promoted by force. It hangs before the other has rewound, and is the last to report."""
    world = running(3, seed)
    old = primary_of(world)
    forced, other = (old + 1) % 3, (old + 2) % 3
    faults.stall_stream(world, forced, 1.0)
    world.run(2.0)
    faults.bulk_load(world, old, 1.0)
    world.run(5.0)
    faults.power_off(world, old)
    world.run(0.5)
    faults.force(world, forced)
    wait_until(world, lambda: world.primary() == forced, step=0.01)
    faults.freeze_container(world, forced, 8.0)
    faults.freeze_agent(world, forced, 5.0)
    faults.freeze_agent(world, other, 5.0)
    wait_until(world, lambda: world.api.lease is not None and world.api.lease.state.release is not None, step=0.01)
    faults.freeze_agent(world, forced, 2.6)
    world.run(60.0)
    return world


def successor_falls_short(seed: int) -> World:
    """The only replica's stream stalls while the primary switches over to it: the shutdown doesn't wait for it forever."""
    world = running(2, seed)
    faults.stall_stream(world, 1, 1.0)
    world.run(2.0)
    faults.switchover(world, 0)
    world.run(25.0)
    return world


def too_far_behind(seed: int) -> World:
    """The primary's node is lost while every replica is more than maxLagBytes behind."""
    world = running(3, seed)
    old = primary_of(world)
    world.max_lag = 200
    for member in range(3):
        faults.stall_stream(world, member, 1.0)
    world.run(25.0)
    faults.power_off(world, old)
    world.run(30.0)
    return world


def handed_over_under_load(seed: int) -> World:
    """All replicas stay more than maxLagBytes behind, one of them comes back, and then the primary's pod is deleted."""
    world = running(3, seed)
    world.max_lag = 0
    for member in range(3):
        faults.stall_stream(world, member, 0.9)
    back = next(member for member in range(3) if member != primary_of(world))
    faults.power_off(world, back)
    world.run(45.0)
    faults.power_on(world, back)
    faults.stall_stream(world, back, 0.9)
    world.run(30.0)
    faults.pod_delete(world, primary_of(world))
    world.run(15.0)
    return world


def handed_over(seed: int) -> World:
    """The primary's pod is deleted, with a grace period to shut down."""
    world = running(3, seed)
    faults.pod_delete(world, primary_of(world))
    world.run(15.0)
    return world
