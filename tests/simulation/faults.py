"""The faults of the simulated release, single and combined."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from hapg_failover.core.timing import Timing

from .engine import Clock
from .server import Volume

if TYPE_CHECKING:
    from .agent import Agent
    from .api import Snapshot
    from .server import Server
    from .world import World

BULK = 1 << 30
SHORT_TIMES = Timing(ttl=4.0, lease=3.1, renew=1.0, call=1.0, overdue=2.1, extension=1.1)
LOWER_LEASE = Timing(lease=3.6, renew=1.2)
LONG_TIMES = Timing(ttl=15.0, lease=13.4, renew=4.0, call=3.0, overdue=8.0, extension=5.0)


def _for_a_while(world: World, what: str, flags: list[bool], member: int, seconds: float) -> None:
    def end() -> None:
        flags[member] = False

    world.fault(member, f"{what} for {seconds:.1f} s")
    flags[member] = True
    world.engine.after(seconds, end)


def _freeze(world: World, what: str, process: Agent | Server, seconds: float) -> None:
    world.fault(process.member, f"{what} freezes for {seconds:.1f} s")
    process.freeze()
    world.engine.after(seconds, process.thaw)


# --- processes ---


def agent_crash(world: World, member: int) -> None:
    """The agent's process dies and is restarted."""
    world.fault(member, "the agent crashes")
    agent = world.agent[member]
    if not agent.running:
        return
    agent.running = False
    agent.locks = False
    world.kubelet.container_may_start(member)
    uid = world.uids[member]
    world.engine.after(world.uniform(0.3, 2.0), lambda: world.kubelet.start_agent(member, uid))


def freeze_agent(world: World, member: int, seconds: float) -> None:
    """The agent's process freezes for a while."""
    _freeze(world, "the agent", world.agent[member], seconds)


def freeze_before_action(world: World, member: int, seconds: float) -> None:
    """The agent freezes between its next decision and carrying it out."""
    world.fault(member, "the agent will freeze before it acts")
    world.agent[member].freeze_before_action = seconds


def freeze_container(world: World, member: int, seconds: float) -> None:
    """Every process of the postgres container freezes for a while."""
    _freeze(world, "the postgres container", world.server[member], seconds)


def freeze_pod(world: World, member: int, seconds: float) -> None:
    """Agent and postgres container freeze and thaw; which of them wakes first varies."""
    freeze_agent(world, member, seconds + world.uniform(0.0, 0.3))
    freeze_container(world, member, seconds + world.uniform(0.0, 0.3))


def postmaster_kill(world: World, member: int) -> None:
    """The postmaster dies; the supervisor kills the remaining processes."""
    world.fault(member, "the postmaster is killed")
    if world.server[member].alive:
        world.server[member].kill()


def silence_sql(world: World, member: int) -> None:
    """The server accepts no more connections, though its processes are alive and its volume is writable; a restart heals it."""
    world.fault(member, "no connection is answered")
    world.server[member].silent_run = world.server[member].run


def container_kill(world: World, member: int) -> None:
    """The whole postgres container dies and is restarted."""
    world.fault(member, "the postgres container is killed")
    world.kubelet.end_container(member)


# --- nodes ---


def power_off(world: World, member: int) -> None:
    """A node stops at once."""
    world.fault(member, "power off")
    world.on[member] = False
    world.server[member].die()
    world.agent[member].running = False


def power_on(world: World, member: int) -> None:
    """A node comes back: a new boot and the same pod, with nothing in memory."""
    if world.on[member]:
        return
    world.fault(member, "power on")
    world.on[member] = True
    world.clocks[member] = Clock(world.engine, world.uniform(1.0, 1.0 + world.timing.clock_ratio), world.uniform(5.0, 60.0))
    if world.server[member].terminating:
        world.kubelet.end_pod(member, world.uids[member])
    else:
        world.kubelet.start_pod(member)


def all_off(world: World, seconds: float) -> None:
    """Every node loses power, and they come back one by one."""
    for member in range(world.replicas):
        power_off(world, member)
        world.engine.after(seconds + world.uniform(0.0, 5.0), lambda member=member: power_on(world, member))  # type: ignore[misc]


# --- servers ---


def backend_crash(world: World, member: int) -> None:
    """A server process is killed by a signal, as by the kernel's OOM killer."""
    world.fault(member, "a backend crashes")
    if world.server[member].alive:
        world.server[member].crash()


