"""The agent: sees the world through the adapters, lets `core.decide` decide, carries out what it orders.

One thread decides. Everything that can take long (the API, SQL, the disk, operations) has a thread of its own and hands its answer
over through one queue, whose arrival is also what wakes the deciding thread. So nothing that hangs outside can delay a fence.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from .adapters.clock import boottime
from .adapters.log import Log
from .adapters.ports import ApiError, ApiUnavailable, Conflict, Hello, KubeApi, NotFound, Sql, SqlError, Supervisor
from .adapters.volume import Volume
from .core import publication as publication_codec
from .core.decide import decide
from .core.lsn import Position
from .core.model import Holder, LeaseObject, Pod, PodPatch, VolumeState
from .core.state import (
    Action,
    Announce,
    CheckRecord,
    Decision,
    Exit,
    Kill,
    Label,
    LeaseView,
    LetGo,
    ListPods,
    Memory,
    Observation,
    OpResult,
    Phase,
    Publish,
    PutLease,
    PutOutcome,
    PutResult,
    ReadLease,
    RecordCheck,
    Run,
    Streaming,
    WriteDeadline,
)
from .core.streaming import update
from .core.view import see
from .operations import Operation, Tools, Verbs
from .settings import Identity, Settings
from .workers import Worker, every

TURN_S = 0.25
STATUS_S = 0.5
PROBE_S = 1.0
FRESH_S = 0.7
AGAIN = 20
SERVING = (Phase.SEALED, Phase.FOLLOW, Phase.CLAIMING, Phase.PROMOTING, Phase.PRIMARY)


@dataclass(frozen=True)
class VolumeFacts:
    """What the data volume says, as read after the last operation."""

    state: VolumeState
    reason: str
    uuid: str | None
    system_identifier: str | None
    max_term: int


def read_volume(volume: Volume) -> VolumeFacts:
    """Read the markers. Raise OSError, ValueError."""
    assessment = volume.assess()
    marker = volume.marker() if assessment.state is VolumeState.DATA else None
    return VolumeFacts(
        assessment.state,
        assessment.reason,
        marker.uuid if marker else None,
        marker.system_identifier if marker else None,
        volume.term(),
    )


@dataclass
class World:
    """What the threads have last seen. Only the deciding thread changes it."""

    volume: VolumeFacts
    lease: LeaseView | None = None
    pods: dict[str, Pod] = field(default_factory=dict)
    pods_listed_at: float = 0.0
    streaming: tuple[Streaming, ...] = ()
    position: Position | None = None
    probe_at: float = 0.0
    puts: list[PutResult] = field(default_factory=list)
    ops: list[OpResult] = field(default_factory=list)
    checked: RecordCheck | None = None
    hello: Hello | None = None
    down_at: float = 0.0
    terminating: bool = False
    term_in_force: int = 0
    give_back: Callable[[], None] | None = None


Change = Callable[[World], None]


class Agent:
    """One acting agent of a pod."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        identity: Identity,
        kube: KubeApi,
        sql: Sql,
        supervisor: Supervisor,
        volume: Volume,
        log: Log,
    ) -> None:
        """settings: called at each turn."""
        self._settings = settings
        self._identity = identity
        self._me = Holder(identity.pod, identity.uid)
        self._kube = kube
        self._sql = sql
        self._supervisor = supervisor
        self._volume = volume
        self._log = log
        self._changes: queue.SimpleQueue[Change] = queue.SimpleQueue()
        self._verbs = Verbs(supervisor)
        self._memory = Memory()
        self._world = World(read_volume(volume))
        self._last_reason = ""
        self._turned_at = time.monotonic()
        self._exit_at = 0.0
        self._hello_known = threading.Event()
        self._puts = Worker("put")
        self._reads = Worker("read")
        self._patches = Worker("patch")
        self._events = Worker("event")
        self._disk = Worker("disk")
        self._operator = Worker("operator")

    def run(self) -> None:
        """Turn for ever."""
        timing = self._settings().timing
        for target, name in ((self._read_events, "supervisor"), (self._await_death, "death")):
            threading.Thread(target=target, name=name, daemon=True).start()
        every(STATUS_S, "status", self._look_at_server)
        every(PROBE_S, "probe", self._probe_disk)
        self._reads.do(lambda: self._list_pods(timing.call))
        while True:
            self._wait()
            for _ in range(AGAIN):
                if not self._turn():
                    break

    # ---- what the threads report ----

    def lease_seen(self, lease: LeaseObject | None) -> None:
        """Take a watch event of the Lease; its deletion is only a reason to read."""
        now = boottime()
        if lease is None:
            self._reads.do(self._read_lease)
        else:
            self._changes.put(lambda w: self._see(w, lease, now, now))

    def pod_seen(self, pod: Pod, deleted: bool) -> None:
        """Take a watch event of a pod."""
        self._changes.put(lambda w: _keep_pod(w, pod, deleted))

    def is_live(self) -> bool:
        """The deciding thread turns."""
        return time.monotonic() - self._turned_at < 10.0

    def readiness(self) -> tuple[bool, str]:
        """Whether the server of this pod runs, is initialised and has a role, and in words."""
        phase = self._memory.phase
        heartbeat = self._supervisor.heartbeat()
        runs = heartbeat is not None and boottime() - heartbeat.uptime < 2.0 and heartbeat.state != "down"
        ready = runs and phase in SERVING
        return ready, f"{phase.value}: {self._last_reason}"

    def metrics(self) -> str:
        """Return the figures in Prometheus' text format."""
        memory, lease, now = self._memory, self._world.lease, boottime()
        state = lease.state if lease else None
        lines = [
            "# HELP ha_postgres_phase The member's phase: 1 for the present one.",
            "# TYPE ha_postgres_phase gauge",
            *(f'ha_postgres_phase{{phase="{p.value}"}} {int(p is memory.phase)}' for p in Phase),
            "# HELP ha_postgres_term The term of the Lease as last read.",
            "# TYPE ha_postgres_term gauge",
            f"ha_postgres_term {state.term if state else 0}",
            "# HELP ha_postgres_members Replicas recorded in the Lease.",
            "# TYPE ha_postgres_members gauge",
            f"ha_postgres_members {len(state.members) if state else 0}",
            "# HELP ha_postgres_lease_age_seconds Time since the Lease was seen to change.",
            "# TYPE ha_postgres_lease_age_seconds gauge",
            f"ha_postgres_lease_age_seconds {now - lease.first_seen if lease else 0:.3f}",
        ]
        return "\n".join(lines) + "\n"

    def _see(self, w: World, lease: LeaseObject | None, asked: float, now: float) -> None:
        w.lease = see(w.lease, lease, asked, now, self._settings().timing.read_gap)

    def _read_events(self) -> None:
        while True:
            for event in self._supervisor.read_events(1.0):
                if event.verb_id is not None:
                    self._verbs.answered(event)
                    continue
                now = boottime()
                self._log("info", "supervisor", event.text, result=event.result)
                self._changes.put(partial(_take_event, result=event.result, nonce=event.nonce, at=now))

    def _await_death(self) -> None:
        while True:
            give_back = self._supervisor.wait_container_dead()
            self._hello_known.clear()

            def died(w: World, give_back: Callable[[], None] = give_back) -> None:
                w.give_back = give_back

            self._changes.put(died)
            self._hello_known.wait()

    def _look_at_server(self) -> None:
        if self._memory.phase not in (Phase.PRIMARY, Phase.PROMOTING):
            return
        try:
            status = self._sql.status(2.0)
        except SqlError:
            return
        if status.in_recovery:
            return
        now = boottime()
        rows = [(s.application_name, s.flushed) for s in status.senders if s.state == "streaming"]

        def change(w: World) -> None:
            w.streaming = update(w.streaming, rows, now)
            w.position = status.position

        self._changes.put(change)

    def _probe_disk(self) -> None:
        if self._memory.phase not in (Phase.PRIMARY, Phase.PROMOTING):
            return
        now = boottime()
        try:
            self._volume.probe()
        except OSError as error:
            self._log("error", "disk", str(error))
            return
        self._changes.put(lambda w: setattr(w, "probe_at", now))

    # ---- a turn ----

    def _wait(self) -> None:
        try:
            self._changes.get(timeout=TURN_S)(self._world)
            while True:
                self._changes.get_nowait()(self._world)
        except queue.Empty:
            return

    def _turn(self) -> bool:
        """Decide once; True if something was ordered, so that another look is worth it."""
        before = self._memory
        decision = decide(self._observe(), before)
        self._memory = decision.memory
        self._turned_at = time.monotonic()
        self._tell(before, decision)
        for action in decision.actions:
            self._carry_out(action)
        changed = before.phase is not decision.memory.phase or before.nonce != decision.memory.nonce
        ordered = any(not isinstance(a, Exit) for a in decision.actions)
        return ordered or changed or bool(self._world.puts or self._world.ops)

    def _observe(self) -> Observation:
        w, settings, now = self._world, self._settings(), boottime()
        heartbeat = self._supervisor.heartbeat()
        hello = self._supervisor.hello()
        fresh = heartbeat is not None and now - heartbeat.uptime < FRESH_S
        if hello is not None and hello != w.hello and fresh and w.give_back is None:
            w.hello = hello
            w.down_at, w.terminating = 0.0, False
            w.term_in_force = self._supervisor.term_in_force(hello)
            self._hello_known.set()
        server = heartbeat.state if heartbeat is not None and fresh else None
        if heartbeat is not None and heartbeat.uptime < w.down_at:
            server = "down"
        return Observation(
            now=now,
            me=self._me,
            ordinal=self._identity.ordinal,
            address=self._identity.ip,
            replicas=settings.replicas,
            standby_mode=settings.standby_mode,
            max_lag=settings.max_lag,
            timing=settings.timing,
            nonce=w.hello.nonce if w.hello is not None else None,
            server=server,
            heartbeat_at=heartbeat.uptime if heartbeat is not None else 0.0,
            terminating=w.terminating or (heartbeat is not None and heartbeat.terminating and fresh),
            term_in_force=w.term_in_force,
            container_dead=w.give_back is not None,
            volume_state=w.volume.state,
            volume=w.volume.uuid,
            system_identifier=w.volume.system_identifier,
            max_term=w.volume.max_term,
            lease=w.lease,
            pods=tuple(w.pods.values()),
            pods_listed_at=w.pods_listed_at,
            streaming=w.streaming,
            position=w.position,
            probe_at=w.probe_at,
            put=w.puts.pop(0) if w.puts else None,
            op=w.ops.pop(0) if w.ops else None,
            checked=w.checked,
        )

    def _tell(self, before: Memory, decision: Decision) -> None:
        memory = decision.memory
        names = [_name(a) for a in decision.actions if not isinstance(a, (ReadLease, ListPods, WriteDeadline, Exit))]
        routine = names == ["renew"] and not decision.reason.startswith("members")
        if before.phase is not memory.phase or (names and not routine):
            fields: dict[str, Any] = {"phase": memory.phase.value, "term": memory.held_term}
            if names:
                fields["actions"] = names
            self._log("info", "decision", decision.reason, **fields)
        elif decision.reason != self._last_reason and memory.phase not in (Phase.PRIMARY, Phase.FOLLOW):
            self._log("debug", "decision", decision.reason, phase=memory.phase.value)
        self._last_reason = decision.reason

    # ---- carrying out ----

    def _carry_out(self, action: Action) -> None:
        timing = self._settings().timing
        match action:
            case Run():
                self._run_operation(action)
            case PutLease():
                self._put(action)
            case ReadLease():
                self._reads.do(self._read_lease)
            case ListPods():
                self._reads.do(lambda: self._list_pods(timing.call))
            case Publish(publication):
                text = publication_codec.encode(publication)
                patch = PodPatch(self._me.pod, self._me.uid, annotations={publication_codec.ANNOTATION: text})
                self._patches.do(lambda: self._patch(patch, 3))
            case Label(pod, uid, role):
                label = PodPatch(pod, uid, labels={self._settings().label_role: role})
                self._patches.do(lambda: self._patch(label, 1))
            case WriteDeadline(deadline, term):
                if self._world.hello is not None:
                    self._supervisor.write_deadline(deadline, term, self._world.hello)
                    self._world.term_in_force = term
            case Kill():
                self._send("kill")
            case Exit():
                if time.monotonic() - self._exit_at > 0.5:
                    self._exit_at = time.monotonic()
                    self._send("exit")
            case LetGo():
                self._let_go()
            case Announce(kind, reason, message):
                self._events.do(lambda: self._announce(kind, reason, message))
            case CheckRecord(position):
                self._disk.do(lambda: self._check_record(position))

    def _send(self, verb: str) -> None:
        w = self._world
        if w.hello is None:
            return
        state = w.lease.state if w.lease is not None else None
        term = max(w.volume.max_term, w.term_in_force, state.term if state is not None else 0)
        try:
            self._supervisor.send(w.hello.nonce, term, verb)
        except OSError as error:
            self._log("error", verb, str(error))

    def _let_go(self) -> None:
        w = self._world
        if w.give_back is not None:
            self._supervisor.forget_hello()
            w.hello = None
            w.give_back()
            w.give_back = None

    def _run_operation(self, run: Run) -> None:
        hello = self._world.hello
        if hello is None:
            return
        settings = self._settings()
        tools = Tools(self._verbs, self._supervisor, self._sql, self._volume, settings.port, settings.grace)

        def work() -> None:
            begun = time.monotonic()
            result = Operation(tools, run, hello.nonce).perform()
            facts = read_volume(self._volume)
            self._log(
                "info" if result.outcome.value == "ok" else "warning",
                "operation",
                result.text,
                op=run.op.value,
                outcome=result.outcome.value,
                position=str(result.position) if result.position else None,
                seconds=round(time.monotonic() - begun, 3),
            )

            def change(w: World) -> None:
                w.volume = facts
                w.ops.append(result)

            self._changes.put(change)

        self._operator.do(work)

    def _put(self, put: PutLease) -> None:
        timeout = self._settings().timing.call
        sent_at = boottime()

        def work() -> None:
            lease = None
            try:
                if put.version is None:
                    lease = self._kube.create_lease(put.state, timeout)
                else:
                    lease = self._kube.update_lease(put.state, put.version, timeout)
                outcome = PutOutcome.OK
            except Conflict:
                outcome = PutOutcome.CONFLICT
            except NotFound:
                outcome = PutOutcome.NOT_FOUND
            except ApiError as error:
                outcome = PutOutcome.UNKNOWN
                self._log("warning", "put", str(error), kind=put.kind.value)
            now = boottime()

            def change(w: World) -> None:
                if lease is not None:
                    self._see(w, lease, sent_at, now)
                w.puts.append(PutResult(put.kind, outcome, sent_at, put.state, lease.version if lease else None))

            self._changes.put(change)

        self._puts.do(work)

    def _read_lease(self) -> None:
        asked = boottime()
        try:
            lease = self._kube.get_lease(self._settings().timing.call)
        except NotFound:
            lease = None
        except ApiError as error:
            self._log("warning", "read", str(error))
            return
        now = boottime()
        self._changes.put(lambda w: self._see(w, lease, asked, now))

    def _list_pods(self, timeout: float) -> None:
        asked = boottime()
        try:
            pods = self._kube.list_pods(timeout)
        except ApiError as error:
            self._log("warning", "list", str(error))
            return

        def change(w: World) -> None:
            w.pods = {p.name: p for p in pods}
            w.pods_listed_at = asked

        self._changes.put(change)

    def _patch(self, patch: PodPatch, tries: int) -> None:
        for left in reversed(range(tries)):
            try:
                pod = self._kube.patch_pod(patch, self._settings().timing.call)
            except ApiUnavailable as error:
                self._log("warning", "patch", str(error), pod_patched=patch.pod)
                if left:
                    continue
                return
            except ApiError as error:
                self._log("warning", "patch", str(error), pod_patched=patch.pod)
                return
            self._changes.put(partial(_keep_pod, pod=pod, deleted=False))
            return

    def _announce(self, kind: str, reason: str, message: str) -> None:
        try:
            self._kube.record_event(kind, reason, message, self._settings().timing.call)
        except ApiError as error:
            self._log("warning", "event", str(error))

    def _check_record(self, position: Position) -> None:
        exists = self._volume.may_hold_record(position)
        self._changes.put(lambda w: setattr(w, "checked", RecordCheck(position, exists)))


def _keep_pod(w: World, pod: Pod, deleted: bool) -> None:
    known = w.pods.get(pod.name)
    if deleted:
        if known is not None and known.uid == pod.uid:
            del w.pods[pod.name]
    elif known is None or known.uid != pod.uid or int(pod.version) >= int(known.version):
        w.pods = {**w.pods, pod.name: pod}


def _take_event(w: World, result: str, nonce: str, at: float) -> None:
    if w.hello is None or nonce != w.hello.nonce:
        return
    if result in ("died", "fenced"):
        w.down_at = at
    elif result == "terminating":
        w.terminating = True


def _name(action: Action) -> str:
    match action:
        case PutLease(kind):
            return kind.value
        case Run(_, op):
            return op.value
        case _:
            return type(action).__name__
