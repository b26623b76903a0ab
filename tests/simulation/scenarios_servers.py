"""Directed scenarios of what PostgreSQL and a StatefulSet do on their own: recovery, shutdowns, crashes in place, copies, updates."""

from __future__ import annotations

from collections.abc import Callable

from hapg_failover.core.write_quorum import Policy

from . import faults
from .scenarios import primary_of, promoting, running, wait_until
from .scenarios_sync import others
from .scenarios_sync import running as running_in_sync
from .world import World

REDO_S = 30.0


def passes(world: World, condition: Callable[[], bool], seconds: float) -> bool:
    """Run until the condition holds, or for this long; return whether it holds."""
    end = world.engine.now + seconds
    while not condition() and world.engine.now < end:
        world.run(0.1)
    return condition()


# --- recovery ---


def loaded(seed: int, replicas: int = 3, redo_s: float = REDO_S) -> World:
    """A release whose replicas have received a bulk load that takes this many seconds to replay."""
    world = running(replicas, seed)
    world.run(world.uniform(4.0, 6.0))
    faults.bulk_load(world, primary_of(world), redo_s)
    world.run(3.0)
    return world


def long_recovery(seed: int, replicas: int = 3) -> World:
    """Every server is killed, and each has half a minute of WAL to replay."""
    world = loaded(seed, replicas)
    for member in range(replicas):
        faults.container_kill(world, member)
    passes(world, lambda: world.primary() is not None, 6 * REDO_S)
    return world


def long_recovery_of_one(seed: int) -> World:
    """Like `long_recovery`, with a single server."""
    return long_recovery(seed, replicas=1)


def backlog(seed: int) -> World:
    """The primary's node is lost while its replicas have received much WAL that they have not replayed."""
    world = loaded(seed)
    faults.power_off(world, primary_of(world))
    passes(world, lambda: world.primary() is not None, 5 * REDO_S)
    return world


def backlog_of_one(seed: int) -> World:
    """Like `backlog`, but the replica with the higher ordinal has replayed everything, and no more is written."""
    world = loaded(seed)
    old = primary_of(world)
    world.redo_rate[max(others(world, old))] = faults.BULK / 0.5
    faults.silence_sql(world, old)
    world.run(2.0)
    faults.power_off(world, old)
    passes(world, lambda: world.primary() is not None, 5 * REDO_S)
    return world


def agent_restarted_in_recovery(seed: int) -> World:
    """The same, and the failover container of the member being promoted is restarted while its server replays."""
    world = loaded(seed, redo_s=2 * REDO_S)
    faults.power_off(world, primary_of(world))
    new = promoting(world)
    world.run(world.uniform(1.0, 8.0))
    faults.agent_crash(world, new)
    passes(world, lambda: world.primary() is not None, 5 * REDO_S)
    return world


def dies_as_it_begins_to_write(seed: int) -> World:
    """The primary's node is lost, and the next primary's server dies the moment it becomes writable."""
    world = running(3, seed)
    faults.power_off(world, primary_of(world))
    new = promoting(world)
    wait_until(world, lambda: world.server[new].promised_term > 1)
    while not world.server[new].writable:
        world.run(0.002)
    faults.postmaster_kill(world, new)
    world.run(30.0)
    return world


def replay_stands_still(seed: int) -> World:
    """The primary's node is lost, and the best replica's replay no longer progresses; another replica has the same WAL."""
    world = running(3, seed)
    old = primary_of(world)
    best = min(others(world, old))
    world.redo_rate[best] = 0.0
    world.run(5.0)
    faults.power_off(world, old)
    passes(world, lambda: world.primary() is not None, 180.0)
    return world


# --- shutdowns ---


def _stopped(world: World, late: float | None) -> World:
    old = primary_of(world)
    world.statefulset.scale_to_zero()
    wait_until(world, lambda: all(world.statefulset.stays_away(m) for m in range(3)), 90.0)
    world.run(60.0)
    for member in others(world, old):
        world.statefulset.let_back(member)
    world.run(45.0 if late is None else late)
    if late is not None:
        world.statefulset.let_back(old)
        world.run(60.0)
    return world


def everybody_stops(seed: int) -> World:
    """A release is scaled to 0 and up again: the former primary's pod comes back 45 s after the others."""
    world = running(3, seed)
    world.run(world.uniform(20.0, 25.0))
    return _stopped(world, 45.0)


def everybody_stops_behind(seed: int) -> World:
    """The same, while no replica receives the last writes."""
    world = running(3, seed)
    world.run(world.uniform(20.0, 25.0))
    for member in others(world, primary_of(world)):
        faults.stall_stream(world, member, 1.0)
    return _stopped(world, 45.0)


