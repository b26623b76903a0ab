"""The network of the simulated release: API calls, watches, and questions between agents; and which of these are cut or lost."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from hapg_failover.core.state.actions import PutKind
from hapg_failover.core.state.results import PutOutcome
from hapg_protocol.model import LeaseObject, LeaseState, Pod

from .server import Server

if TYPE_CHECKING:
    from .agent import Agent
    from .world import World

T = TypeVar("T")
SOUND_LATENCY_S = 0.02


class Network:
    """Decides which messages arrive, and when. Lists hold a flag per member, by its number.

    mute, deaf: messages from the member to the API, or from the API to it, are lost; peers_mute, peers_deaf: the same between members.
    loss, peer_loss: share of API calls, and of questions and answers between members, that is lost; latency, peer_latency: average
    seconds each way, to the API and between members (None: same as for the API).
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.api_down = False
        self.api_cut = [False] * world.replicas
        self.mute = [False] * world.replicas
        self.deaf = [False] * world.replicas
        self.peers_cut = [False] * world.replicas
        self.peers_mute = [False] * world.replicas
        self.peers_deaf = [False] * world.replicas
        self.watch_broken = [False] * world.replicas
        self.put_refused = [False] * world.replicas
        self.loss = 0.0
        self.peer_loss = 0.0
        self.latency = SOUND_LATENCY_S
        self.peer_latency: float | None = None
        world.api.watchers.append(self._watched)

    def heal(self) -> None:
        """All messages arrive again, without delay."""
        self.api_down = False
        self.loss = 0.0
        self.peer_loss = 0.0
        self.latency = SOUND_LATENCY_S
        self.peer_latency = None
        for member in range(self.world.replicas):
            self.api_cut[member] = self.mute[member] = self.deaf[member] = False
            self.peers_cut[member] = self.peers_mute[member] = self.peers_deaf[member] = False
            self.watch_broken[member] = self.put_refused[member] = False

    @property
    def api_is_sound(self) -> bool:
        """True if API calls are answered in time. Calls to a slow API time out, so they count as lost."""
        return self.loss == 0.0 and self.latency <= SOUND_LATENCY_S

    def reachable(self, member: int) -> bool:
        """True if the API answers this member."""
        return self.world.on[member] and not self.api_cut[member] and not self.api_down

    def hears(self, member: int) -> bool:
        """True if messages from the API reach this member."""
        return self.reachable(member) and not self.deaf[member]

    def _apart(self, one: int, other: int) -> bool:
        """True if messages between the two members are lost in at least one direction."""
        return any(self.peers_cut[m] or self.peers_mute[m] or self.peers_deaf[m] for m in (one, other))

    def agent_at(self, address: str, seen_from: int) -> Agent | None:
        """Return the agent at an address, if it is running and reachable."""
        for agent in self.world.agent:
            if self.world.address(agent.member) == address and agent.running and self.world.on[agent.member]:
                return None if agent.frozen or self._apart(agent.member, seen_from) else agent
        return None

    def server_at(self, address: str, seen_from: int) -> Server | None:
        """Return the server at an address, if it is running and reachable."""
        for server in self.world.server:
            if self.world.address(server.member) == address and server.alive and self.world.on[server.member]:
                reachable = server.member == seen_from or not self._apart(server.member, seen_from)
                return server if reachable and not server.frozen else None
        return None

    def call(self, agent: Agent, apply: Callable[[], T], answered: Callable[[T | None], None], limit_s: float) -> None:
        """Make a call. It is carried out and answered, or lost, or carried out without an answer, at once or much later. None: no
        answer.

        limit_s: timeout for the answer, on the member's clock.
        """
        world, member = self.world, agent.member
        limit = limit_s / world.clock(member).rate
        pod = world.api.pods.get(agent.pod)
        revoked = (pod is None or pod.uid != agent.uid) and world.chance(0.5)
        there, back = self._delay(), self._delay()
        fate = world.random.random()
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
            world.engine.after(there, lambda: carry_out(False))
        elif fate < self.loss:
            world.engine.after(world.uniform(0.5, 14.0), lambda: carry_out(True))
        else:
            world.engine.after(there, lambda: carry_out(True))

    def put(
        self, agent: Agent, kind: PutKind, state: LeaseState, version: str | None, decided: float, sent: float
    ) -> tuple[PutOutcome, LeaseObject | None]:
        """Carry out a PUT of the Lease. decided: from when its effect counts; sent: from when its answer is awaited; true times."""
        world = self.world
        if self.put_refused[agent.member]:
            return PutOutcome.UNKNOWN, None
        previous = world.api.lease
        outcome, lease = world.api.put(state, version)
        if outcome is PutOutcome.OK:
            world.note(agent.member, f"PUT {kind.value} applied: {lease.version if lease else ''}")
            if kind is PutKind.RELEASE and lease is not None:
                world.invariants.released(agent, lease)
            if kind is PutKind.CLAIM:
                now, timing = world.engine.now, world.timings[agent.member]
                given_up = now - sent > timing.late or now - decided > timing.usable_lease(state.ttl_s)
                world.invariants.claimed(agent, previous, state, given_up=given_up)
            world.written_at = world.engine.now
        return outcome, lease

    def ask_peer(
        self,
        agent: Agent,
        address: str,
        limit_s: float,
        question: Callable[[Agent], T | None],
        answered: Callable[[tuple[T | None] | None], None],
    ) -> None:
        """Ask the agent at an address: question and answer each take a while, or are lost. None: no answer within the limit."""
        world = self.world
        there, back, open_ = self._delay(self.peer_latency), self._delay(self.peer_latency), [True]

        def finish(answer: tuple[T | None] | None) -> None:
            if open_[0]:
                open_[0] = False
                answered(answer)

        def arrive() -> None:
            for peer in world.agent:
                if world.address(peer.member) == address and peer.running and self._connected(agent.member, peer.member):
                    peer.process.resume(partial(peer.process.spawn, partial(reply, peer)))

        def reply(peer: Agent) -> None:
            answer = question(peer)

            def arrive_back() -> None:
                if self._connected(peer.member, agent.member):
                    finish((answer,))

            if not world.chance(max(self.loss, self.peer_loss)):
                agent.later(back, arrive_back)

        agent.later(limit_s / world.clock(agent.member).rate, lambda: finish(None))
        if not world.chance(max(self.loss, self.peer_loss)):
            world.engine.after(there, arrive)

    def _connected(self, one: int, other: int) -> bool:
        """True if messages from `one` reach `other`."""
        way = self.world.on[one] and self.world.on[other] and not self.peers_cut[one] and not self.peers_cut[other]
        return way and not self.peers_mute[one] and not self.peers_deaf[other]

    def _delay(self, latency: float | None = None) -> float:
        return self.world.random.expovariate(1.0 / (latency or self.latency))

    def _watched(self, lease: LeaseObject | None, pod: Pod | None, deleted: bool) -> None:
        for member in range(len(self.world.agent)):
            if not self.hears(member) or self.watch_broken[member] or self.world.chance(self.loss / 2):
                continue
            self._deliver(self.world.agent[member], self._delay(), lease, pod, deleted)

    def configuration_changed(self) -> None:
        """The watches report the ConfigMap."""
        for agent in self.world.agent:
            if self.hears(agent.member) and not self.watch_broken[agent.member] and not self.world.chance(self.loss / 2):
                agent.later(self._delay(), agent.configuration_seen)

    def _deliver(self, agent: Agent, delay: float, lease: LeaseObject | None, pod: Pod | None, deleted: bool) -> None:
        def arrive() -> None:
            if not self.hears(agent.member):
                return
            if lease is not None:
                agent.lease_seen(lease)
            if pod is not None:
                agent.pod_seen(pod, deleted)

        agent.later(delay, arrive)
