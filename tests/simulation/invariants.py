"""The invariants: they must hold at every instant, under any faults."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hapg_failover.core.state.lease_view import without_lease
from hapg_protocol import requests
from hapg_protocol.lsn import Position
from hapg_protocol.model import LeaseObject, LeaseState, Pod, VolumeState

from .wal import Wal

if TYPE_CHECKING:
    from .agent import Agent
    from .server import Server
    from .world import World

SETTLED_S = 2.5
QUIET_S = 20.0
TURN_S = 9.0
DROPPED_S = 40.0
LOOK_S = 0.5
REROUTED_S = 4.0


@dataclass(frozen=True)
class Claim:
    """A claim that the API carried out. at: true time; position: the claimer's reported position."""

    at: float
    member: int
    version: str
    position: Position | None


class Invariants:
    """Checks the world after every event; each violation is recorded once in `World.violations`."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.claims: dict[int, Claim] = {}
        self.terms: set[int] = set()
        self.clean_ends: dict[str, tuple[float, tuple[int, int]]] = {}
        self.owed: dict[int, tuple[int, int]] = {}
        self.forced: set[int] = set()
        self.chosen: set[int] = set()
        """The timelines that forced promotions began: what others had beyond their first records is lost by choice."""
        self.timelines: set[int] = {1}
        self.latest: Wal | None = None
        self.began = 0.0
        self.wrote_for = 0.0
        self.creations = 0
        self.misled: dict[str, tuple[bool, float]] = {}
        self.looked_at = 0.0

    def check(self) -> None:
        """Check the rules that hold at every instant."""
        world = self.world
        if len(world.violations) > 5:
            return
        writable = [s.member for s in world.server if s.writable and not s.overdrawn]
        if len(writable) > 1:
            world.violation(f"servers {writable} are writable at once")
        lease = world.api.lease
        if lease is not None and lease.state.release is not None and lease is not world.api.restored:
            for server in world.server:
                if server.uid == lease.state.holder.uid and server.state == "primary":
                    world.violation(f"member {server.member} has released the Lease though its server may write")
        for version in self._versions() if lease is None else (lease.version,):
            self._sealed(version)
        if world.engine.now - self.looked_at >= LOOK_S:
            self.looked_at = world.engine.now
            for pod in world.api.pods.values():
                self._reads(pod)

    def _reads(self, pod: Pod) -> None:
        """A pod to which reads are led is no primary, and no standby that has followed nobody for long, while its agent can do something
        about it."""
        world, server, agent = self.world, self.world.server[pod.ordinal], self.world.agent[pod.ordinal]
        able = agent.running and not agent.frozen and world.network.api_is_sound and world.network.reachable(pod.ordinal)
        able = able and world.api.lease not in (None, world.api.restored)  # for a minute, such a Lease counts as unchanged
        if not (pod.reads and able and not pod.deleting and pod.uid == server.uid and (server.writable or server.source() is None)):
            self.misled.pop(pod.uid, None)
            return
        was_writable, since = self.misled.get(pod.uid, (server.writable, world.engine.now))
        if was_writable != server.writable:
            since = world.engine.now
        self.misled[pod.uid] = (server.writable, since)
        lasted, lease = world.engine.now - since, world.api.lease
        assert lease is not None
        # A silent primary is followed until its time is up.
        followed = world.timing.claim_after(lease.state.ttl_s)
        if lasted > REROUTED_S + (0.0 if server.writable else (world.timing.unready + followed) * (1 + world.timing.clock_ratio)):
            world.violation(
                f"reads are led to {pod.name}, which has {'written' if server.writable else 'followed nobody'} for {lasted:.1f} s"
            )

    def _versions(self) -> set[str]:
        """Without a Lease, a report counts only for agents that know no later version of the Lease."""
        views = [(agent.view, agent.pods) for agent in self.world.agent if agent.running and agent.view is not None]
        return {without_lease(seen, pods.values()) for seen, pods in views}

    def _sealed(self, version: str) -> None:
        for pod in self.world.api.pods.values():
            said = pod.report
            if said is None or said.lease_version != version or said.state is not VolumeState.DATA:
                continue
            if self.world.api.lease is None and self.world.api.reported_at.get(pod.name, 0.0) <= self.world.api.deleted_at:
                continue  # reported during an earlier absence of the Lease
            server = self.world.server[pod.ordinal]
            wal = server.volume.wal
            if server.volume.uuid != said.volume or wal is None:
                continue
            if server.upstream is not None and server.state == "standby":
                self.world.violation(f"{pod.name} streams under version {version}, under which it has reported")
            if said.position is not None and wal.position > said.position and not server.is_foreign:
                self.world.violation(f"{pod.name} has {wal.position} but has reported {said.position} under version {version}")

    def released(self, agent: Agent, lease: LeaseObject) -> None:
        """A release was written. If it is clean, remember the end of WAL, which anyone who claims after it must have."""
        wal = agent.server.volume.wal
        if lease.state.release is not None and lease.state.release.clean and wal is not None:
            self.clean_ends[lease.version] = (self.world.engine.now, wal.last_record)

    def claimed(self, agent: Agent, previous: LeaseObject | None, state: LeaseState, *, given_up: bool) -> None:
        """A claim was carried out: no pod that had reported and could have claimed was ahead.

        given_up: the claim came so late that it promotes nobody, regardless of later reports and deletions.
        """
        world = self.world
        if given_up:
            return
        before = self.claims.get(state.term)
        # If the answer to a claim never arrived, nobody was promoted; once the Lease is deleted, nobody may know of that claim.
        forgotten = before is not None and state.term not in self.terms and world.api.deleted_at > before.at
        if before is not None and not forgotten:
            world.violation(f"term {state.term} was claimed twice")
        version = previous.version if previous is not None else ""
        own = world.volumes[agent.member].wal
        self.claims[state.term] = Claim(world.engine.now, agent.member, version, own.position if own is not None else None)
        released_at, record = self.clean_ends.get(version, (-math.inf, (0, 0)))
        holds = (world.engine.now - released_at) * (1 + world.timing.clock_ratio) < world.timing.hold
        if holds or (version in self.clean_ends and self._left_out(previous)):
            self.owed[state.term] = record
        if previous is None or own is None:
            return
        asked = next((pod.force for pod in agent.pods.values() if pod.uid == agent.uid), None)
        if asked is not None and requests.force(asked).version == version:
            self._forced(agent, previous, state.term)
            return
        volumes = {m.volume for m in previous.state.eligible} | {previous.state.volume}
        if world.volumes[agent.member].uuid not in volumes:
            world.violation(f"member {agent.member} claimed though it is not eligible")
        said_here = [p.report for p in world.api.pods.values() if p.report and p.report.lease_version == version]
        reserved = previous.state.timeline
        ranked = [q.position for q in said_here if q.position is not None and q.volume in volumes and q.position.timeline <= reserved]
        best = max(ranked, default=own.position)
        for pod in world.api.pods.values():
            said = pod.report
            shown = world.engine.now - world.api.reported_at.get(pod.name, 0.0)
            if said is None or said.lease_version != version or said.volume not in volumes or said.position is None or shown < SETTLED_S:
                continue
            unreserved = said.position.timeline > previous.state.timeline and said.max_term <= previous.state.term
            if unreserved or world.server[pod.ordinal].is_foreign:
                continue  # promoted by hand
            other = pod.ordinal
            calm = world.engine.now - max(world.faulted_at[other], world.faulted_at[agent.member]) > QUIET_S and world.network.api_is_sound
            able = said.running and not said.failed and not pod.deleting and world.network.reachable(other) and calm
            if able and shown > TURN_S and said.position == best > own.position:
                world.violation(f"member {agent.member} at {own.position} claimed before {pod.name} at {said.position}")
            abandoned = any(said.position.timeline < chosen <= own.position.timeline for chosen in self.chosen)
            lag = 0 if abandoned else said.position.lsn - own.position.lsn
            if said.position.timeline > own.position.timeline or lag > world.max_lag:
                world.violation(f"member {agent.member} at {own.position} claimed over {pod.name} at {said.position}: too far behind")

    def _left_out(self, lease: LeaseObject | None) -> bool:
        """True if the release has so few replicas that the last holder gets no pod: no wait brings its volume back."""
        return lease is not None and int(lease.state.holder.pod.rpartition("-")[2]) >= self.world.statefulset.replicas

    def _forced(self, agent: Agent, previous: LeaseObject, term: int) -> None:
        """An operator forced the claim, so order and data loss are the operator's choice. But no leader's time may be cut short, unless
        its server is known to have stopped."""
        world, timeline = self.world, previous.state.timeline
        self.forced.add(term)
        least = previous.state.ttl_s / (1 + world.timing.clock_ratio)
        early = previous.state.release is None and world.engine.now - world.written_at < least
        proven = agent.memory.sealed.shutdown is not None and agent.memory.sealed.shutdown.timeline == timeline
        writes = any(s.writable and s.volume.wal is not None and s.volume.wal.position.timeline == timeline for s in world.server)
        if early and (writes or not proven):
            world.violation(f"member {agent.member} took the Lease by force before it had run out")

    def promoted(self, server: Server, before: Wal) -> None:
        """A server became writable: once per term, on a new timeline, and from the position that was claimed."""
        world, term = self.world, server.promised_term
        after = server.volume.wal
        assert after is not None
        claim = self.claims.get(term)
        if claim is None or claim.member != server.member:
            world.violation(f"member {server.member} was promoted under term {term}, which it hasn't claimed")
        elif claim.position != before.position:
            world.violation(f"member {server.member} was counted at {claim.position} and promoted at {before.position}")
        if term in self.terms:
            world.violation(f"two promotions in term {term}")
        if term in self.forced:
            self.chosen.add(after.position.timeline)
        if term in self.owed and term not in self.forced and not before.contains(*self.owed[term]):
            world.violation(f"member {server.member} was promoted without the end of a clean release")
        self.terms.add(term)
        if any(branch.serial in world.rogues for branch in before.branches):
            world.violation(f"member {server.member} was promoted with what somebody wrote whose timeline nobody had reserved")
        timeline = after.position.timeline
        if timeline in self.timelines:
            world.violation(f"timeline {timeline} was used before")
        self.timelines.add(timeline)
        if term not in self.forced and self.latest is not None and self.wrote_for > DROPPED_S and not before.is_prefix_of(self.latest):
            world.violation(f"member {server.member} was promoted with {before}, which isn't part of {self.latest}")
        self.latest = after
        self.began = world.engine.now
        self.wrote_for = 0.0

    def on_standbys(self, server: Server, end: int, k: int) -> None:
        """A commit that waits for k standbys is acknowledged: k other volumes have it."""
        assert server.volume.wal is not None
        serial = server.volume.wal.branches[-1].serial
        have = [m for m, v in enumerate(self.world.volumes) if m != server.member and v.wal is not None and v.wal.contains(serial, end)]
        if len(have) < k:
            self.world.violation(f"member {server.member} acknowledged what {len(have)} other volumes have, not {k}")

    def killed(self, agent: Agent, server: Server) -> None:
        """An agent has its server killed. It must not be a server that is making progress in replay before a promotion, while the agent
        holds the Lease."""
        lease, deadline = self.world.api.lease, server.deadline
        holds = lease is not None and lease.state.holder.uid == server.uid and lease.state.release is None
        in_time = deadline is not None and (deadline.at is None or server.now < deadline.at)
        server.redo.advance()
        if server.state == "primary" and not server.writable and server.redo.moves and holds and in_time:
            left = server.redo.left
            self.world.violation(f"member {agent.member} killed its server's recovery, which moved, {left} bytes before its end")

    def creates(self, server: Server, *, restores: bool) -> None:
        """A first server's directory is begun: by the way that is configured, on ordinal 0, while no volume has data."""
        world = self.world
        self.creations += 1
        having = [member for member, volume in enumerate(world.volumes) if volume.wal is not None]
        if server.member or having or restores != world.restores:
            world.violation(f"member {server.member} creates a first server by {'restore' if restores else 'initdb'}; {having} have data")

    def writing(self, server: Server) -> None:
        """Remember the log of the writable server."""
        self.latest = server.volume.wal
        self.wrote_for = self.world.engine.now - self.began