def everybody_stops_for_good(seed: int) -> World:
    """The same with replicas that receive everything; the former primary's pod doesn't come back."""
    world = running(3, seed)
    world.run(world.uniform(20.0, 25.0))
    return _stopped(world, None)


def _without_the_last(seed: int, stall: float) -> World:
    """A release of three whose primary has the highest ordinal; its replicas skip this share of their turns to receive."""
    world = running(3, seed)
    faults.switchover(world, primary_of(world), 2)
    world.settle(60.0)
    world.run(world.uniform(20.0, 25.0))
    for member in (0, 1):
        faults.stall_stream(world, member, stall)
    return world


def _started_with_two(world: World) -> World:
    world.statefulset.scale_to_zero()
    wait_until(world, lambda: all(world.statefulset.stays_away(m) for m in range(3)), 90.0)
    world.run(world.uniform(5.0, 30.0))
    world.statefulset.scale_up(2)
    world.run(world.timing.hold + REDO_S)
    return world


def starts_without_the_best(seed: int) -> World:
    """A release of three is scaled to 0 while no replica receives the last writes, and started with two: the former primary's volume is
    left out. It is watched until nobody waits for a clean release any more."""
    return _started_with_two(_without_the_last(seed, 1.0))


def starts_once_none_is_left_out(seed: int) -> World:
    """The same, and then `replicas` is put back: the two read it before the third pod has started."""
    world = starts_without_the_best(seed)
    world.settle(120.0)
    return world


def starts_cold_once_none_is_left_out(seed: int) -> World:
    """The same as `starts_cold_without_the_best`, and then `replicas` is put back."""
    world = starts_cold_without_the_best(seed)
    world.settle(120.0)
    return world


def starts_without_an_equal(seed: int) -> World:
    """The same with replicas that receive everything."""
    return _started_with_two(_without_the_last(seed, 0.0))


def starts_cold_without_the_best(seed: int) -> World:
    """Every node loses power while no replica receives the last writes, and the release is started with two of three."""
    world = _without_the_last(seed, 1.0)
    world.run(world.uniform(0.5, 2.0))
    for member in range(3):
        faults.power_off(world, member)
        world.statefulset.held[member] = True
        world.api.remove_pod(world.pod_name(member))
        world.new_uid(member)
    world.run(10.0)
    world.statefulset.scale_up(2)
    for member in (0, 1):
        faults.power_on(world, member)
    world.run(2 * REDO_S)
    return world


def _switched_over(world: World) -> World:
    old = primary_of(world)
    faults.switchover(world, old, (old + 1) % 3)
    passes(world, lambda: world.server[old].stopping, 10.0)
    passes(world, lambda: world.primary() is not None, 60.0)
    return world


def switchover_with_a_slow_standby(seed: int) -> World:
    """A switchover while the third member is far behind on a slow link, and needs two minutes to catch up."""
    world = running(3, seed)
    slow = (primary_of(world) + 2) % 3
    faults.slow_link(world, slow, 1.0)
    world.run(15.0)
    wal, own = world.volumes[primary_of(world)].wal, world.volumes[slow].wal
    assert wal is not None
    assert own is not None
    faults.slow_link(world, slow, (wal.end - own.end) / 120.0)
    return _switched_over(world)


def switchover_with_a_slow_client(seed: int) -> World:
    """A switchover while pg_receivewal streams more slowly than WAL is written."""
    world = running(3, seed)
    faults.receive_slowly(world, primary_of(world), 5.0)
    world.run(15.0)
    return _switched_over(world)


# --- crashes and silence ---


def crash_in_place(seed: int, policy: Policy | None = None) -> World:
    """A backend of the primary crashes; the Lease can't be written for a while, and a replica's agent has just been restarted."""
    world = running(3, seed) if policy is None else running_in_sync(3, seed, policy)
    old = primary_of(world)
    world.run(world.uniform(3.0, 6.0))
    faults.backend_crash(world, old)
    faults.cut_api(world, old, 20.0)
    world.run(0.6)
    faults.agent_crash(world, (old + 1) % 3)
    world.run(12.0)
    return world


def crash_in_place_synchronous(seed: int) -> World:
    """The same with a synchronous set."""
    return crash_in_place(seed, Policy(1))


def sql_hangs(seed: int) -> World:
    """The primary's server no longer answers SQL, while everything else is healthy."""
    world = running(3, seed)
    world.run(5.0)
    faults.silence_sql(world, primary_of(world))
    world.run(120.0)
    return world


