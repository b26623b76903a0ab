"""The agent: sees the world through the adapters, lets `core.decide` decide, carries out what it orders.

One thread decides. Everything that can take long (the API, SQL, the disk, operations) has a thread of its own and hands its answer
over through a queue, whose arrival is also what wakes the deciding thread; what only says again what is known waits in a second one for
the next turn. So nothing that hangs outside can delay a fence.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from .adapters import tail
from .adapters.clock import boottime
from .adapters.log import Log
from .adapters.peers import PeerAnswer, PeerClient
from .adapters.ports import KubeApi, Sql, Supervisor
from .adapters.volume import Volume
from .calls import Calls
from .configuration import Watch, configure
from .core import slots
from .core.actions import (
    Action,
    Annotate,
    Announce,
    AnswerGrant,
    AskGrants,
    ChangeSlots,
    Checkpoint,
    CheckRecord,
    Exit,
    Kill,
    Label,
    LetGo,
    ListPods,
    Publish,
    PutLease,
    ReadLease,
    Run,
    WriteDeadline,
)
from .core.decide import decide
from .core.decision import Decision
from .core.lsn import Position
from .core.memory import Memory, Phase
from .core.model import GrantRequest, Holder, LeaseObject, Pod
from .core.observation import Observation
from .core.pace import longest_wait
from .core.readiness import is_ready
from .core.results import RecordCheck
from .core.tail import TailRequest, may_give
from .grants import Grants
from .inspection import INSTEAD
from .looks import Looks
from .metrics import render
from .operations import Operation, Tools
from .recovering import Recovering
from .settings import Identity, Settings
from .upkeep import Upkeep
from .verbs import Verbs
from .workers import Worker
from .world import Change, World, read_volume

EVENTS_S = 60.0
FRESH_S = 0.7
BLIND_S = 5.0
AGAIN = 20
QUIET = (ReadLease, ListPods, WriteDeadline, Exit, AskGrants, AnswerGrant)
ANSWERED = (Exit, PutLease)
RECOVERING = (Phase.BOOT, Phase.SEALED, Phase.CLAIMING, Phase.PROMOTING)


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
        peers: PeerClient,
        log: Log,
        requests: Callable[[], Mapping[str, int]],
    ) -> None:
        """settings: called at each turn; requests: how many were sent to the API, by verb."""
        self._settings = settings
        self._identity = identity
        self._me = Holder(identity.pod, identity.uid)
        self._sql = sql
        self._supervisor = supervisor
        self._volume = volume
        self._log = log
        self._requests = requests
        self._changes: queue.SimpleQueue[Change] = queue.SimpleQueue()
        self._repeats: queue.SimpleQueue[Change] = queue.SimpleQueue()
        self._peers = peers
        self._grants = Grants(peers, self._changes.put, log)
        self._verbs = Verbs(supervisor)
        self._memory = Memory()
        self._world = World(read_volume(volume))
        self._last_reason = ""
        self._turned_at = time.monotonic()
        self._exit_at = 0.0
        self._hello_known = threading.Event()
        self._calls = Calls(kube, settings, self._changes.put, log)
        self._disk = Worker("disk")
        self._operator = Worker("operator")
        self._upkeep = Upkeep(sql, log)
        self._recovering = Recovering(self._verbs, self._address, self._may_recover, lambda: self._world.segment, self._report)
        watch = Watch(partial(configure, self._verbs, supervisor), self._address, lambda: self._world.refused)
        self._looks = Looks(settings, lambda: self._memory.phase, sql, volume, watch, self._report, log)

    def run(self) -> None:
        """Turn for ever."""
        for target, name in ((self._read_events, "supervisor"), (self._await_death, "death")):
            threading.Thread(target=target, name=name, daemon=True).start()
        self._looks.begin()
        self._recovering.begin()
        self._calls.list_pods()
        while True:
            self._wait()
            for _ in range(AGAIN):
                if not self._turn():
                    break

    # ---- what the threads report ----

    def lease_seen(self, lease: LeaseObject | None) -> None:
        """Take a watch event of the Lease; its deletion is only a reason to read. The answer to our own write tells more than its echo."""
        now = boottime()
        if lease is None:
            self._calls.read_lease()
        else:
            known = self._world.lease
            is_known = known is not None and known.version == lease.version
            if known is not None and known.state is not None and lease.state.precedes(known.state):
                self._calls.read_lease()
            is_echo = lease.state.holder == self._me and self._memory.put is not None
            self._report(lambda w: w.see_lease(lease, now, now, self._settings().timing.read_gap, True), not (is_known or is_echo))

    def pod_seen(self, pod: Pod, deleted: bool) -> None:
        """Take a watch event of a pod."""
        now = boottime()
        self._changes.put(lambda w: w.keep_pod(pod, deleted, now))

    def asked_by_peer(self, request: GrantRequest) -> PeerAnswer | None:
        """Decide on a peer's request for a grant; None if that takes too long."""
        return self._grants.asked_by_peer(request)

    def tail_for_peer(self, request: TailRequest) -> bytes | None:
        """Return what our dead server had written and a standby hasn't received; None if that can't be given. Raise OSError."""
        w = self._world
        state = w.lease.state if w.lease is not None else None
        if not may_give(request, self._me, state, self._memory, boottime() - w.probe_at, w.volume.foreign):
            return None
        return tail.read(self._volume, request.timeline, request.lsn)

    def is_live(self) -> bool:
        """The deciding thread turns."""
        return time.monotonic() - self._turned_at < 10.0

    def leads(self) -> int | None:
        """Return the term while this pod is the primary, else None."""
        memory = self._memory
        return memory.held_term if memory.phase is Phase.PRIMARY else None

    def announce(self, kind: str, reason: str, message: str) -> None:
        """Record an Event about this pod."""
        self._calls.announce(kind, reason, message)

    def readiness(self) -> tuple[bool, str]:
        """Whether the server of this pod runs and is the primary, or a replica that has joined; and the phase."""
        memory, now = self._memory, boottime()
        heartbeat = self._supervisor.heartbeat()
        runs = heartbeat is not None and now - heartbeat.uptime < 2.0 and heartbeat.state != "down"
        return runs and is_ready(memory, now, self._settings().timing.unready), memory.phase.value

    def metrics(self) -> str:
        """Return the figures in Prometheus' text format."""
        return render(self._memory, self._world.lease, self._settings().timing, boottime(), time.time(), self._requests())

    def _report(self, change: Change, is_news: bool) -> None:
        """News wakes the deciding thread; what is known already waits for its next turn."""
        (self._changes if is_news else self._repeats).put(change)

    def _read_events(self) -> None:
        while True:
            for event in self._supervisor.read_events(EVENTS_S):
                if event.verb_id is not None:
                    self._verbs.answered(event)
                    continue
                now = boottime()
                self._log("info", "supervisor", event.text, result=event.result)
                self._changes.put(partial(World.take_event, result=event.result, nonce=event.nonce, at=now))

    def _await_death(self) -> None:
        while True:
            give_back = self._supervisor.wait_container_dead()
            self._hello_known.clear()

            def died(w: World, give_back: Callable[[], None] = give_back) -> None:
                w.give_back = give_back

            self._changes.put(died)
            self._hello_known.wait()

    # ---- a turn ----

    def _wait(self) -> None:
        with suppress(queue.Empty):
            self._changes.get(timeout=longest_wait(self._memory, self._settings().timing, self._world.lease, boottime()))(self._world)
        for reported in (self._repeats, self._changes):
            with suppress(queue.Empty):
                while True:
                    reported.get_nowait()(self._world)

    def _turn(self) -> bool:
        """Decide once; True if another look is worth it: something was ordered whose answer won't be what leads on."""
        before = self._memory
        decision = decide(self._observe(), before)
        self._memory = decision.memory
        self._turned_at = time.monotonic()
        self._tell(before, decision)
        for action in decision.actions:
            self._carry_out(action)
        changed = before.phase is not decision.memory.phase or before.nonce != decision.memory.nonce
        ordered = any(not isinstance(a, ANSWERED) for a in decision.actions)
        return ordered or changed or bool(self._world.puts or self._world.ops)

    def _observe(self) -> Observation:
        w, settings, now = self._world, self._settings(), boottime()
        volume = w.own_volume
        heartbeat = self._supervisor.heartbeat()
        hello = self._supervisor.hello()
        fresh = heartbeat is not None and now - heartbeat.uptime < FRESH_S
        if hello is not None and hello != w.hello and fresh and w.give_back is None:
            w.hello = hello
            w.down_at, w.terminating = 0.0, False
            w.term_in_force = self._supervisor.term_in_force(hello)
            for program in sorted(hello.missing):
                self._log("warning", "image", f"the image has no {program}: {INSTEAD.get(program, 'unknown')}")
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
            gone=frozenset(w.gone),
            terminating=w.terminating or (heartbeat is not None and heartbeat.terminating and fresh),
            term_in_force=w.term_in_force,
            container_dead=w.give_back is not None,
            volume_state=volume.state,
            volume_reason=volume.reason,
            volume=volume.uuid,
            system_identifier=volume.system_identifier,
            max_term=volume.max_term,
            in_production=volume.in_production,
            foreign=volume.foreign,
            origin=w.origin,
            grace=settings.grace,
            lease=w.lease,
            pods=tuple(w.pods.values()),
            pods_listed_at=w.pods_listed_at,
            streaming=w.streaming,
            position=w.position,
            recovery=w.recovery,
            slots=w.slots,
            probe_at=w.probe_at,
            probe_on=self._volume.probing,
            room=w.room,
            room_on=w.room_on,
            segment=w.segment,
            policy=settings.policy,
            standby_names=w.standby_names,
            greeting=w.greeting,
            blind=now - max(w.status_at, self._memory.phase_since) > BLIND_S,
            refused=w.refused,
            tablespaces=w.tablespaces,
            put=w.puts.pop(0) if w.puts else None,
            op=w.ops.pop(0) if w.ops else None,
            checked=w.checked,
            asked=w.take_asked(),
            granted=w.take_granted(),
        )

    def _tell(self, before: Memory, decision: Decision) -> None:
        memory = decision.memory
        names = [_name(a) for a in decision.actions if not isinstance(a, QUIET)]
        routine = names == ["renew"] and decision.reason == "renew the Lease"
        carried = before.by_grants is not memory.by_grants
        if before.phase is not memory.phase or carried or (names and not routine):
            fields: dict[str, Any] = {"phase": memory.phase.value, "term": memory.held_term}
            if names:
                fields["actions"] = names
            self._log("info", "decision", decision.reason, **fields)
        elif decision.reason != self._last_reason and memory.phase not in (Phase.PRIMARY, Phase.FOLLOW):
            self._log("debug", "decision", decision.reason, phase=memory.phase.value)
        self._last_reason = decision.reason

    # ---- carrying out ----

    def _carry_out(self, action: Action) -> None:
        match action:
            case Run():
                self._run_operation(action)
            case PutLease():
                self._calls.put(action)
            case ReadLease():
                self._calls.read_lease()
            case ListPods():
                self._calls.list_pods()
            case Publish(publication):
                self._calls.publish(self._me, publication)
            case Annotate(annotations):
                self._calls.annotate(self._me, dict(annotations))
            case Label(pod, uid, role):
                self._calls.label(pod, uid, role)
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
                self._calls.announce(kind, reason, message)
            case AskGrants():
                self._grants.ask(action)
            case AnswerGrant(request, granted, reason):
                if not granted:
                    self._log("warning", "grant", reason, holder=request.holder.pod, term=request.term)
                self._grants.answered(request, granted, reason, self._world.own_volume.uuid)
            case Checkpoint():
                self._upkeep.checkpoint()
            case ChangeSlots(make, drop):
                self._upkeep.change_slots(make, drop)
            case CheckRecord(position):
                self._disk.do(lambda: self._check_record(position))

    def _address(self) -> tuple[str, int] | None:
        """Return the nonce of the supervisor and the highest term that is known, under which it is spoken to; None without one."""
        w = self._world
        hello, lease = w.hello, w.lease
        state = lease.state if lease is not None else None
        return None if hello is None else (hello.nonce, max(w.volume.max_term, w.term_in_force, state.term if state is not None else 0))

    def _may_recover(self) -> bool:
        """The server, or a job, may be at work that takes as long as it takes."""
        return self._memory.phase in RECOVERING or self._memory.op is not None

    def _send(self, verb: str) -> None:
        address = self._address()
        if address is None:
            return
        try:
            self._supervisor.send(*address, verb)
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
        slot = slots.name_of(self._me.pod) if settings.slots else None
        tools = Tools(
            self._verbs,
            self._supervisor,
            self._sql,
            self._volume,
            settings.port,
            settings.grace,
            slot=slot,
            missing=hello.missing,
            reloads_conninfo=settings.reloads_conninfo,
            moved_at=self._recovering.moved_at,
            stall=settings.timing.stall,
            ask_tail=self._peers.tail,
        )

        def work() -> None:
            begun = time.monotonic()
            result = Operation(tools, run, hello.nonce).perform()
            facts = read_volume(self._volume)
            # What it has just written counts, or what killed the server: no look of a second ago.
            room_on, room = self._volume.scarcest()
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
                w.volume, w.room_on, w.room = facts, room_on, room
                w.take_operation(result)

            self._changes.put(change)

        self._operator.do(work)

    def _check_record(self, position: Position) -> None:
        exists = self._volume.may_hold_record(position)
        self._changes.put(lambda w: setattr(w, "checked", RecordCheck(position, exists)))


def _name(action: Action) -> str:
    match action:
        case PutLease(kind):
            return kind.value
        case Run(_, op):
            return op.value
        case _:
            return type(action).__name__
