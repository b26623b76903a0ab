"""One run of a member's failover container: the real agent, with simulated adapters, in a process of virtual time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from hapg_failover.adapters.declared_files import Wanted
from hapg_failover.adapters.ports.supervisor import SupervisorEvent
from hapg_failover.agent import Adapters, read_volume
from hapg_failover.agent import Agent as RealAgent
from hapg_failover.core.state.actions import PutKind
from hapg_failover.core.state.decision import Decision
from hapg_failover.core.state.lease_view import LeaseView
from hapg_failover.core.state.memory import Memory
from hapg_failover.core.state.streaming import Streaming
from hapg_failover.declaration_keeper import DeclarationKeeper
from hapg_failover.events import Event
from hapg_failover.settings import Identity, Settings
from hapg_protocol.model import Holder, LeaseObject, LeaseState, Pod
from hapg_protocol.version_profile import VersionProfile

from . import adapters, disk, faults
from .objects import Objects
from .processes import Process, Runtime
from .recording import Recording
from .server import Server

if TYPE_CHECKING:
    from .world import World

RELIST_S = 5.0


class Agent:
    """locks: it holds the locks of a dead container; freeze_before_action: seconds for which it freezes at the next point."""

    def __init__(self, world: World, member: int) -> None:
        self.world = world
        self.member = member
        self.pod = world.pod_name(member)
        self.uid = world.uids[member]
        self.address = world.address(member)
        self.locks = False
        self.freeze_before_action = 0.0
        self.reasons: deque[str] = deque(maxlen=40)
        self._settings: Settings | None = None
        self.process = AgentProcess(self)
        runtime = Runtime(self.process)
        volume = disk.Disk(world, member, self.process, runtime)
        identity = Identity(self.pod, "default", self.uid, self.address)
        self._recording = Recording(identity, read_volume(volume)) if world.records else None
        if self._recording is not None:
            world.recordings.append(self._recording)
        self.supervisor = adapters.Supervisor(self, runtime)
        self.real = RealAgent(
            self.settings,
            identity,
            Adapters(
                runtime,
                adapters.Kube(self, runtime),
                adapters.Sql(self, runtime),
                self.supervisor,
                volume,
                adapters.Peers(self, runtime),
                lambda run, missing: disk.Inspector(world, member),
                self._log,
                recorder=self,
                archive=adapters.Archive(self, runtime),
                projected=lambda: world.configmap.files(member),
            ),
        )
        self.process.spawn(self.real.run)
        if world.wanted is not None:
            self._keep_declared(runtime)
        self.process.later(world.uniform(0.0, RELIST_S), self._relist)

    def _keep_declared(self, runtime: Runtime) -> None:
        real = self.real
        DeclarationKeeper(
            runtime,
            lambda: self.world.wanted or Wanted(),
            Objects(self, runtime),
            "scram-sha-256",
            real.leads,
            real.announce,
            real.annotate,
            real.not_applied,
            lambda secrets: None,
            self._log,
        ).begin()

    # --- running, frozen, dead ---

    @property
    def running(self) -> bool:
        """True if the process is alive."""
        return self.process.running

    @running.setter
    def running(self, lives: bool) -> None:
        self.process.running = lives

    @property
    def frozen(self) -> bool:
        """True if the process is frozen."""
        return self.process.frozen

    def freeze(self) -> None:
        """Freeze the process."""
        self.process.freeze()

    def thaw(self) -> None:
        """Thaw the process."""
        self.process.thaw()

    def later(self, delay: float, do: Callable[[], None]) -> None:
        """Continue after `delay`, or once thawed."""
        self.process.later(delay, do)

    def _relist(self) -> None:
        """Watches are reopened now and then, and each starts with the current state."""
        self.process.later(RELIST_S, self._relist)
        self.real.list_pods()
        if self.world.network.hears(self.member):
            self.configuration_seen()

    # --- its state ---

    @property
    def server(self) -> Server:
        """The supervisor in the same pod."""
        return self.world.server[self.member]

    @property
    def now(self) -> float:
        """CLOCK_BOOTTIME of the node."""
        return self.world.clock(self.member).now

    @property
    def me(self) -> Holder:
        """This pod's identity as the holder of a Lease."""
        return Holder(self.pod, self.uid)

    @property
    def memory(self) -> Memory:
        """State carried from one decision to the next."""
        return self.real.memory

    @property
    def view(self) -> LeaseView | None:
        """The Lease as this agent last saw it."""
        return self.real.world.lease

    @property
    def pods(self) -> dict[str, Pod]:
        """The pods as this agent last saw them."""
        return self.real.world.pods

    @property
    def streaming(self) -> tuple[Streaming, ...]:
        """The clients that stream from its server, as last seen."""
        return self.real.world.streaming

    def is_ready(self) -> bool:
        """The answer of /readyz; False if nothing answers."""
        return self.running and not self.frozen and self.server.alive and self.real.readiness()[0]

    def settings(self) -> Settings:
        """The chart's values as this member has read them."""
        world, known = self.world, self._settings
        timing = world.timings[self.member]
        told = (timing, world.standby_mode, world.max_lag, world.policy, world.statefulset.replicas)
        if known is None or (known.timing, known.standby_mode, known.max_lag, known.policy, known.replicas) != told:
            self._settings = known = Settings(
                name="pg",
                replicas=world.statefulset.replicas,
                standby_mode=world.standby_mode,
                port=5432,
                http_port=8008,
                peer_port=8009,
                label_role=adapters.ROLE,
                selector={},
                secret="pg",
                database="postgres",
                profile=VersionProfile(major="17", bounds_slots=False),
                timing=timing,
                max_lag=world.max_lag,
                grace=int(world.kubelet.GRACE_S),
                policy=world.policy,
                backup=world.archives,
                restores=world.restores,
            )
        return known

    def kind_of_put(self, state: LeaseState) -> PutKind:
        """Return the reason for this write to the Lease."""
        if state.release is not None:
            return PutKind.RELEASE
        if state.system_identifier is None:
            return PutKind.BOOTSTRAP
        # A renewal that was ordered before the server's death may be sent after it, when the term is no longer held.
        known = self.view
        is_ours = known is not None and known.state is not None and (known.state.holder, known.state.term) == (state.holder, state.term)
        return PutKind.RENEW if is_ours or self.memory.hold.held_term == state.term else PutKind.CLAIM

    def lease_seen(self, lease: LeaseObject) -> None:
        """A watch reports the Lease."""
        self.real.lease_seen(lease)

    def pod_seen(self, pod: Pod, deleted: bool) -> None:
        """A watch reports a pod."""
        self.real.pod_seen(pod, deleted)

    def configuration_seen(self) -> None:
        """A watch reports the ConfigMap."""
        self.real.configuration_seen(self.world.configmap.current)

    def hear(self, nonce: str, said: str) -> None:
        """The supervisor sends an unsolicited message."""
        self.supervisor.said(SupervisorEvent(nonce, None, said, ""))

    def event(self, event: Event) -> None:
        """An event is about to be applied."""
        if self._recording is not None:
            self._recording.event(event)

    def decision(self, decision: Decision) -> None:
        """Record each new reason."""
        if self._recording is not None:
            self._recording.decision(decision)
        if not self.reasons or self.reasons[-1] != decision.reason:
            self.reasons.append(decision.reason)
            self.world.note(self.member, f"{decision.memory.phase.value}: {decision.reason}")

    def _log(self, level: str, event: str, reason: str = "", **fields: object) -> None:
        if event in ("operation", "put", "extension") or level == "warning":
            details = " ".join(f"{name}={value}" for name, value in fields.items() if name != "seconds")
            self.world.note(self.member, f"{event} {details} {reason}".rstrip())


class AgentProcess(Process):
    """Counts the points at which the agent may be interrupted."""

    def __init__(self, agent: Agent) -> None:
        super().__init__(agent.world, agent.member)
        self._agent = agent

    def point(self) -> None:
        """If an interruption was requested for this point, it happens here."""
        agent = self._agent
        if agent.running and not agent.frozen:
            agent.world.points.reach(agent, "a call")
            if agent.freeze_before_action:
                seconds, agent.freeze_before_action = agent.freeze_before_action, 0.0
                faults.freeze_agent(agent.world, agent.member, seconds)
        super().point()
