"""The agent: observes the world through the adapters, calls `core.decide`, and carries out the actions it returns.

Only one thread decides. Anything slow (API calls, SQL, disk, operations) runs in a thread of its own and reports back through a queue. News
in that queue wakes the deciding thread; reports that only repeat what is known go to a second queue and wait for the next turn. So an
external call that hangs can never delay a fence.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, assert_never

from hapg_protocol.lsn import Position
from hapg_protocol.model import Holder, LeaseObject, Pod, VolumeState

from .adapters.ports.archive import Archive
from .adapters.ports.kubernetes import KubeApi
from .adapters.ports.peers import PeerAnswer, Peers
from .adapters.ports.runtime import Logger, Runtime
from .adapters.ports.sql import SourceFacts, Sql
from .adapters.ports.supervisor import Hello, Replay, Supervisor
from .adapters.ports.volume import Disk, Inspector
from .api_calls import ApiCalls
from .configuration import Watch, configure
from .core import decide as deciding
from .core import readiness, replication_slots
from .core.projection import ConfigMap
from .core.state.actions import (
    Action,
    Annotate,
    Announce,
    AnswerExtension,
    AskExtensions,
    ChangeSlots,
    Checkpoint,
    CheckRecord,
    CheckSpace,
    Exit,
    Kill,
    Label,
    LabelReads,
    LetGo,
    ListPods,
    PutLease,
    ReadLease,
    Report,
    Run,
    WriteDeadline,
)
from .core.state.decision import Decision
from .core.state.extensions import ExtensionRequest
from .core.state.memory import Memory
from .core.state.phases import Phase
from .core.state.results import Outcome, RecordCheck
from .core.state.start_settings import StartSettings
from .core.timing import READY_HEARTBEAT_S
from .core.unreplicated_wal import WalRequest, may_give
from .events import (
    ContainerDied,
    DeadlineWritten,
    Event,
    LeaseSeen,
    LocksReturned,
    OperationEnded,
    PodSeen,
    RecordChecked,
    SpaceChecked,
    StartSettingsSeen,
    SupervisorSaid,
    TurnBegan,
    VolumeFacts,
)
from .inspection import INSTEAD
from .lease_extensions import LeaseExtensions
from .metrics import render
from .operations.dispatch import perform
from .operations.tools import Tools
from .projection import Projection
from .replay_progress import ReplayProgress
from .server_maintenance import ServerMaintenance
from .server_probes import ServerProbes
from .settings import Identity, Settings, Source
from .start_settings import look
from .supervisor_commands import SupervisorCommands
from .workers import Worker
from .world import World

EVENTS_S = 60.0
EXIT_AGAIN_S = 0.5
LIVE_S = 10.0
STILL_S = 5.0
AGAIN = 20
QUIET = (ReadLease, ListPods, WriteDeadline, Exit, AskExtensions, AnswerExtension)
ANSWERED = (Exit, PutLease)
RECOVERING = (Phase.BOOT, Phase.SEALED, Phase.CLAIMING, Phase.PROMOTING)


class Recorder(Protocol):
    """Records a run: every event in the order it was applied, and the decision that follows each TurnBegan."""

    def event(self, event: Event) -> None:
        """Record an event that is about to be applied."""

    def decision(self, decision: Decision) -> None:
        """Record a decision."""


@dataclass(frozen=True)
class Adapters:
    """The outside world as one agent reaches it.

    inspector: makes an inspector of the volume from a function that runs commands and the set of programs missing from the image; requests:
    number of API requests sent, by verb; recorder: records everything that goes into decisions; find_source: looks at a live server to
    clone; archive: of the release, None without a backup container; projected: returns the files of the ConfigMap in this pod.
    """

    runtime: Runtime
    kube: KubeApi
    sql: Sql
    supervisor: Supervisor
    volume: Disk
    peers: Peers
    inspector: Callable[[Callable[..., str], frozenset[str]], Inspector]
    log: Logger
    requests: Callable[[], Mapping[str, int]] = dict
    recorder: Recorder | None = None
    find_source: Callable[[Source], SourceFacts] | None = None
    archive: Archive | None = None
    projected: Callable[[], Mapping[str, bytes]] = dict


class OperationStuck(Exception):
    """An operation's thread is lost. Only a new agent can carry out another operation."""


