"""The shell around `decide`: what it observes, how it carries out actions. One Agent is one run of the failover container."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from hapg_failover.agent import RECOVERING
from hapg_failover.core import decide as core
from hapg_failover.core import recovery, requests, view
from hapg_failover.core.actions import (
    Action,
    Annotate,
    Announce,
    AnswerGrant,
    AskGrants,
    Checkpoint,
    CheckRecord,
    Exit,
    Kill,
    Label,
    LetGo,
    ListPods,
    Op,
    Publish,
    PutKind,
    PutLease,
    ReadLease,
    Run,
    WriteDeadline,
)
from hapg_failover.core.lsn import Position
from hapg_failover.core.memory import Memory
from hapg_failover.core.model import GrantAnswer, GrantRequest, Holder, LeaseObject, Pod, Publication
from hapg_failover.core.observation import ANSWERED, Greeting, LeaseView, Observation, Streaming
from hapg_failover.core.pace import longest_wait
from hapg_failover.core.readiness import is_ready
from hapg_failover.core.results import OpResult, Outcome, PutOutcome, PutResult, RecordCheck
from hapg_failover.core.streaming import update
from hapg_failover.core.timing import Timing

from . import faults, operations
from .server import Deadline, Server

if TYPE_CHECKING:
    from .world import World

LOOK_S = 0.25
TURNS = 20
FRESH_S = 0.7
HEARTBEAT_S = 2.0
CHECKPOINT_S = 0.5
POLL_S = 0.7
RELIST_S = 5.0
SEALING = (Op.START, Op.SEAL)

Operation = Generator[float, None, tuple[Outcome, Position | None, str]]


class Agent:
    """One run of a member's agent. It ends by `running = False`; what it had under way is then dropped."""

    def __init__(self, world: World, member: int) -> None:
        self.world = world
        self.member = member
        self.pod = world.pod_name(member)
        self.uid = world.uids[member]
        self.address = world.address(member)
        self.running = True
        self.gone: frozenset[str] = frozenset()
        self.frozen = False
        self.freeze_before_action = 0.0
        self.memory = Memory()
        self.view: LeaseView | None = None
        self.pods: dict[str, Pod] = {}
        self.listed_at = 0.0
        self.streaming: tuple[Streaming, ...] = ()
        self.position: Position | None = None
        self.recovery: recovery.Recovery | None = None
        self.greeting = ANSWERED
        self.polled_at = 0.0
        self.probe_at = 0.0
        self.locks = False
        self.dead_nonce: str | None = None
        self.put_result: PutResult | None = None
        self.op_result: OpResult | None = None
        self.reserves: tuple[str, ...] = ()
        self.checked: RecordCheck | None = None
        self.asked: list[GrantRequest] = []
        self.granted: list[GrantAnswer] = []
        self.waiting_for_grant: dict[GrantRequest, Callable[[GrantAnswer], None]] = {}
        self.op_serial = 0
        self.reasons: deque[str] = deque(maxlen=40)
        self._waiting: deque[Callable[[], None]] = deque()
        self._relisted_at = world.engine.now
        self.later(world.uniform(0.0, 0.3), self.read_lease)
        self.later(world.uniform(0.0, 0.3), self.list_pods)
        self.later(0.05, self._look)
        self.later(0.05, self._tick)

    # --- running, frozen, dead ---

    @property
    def now(self) -> float:
        """Boot time."""
        return self.world.clock(self.member).now

    @property
    def timing(self) -> Timing:
        """The times that this member has read last."""
        return self.world.timings[self.member]

    @property
    def server(self) -> Server:
        """The supervisor beside this agent."""
        return self.world.server[self.member]

    def later(self, delay: float, do: Callable[[], None]) -> None:
        """Go on after `delay`, or when thawed."""
        self.world.engine.after(delay, lambda: self.resume(do))

    def resume(self, do: Callable[[], None]) -> None:
        """Go on now, or when thawed; never once the process is dead."""
        if not self.running:
            return
        if self.frozen or self._waiting:
            self._waiting.append(do)
            return
        do()

    def freeze(self) -> None:
        """Stop the process where it is."""
        self.frozen = True

    def thaw(self) -> None:
        """Let the process go on."""
        self.frozen = False
        while self._waiting and self.running and not self.frozen:
            self._waiting.popleft()()

    def is_ready(self) -> bool:
        """What /readyz says; False if nothing answers."""
        answers = self.running and not self.frozen and self.server.alive
        runs = self.now - self.server.heartbeat_at < HEARTBEAT_S and self.server.heartbeat_state != "down"
        return answers and runs and is_ready(self.memory, self.now, self.timing.unready)

    # --- decisions ---

    def _tick(self) -> None:
        pause = longest_wait(self.memory, self.timing, self.view, self.now)
        self.later(pause * self.world.uniform(0.8, 1.1), self._tick)
        self.turn()

    def _look(self) -> None:
        """What is new wakes the deciding thread; what is known already waits for its next turn."""
        self.later(LOOK_S * self.world.uniform(0.8, 1.1), self._look)
        before = self._known()
        self._poll()
        if self._known() != before:
            self.turn()

    def _known(self) -> tuple[set[str], bool, bool]:
        return {s.pod for s in self.streaming if s.since is not None}, self.position is None, self.locks

    def _poll(self) -> None:
        now, server = self.now, self.server
        if now - self.polled_at >= POLL_S:
            self.polled_at = now
            if server.alive and not self.world.disk_hung[self.member]:
                self.probe_at = now
            writable = server.alive and server.writable and server.volume.wal is not None
            self.greeting = Greeting(now, silent=self.greeting.silent + POLL_S) if writable and server.silent else ANSWERED
            if writable and server.silent:
                pass  # what was known last stands
            elif writable and server.volume.wal is not None:
                self.position = server.volume.wal.position
                self.streaming = update(self.streaming, [(row.name, row.flushed) for row in server.senders.rows()], now)
            elif server.state != "primary":
                self.streaming, self.position = (), None
            self._look_at_replay()
        if not server.alive and not self.locks and self.world.chance(0.5):
            self.locks = True
            self.dead_nonce = server.nonce
        elif server.alive and self.locks:
            self.locks = False
        if self.world.engine.now - self._relisted_at > RELIST_S:
            self._relisted_at = self.world.engine.now
            self.list_pods()

    def observe(self) -> Observation:
        """Collect what `decide` may know."""
        world, server = self.world, self.server
        volume = server.volume
        nonce = None if server.nonce == self.dead_nonce else server.nonce
        fresh = nonce is not None and self.now - server.heartbeat_at < FRESH_S
        deadline = server.deadline
        return Observation(
            now=self.now,
            me=Holder(self.pod, self.uid),
            ordinal=self.member,
            address=self.address,
            replicas=world.replicas,
            standby_mode=world.standby_mode,
            max_lag=world.max_lag,
            timing=self.timing,
            nonce=nonce,
            server=server.heartbeat_state if fresh else None,
            heartbeat_at=server.heartbeat_at,
            terminating=server.terminating and fresh,
            gone=self.gone,
            term_in_force=deadline.term if deadline is not None and deadline.nonce == nonce else 0,
            container_dead=self.locks,
            volume_state=volume.state,
            volume=volume.uuid,
            system_identifier=volume.system_identifier,
            max_term=volume.max_term,
            in_production=self.server.writable,
            foreign=volume.foreign,
            lease=self.view,
            pods=tuple(sorted(self.pods.values(), key=lambda p: p.ordinal)),
            pods_listed_at=self.listed_at,
            streaming=self.streaming,
            position=self.position,
            recovery=self.recovery,
            probe_at=self.probe_at,
            greeting=self.greeting,
            policy=world.policy,
            standby_names=server.standbys.written.text if server.writable else "",
            room=world.room(self.member),
            put=self.put_result,
            op=self.op_result,
            checked=self.checked,
            asked=tuple(self.asked),
            granted=tuple(self.granted),
        )

    def turn(self) -> None:
        """Decide until there is nothing to do."""
        for _ in range(TURNS):
            seen = self.observe()
            self.put_result = self.op_result = self.checked = None
            self.asked, self.granted = [], []
            decision = core.decide(seen, self.memory)
            self.memory = decision.memory
            if not self.reasons or self.reasons[-1] != decision.reason:
                self.reasons.append(decision.reason)
                self.world.note(self.member, f"{decision.memory.phase.value}: {decision.reason}")
            if not decision.actions or any(isinstance(a, Exit) for a in decision.actions):
                self._carry_out_all(decision.actions, seen.nonce)
                return
            if self.freeze_before_action:
                faults.freeze_agent(self.world, self.member, self.freeze_before_action)
                self.freeze_before_action = 0.0
            if self.frozen:
                self._waiting.appendleft(partial(self._carry_out_all, decision.actions, seen.nonce))
                return
            self._carry_out_all(decision.actions, seen.nonce)
        self.world.violation(f"member {self.member}: decide never settles: {list(self.reasons)[-3:]}")

    def _carry_out_all(self, actions: tuple[Action, ...], nonce: str | None) -> None:
        for number, action in enumerate(actions):
            self.world.points.reach(self, type(action).__name__)
            if self.frozen:
                self._waiting.appendleft(partial(self._carry_out_all, actions[number:], nonce))
            if self.frozen or not self.running:
                return
            self.carry_out(action, nonce)

    def carry_out(self, action: Action, nonce: str | None) -> None:
        """Do what was decided on while the supervisor was `nonce`."""
        match action:
            case Run():
                self._begin(action, nonce)
            case PutLease():
                self._put(action)
            case ReadLease():
                self.read_lease()
            case ListPods():
                self.list_pods()
            case CheckRecord():
                self._check(action.position)
            case Publish():
                self._publish(action.publication, 3)
            case Annotate():
                self.world.network.call(self, lambda: self._annotate(action), lambda _: None)
            case Label():
                self.world.network.call(self, lambda: self._label(action), lambda _: None)
            case WriteDeadline():
                self.world.deadlines.append((self.member, action.deadline, action.term))
                if nonce is not None:
                    self.server.deadline = Deadline(action.deadline, action.term, nonce)
            case Checkpoint():
                self.later(CHECKPOINT_S, partial(self._checkpointed, self.server.run))
            case Kill():
                self._kill(nonce)
            case LetGo():
                self.locks = False
                self.world.kubelet.container_may_start(self.member)
            case Exit():
                self.world.kubelet.container_may_end(self.member)
            case AskGrants():
                for volume, address in action.targets:
                    self._ask_for_grant(action.request, volume, address)
            case AnswerGrant(request, granted, reason):
                reply = self.waiting_for_grant.pop(request, None)
                if reply is not None:
                    reply(GrantAnswer(self.server.volume.uuid or "", request.term, request.serial, granted, reason, 0.0))
            case Announce():
                self.world.announced.append((self.member, action.reason))

    def _checkpointed(self, run: int) -> None:
        if self.server.writable and self.server.run == run:
            self.server.redo.checkpoint()

    def _kill(self, nonce: str | None) -> None:
        self.op_serial += 1
        server = self.server
        if nonce is not None:
            known = self.view.state.term if self.view is not None and self.view.state is not None else 0
            server.send(nonce, max(known, server.volume.max_term), lambda: self._killed(server), lambda _: None)

    def _killed(self, server: Server) -> None:
        self.world.invariants.killed(self, server)
        server.kill()

    def _look_at_replay(self) -> None:
        server = self.server
        if self.memory.phase not in RECOVERING and self.memory.op is None:
            self.recovery = None
        elif server.alive and not server.frozen and server.state != "down":
            server.redo.advance()
            self.recovery = recovery.update(self.recovery, server.redo.segment, server.redo.work, self.now)

    # --- the peers ---

    def _ask_for_grant(self, request: GrantRequest, volume: str, address: str) -> None:
        sent = self.now

        def answered(answer: GrantAnswer) -> None:
            self.granted.append(replace(answer, sent_at=sent))
            self.turn()

        self.world.network.ask_peer(self, address, request, answered)

    def ask(self, request: GrantRequest, reply: Callable[[GrantAnswer], None]) -> None:
        """Take a peer's request."""
        self.waiting_for_grant[request] = reply
        self.asked.append(request)
        self.turn()

    # --- the API ---

    def see(self, lease: LeaseObject | None, asked: float, watched: bool = False) -> None:
        """Take a read of the Lease into the view."""
        before, volume = self.view, self.server.volume
        if watched and lease is not None and before is not None and before.state is not None and lease.state.precedes(before.state):
            self.read_lease()
        floor = volume.max_term if lease is not None and lease.state.system_identifier == volume.system_identifier else 0
        self.view = view.see(before, lease, asked, self.now, self.timing.read_gap, watched=watched, floor=floor)
        if before is not None and view.went_back(before, self.view):
            self.pods = {name: replace(pod, version="0") for name, pod in self.pods.items()}

    def see_pod(self, pod: Pod | None, gone: str | None) -> None:
        """Take a watch event of a pod into the cache."""
        if gone is not None:
            self.gone |= {gone}
            self.pods = {name: known for name, known in self.pods.items() if known.uid != gone}
        if pod is not None:
            old = self.pods.get(pod.name)
            if old is None or int(old.version) < int(pod.version):
                self.pods[pod.name] = pod

    def read_lease(self) -> None:
        """GET the Lease."""
        asked = self.now

        def answered(answer: tuple[LeaseObject | None] | None) -> None:
            if answer is not None:
                self.see(answer[0], asked)
                self.turn()

        self.world.network.call(self, lambda: (self.world.api.lease,), answered)

    def list_pods(self) -> None:
        """LIST the pods."""
        asked = self.now

        def answered(pods: tuple[Pod, ...] | None) -> None:
            if pods is None or asked < self.listed_at:
                return
            self.listed_at = asked
            known = self.pods
            self.pods = {p.name: p if p.name not in known or int(known[p.name].version) <= int(p.version) else known[p.name] for p in pods}
            self.turn()

        self.world.network.call(self, lambda: tuple(self.world.api.pods.values()), answered)

    def _put(self, action: PutLease) -> None:
        sent, true_time = self.now, self.world.engine.now

        def apply() -> tuple[PutOutcome, LeaseObject | None]:
            return self.world.network.put(self, action, true_time)

        def answered(answer: tuple[PutOutcome, LeaseObject | None] | None) -> None:
            outcome, lease = answer if answer is not None else (PutOutcome.UNKNOWN, None)
            if lease is not None:
                self.see(lease, sent)
            self.put_result = PutResult(action.kind, outcome, sent, action.state, lease.version if lease else None)
            self.turn()

        limit_s = self.timing.late if action.kind in (PutKind.RENEW, PutKind.CLAIM) else None
        self.world.network.call(self, apply, answered, limit_s)

    def _label(self, action: Label) -> str:
        return self.world.api.patch_pod(action.pod, action.uid, role=action.role)

    def _annotate(self, action: Annotate) -> None:
        annotations = dict(action.annotations)
        self.world.answers.append((self.member, annotations.get(requests.ANSWER) or ""))
        switchover, force = annotations.get(requests.SWITCHOVER, ""), annotations.get(requests.FORCE, "")
        self.world.api.patch_pod(self.pod, self.uid, switchover=switchover, force=force)

    def _publish(self, publication: Publication, tries: int) -> None:
        """PATCH our own pod; a few tries, then it is the next decision's matter."""

        def answered(answer: str | None) -> None:
            if answer is None and tries > 1:
                self._publish(publication, tries - 1)
            elif answer == "ok":
                self.see_pod(self.world.api.pods.get(self.pod), None)
                self.turn()

        self.world.network.call(self, lambda: self.world.network.publish(self, publication), answered)

    # --- operations ---

    def _check(self, position: Position) -> None:
        def answer() -> None:
            wal = self.server.volume.wal
            self.checked = RecordCheck(position, wal is not None and wal.position > position)
            self.turn()

        self.later(self.world.uniform(0.02, 0.3), answer)

    def _begin(self, run: Run, nonce: str | None) -> None:
        self.op_serial += 1
        serial = self.op_serial
        operation = operations.begin(self, run, nonce)

        def step() -> None:
            if serial != self.op_serial:
                return
            self.world.points.reach(self, run.op.value)
            if self.frozen:
                self._waiting.appendleft(step)
            if self.frozen or not self.running:
                return
            try:
                delay = next(operation)
            except StopIteration as end:
                outcome, position, text = end.value
                wal = self.server.volume.wal
                shutdown = run.op in SEALING and position is not None and wal is not None and wal.last_record in self.world.shutdowns
                self.op_result = OpResult(
                    run.number,
                    run.op,
                    outcome,
                    nonce or "",
                    text,
                    position,
                    shutdown,
                    reserves=self.reserves,
                    replayed=self.server.redo.segment if run.op in SEALING else None,
                    unbegun=run.op is Op.PROMOTE and text.startswith(operations.REFUSED),
                )
                self.reserves = ()
                self.turn()
                return
            self.later(delay, step)

        self.later(0.0, step)

    def clone_uuid(self) -> str:
        """Return a UUID for a fresh volume."""
        return f"v{self.member}-{self.world.next_serial()}"