def promoted_by_hand(seed: int) -> World:
    """Someone calls pg_promote() on a replica; a while later the primary's node is lost."""
    world = running(3, seed)
    old = primary_of(world)
    world.run(5.0)
    faults.promote_by_hand(world, (old + 1) % 3)
    world.run(60.0)
    faults.power_off(world, old)
    world.run(60.0)
    return world


def promoted_by_hand_and_lost(seed: int) -> World:
    """Someone calls pg_promote() on a replica, and at once the primary's node is lost."""
    world = running(3, seed)
    old = primary_of(world)
    world.run(5.0)
    faults.promote_by_hand(world, (old + 1) % 3)
    world.run(world.uniform(0.0, 3.0))
    faults.power_off(world, old)
    world.run(60.0)
    return world


def promoted_by_hand_in_a_failover(seed: int) -> World:
    """The primary's node is lost, another member claims, and at that moment someone calls pg_promote() on the third."""
    world, _ = _both_promoted(seed)
    world.run(60.0)
    return world


def promoted_by_hand_in_a_failover_and_lost(seed: int) -> World:
    """The same, and then the new primary is lost too."""
    world, new = _both_promoted(seed)
    faults.power_off(world, new)
    world.run(60.0)
    return world


def _both_promoted(seed: int) -> tuple[World, int]:
    """Return a world in which two servers have begun a timeline with the same number, and the one of them that did so by a claim."""
    world = running(3, seed)
    old = primary_of(world)
    faults.power_off(world, old)
    new = promoting(world)
    [third] = set(others(world, old)) - {new}
    faults.promote_by_hand(world, third)
    wait_until(world, lambda: world.server[new].writable)
    return world, new


# --- copies ---


def copied_while_the_other_hangs(seed: int) -> World:
    """A synchronous standby comes back with an empty volume and clones, while the other one receives nothing."""
    world = running_in_sync(3, seed)
    second, third = others(world, primary_of(world))
    faults.stall_stream(world, third, 1.0)
    faults.lose_volume(world, second)
    world.run(20.0)
    return world


# --- the StatefulSet ---


def _updated(world: World) -> World:
    if primary_of(world) != 0:
        faults.switchover(world, primary_of(world), 0)
        world.settle(60.0)
    world.run(world.uniform(20.0, 25.0))
    world.statefulset.update()
    wait_until(world, lambda: not world.statefulset.updating, 400.0)
    world.run(20.0)
    return world


def rolling_update(seed: int, replicas: int = 2) -> World:
    """The pods of a release of two are replaced one after the other, as in a chart upgrade."""
    return _updated(running(replicas, seed))


def rolling_update_of_three(seed: int) -> World:
    """The same with three."""
    return rolling_update(seed, 3)


def drained(seed: int, replicas: int = 2) -> World:
    """Every node is drained in turn under the PodDisruptionBudget, and uncordoned."""
    world = running(replicas, seed)
    for member in range(replicas):
        world.statefulset.drain(member, 5.0)
        wait_until(world, lambda member=member: world.statefulset.stays_away(member), 200.0)  # type: ignore[misc]
        wait_until(world, lambda member=member: not world.statefulset.held[member], 30.0)  # type: ignore[misc]
    world.run(30.0)
    return world


# --- WAL from the archive ---


def _catching_up(seed: int) -> tuple[World, int]:
    """A replica catches up from the archive: its node was off while the primary wrote and removed much WAL. Return the world and it."""
    world = running(3, seed)
    world.archives = True
    world.run(world.uniform(4.0, 6.0))
    primary = primary_of(world)
    behind = max(others(world, primary))
    faults.power_off(world, behind)
    world.run(1.0)
    faults.bulk_load(world, primary, REDO_S / 3)
    world.run(3.0)
    wal = world.volumes[primary].wal
    assert wal is not None
    world.kept_from = wal.end
    world.archive_failure = 0.05
    faults.power_on(world, behind)
    passes(world, lambda: world.agent[behind].memory.catching.taken > 0, REDO_S)
    world.run(world.uniform(0.0, 8.0))
    return world, behind


def killed_while_catching_up(seed: int) -> World:
    """The server of a replica that catches up from the archive is killed."""
    world, behind = _catching_up(seed)
    faults.container_kill(world, behind)
    passes(world, lambda: not world.trouble(), 4 * REDO_S)
    return world


def fails_over_while_catching_up(seed: int) -> World:
    """The primary's node is lost while a replica catches up from the archive."""
    world, _ = _catching_up(seed)
    faults.power_off(world, primary_of(world))
    passes(world, lambda: world.primary() is not None, REDO_S)
    world.run(REDO_S)
    return world