def bulk_load(world: World, member: int, redo_s: float) -> None:
    """A client of the primary writes a lot of WAL at once; each member needs this many seconds to replay it, starting now."""
    server = world.server[member]
    if not server.writable or server.volume.wal is None:
        return
    world.fault(member, f"a bulk load, which takes {redo_s:.1f} s to replay")
    server.volume.wal = server.volume.wal.grown(BULK)
    world.redo_rate = [BULK / redo_s] * world.replicas


def hang_sql(world: World, member: int, seconds: float) -> None:
    """Like silence_sql, but temporary."""
    silence_sql(world, member)
    server, run = world.server[member], world.server[member].run

    def end() -> None:
        if server.run == run:
            server.silent_run = -1

    world.engine.after(seconds, end)


def promote_by_hand(world: World, member: int) -> None:
    """Someone calls pg_promote() on a hot standby."""
    world.fault(member, "pg_promote() is called")
    if world.server[member].alive and world.standby_mode == "hot":
        world.server[member].promote_by_hand()


def receive_slowly(world: World, member: int, rate: float) -> None:
    """A client such as pg_receivewal streams from a server at this many bytes per second, until the server stops."""
    world.fault(member, f"a client streams {rate:.0f} bytes a second")
    wal = world.volumes[member].wal
    if world.server[member].writable and wal is not None:
        world.server[member].senders.attach("pg_receivewal", rate)


def slow_link(world: World, member: int, rate: float) -> None:
    """A standby receives at most this many bytes per second."""
    world.fault(member, f"its link takes {rate:.0f} bytes a second")
    world.stream_rate[member] = rate


# --- the StatefulSet controller ---


def scale_to_zero(world: World, seconds: float) -> None:
    """Every pod is deleted at once, and they come back one by one after a while."""
    world.statefulset.scale_to_zero()
    for member in range(world.replicas):
        world.engine.after(seconds + world.uniform(0.0, 10.0), partial(world.statefulset.let_back, member))


# --- volumes ---


def hang_disk(world: World, member: int, seconds: float) -> None:
    """Writes to a volume hang for a while."""
    _for_a_while(world, "the disk hangs", world.disk_hung, member, seconds)


def fill_disk(world: World, member: int, seconds: float) -> None:
    """A data volume is full for a while, except for its emergency WAL space; the server dies when it needs another segment."""
    world.emergency_space[member], world.segments[member] = True, 0
    _for_a_while(world, "the disk is full", world.disk_full, member, seconds)


def lose_volume(world: World, member: int) -> None:
    """A pod and its PVC are force-deleted; the next pod has an empty volume."""
    world.fault(member, "the volume is lost")
    world.server[member].die()
    world.agent[member].running = False
    world.api.remove_pod(world.pod_name(member))
    world.volumes[member] = Volume()
    uid = world.new_uid(member)
    world.engine.after(world.uniform(0.3, 3.0), lambda: world.kubelet.make_pod(member, uid))


# --- network ---


def cut_api(world: World, member: int, seconds: float) -> None:
    """A node loses the API for a while."""
    _for_a_while(world, "cut from the API", world.network.api_cut, member, seconds)


def cut_peers(world: World, member: int, seconds: float) -> None:
    """A node loses the other nodes for a while."""
    _for_a_while(world, "cut from its peers", world.network.peers_cut, member, seconds)


def cut_node(world: World, member: int, seconds: float) -> None:
    """A node loses the API and the other nodes for a while."""
    cut_api(world, member, seconds)
    cut_peers(world, member, seconds)


def one_way(world: World, flags: list[bool], member: int, seconds: float, way: str) -> None:
    """Packets are dropped in one direction. flags: Network.mute, deaf, peers_mute or peers_deaf."""
    _for_a_while(world, f"nothing gets through {way}", flags, member, seconds)


def break_watch(world: World, member: int, seconds: float) -> None:
    """A member's watches deliver nothing for a while."""
    _for_a_while(world, "the watches are silent", world.network.watch_broken, member, seconds)


def stall_stream(world: World, member: int, share: float) -> None:
    """A member skips this share of its turns to receive WAL."""
    world.fault(member, f"streaming stalls to {share:.2f}")
    world.stream_stall[member] = share


def lossy_peers(world: World, loss: float) -> None:
    """This share of the questions, and of the answers, between agents is lost from now on."""
    for member in range(world.replicas):
        world.fault(member, f"peers lose {loss:.2f} of all questions")
    world.network.peer_loss = loss


