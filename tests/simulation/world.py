"""The simulated release: nodes, pods, volumes, the messages about them, and the check that all is well."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from functools import partial

from hapg_failover.adapters.declared_files import Wanted
from hapg_failover.core import disk_space
from hapg_failover.core.timing import Timing
from hapg_failover.core.write_quorum import ASYNCHRONOUS, Policy
from hapg_failover.declared.desired import Declaration, Role
from hapg_protocol.model import EligibleReplica, LeaseState, Pod
from hapg_protocol.wal_files import SEGMENT_SIZE

from . import faults, settings
from .agent import Agent
from .api import Api
from .configmap import ConfigMap
from .engine import Clock, Engine
from .invariants import Invariants
from .kubelet import Kubelet
from .network import Network
from .objects import Changed
from .points import Points
from .recording import Recording
from .redo import Checkpoints
from .server import Server, Volume
from .statefulset import StatefulSet
from .wal import Branch, Wal

PLENTY = 1 << 40
REDO_RATE = 1e9


@dataclass(frozen=True)
class Acknowledged:
    """A commit that was acknowledged to a client. serial: of its branch; lsn: the end of its record."""

    at: float
    member: int
    serial: int
    lsn: int


class World:
    """N members, each on its own node. All random choices come from `seed`, so runs are repeatable.

    timing: the chart's current values; timings: the values each member has read; redo_rate, stream_rate: bytes/s that a member replays
    or receives; restart_after_crash: as in postgresql.conf; archives: there is an archive, which has every complete segment; kept_from: the
    LSN before which primaries have removed their WAL; restores: the first server is restored from a backup; wanted: the roles
    that are declared; changed: what was done for that.
    """

    restart_after_crash = False

    def __init__(
        self,
        replicas: int = 3,
        seed: int = 0,
        *,
        max_lag: int = 10_000,
        fresh: bool = False,
        restores: bool = False,
        policy: Policy = ASYNCHRONOUS,
    ) -> None:
        """fresh: empty volumes and no Lease; otherwise a primary and its replicas already run. policy: the replication policy."""
        self.random = random.Random(seed)
        self.engine = Engine()
        self.api = Api()
        self.replicas = replicas
        self.timing = Timing()
        self.timings = [self.timing] * replicas
        self.max_lag = max_lag
        self.policy = policy
        self.standby_mode = "hot"
        self.configuration: str | None = None
        self.refuses = [False] * replicas
        self.restores = restores
        members = range(replicas)
        self.clocks = [Clock(self.engine, self.uniform(1.0, 1.0 + self.timing.clock_ratio), self.uniform(5.0, 5000.0)) for _ in members]
        self.uids = [f"uid-{m}-0" for m in members]
        self.generation = [0] * replicas
        self.volumes = [Volume() for _ in members]
        self.on = [True] * replicas
        self.disk_full = [False] * replicas
        self.emergency_space = [True] * replicas
        self.segments = [0] * replicas
        self.disk_hung = [False] * replicas
        self.recovery_s = [0.0] * replicas
        self.stream_stall = [0.0] * replicas
        self.stream_rate = [math.inf] * replicas
        self.redo_rate = [REDO_RATE] * replicas
        self.checkpoints = Checkpoints()
        self.faulted_at = [-1000.0] * replicas
        self.op_failure = 0.0
        self.wal_gone = 0.0
        self.archives = False
        self.kept_from = 0
        self.archive_failure = 0.0
        self.unreplicated_wal_lost = False
        self.log: list[str] = []
        self.violations: list[str] = []
        self.deadlines: list[tuple[int, float | None, int]] = []
        self.announced: list[tuple[int, str]] = []
        self.answers: list[tuple[int, str]] = []
        self.recordings: list[Recording] = []
        self.records = False
        self.wanted: Wanted | None = None
        self.changed: list[Changed] = []
        self.written_at = 0.0
        self.shutdowns: set[tuple[int, int]] = set()
        self.rogues: set[int] = set()
        self.commits: list[Acknowledged] = []
        self.promotions: list[tuple[float, int, int]] = []
        self.lost: list[list[Acknowledged]] = []
        self.settled_after = 0.0
        self.points = Points(self)
        self.invariants = Invariants(self)
        self._serial = 0
        self.kubelet = Kubelet(self)
        self.statefulset = StatefulSet(self, seed)
        self.network = Network(self)
        self.configmap = ConfigMap(self)
        self.server: list[Server] = []
        self.agent: list[Agent] = []
        if not fresh:
            self._set_up()
        for member in members:
            self.api.put_pod(self.new_pod(member, "primary" if member == 0 and not fresh else None if fresh else "replica"))
            self.server.append(self.new_server(member))
            self.agent.append(Agent(self, member))
        if not fresh:
            self._run_already()

    # --- random choices ---

    def uniform(self, low: float, high: float) -> float:
        """Return a random number between the two."""
        return self.random.uniform(low, high)

    def randint(self, low: int, high: int) -> int:
        """Return a random integer between the two, inclusive."""
        return self.random.randint(low, high)

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return probability > 0.0 and self.random.random() < probability

    def next_serial(self) -> int:
        """Return a number that was never used before."""
        self._serial += 1
        return self._serial

    # --- the beginning ---

    def _set_up(self) -> None:
        wal = Wal((Branch(self.next_serial(), 1, 0),), 1000)
        for member, volume in enumerate(self.volumes):
            volume.uuid, volume.system_identifier, volume.wal, volume.max_term = f"v{member}", "system", wal, 1
            volume.redo = wal.end

    def _run_already(self) -> None:
        """The first member holds the Lease, but no server runs yet."""
        members = tuple(EligibleReplica(self.pod_name(m), f"v{m}") for m in range(1, self.replicas))
        holder = self.agent[0].me
        self.api.put(LeaseState(holder, 1, self.timing.ttl, "system", "v0", self.address(0), 1, members), None)

    # --- new pods and containers ---

    def new_uid(self, member: int) -> str:
        """Return the UID of a member's next pod, which becomes its current one."""
        self.generation[member] += 1
        self.uids[member] = f"uid-{member}-{self.generation[member]}"
        self.timings[member] = self.timing
        return self.uids[member]

    def new_pod(self, member: int, role: str | None = None) -> Pod:
        """Return the object of a member's current pod."""
        return Pod(self.pod_name(member), self.uids[member], "0", member, self.address(member), f"node-{member}", role)

    def new_server(self, member: int) -> Server:
        """Return a new run of a member's postgres container."""
        return Server(self, member, self.uids[member], f"n{member}-{self.next_serial()}", self.volumes[member])

    # --- names ---

    def pod_name(self, member: int) -> str:
        """Return the name of a member's pod."""
        return f"pg-{member}"

    def address(self, member: int) -> str:
        """Return the address of a member's current pod."""
        return f"10.0.{self.generation[member]}.{member}"

    def clock(self, member: int) -> Clock:
        """Return the CLOCK_BOOTTIME of a member's node."""
        return self.clocks[member]

    # --- reports ---

    def fault(self, member: int, text: str) -> None:
        """Record that a fault happens to a member."""
        self.faulted_at[member] = self.engine.now
        self.log.append(f"{self.engine.now:8.3f} FAULT {member}: {text}")

    def note(self, member: int, text: str) -> None:
        """Write a log line."""
        self.log.append(f"{self.engine.now:8.3f} {member}: {text}")

    def violation(self, text: str) -> None:
        """Record that an invariant was broken."""
        self.violations.append(f"at {self.engine.now:.3f}: {text}")
        self.log.append(f"{self.engine.now:8.3f} VIOLATION {text}")

    def acknowledged(self, server: Server, end: int) -> None:
        """Clients were told that everything before `end` is committed."""
        assert server.volume.wal is not None
        self.commits.append(Acknowledged(self.engine.now, server.member, server.volume.wal.branches[-1].serial, end))

    def promoted(self, server: Server, before: Wal) -> None:
        """A server has become writable. before: its log up to then."""
        self.note(server.member, f"WRITABLE on timeline {server.volume.wal.position if server.volume.wal else '?'}")
        self.promotions.append((self.engine.now, server.member, server.promised_term))
        self.lost.append([c for c in self.commits if not before.contains(c.serial, c.lsn)])
        self.commits = [c for c in self.commits if before.contains(c.serial, c.lsn)]
        forced = server.promised_term in self.invariants.forced
        if self.policy.k and self.policy.strict and self.lost[-1] and not forced:
            self.violation(f"member {server.member} was promoted without {len(self.lost[-1])} acknowledged commits: {self.lost[-1][-1]}")
        self.invariants.promoted(server, before)

    def record(self) -> None:
        """Record the events and decisions of the agents from their next start on; running agents are restarted."""
        self.records = True
        self._restart_agents()

    def declare(self, *roles: Role) -> None:
        """Declare roles. Agents learn it at once; the first time they are restarted."""
        is_first, self.wanted = self.wanted is None, Wanted(Declaration(roles))
        if is_first:
            self._restart_agents()

    def set_up(self, text: str) -> None:
        """Give the release a postgresql.conf before it runs."""
        self.configuration = text
        for volume in self.volumes:
            volume.accepted, volume.limit = text, settings.limit_of(text)

    def reconfigure(self, text: str) -> None:
        """Change postgresql.conf: each member tries it after a while."""
        self.log.append(f"{self.engine.now:8.3f} postgresql.conf: {settings.shown(text)}")
        self.configuration = text
        for member in range(self.replicas):
            self.engine.after(self.uniform(*settings.ACCEPTED_S), partial(self._try, member))

    def _try(self, member: int) -> None:
        self.configure(member)

    def configure(self, member: int) -> bool:
        """A member tries the release's configuration; return whether it accepts it."""
        if self.refuses[member]:
            return False
        self.volumes[member].accepted = self.configuration
        return True

    def _restart_agents(self) -> None:
        for member in range(self.replicas):
            self.agent[member].running = False
            self.agent[member] = Agent(self, member)

    # --- time ---

    def run(self, seconds: float) -> None:
        """Advance time."""
        self.engine.run(seconds, self.invariants.check)

    def room(self, member: int) -> int:
        """Return the free bytes on a member's volume; if the volume is full, those of its emergency WAL space, once that is released."""
        return self.segments[member] * SEGMENT_SIZE if self.disk_full[member] else PLENTY

    def is_routed(self, member: int) -> bool:
        """True if clients are routed to a member."""
        pod = self.api.pods.get(self.pod_name(member))
        return pod is not None and pod.role == "primary"

    def release_emergency_space(self, member: int) -> bool:
        """Release the emergency WAL space if the volume is full; return False if it isn't full or nothing was released."""
        used = self.emergency_space[member] and disk_space.is_full(self.room(member), SEGMENT_SIZE)
        if used:
            self.emergency_space[member], self.segments[member] = False, disk_space.EMERGENCY_SEGMENTS
        return used

    def heal(self) -> None:
        """End all faults."""
        self.log.append(f"{self.engine.now:8.3f} everything is healed")
        self.network.heal()
        self.statefulset.heal()
        self.op_failure = 0.0
        for member in range(self.replicas):
            self.refuses[member] = False
            self.configure(member)
        self.wal_gone = self.archive_failure = 0.0
        self.stream_rate, self.redo_rate = [math.inf] * self.replicas, [REDO_RATE] * self.replicas
        for member in range(self.replicas):
            self.disk_hung[member] = self.disk_full[member] = False
            self.server[member].thaw()
            self.server[member].silent_run = -1
            self.stream_stall[member] = 0.0
            self.agent[member].freeze_before_action = 0.0
            if self.agent[member].frozen:
                self.agent[member].thaw()
            faults.power_on(self, member)

    def trouble(self) -> list[str]:
        """Return what is not yet well; empty if all is well."""
        writable = [s for s in self.server if s.writable]
        if len(writable) != 1:
            return [f"{len(writable)} servers are writable"]
        primary = writable[0]
        found = []
        lease = self.api.lease.state if self.api.lease is not None else None
        if lease is None or lease.holder.uid != self.uids[primary.member]:
            found.append("the Lease isn't the primary's")
        followers = {s.member for s in primary.followers()}
        others = set(range(self.replicas)) - {primary.member}
        found += [f"member {member} doesn't follow" for member in sorted(others - followers)]
        seen = {s.pod for s in self.agent[primary.member].streaming if s.since is not None}
        found += [f"member {member} isn't seen to follow" for member in sorted(followers) if self.pod_name(member) not in seen]
        expected = {v.uuid for m, v in enumerate(self.volumes) if m != primary.member}
        if lease is not None and {m.volume for m in lease.eligible} != expected:
            found.append(f"the members are {lease.eligible}")
        if self.policy.k and lease is not None and (lease.sync is None or set(lease.sync.volumes) != expected):
            found.append(f"the synchronous set is {lease.sync}")
        found += [f"member {s.member} has other settings" for s in self.server if s.started != self.configuration]
        labelled = [p.uid for p in self.api.pods.values() if p.role == "primary"]
        if labelled != [self.uids[primary.member]]:
            found.append(f"role=primary is on {labelled}")
        hot = {self.pod_name(member) for member in followers} if self.standby_mode == "hot" else set()
        readers = {p.name for p in self.api.pods.values() if p.reads}
        if readers != hot:
            found.append(f"reads are led to {sorted(readers)}")
        return found

    def settle(self, limit: float = 90.0) -> float:
        """Heal everything; return the seconds until all is well, or record a violation."""
        self.heal()
        begin = self.engine.now
        while self.engine.now - begin < limit:
            self.run(1.0)
            if not self.trouble():
                self.settled_after = self.engine.now - begin
                return self.settled_after
        self.violation(f"not settled after {limit:g} s: {'; '.join(self.trouble())}")
        return limit

    def primary(self) -> int | None:
        """Return the member whose server is writable."""
        return next((s.member for s in self.server if s.writable), None)
