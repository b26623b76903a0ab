"""The simulated release: nodes, pods, volumes, the API between them, what can go wrong, and what must hold all the same."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from hapg_failover.core.actions import PutKind, PutLease
from hapg_failover.core.model import GrantAnswer, GrantRequest, LeaseObject, LeaseState, Member, Pod, Publication
from hapg_failover.core.results import PutOutcome
from hapg_failover.core.syncset import ASYNCHRONOUS, Policy
from hapg_failover.core.timing import Timing

from .agent import Agent
from .api import Api
from .engine import Clock, Engine
from .invariants import Invariants
from .points import Points
from .server import Server, Volume
from .wal import Branch, Wal

T = TypeVar("T")
GRACE_S = 30.0
SOUND_LATENCY_S = 0.02
GRANT_LIMIT_S = 0.4
SUPERVISOR_RESERVE_S = 10.0


@dataclass(frozen=True)
class Acknowledged:
    """A commit that a client was told of. serial: of the branch; lsn: where its record ends."""

    at: float
    member: int
    serial: int
    lsn: int


class World:
    """N members on a node each. Every random choice comes from `seed`, so that a run can be repeated."""

    def __init__(
        self,
        replicas: int = 3,
        seed: int = 0,
        *,
        timing: Timing | None = None,
        max_lag: int = 10_000,
        fresh: bool = False,
        policy: Policy = ASYNCHRONOUS,
    ) -> None:
        """fresh: empty volumes and no Lease; else a primary with its replicas runs already. policy: of replication."""
        self.random = random.Random(seed)
        self.engine = Engine()
        self.api = Api()
        self.replicas = replicas
        self.timing = Timing()
        self.max_lag = max_lag
        self.policy = policy
        self.standby_mode = "hot"
        members = range(replicas)
        self.clocks = [Clock(self.engine, self.uniform(1.0, 1.0 + self.timing.clock_ratio), self.uniform(5.0, 5000.0)) for _ in members]
        self.uids = [f"uid-{m}-0" for m in members]
        self.generation = [0] * replicas
        self.volumes = [Volume() for _ in members]
        self.on = [True] * replicas
        self.api_cut = [False] * replicas
        self.peers_cut = [False] * replicas
        self.peers_mute = [False] * replicas
        self.peers_deaf = [False] * replicas
        self.mute = [False] * replicas
        self.deaf = [False] * replicas
        self.disk_full = [False] * replicas
        self.watch_broken = [False] * replicas
        self.put_refused = [False] * replicas
        self.disk_hung = [False] * replicas
        self.stream_stall = [0.0] * replicas
        self.faulted_at = [-1000.0] * replicas
        self.api_down = False
        self.loss = 0.0
        self.peer_loss = 0.0
        self.latency = SOUND_LATENCY_S
        self.op_failure = 0.0
        self.wal_gone = 0.0
        self.log: list[str] = []
        self.violations: list[str] = []
        self.deadlines: list[tuple[int, float | None, int]] = []
        self.announced: list[tuple[int, str]] = []
        self.answers: list[tuple[int, str]] = []
        self.written_at = 0.0
        self.shutdowns: set[tuple[int, int]] = set()
        self.commits: list[Acknowledged] = []
        self.promotions: list[tuple[float, int, int]] = []
        self.lost: list[list[Acknowledged]] = []
        self.settled_after = 0.0
        self.points = Points(self)
        self.invariants = Invariants(self)
        self._serial = 0
        self.api.watchers.append(self._watched)
        self.server: list[Server] = []
        self.agent: list[Agent] = []
        if not fresh:
            self._set_up()
        for member in members:
            self.api.put_pod(self._pod(member, "primary" if member == 0 and not fresh else None if fresh else "replica"))
            self.server.append(Server(self, member, self.uids[member], self._nonce(member), self.volumes[member]))
            self.agent.append(Agent(self, member))
        if not fresh:
            self._run_already()

    # --- chance ---

    def uniform(self, low: float, high: float) -> float:
        """Return a number between the two."""
        return self.random.uniform(low, high)

    def randint(self, low: int, high: int) -> int:
        """Return a whole number between the two."""
        return self.random.randint(low, high)

    def chance(self, probability: float) -> bool:
        """Tell whether something of this probability happens."""
        return probability > 0.0 and self.random.random() < probability

    def next_serial(self) -> int:
        """Return a number that was never given before."""
        self._serial += 1
        return self._serial

    # --- the beginning ---

    def _set_up(self) -> None:
        wal = Wal((Branch(self.next_serial(), 1, 0),), 1000)
        for member, volume in enumerate(self.volumes):
            volume.uuid, volume.system_identifier, volume.wal, volume.max_term = f"v{member}", "system", wal, 1

    def _run_already(self) -> None:
        """The first member holds the Lease, but nobody's server runs yet."""
        members = tuple(Member(self.pod_name(m), f"v{m}") for m in range(1, self.replicas))
        holder = self.agent[0].observe().me
        self.api.put(LeaseState(holder, 1, self.timing.ttl, "system", "v0", self.address(0), 1, members), None)

    def _pod(self, member: int, role: str | None = None) -> Pod:
        return Pod(self.pod_name(member), self.uids[member], "0", member, self.address(member), f"node-{member}", role)

    def _nonce(self, member: int) -> str:
        return f"n{member}-{self.next_serial()}"

    # --- names ---

    def pod_name(self, member: int) -> str:
        """Return the name of a member's pod."""
        return f"pg-{member}"

    def address(self, member: int) -> str:
        """Return the address of a member's present pod."""
        return f"10.0.{self.generation[member]}.{member}"

    def clock(self, member: int) -> Clock:
        """Return the boot clock of a member's node."""
        return self.clocks[member]

    def servers(self) -> list[Server]:
        """Return the present runs of all postgres containers."""
        return self.server

    def server_at(self, address: str, seen_from: int) -> Server | None:
        """Return the server at an address, if it runs and the network reaches it."""
        for server in self.server:
            if self.address(server.member) == address and server.alive and self.on[server.member]:
                both = (server.member, seen_from)
                cut = any(self.peers_cut[m] or self.peers_mute[m] or self.peers_deaf[m] for m in both)
                reachable = server.member == seen_from or not cut
                return server if reachable and not server.frozen else None
        return None

    # --- what is told ---

    def note(self, member: int, text: str) -> None:
        """Write a line of the log."""
        self.log.append(f"{self.engine.now:8.3f} {member}: {text}")

    def violation(self, text: str) -> None:
        """Record that an invariant was broken."""
        self.violations.append(f"at {self.engine.now:.3f}: {text}")
        self.log.append(f"{self.engine.now:8.3f} VIOLATION {text}")

    def acknowledged(self, server: Server, end: int) -> None:
        """Clients were told that what lies before `end` is committed."""
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

    # --- calls to the API ---

    def reachable(self, member: int) -> bool:
        """Tell whether the API answers this member."""
        return self.on[member] and not self.api_cut[member] and not self.api_down

    def hears(self, member: int) -> bool:
        """Tell whether what the API says arrives at this member."""
        return self.reachable(member) and not self.deaf[member]

    def call(self, agent: Agent, apply: Callable[[], T], answered: Callable[[T | None], None]) -> None:
        """Make a call: carried out and answered; or lost, or answered never though carried out, at once or much later. None: no answer."""
        member = agent.member
        limit = self.timing.call / self.clock(member).rate
        pod = self.api.pods.get(agent.pod)
        revoked = (pod is None or pod.uid != agent.uid) and self.chance(0.5)
        there, back = self._delay(), self._delay()
        fate = self.random.random()
        open_ = [True]

        def finish(answer: T | None) -> None:
            if open_[0]:
                open_[0] = False
                answered(answer)

        def carry_out(answer_arrives: bool) -> None:
            result = apply()
            if answer_arrives and self.hears(member):
                agent.later(back, lambda: finish(result))

        agent.later(limit, lambda: finish(None))
        if not self.reachable(member) or self.mute[member]:
            return
        if revoked:
            agent.later(back, lambda: finish(None))
            return
        if fate < self.loss / 3:
            return
        if fate < self.loss * 2 / 3:
            self.engine.after(there, lambda: carry_out(False))
        elif fate < self.loss:
            self.engine.after(self.uniform(0.5, 14.0), lambda: carry_out(True))
        else:
            self.engine.after(there, lambda: carry_out(True))

    def ask_peer(self, agent: Agent, address: str, request: GrantRequest, answered: Callable[[GrantAnswer], None]) -> None:
        """Ask the agent at an address for a grant: question and answer take a while each, or are lost; too late is lost too."""
        there, back, sent = self._delay(), self._delay(), self.engine.now
        limit = GRANT_LIMIT_S / self.clock(agent.member).rate

        def connected(one: int, other: int) -> bool:
            """Tell whether what `one` says reaches `other`."""
            way = self.on[one] and self.on[other] and not self.peers_cut[one] and not self.peers_cut[other]
            return way and not self.peers_mute[one] and not self.peers_deaf[other]

        def arrive() -> None:
            for peer in self.agent:
                if self.address(peer.member) == address and peer.running and connected(agent.member, peer.member):
                    peer.resume(lambda peer=peer: peer.ask(request, lambda answer: reply(peer, answer)))  # type: ignore[misc]

        def reply(peer: Agent, answer: GrantAnswer) -> None:
            def arrive_back() -> None:
                if connected(peer.member, agent.member) and self.engine.now - sent <= limit:
                    answered(answer)

            if not self.chance(max(self.loss, self.peer_loss)):
                agent.later(back, arrive_back)

        if not self.chance(max(self.loss, self.peer_loss)):
            self.engine.after(there, arrive)

    def _delay(self) -> float:
        return self.random.expovariate(1.0 / self.latency)

    def put(self, agent: Agent, action: PutLease, sent: float) -> tuple[PutOutcome, LeaseObject | None]:
        """Carry out a PUT of the Lease. sent: true time."""
        if self.put_refused[agent.member]:
            return PutOutcome.UNKNOWN, None
        previous = self.api.lease
        outcome, lease = self.api.put(action.state, action.version)
        if outcome is PutOutcome.OK:
            self.note(agent.member, f"PUT {action.kind.value} applied: {lease.version if lease else ''}")
            if action.kind is PutKind.CLAIM:
                self.invariants.claimed(agent, previous, action.state, given_up=self.engine.now - sent > self.timing.call)
            self.written_at = self.engine.now
        return outcome, lease

    def publish(self, agent: Agent, publication: Publication) -> str:
        """Carry out the PATCH of a publication."""
        return self.api.patch_pod(agent.pod, agent.uid, publication=publication, now=self.engine.now)

    def _watched(self, lease: LeaseObject | None, pod: Pod | None, gone: str | None) -> None:
        for member in range(len(self.agent)):
            if not self.hears(member) or self.watch_broken[member] or self.chance(self.loss / 2):
                continue
            self._deliver(self.agent[member], self._delay(), lease, pod, gone)

    def _deliver(self, agent: Agent, delay: float, lease: LeaseObject | None, pod: Pod | None, gone: str | None) -> None:
        def arrive() -> None:
            if not self.hears(agent.member):
                return
            if lease is not None:
                agent.see(lease, agent.now)
            agent.see_pod(pod, gone)
            agent.turn()

        agent.later(delay, arrive)

    # --- faults ---

    def fault(self, member: int, text: str) -> None:
        """Note that something happens to a member."""
        self.faulted_at[member] = self.engine.now
        self.log.append(f"{self.engine.now:8.3f} FAULT {member}: {text}")

    def agent_crash(self, member: int) -> None:
        """The agent's process dies and is started again."""
        self.fault(member, "the agent crashes")
        agent = self.agent[member]
        if not agent.running:
            return
        agent.running = False
        agent.locks = False
        self.container_may_start(member)
        uid = self.uids[member]
        self.engine.after(self.uniform(0.3, 2.0), lambda: self._agent_start(member, uid))

    def _agent_start(self, member: int, uid: str) -> None:
        if self.uids[member] == uid and self.on[member] and not self.agent[member].running:
            self.agent[member] = Agent(self, member)

    def freeze_now(self, member: int, seconds: float) -> None:
        """The agent's process stops for a while."""
        self.fault(member, f"the agent freezes for {seconds:.1f} s")
        agent = self.agent[member]
        agent.freeze()
        self.engine.after(seconds, agent.thaw)

    def freeze_before_action(self, member: int, seconds: float) -> None:
        """The agent stops between its next decision and the carrying out."""
        self.fault(member, "the agent will freeze before it acts")
        self.agent[member].freeze_before_action = seconds

    def freeze_container(self, member: int, seconds: float) -> None:
        """Every process of the postgres container stops for a while."""
        self.fault(member, f"the postgres container freezes for {seconds:.1f} s")
        server = self.server[member]
        server.freeze()
        self.engine.after(seconds, server.thaw)

    def postmaster_kill(self, member: int) -> None:
        """The server's main process dies; the supervisor kills the rest."""
        self.fault(member, "the postmaster is killed")
        if self.server[member].alive:
            self.server[member].kill()

    def container_kill(self, member: int) -> None:
        """The whole postgres container dies and is started again."""
        self.fault(member, "the postgres container is killed")
        self._container_dies(member)

    def _container_dies(self, member: int) -> None:
        server = self.server[member]
        if not server.alive:
            return
        server.die()
        if server.terminating:
            self.engine.after(0.5, lambda: self._pod_ends(member, server.uid))
        self.engine.after(self.uniform(0.3, 3.0), lambda: self._container_start(server))

    def _container_start(self, dead: Server) -> None:
        member = dead.member
        if self.server[member] is not dead or dead.terminating or not self.on[member] or self.uids[member] != dead.uid:
            return
        if self.agent[member].locks and self.agent[member].running:
            return
        self.server[member] = Server(self, member, self.uids[member], self._nonce(member), self.volumes[member])

    def container_may_start(self, member: int) -> None:
        """The agent gave the locks back."""
        server = self.server[member]
        if not server.alive:
            self.engine.after(self.uniform(0.1, 1.0), lambda: self._container_start(server))

    def container_exit(self, member: int) -> None:
        """The agent lets the supervisor end."""
        server = self.server[member]
        if server.terminating and server.state == "down" and server.alive:
            self._pod_ends(member, self.uids[member])

    def _for_a_while(self, flags: list[bool], member: int, seconds: float) -> None:
        def end() -> None:
            flags[member] = False

        flags[member] = True
        self.engine.after(seconds, end)

    def cut_api(self, member: int, seconds: float) -> None:
        """A node loses the API for a while."""
        self.fault(member, f"cut from the API for {seconds:.1f} s")
        self._for_a_while(self.api_cut, member, seconds)

    def cut_peers(self, member: int, seconds: float) -> None:
        """A node loses the other nodes for a while."""
        self.fault(member, f"cut from its peers for {seconds:.1f} s")
        self._for_a_while(self.peers_cut, member, seconds)

    def api_outage(self, seconds: float) -> None:
        """The API answers nobody for a while."""
        for member in range(self.replicas):
            self.fault(member, f"the API is away for {seconds:.1f} s")
        self.api_down = True
        self.engine.after(seconds, self._api_back)

    def _api_back(self) -> None:
        self.api_down = False

    @property
    def api_is_sound(self) -> bool:
        """Whether calls of the API are answered in time. A slow one's calls time out, which is as good as lost."""
        return self.loss == 0.0 and self.latency <= SOUND_LATENCY_S

    def lossy_api(self, loss: float, latency: float) -> None:
        """So many calls are lost from now on, and each way takes so long on average, in seconds. Who was lossy was in trouble until now."""
        for member in range(self.replicas):
            self.fault(member, f"the API loses {loss:.2f} of all calls")
        self.loss, self.latency = loss, latency

    def power_off(self, member: int) -> None:
        """A node stops, all at once."""
        self.fault(member, "power off")
        self.on[member] = False
        self.server[member].die()
        self.agent[member].running = False

    def power_on(self, member: int) -> None:
        """A node is back: another boot, the same pod, nothing in memory."""
        if self.on[member]:
            return
        self.fault(member, "power on")
        self.on[member] = True
        self.clocks[member] = Clock(self.engine, self.uniform(1.0, 1.0 + self.timing.clock_ratio), self.uniform(5.0, 60.0))
        if self.server[member].terminating:
            self._pod_ends(member, self.uids[member])
        else:
            self._pod_starts(member)

    def pod_delete(self, member: int) -> None:
        """Somebody deletes the pod, with time to shut down."""
        pod = self.api.pods.get(self.pod_name(member))
        if pod is None or pod.uid != self.uids[member] or pod.deleting:
            return
        self.fault(member, "the pod is deleted")
        self.api.put_pod(replace(pod, deleting=True, grace=int(GRACE_S)))
        self.engine.after(self.uniform(0.05, 1.0), lambda: self._kubelet_stops(member, pod.uid))

    def _kubelet_stops(self, member: int, uid: str) -> None:
        if self.uids[member] != uid:
            return
        if not self.on[member] or self.api_cut[member]:
            self.engine.after(1.0, lambda: self._kubelet_stops(member, uid))
            return
        server = self.server[member]
        server.terminating = True
        self.engine.after(GRACE_S + 5.0, lambda: self._kubelet_stops(member, uid))
        if not server.alive:
            self.engine.after(0.5, lambda: self._pod_ends(member, uid))
            return
        self.engine.after(GRACE_S - SUPERVISOR_RESERVE_S, lambda: self._supervisor_stops(server))
        self.engine.after(GRACE_S, lambda: self._pod_ends(member, uid))

    def _supervisor_stops(self, server: Server) -> None:
        if server.alive:
            server.stop_fast(lambda: None)

    def _pod_ends(self, member: int, uid: str) -> None:
        """The postgres container has ended, then the agent ends, then the pod is replaced."""
        if self.uids[member] != uid or not self.on[member]:
            return
        self.server[member].terminating = True
        self.server[member].die()
        self.engine.after(self.uniform(0.0, 0.5), lambda: self._pod_gone(member, uid))

    def _pod_gone(self, member: int, old: str) -> None:
        if self.uids[member] != old or not self.on[member]:
            return
        self.agent[member].running = False
        self.api.remove_pod(self.pod_name(member))
        self._new_uid(member)
        uid = self.uids[member]
        self.engine.after(self.uniform(0.3, 3.0), lambda: self._pod_made(member, uid))

    def _new_uid(self, member: int) -> None:
        self.generation[member] += 1
        self.uids[member] = f"uid-{member}-{self.generation[member]}"

    def _pod_made(self, member: int, uid: str) -> None:
        if self.uids[member] != uid or self.pod_name(member) in self.api.pods:
            return
        self.api.put_pod(self._pod(member))
        if self.on[member]:
            self._pod_starts(member)

    def _pod_starts(self, member: int) -> None:
        self.server[member].die()
        self.agent[member].running = False
        self.server[member] = Server(self, member, self.uids[member], self._nonce(member), self.volumes[member])
        self.agent[member] = Agent(self, member)

    def switchover(self, member: int, to: int | None = None, term: int | None = None) -> None:
        """An operator asks a pod to hand over. term: the Lease's unless given."""
        self.fault(member, "a switchover is asked for")
        known = self.api.lease.state.term if self.api.lease is not None else 0
        request = {"id": f"s{self.next_serial()}", "term": known if term is None else term}
        text = json.dumps(request if to is None else {**request, "to": self.pod_name(to)})
        self.api.patch_pod(self.pod_name(member), self.uids[member], switchover=text)

    def force(self, member: int, version: str | None = None) -> None:
        """An operator has a pod promoted by force. version: the Lease's unless given."""
        lease = self.api.lease
        if lease is None:
            return
        self.fault(member, "a promotion is forced")
        request = {"id": f"f{self.next_serial()}", "term": lease.state.term, "leaseVersion": version or lease.version}
        self.api.patch_pod(self.pod_name(member), self.uids[member], force=json.dumps(request))

    def delete_lease(self) -> None:
        """Somebody deletes the Lease: for a minute it counts as unchanged to all but its holder."""
        for member in range(self.replicas):
            self.fault(member, "the Lease is deleted")
        self.api.delete_lease(self.engine.now)

    def pod_replace(self, member: int) -> None:
        """The pod is deleted by force: its object is another's at once, its processes live on for a moment."""
        if self.pod_name(member) not in self.api.pods or not self.on[member]:
            return
        self.fault(member, "the pod is deleted by force")
        server, agent = self.server[member], self.agent[member]
        self.api.remove_pod(self.pod_name(member))
        self._new_uid(member)
        self.api.put_pod(self._pod(member))

        def end() -> None:
            if not self.on[member] or self.server[member] is not server:
                return
            if self.api_cut[member]:
                self.engine.after(1.0, end)
                return
            server.die()
            agent.running = False
            self.engine.after(self.uniform(0.1, 1.0), lambda: self._start_if(member, server))

        self.engine.after(self.uniform(0.0, 3.0), end)

    def _start_if(self, member: int, old: Server) -> None:
        if self.server[member] is old and self.on[member]:
            self._pod_starts(member)

    def hang_disk(self, member: int, seconds: float) -> None:
        """Writes to a volume hang for a while."""
        self.fault(member, f"the disk hangs for {seconds:.1f} s")
        self._for_a_while(self.disk_hung, member, seconds)

    def break_watch(self, member: int, seconds: float) -> None:
        """A member's watches are silent for a while."""
        self.fault(member, f"the watches are silent for {seconds:.1f} s")
        self._for_a_while(self.watch_broken, member, seconds)

    def stall_stream(self, member: int, share: float) -> None:
        """A member receives WAL in so many fewer of its turns."""
        self.fault(member, f"streaming stalls to {share:.2f}")
        self.stream_stall[member] = share

    # --- time ---

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.engine.run(seconds, self.invariants.check)

    def heal(self) -> None:
        """End all faults."""
        self.log.append(f"{self.engine.now:8.3f} everything is healed")
        self.api_down = False
        self.loss = 0.0
        self.peer_loss = 0.0
        self.latency = SOUND_LATENCY_S
        self.op_failure = 0.0
        self.wal_gone = 0.0
        for member in range(self.replicas):
            self.api_cut[member] = self.peers_cut[member] = self.watch_broken[member] = self.disk_hung[member] = False
            self.put_refused[member] = self.mute[member] = self.deaf[member] = self.disk_full[member] = False
            self.peers_mute[member] = self.peers_deaf[member] = False
            self.server[member].thaw()
            self.stream_stall[member] = 0.0
            self.agent[member].freeze_before_action = 0.0
            if self.agent[member].frozen:
                self.agent[member].thaw()
            self.power_on(member)

    def trouble(self) -> list[str]:
        """Return what isn't yet as it ought to be; empty if all is well."""
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
        if lease is not None and {m.volume for m in lease.members} != expected:
            found.append(f"the members are {lease.members}")
        if self.policy.k and lease is not None and (lease.sync is None or set(lease.sync.volumes) != expected):
            found.append(f"the synchronous set is {lease.sync}")
        labelled = [p.uid for p in self.api.pods.values() if p.role == "primary"]
        if labelled != [self.uids[primary.member]]:
            found.append(f"role=primary is on {labelled}")
        return found

    def settle(self, limit: float = 90.0) -> float:
        """Heal everything; return after how many seconds all is well, or record a violation."""
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