# --- the API ---


def lossy_api(world: World, loss: float, latency: float) -> None:
    """This share of API calls is lost from now on, and each way takes this long on average, in seconds. Members that had been losing
    calls count as disturbed until now."""
    for member in range(world.replicas):
        world.fault(member, f"the API loses {loss:.2f} of all calls")
    world.network.loss, world.network.latency = loss, latency


def api_outage(world: World, seconds: float) -> None:
    """The API answers no one for a while."""
    for member in range(world.replicas):
        world.fault(member, f"the API is away for {seconds:.1f} s")

    def back() -> None:
        world.network.api_down = False

    world.network.api_down = True
    world.engine.after(seconds, back)


def flap(world: World, seconds: float) -> None:
    """The API fails and recovers again and again."""
    end = world.engine.now + seconds

    def again() -> None:
        if world.engine.now < end:
            api_outage(world, world.uniform(0.3, 4.0))
            world.engine.after(world.uniform(4.0, 9.0), again)

    again()


# --- people ---


def pod_delete(world: World, member: int) -> None:
    """Someone deletes the pod, with a grace period to shut down."""
    pod = world.api.pods.get(world.pod_name(member))
    if pod is None or pod.uid != world.uids[member] or pod.deleting:
        return
    world.fault(member, "the pod is deleted")
    world.api.put_pod(replace(pod, deleting=True, grace=int(world.kubelet.GRACE_S)))
    world.engine.after(world.uniform(0.05, 1.0), lambda: world.kubelet.stop_pod(member, pod.uid))


def pod_replace(world: World, member: int) -> None:
    """The pod is force-deleted: its object is replaced at once, while its processes live on for a moment."""
    if world.pod_name(member) not in world.api.pods or not world.on[member]:
        return
    world.fault(member, "the pod is deleted by force")
    server, agent = world.server[member], world.agent[member]
    world.api.remove_pod(world.pod_name(member))
    world.new_uid(member)
    world.api.put_pod(world.new_pod(member))
    world.engine.after(world.uniform(0.0, 3.0), lambda: world.kubelet.end_replaced_pod(member, server, agent))


def upgrade(world: World, timing: Timing) -> None:
    """The release is upgraded with new timing values: each member reads them at a different moment, a recreated pod at once."""
    for member in range(world.replicas):
        world.fault(member, f"the TTL becomes {timing.ttl:g} s")
    world.configmap.change(timing)


def delete_lease(world: World) -> None:
    """Someone deletes the Lease: for a minute all but the leader treat it as unchanged."""
    for member in range(world.replicas):
        world.fault(member, "the Lease is deleted")
    world.api.delete_lease(world.engine.now)


def restore_etcd(world: World, snapshot: Snapshot, away: float, bump: int = 0) -> None:
    """The API goes down and comes back with the state of a snapshot. away: seconds; watches are reopened and report the restored state."""
    api_outage(world, away)

    def back() -> None:
        world.api.restore(snapshot, bump)
        world.log.append(f"{world.engine.now:8.3f} FAULT etcd is restored: {world.api.lease}")

    def watched() -> None:
        for watcher in world.api.watchers:
            for pod in world.api.pods.values():
                watcher(None, pod, False)
            if world.api.lease is not None:
                watcher(world.api.lease, None, False)

    world.engine.after(away * 0.9, back)
    world.engine.after(away + world.uniform(0.0, 1.5), watched)


def switchover(world: World, member: int, to: int | None = None, term: int | None = None) -> None:
    """An operator requests a switchover from a pod. term: the Lease's by default."""
    world.fault(member, "a switchover is asked for")
    known = world.api.lease.state.term if world.api.lease is not None else 0
    request = {"id": f"s{world.next_serial()}", "term": known if term is None else term}
    text = json.dumps(request if to is None else {**request, "to": world.pod_name(to)})
    world.api.patch_pod(world.pod_name(member), world.uids[member], switchover=text)


def force(world: World, member: int, version: str | None = None) -> None:
    """An operator forces the promotion of a pod. version: the Lease's by default."""
    lease = world.api.lease
    if lease is None:
        return
    world.fault(member, "a promotion is forced")
    request = {"id": f"f{world.next_serial()}", "term": lease.state.term, "leaseVersion": version or lease.version}
    world.api.patch_pod(world.pod_name(member), world.uids[member], force=json.dumps(request))
