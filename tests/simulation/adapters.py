"""Simulated adapters of an agent: the API, its supervisor, SQL, the other agents. Each call waits in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from hapg_failover.adapters.ports.archive import ArchiveError, NotArchived
from hapg_failover.adapters.ports.kubernetes import ApiUnavailable, Conflict, NotFound
from hapg_failover.adapters.ports.peers import NotNow, PeerAnswer, PeerError
from hapg_failover.adapters.ports.sql import Sender, ServerStatus, SqlError, StandbyNames
from hapg_failover.adapters.ports.supervisor import Heartbeat, Hello, SupervisorEvent
from hapg_failover.core import projection
from hapg_failover.core.state.extensions import ExtensionRequest
from hapg_failover.core.state.observation import Slot
from hapg_failover.core.state.results import PutOutcome
from hapg_failover.core.unreplicated_wal import WalRequest
from hapg_failover.credentials.roles import Role
from hapg_protocol import pods, requests, start_settings
from hapg_protocol import position_report as report_codec
from hapg_protocol.hand_over import VerifiedBackup
from hapg_protocol.model import LeaseObject, LeaseState, Pod, PodPatch
from hapg_protocol.wal_files import SEGMENT_SIZE, segment_name, segment_start

from . import commands, disk
from .disk import history_text
from .server import Deadline, Server

if TYPE_CHECKING:
    from .agent import Agent
    from .processes import Runtime

T = TypeVar("T")
ROLE = "role"
TURNS_AT_ONCE = 200
WAIT_LOOK_S = 0.2


class Kube:
    """Implements `ports.KubeApi`."""

    def __init__(self, agent: Agent, runtime: Runtime) -> None:
        self._agent = agent
        self._runtime = runtime

    def _call(self, apply: Callable[[], T], timeout: float) -> T:
        self._agent.process.point()
        return self._answer(apply, timeout)

    def _answer(self, apply: Callable[[], T], timeout: float) -> T:
        answers = self._runtime.mailbox()
        self._agent.world.network.call(self._agent, lambda: (apply(),), answers.put, timeout)
        answer: tuple[T] | None = answers.get()
        if answer is None:
            raise ApiUnavailable("no answer")
        return answer[0]

    def get_lease(self, timeout: float) -> LeaseObject:
        lease = self._call(lambda: self._agent.world.api.lease, timeout)
        if lease is None:
            raise NotFound("there is no Lease")
        return lease

    def create_lease(self, state: LeaseState, timeout: float) -> LeaseObject:
        return self._put(state, None, timeout)

    def update_lease(self, state: LeaseState, version: str, timeout: float) -> LeaseObject:
        return self._put(state, version, timeout)

    def _put(self, state: LeaseState, version: str | None, timeout: float) -> LeaseObject:
        world, kind = self._agent.world, self._agent.kind_of_put(state)
        decided = world.engine.now
        self._agent.process.point()
        sent = world.engine.now
        outcome, lease = self._answer(lambda: world.network.put(self._agent, kind, state, version, decided, sent), timeout)
        match outcome:
            case PutOutcome.CONFLICT:
                raise Conflict("another version")
            case PutOutcome.NOT_FOUND:
                raise NotFound("there is no Lease")
            case PutOutcome.UNKNOWN:
                raise ApiUnavailable("refused for now")
        assert lease is not None
        return lease

    def list_pods(self, timeout: float) -> tuple[Pod, ...]:
        return self._call(lambda: tuple(self._agent.world.api.pods.values()), timeout)

    def patch_pod(self, patch: PodPatch, timeout: float) -> Pod:
        result = self._call(lambda: self._patch(patch), timeout)
        if isinstance(result, Pod):
            return result
        raise NotFound("no such pod") if result == "not-found" else Conflict("another UID")

    def _patch(self, patch: PodPatch) -> Pod | str:
        world, said = self._agent.world, patch.annotations
        text = said.get(report_codec.ANNOTATION)
        if requests.ANSWER in said:
            world.answers.append((self._agent.member, said[requests.ANSWER] or ""))
        touch = said.get(projection.ANNOTATION)
        if touch is not None:
            world.configmap.annotated(self._agent.member, touch)
        outcome = world.api.patch_pod(
            patch.pod,
            patch.uid,
            role=patch.labels.get(ROLE),
            reads=patch.labels[pods.HOT_STANDBY] == "true" if pods.HOT_STANDBY in patch.labels else None,
            report=report_codec.decode(text) if text is not None else None,
            switchover=said.get(requests.SWITCHOVER, ""),
            force=said.get(requests.FORCE, ""),
            standby_mode=said.get(pods.STANDBY_MODE),
            settings=start_settings.decode(said.get(pods.START_SETTINGS)),
            now=world.engine.now,
        )
        return world.api.pods[patch.pod] if outcome == "ok" else outcome

    def record_event(self, kind: str, reason: str, message: str, timeout: float) -> None:
        self._agent.world.announced.append((self._agent.member, reason))

    def ensure_secret(self, name: str, key: str, make_entries: Callable[[], Mapping[str, str]], timeout: float) -> bytes:
        raise AssertionError("no Secret is made by an agent")

    def change_secret(self, name: str, entries: Mapping[str, str | None], timeout: float) -> None:
        raise AssertionError("no Secret is changed by what the simulation has of an agent")


class Supervisor:
    """Implements `ports.Supervisor`: the FIFOs and files between one run of the agent and the supervisors of its pod."""

    def __init__(self, agent: Agent, runtime: Runtime) -> None:
        self._agent = agent
        self._runtime = runtime
        self._events = runtime.mailbox()
        self._forgotten: str | None = None
        self._number = 0
        self._turn_at, self._turns = 0.0, 0

    @property
    def _server(self) -> Server:
        return self._agent.server

    def said(self, event: SupervisorEvent) -> None:
        """An event is waiting in the FIFO."""
        self._events.put(event)

    def hello(self) -> Hello | None:
        nonce = self._server.nonce
        return None if nonce == self._forgotten else Hello(nonce, "boot", 0.0)

    def heartbeat(self) -> Heartbeat | None:
        """The agent reads once per loop, so that it can't loop forever at the same instant."""
        world, server = self._agent.world, self._server
        self._turns = self._turns + 1 if self._turn_at == world.engine.now else 0
        self._turn_at = world.engine.now
        if self._turns > TURNS_AT_ONCE:
            world.violation(f"member {self._agent.member}: decide never settles: {list(self._agent.reasons)[-3:]}")
        return Heartbeat(server.heartbeat_at, server.heartbeat_state, 1, server.terminating, None)

    def send(self, nonce: str, term: int, command: str, *args: str) -> str:
        self._agent.process.point()
        self._number += 1
        number = f"{self._number}"
        server, world = self._server, self._agent.world
        if command == "kill":
            world.invariants.killed(self._agent, server)

        def reply(answer: commands.Answer) -> None:
            self.said(SupervisorEvent(nonce, number, answer.result, answer.text))

        commands.send(server, nonce, term, command, args, reply)
        return number

    def read_events(self, timeout: float) -> list[SupervisorEvent]:
        return [self._events.get()]

    def output(self, command_id: str) -> str:
        return ""

    def started_configuration(self) -> str | None:
        return self._server.started

    def write_deadline(self, deadline: float | None, term: int, hello: Hello) -> None:
        self._agent.process.point()
        self._agent.world.deadlines.append((self._agent.member, deadline, term))
        self._server.deadline = Deadline(deadline, term, hello.nonce)

    def term_in_force(self, hello: Hello) -> int:
        deadline = self._server.deadline
        return deadline.term if deadline is not None and deadline.nonce == hello.nonce else 0

    def forget_hello(self) -> None:
        self._forgotten = self._server.nonce

    def wait_container_dead(self) -> Callable[[], None]:
        """As flock(2): a sleeper doesn't get the lock while it is free, so the next supervisor may take it first."""
        world = self._agent.world
        while (server := self._server).alive:
            died = self._runtime.condition()
            server.deaths.append(died.notify_all)
            died.wait()
            self._runtime.sleep(world.uniform(0.0, 0.25))
        self._agent.locks = True
        return self._give_back

    def _give_back(self) -> None:
        self._agent.process.point()
        self._agent.locks = False
        self._agent.world.kubelet.container_may_start(self._agent.member)