class Agent:
    """The agent that acts for one pod."""

    def __init__(self, settings: Callable[[], Settings], identity: Identity, adapters: Adapters) -> None:
        """settings: called at every turn. `memory` and `world` may be read by others."""
        runtime = adapters.runtime
        self._settings = settings
        self._identity = identity
        self._adapters = adapters
        self._runtime = runtime
        self._log = adapters.log
        self._me = Holder(identity.pod, identity.uid)
        self._events = runtime.mailbox()
        self._repeats = runtime.mailbox()
        self._extensions = LeaseExtensions(runtime, adapters.peers, self._events.put, adapters.log)
        self._commands = SupervisorCommands(adapters.supervisor, runtime)
        self.memory = Memory()
        self.world = World(read_volume(adapters.volume))
        self._give_back: Callable[[], None] | None = None
        self._last_reason = ""
        self._turned_at = runtime.now()
        self._exit_at = 0.0
        self._hello_known = runtime.condition()
        self._calls = ApiCalls(runtime, adapters.kube, settings, self._events.put, adapters.log)
        self._disk = Worker(runtime, "disk")
        self._operator = Worker(runtime, "operator")
        self._upkeep = ServerMaintenance(runtime, adapters.sql, adapters.log)
        self._recovering = ReplayProgress(
            runtime, self._commands, self._address, self._may_recover, lambda: self.world.segment, self._report, self._say_it_stands_still
        )
        watch = Watch(runtime, partial(configure, self._commands, adapters.supervisor), self._address, lambda: self.world.refused)
        self._looks = ServerProbes(
            runtime,
            settings,
            lambda: self.memory.phase,
            adapters.sql,
            adapters.volume,
            watch,
            self._start_settings,
            self._report,
            adapters.log,
        )
        self._projection = Projection(runtime, adapters.projected, self.annotate, self._looks.look_at_files)

    def run(self) -> None:
        """Run the decision loop forever. Raise OperationStuck."""
        self._runtime.spawn("supervisor", self._read_events)
        self._runtime.spawn("death", self._await_death)
        self._looks.begin()
        self._recovering.begin()
        self._projection.begin()
        self._calls.list_pods()
        begun = self._runtime.now()
        if (settings := self._start_settings()) is not None:
            self._events.put(StartSettingsSeen(settings, begun))
        while True:
            self._wait()
            for _ in range(AGAIN):
                if not self._turn():
                    break
            self._check_operation()

    # ---- reports from threads ----

    def list_pods(self) -> None:
        """Re-read the pods."""
        self._calls.list_pods()

    def lease_seen(self, lease: LeaseObject | None) -> None:
        """Handle a watch event of the Lease.

        A deletion only triggers a read. An echo of our own write is no news: the response to the write says more.
        """
        now = self._runtime.now()
        if lease is None:
            self._calls.read_lease()
        else:
            known = self.world.lease
            is_known = known is not None and known.version == lease.version
            if known is not None and known.state is not None and lease.state.precedes(known.state):
                self._calls.read_lease()
            is_echo = lease.state.holder == self._me and self.memory.writes.put is not None
            self._report(LeaseSeen(lease, now, now, self._settings().timing.read_gap, True), not (is_known or is_echo))

    def pod_seen(self, pod: Pod, deleted: bool) -> None:
        """Handle a watch event of a pod."""
        self._events.put(PodSeen(pod, deleted, self._runtime.now()))

    def configuration_seen(self, found: ConfigMap | None) -> None:
        """Handle a watch event of the release's ConfigMap; None if it was deleted."""
        self._projection.seen(found)

    def asked_by_peer(self, request: ExtensionRequest) -> PeerAnswer | None:
        """Decide on a peer's request for a lease extension; None if the decision takes too long."""
        return self._extensions.asked_by_peer(request)

    def wal_for_peer(self, request: WalRequest) -> bytes | None:
        """Return WAL that our dead server wrote and a standby has not received; None if it may not be handed out. Raise OSError."""
        w = self.world
        state = w.lease.state if w.lease is not None else None
        if not may_give(request, self._me, state, self.memory, self._runtime.now() - w.probe_at, w.volume.foreign):
            return None
        return self._adapters.volume.wal_after(request.timeline, request.lsn)

    def is_live(self) -> bool:
        """True while the deciding thread is making turns."""
        return self._runtime.now() - self._turned_at < LIVE_S

    def leads(self) -> int | None:
        """Return the term while this pod is the primary, else None."""
        memory = self.memory
        return memory.hold.held_term if memory.phase is Phase.PRIMARY else None

    def not_applied(self) -> str | None:
        """Return what this pod's annotation, as last seen, says of declared roles and databases."""
        pod = self.world.pods.get(self._me.pod)
        return pod.not_applied if pod is not None else None

    def refused(self) -> str:
        """Return why PostgreSQL rejects the release's configuration, '' if it accepts it."""
        return self.world.refused

    def announce(self, kind: str, reason: str, message: str) -> None:
        """Record a Kubernetes Event about this pod."""
        self._calls.announce(kind, reason, message)

    def annotate(self, annotations: Mapping[str, str | None]) -> None:
        """Change annotations of this pod; None removes one."""
        self._calls.annotate(self._me, annotations)

    def readiness(self) -> tuple[bool, str]:
        """Return whether this pod's server is running as the primary or as a replica that has joined, and the phase."""
        memory, now = self.memory, self._runtime.now()
        heartbeat = self._adapters.supervisor.heartbeat()
        runs = heartbeat is not None and now - heartbeat.uptime < READY_HEARTBEAT_S and heartbeat.state != "down"
        return runs and readiness.is_ready(memory, now, self._settings().timing.unready), memory.phase.value

    def metrics(self) -> str:
        """Return the metrics in the Prometheus text format."""
        return render(
            self.memory,
            self.world.lease,
            self._settings().timing,
            self._runtime.now(),
            self._runtime.wall_clock(),
            self._adapters.requests(),
        )

    def _report(self, event: Event, is_news: bool) -> None:
        """Queue an event. News wakes the deciding thread; anything else waits for its next turn."""
        (self._events if is_news else self._repeats).put(event)

    def _read_events(self) -> None:
        while True:
            for event in self._adapters.supervisor.read_events(EVENTS_S):
                if event.command_id is not None:
                    self._commands.answered(event)
                    continue
                now = self._runtime.now()
                self._log("info", "supervisor", event.text, result=event.result)
                code = int(event.text) if event.result == "died" and event.text.isdecimal() else None
                self._events.put(SupervisorSaid(event.result, event.nonce, now, code))

    def _await_death(self) -> None:
        """Wait for the container to die, then for the next supervisor before waiting again."""
        while True:
            self._give_back = self._adapters.supervisor.wait_container_dead()
            self._events.put(ContainerDied())
            with self._hello_known:
                while not self._has_met_next():
                    self._hello_known.wait()

    def _has_met_next(self) -> bool:
        return self._give_back is None and self.world.hello is not None

    # ---- a turn ----

    def _wait(self) -> None:
        wait_s = deciding.longest_wait(self.memory, self._settings().timing, self.world.lease, self._runtime.now())
        with suppress(queue.Empty):
            self._apply(self._events.get(timeout=wait_s))
        for reported in (self._repeats, self._events):
            with suppress(queue.Empty):
                while True:
                    self._apply(reported.get_nowait())

    def _apply(self, event: Event) -> None:
        if self._adapters.recorder is not None:
            self._adapters.recorder.event(event)
        self.world.apply(event)

    def _turn(self) -> bool:
        """Decide once; return whether to decide again at once.

        True after a change of phase or supervisor, after an action other than a Lease write or exit, and while results are pending.
        """
        before, turn = self.memory, self._begin_turn()
        decision = deciding.decide(self.world.observe(turn, self._identity, before), before)
        self.memory = decision.memory
        if self._adapters.recorder is not None:
            self._adapters.recorder.decision(decision)
        self._turned_at = self._runtime.now()
        self._tell(before, decision)
        for action in decision.actions:
            self._carry_out(action)
        changed = before.phase is not decision.memory.phase or before.nonce != decision.memory.nonce
        ordered = any(not isinstance(a, ANSWERED) for a in decision.actions)
        return ordered or changed or bool(self.world.puts or self.world.ops)

    def _check_operation(self) -> None:
        operation, now = self.memory.operation, self._runtime.now()
        if operation.op is not None and operation.is_stuck(self._recovering.moved_at(), now):
            raise OperationStuck(f"{operation.op.value} has not ended after {now - operation.op_begun:.0f} s")

    def _begin_turn(self) -> TurnBegan:
        """Read what is in memory: the clock, the settings, the supervisor's files."""
        supervisor, now = self._adapters.supervisor, self._runtime.now()
        hello, heartbeat = supervisor.hello(), supervisor.heartbeat()
        is_new = self.world.meets(hello, heartbeat, now)
        term = supervisor.term_in_force(hello) if is_new and hello is not None else 0
        turn = TurnBegan(now, self._settings(), hello, heartbeat, self._adapters.volume.probing, term)
        self._apply(turn)
        if is_new and hello is not None:
            self._meet(hello)
        return turn

    def _meet(self, hello: Hello) -> None:
        for program in sorted(hello.missing):
            self._log("warning", "image", f"the image has no {program}: {INSTEAD.get(program, 'unknown')}")
        with self._hello_known:
            self._hello_known.notify_all()

    def _tell(self, before: Memory, decision: Decision) -> None:
        memory = decision.memory
        told = [action for action in decision.actions if not isinstance(action, QUIET)]
        names = [_name(action) for action in told]
        routine = all(isinstance(action, PutLease) and action.routine for action in told)
        carried = before.extensions.by_extensions is not memory.extensions.by_extensions
        if before.phase is not memory.phase or carried or (names and not routine):
            fields: dict[str, Any] = {"phase": memory.phase.value, "term": memory.hold.held_term}
            if names:
                fields["actions"] = names
            self._log("info", "decision", decision.reason, **fields)
        elif decision.reason != self._last_reason and memory.phase not in (Phase.PRIMARY, Phase.FOLLOW):
            self._log("debug", "decision", decision.reason, phase=memory.phase.value)
        self._last_reason = decision.reason

    # ---- carrying out actions ----

    def _carry_out(self, action: Action) -> None:  # noqa: C901 a case for each
        match action:
            case Run():
                self._run_operation(action)
            case PutLease():
                self._calls.put(action)
            case ReadLease():
                self._calls.read_lease()
            case ListPods():
                self._calls.list_pods()
            case Report(report, standby_mode):
                self._calls.report(self._me, report, standby_mode)
            case Annotate(annotations):
                self._calls.annotate(self._me, dict(annotations))
            case Label(pod, uid, role):
                self._calls.label(pod, uid, role)
            case LabelReads(reads):
                self._calls.label_reads(self._me, reads)
            case WriteDeadline(deadline, term):
                if self.world.hello is not None:
                    self._adapters.supervisor.write_deadline(deadline, term, self.world.hello)
                    self._apply(DeadlineWritten(term))
            case Kill():
                self._send("kill")
            case Exit():
                if self._runtime.now() - self._exit_at > EXIT_AGAIN_S:
                    self._exit_at = self._runtime.now()
                    self._send("exit")
            case LetGo():
                self._let_go()
            case Announce(kind, reason, message):
                self._calls.announce(kind, reason, message)
            case AskExtensions():
                self._extensions.ask(action)
            case AnswerExtension(request, granted, reason):
                if not granted:
                    self._log("warning", "extension", reason, holder=request.holder.pod, term=request.term)
                self._extensions.answered(request, granted, reason, self.world.own_volume.uuid)
            case Checkpoint():
                self._upkeep.checkpoint()
            case ChangeSlots(make, drop):
                self._upkeep.change_slots(make, drop)
            case CheckRecord(term, position):
                self._disk.do(lambda: self._check_record(term, position))
            case CheckSpace():
                self._disk.do(self._check_space)
            case _:
                assert_never(action)

    def _address(self) -> tuple[str, int] | None:
        """Return the supervisor's nonce and the highest known term, which commands are sent under; None without a supervisor."""
        w = self.world
        hello, lease = w.hello, w.lease
        state = lease.state if lease is not None else None
        return None if hello is None else (hello.nonce, max(w.volume.max_term, w.term_in_force, state.term if state is not None else 0))

    def _may_recover(self) -> bool:
        """True while the server or a job may be doing work of unlimited duration."""
        return self.memory.phase in RECOVERING or self.memory.operation.op is not None

    def _say_it_stands_still(self, moved_at: float, replay: Replay) -> None:
        """Log what a server that is being promoted is doing, while it makes no progress."""
        memory, startup = self.memory, replay.startup
        still_s = self._runtime.now() - max(moved_at, memory.phase_since)
        if memory.phase is not Phase.PROMOTING or still_s < STILL_S or startup is None:
            return
        with suppress(OSError):
            pending = self._adapters.volume.promotion_is_pending()
            self._log(
                "warning",
                "promotion",
                "the server being promoted makes no progress" + (" and has not taken the request yet" if pending else ""),
                seconds=round(still_s),
                startup_process={
                    "title": startup.title,
                    "state": startup.state,
                    "waits_in": startup.place,
                    "ticks": replay.work,
                    "switches": startup.switches,
                },
                wal_receiver=startup.receiver,
            )

    def _send(self, command: str) -> None:
        address = self._address()
        if address is None:
            return
        try:
            self._adapters.supervisor.send(*address, command)
        except OSError as error:
            self._log("error", command, str(error))

    def _let_go(self) -> None:
        if self._give_back is not None:
            self._adapters.supervisor.forget_hello()
            self._apply(LocksReturned())
            self._give_back()
            with self._hello_known:
                self._give_back = None
                self._hello_known.notify_all()

    def _tools(self, missing: frozenset[str]) -> Tools:
        settings, adapters = self._settings(), self._adapters

        def inspect(run: Callable[..., str]) -> Inspector:
            return adapters.inspector(run, missing)

        find_source = None
        if adapters.find_source is not None and settings.source is not None:
            find_source = partial(adapters.find_source, settings.source)
        return Tools(
            adapters.runtime,
            self._commands,
            adapters.supervisor,
            adapters.sql,
            adapters.volume,
            inspect,
            settings.port,
            settings.grace,
            slot=replication_slots.name_of(self._me.pod) if settings.profile.bounds_slots else None,
            missing=missing,
            reloads_conninfo=settings.profile.reloads_conninfo,
            moved_at=self._recovering.moved_at,
            stall=settings.timing.stall,
            ask_wal=adapters.peers.fetch_wal,
            find_source=find_source,
            archive=adapters.archive,
            replay=self._recovering.latest,
        )

    def _run_operation(self, run: Run) -> None:
        hello = self.world.hello
        if hello is None:
            return
        tools, nonce = self._tools(hello.missing), hello.nonce

        def work() -> None:
            begun = self._runtime.now()
            result = perform(tools, run, nonce)
            ended = self._runtime.now()
            facts, settings = read_volume(tools.volume), self._start_settings()
            # Measured now, not up to a second ago: what the operation just wrote counts, as does what may have killed the server.
            room_on, room = tools.volume.scarcest()
            self._log(
                "info" if result.outcome is Outcome.OK else "warning",
                "operation",
                result.text,
                op=run.op.value,
                outcome=result.outcome.value,
                position=str(result.position) if result.position else None,
                seconds=round(self._runtime.now() - begun, 3),
            )
            self._events.put(OperationEnded(result, facts, room_on, room, settings, ended))

        self._operator.do(work)

    def _start_settings(self) -> StartSettings | None:
        try:
            return look(self._adapters.supervisor, self._adapters.volume)
        except OSError:
            return None

    def _check_record(self, term: int, position: Position) -> None:
        exists = self._adapters.volume.may_hold_record(position)
        self._events.put(RecordChecked(RecordCheck(term, position, exists)))

    def _check_space(self) -> None:
        at = self._runtime.now()
        try:
            room_on, room = self._adapters.volume.scarcest()
        except OSError as error:
            self._log("error", "disk", str(error))
            return
        self._events.put(SpaceChecked(room_on, room, at))


def read_volume(volume: Disk) -> VolumeFacts:
    """Read the volume's markers. Raise OSError, ValueError."""
    assessment = volume.assess()
    marker = volume.marker() if assessment.state is VolumeState.DATA else None
    return VolumeFacts(
        assessment.state,
        marker.uuid if marker else None,
        marker.system_identifier if marker else None,
        volume.term(),
        assessment.reason,
        volume.production() is not None,
        volume.foreign(),
        marker.made_for if marker else None,
        volume.claim,
        marker is not None and volume.accepted(),
        volume.former() if assessment.state is VolumeState.OTHER_MAJOR else None,
        assessment.unmarked,
    )


def _name(action: Action) -> str:
    match action:
        case PutLease(kind):
            return kind.value
        case Run():
            return action.op.value
        case _:
            return type(action).__name__