class Sql:
    """Implements `ports.Sql`."""

    def __init__(self, agent: Agent, runtime: Runtime) -> None:
        self._agent = agent
        self._runtime = runtime

    def local(self, timeout: float) -> Server:
        """Return this pod's server if it accepts connections, or raise SqlError."""
        self._agent.process.point()
        server = self._agent.server
        if not server.alive or server.state == "down":
            self._runtime.sleep(0.001)
            raise SqlError("could not connect to server")
        this_run, end = server.run, self._runtime.now() + timeout
        while server.silent or server.frozen:
            self._runtime.sleep(WAIT_LOOK_S)
            if server.run != this_run:
                raise SqlError("server closed the connection unexpectedly")
            if self._runtime.now() > end:
                raise SqlError("timeout expired")
        if server.recovering or (server.state == "standby" and self._agent.world.standby_mode != "hot"):
            self._runtime.sleep(0.001)
            raise SqlError("the database system is starting up")
        self._runtime.sleep(self._agent.world.uniform(0.0005, 0.005))
        return server

    def _remote(self, host: str, timeout: float) -> Server:
        """Return the server at an address if it is writable and accepts connections, or raise SqlError."""
        self._agent.process.point()
        server = self._agent.world.network.server_at(host, self._agent.member)
        if server is None or server.silent:
            self._runtime.sleep(timeout)
            raise SqlError("timeout expired")
        self._runtime.sleep(self._agent.world.uniform(0.005, 0.1))
        if not server.writable or server.stopping or server.volume.wal is None or self._agent.world.chance(self._agent.world.op_failure):
            raise SqlError("connection to server failed")
        return server

    def status(self, timeout: float) -> ServerStatus:
        server = self.local(timeout)
        wal = server.volume.wal
        if wal is None:
            raise SqlError("could not connect to server")
        rows = server.senders.rows() if server.writable else []
        senders = tuple(Sender(row.name, "", "streaming", row.flushed) for row in rows)
        names = server.standbys.written.text if server.writable else ""
        return ServerStatus(not server.writable, wal.position, senders, server.volume.system_identifier or "", names)

    def keep(self, timeout: float) -> None:
        self.local(timeout)

    def reads(self, timeout: float) -> bool:
        return not self.local(timeout).writable

    def greet(self, patience: float, waiting: Callable[[float], None]) -> str | None:
        server = self._agent.server
        for second in range(1, int(patience) + 1):
            if server.state == "down":
                return "57P03"
            if not server.silent and not server.frozen:
                return ""
            self._runtime.sleep(1.0)
            waiting(float(second))
        return None

    def replay_paused(self, timeout: float) -> bool:
        self.local(timeout)
        return False

    def standby_names(self, timeout: float) -> StandbyNames:
        server = self.local(timeout)
        names = {row.key: row.name for row in server.senders.rows()}
        read = [(names[key], setting) for key, setting in server.standbys.read.items() if key in names]
        return StandbyNames(server.standbys.written.text, tuple((name, int(name in setting.names)) for name, setting in read))

    def checkpoint(self, timeout: float) -> None:
        server = self.local(timeout)
        self._runtime.sleep(self._agent.world.uniform(0.05, 0.4))
        if not server.alive or not server.writable or server.silent or self._agent.world.chance(self._agent.world.op_failure):
            raise SqlError("the checkpoint broke off")
        server.redo.checkpoint()
        server.standbys.checkpointed()

    def end_laggards(self, keep: str, behind: int, timeout: float) -> None:
        self.local(timeout).senders.end_laggards(keep, behind)

    def end_transactions(self, timeout: float) -> int:
        self.local(timeout)
        return 0

    def slots(self, timeout: float) -> tuple[Slot, ...]:
        self.local(timeout)
        return ()

    def change_slots(self, make: Sequence[str], drop: Sequence[str], timeout: float) -> None:
        self.local(timeout)

    def roles(self, names: Sequence[str], timeout: float) -> tuple[Role, ...]:
        raise AssertionError("no role is looked at")

    def database_owner(self, name: str, timeout: float) -> str | None:
        raise AssertionError("no database is looked at")

    def change_roles(self, statements: Sequence[str], timeout: float) -> None:
        raise AssertionError("no role is changed")

    def remote_user(self, host: str, port: int, timeout: float, as_client: bool = False) -> str:
        self._remote(host, timeout)
        return "postgres"

    def remote_slot(self, host: str, port: int, name: str, timeout: float) -> bool:
        self._remote(host, timeout)
        return True

    def remote_history(self, host: str, port: int, timeline: int, timeout: float) -> str:
        wal = self._remote(host, timeout).volume.wal
        if wal is None or wal.position.timeline != timeline:
            raise SqlError(f"no history of timeline {timeline}")
        return history_text(wal)

    def remote_checkpoint(self, host: str, port: int, timeout: float) -> int:
        wal = self._remote(host, timeout).volume.wal
        assert wal is not None
        return wal.position.timeline

    def remote_size(self, host: str, port: int, timeout: float) -> int:
        self._remote(host, timeout)
        return 0

    def remote_streams(self, host: str, port: int, timeline: int, timeout: float) -> bool:
        raise SqlError("nobody clones from a standby here")

    def remote_has_segment(self, host: str, port: int, name: str, timeout: float) -> bool:
        self._remote(host, timeout)
        world = self._agent.world
        return segment_start(name) + SEGMENT_SIZE > world.kept_from and not world.chance(world.wal_gone)

    def remote_segments(self, host: str, port: int, timeout: float) -> tuple[str, ...]:
        wal = self._remote(host, timeout).volume.wal
        assert wal is not None
        first, last = (lsn // SEGMENT_SIZE for lsn in (self._agent.world.kept_from, wal.end))
        return tuple(segment_name(wal.position.timeline, number * SEGMENT_SIZE) for number in range(first, last + 1))


class Archive:
    """Implements `ports.Archive`: it has all whole segments of the primary's history."""

    def __init__(self, agent: Agent, runtime: Runtime) -> None:
        self._agent = agent
        self._runtime = runtime

    def verified(self, major: str, timeout: float) -> VerifiedBackup | None:
        raise AssertionError("no data is of another major here")

    def fetch(self, segment: str, timeout: float) -> Iterator[bytes]:
        world = self._agent.world
        self._agent.process.point()
        self._runtime.sleep(world.uniform(0.02, 0.6))
        primary = world.primary()
        if primary is None or world.chance(world.archive_failure):
            raise ArchiveError("it doesn't answer")
        wal, end = world.volumes[primary].wal, segment_start(segment) + SEGMENT_SIZE
        assert wal is not None
        timeline = int(segment[:8], 16)
        if not any(b.timeline == timeline and b.start <= end <= wal.end_of(i) for i, b in enumerate(wal.branches)):
            raise NotArchived(f"the archive lacks {segment}")
        yield disk.segment(wal, end)


class Peers:
    """Implements `ports.Peers`."""

    def __init__(self, agent: Agent, runtime: Runtime) -> None:
        self._agent = agent
        self._runtime = runtime

    def _ask(self, address: str, timeout: float, question: Callable[[Agent], T | None]) -> T:
        self._agent.process.point()
        answers = self._runtime.mailbox()
        self._agent.world.network.ask_peer(self._agent, address, timeout, question, answers.put)
        answer: tuple[T | None] | None = answers.get()
        if answer is None:
            raise PeerError("no answer")
        if answer[0] is None:
            raise NotNow("the peer has no answer")
        return answer[0]

    def ask(self, request: ExtensionRequest, address: str, timeout: float) -> PeerAnswer:
        return self._ask(address, timeout, lambda peer: peer.real.asked_by_peer(request))

    def fetch_wal(self, request: WalRequest, address: str, timeout: float) -> bytes:
        if self._agent.world.unreplicated_wal_lost:
            self._runtime.sleep(0.01)
            raise PeerError("lost")
        return self._ask(address, timeout, lambda peer: peer.real.wal_for_peer(request))
