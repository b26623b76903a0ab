"""Latest report from each worker thread, as one state that events change. Only the deciding thread touches it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import assert_never

from hapg_protocol.lsn import Position
from hapg_protocol.model import Holder, LeaseObject, Pod, VolumeState
from hapg_protocol.wal_files import SEGMENT_SIZE

from .adapters.ports.supervisor import Heartbeat, Hello
from .core import volumes
from .core.state import lease_view, streaming
from .core.state.actions import Op
from .core.state.connections import ANSWERED, Greeting
from .core.state.extensions import ExtensionAnswer, ExtensionRequest
from .core.state.lease_view import LeaseView
from .core.state.memory import Memory
from .core.state.observation import Observation, Slot
from .core.state.recovery import Recovery
from .core.state.results import OpResult, Outcome, PutResult, RecordCheck
from .core.state.start_settings import StartSettings
from .core.state.streaming import Streaming
from .core.state.volume import DATA_VOLUME, Origin
from .core.timing import BLIND_S, HEARTBEAT_FRESH_S
from .events import (
    ConfigurationTried,
    ContainerDied,
    DeadlineWritten,
    DiskProbed,
    Event,
    Greeted,
    LeaseSeen,
    LocksReturned,
    OperationEnded,
    PeerAnswered,
    PeerAsked,
    PodSeen,
    PodsListed,
    PutAnswered,
    ReadsAnswered,
    RecordChecked,
    ReplaySeen,
    ServerLooked,
    SpaceChecked,
    StartSettingsSeen,
    SupervisorSaid,
    TurnBegan,
    VolumeFacts,
)
from .settings import Identity

GONE_KEPT = 64
AS_STANDBY = frozenset({Op.SEAL, Op.FOLLOW, Op.CATCH_UP, Op.REWIND, Op.CLONE, Op.INITDB, Op.RESTORE, Op.SEED, Op.UPGRADE})
"""Operations on a server that is no primary, or on its volume."""


@dataclass
class World:
    """The latest report of each kind.

    gone: UIDs of the last pods seen to be deleted; pods_seen: CLOCK_BOOTTIME of each pod's last individual report; down_at: CLOCK_BOOTTIME
    at which the supervisor reported the server dead; status_at: CLOCK_BOOTTIME of the last SQL probe of the server; container_dead: we hold
    the locks of a dead container; refused: why PostgreSQL rejects the release's configuration, '' if it accepts it; tablespaces: OIDs of
    the tablespaces linked from the data directory; start_settings_at: CLOCK_BOOTTIME before the start settings were read; puts, ops, asked,
    granted: answers and requests that `decide` has not seen yet.
    """

    volume: VolumeFacts
    lease: LeaseView | None = None
    lease_uid: str = ""
    pods: dict[str, Pod] = field(default_factory=dict)
    pods_listed_at: float = 0.0
    pods_seen: dict[str, float] = field(default_factory=dict)
    gone: tuple[str, ...] = ()
    streaming: tuple[Streaming, ...] = ()
    position: Position | None = None
    slots: tuple[Slot, ...] | None = None
    standby_names: str = ""
    recovery: Recovery | None = None
    status_at: float = 0.0
    reads_at: float = -1e9
    greeting: Greeting = ANSWERED
    probe_at: float = 0.0
    room: int | None = None
    room_on: str = DATA_VOLUME
    room_at: float = 0.0
    segment: int = SEGMENT_SIZE
    puts: list[PutResult] = field(default_factory=list)
    ops: list[OpResult] = field(default_factory=list)
    checked: RecordCheck | None = None
    asked: list[ExtensionRequest] = field(default_factory=list)
    granted: list[ExtensionAnswer] = field(default_factory=list)
    hello: Hello | None = None
    heartbeat: Heartbeat | None = None
    down_at: float = 0.0
    exit_code: int | None = None
    terminating: bool = False
    term_in_force: int = 0
    container_dead: bool = False
    refused: str = ""
    tablespaces: tuple[str, ...] = ()
    start_settings: StartSettings | None = None
    start_settings_at: float = 0.0

    def apply(self, event: Event) -> None:  # noqa: C901 a case for each
        """Apply one report."""
        match event:
            case LeaseSeen():
                self._see_lease(event.lease, event.asked, event.at, event.gap, event.watched)
            case PodSeen():
                self._keep_pod(event.pod, event.deleted, event.at)
            case PodsListed():
                self._keep_pods(event.pods, event.asked)
            case PutAnswered():
                if event.lease is not None:
                    self._see_lease(event.lease, event.result.sent_at, event.at, event.gap)
                self.puts.append(event.result)
            case OperationEnded():
                self.volume, self.room_on, self.room = event.volume, event.room_on, event.room
                self._see_start_settings(event.start_settings, event.at)
                self._take_operation(event.result)
            case RecordChecked():
                self.checked = event.check
            case SpaceChecked():
                self._take_room(event.room_on, event.room, event.at)
            case SupervisorSaid():
                self._hear_supervisor(event)
            case ContainerDied():
                self.container_dead = True
            case LocksReturned():
                self.container_dead, self.hello = False, None
            case DeadlineWritten():
                self.term_in_force = event.term
            case ServerLooked():
                self._look_at_server(event)
            case ReadsAnswered():
                self.reads_at = event.at
            case Greeted():
                self.greeting = event.greeting
            case DiskProbed():
                self._probe_disk(event)
            case ReplaySeen():
                self.recovery = event.recovery
            case ConfigurationTried():
                self.refused = event.refused
            case StartSettingsSeen():
                self._see_start_settings(event.start_settings, event.at)
            case PeerAsked():
                self.asked.append(event.request)
            case PeerAnswered():
                self.granted.append(event.answer)
            case TurnBegan():
                self._begin_turn(event)
            case _:
                assert_never(event)

    def _see_lease(self, lease: LeaseObject | None, asked: float, now: float, gap: float, watched: bool = False) -> None:
        if lease is not None and lease.uid:
            self.lease_uid = lease.uid
        before, ours = self.lease, lease is not None and lease.state.system_identifier == self.volume.system_identifier
        self.lease = lease_view.see(before, lease, asked, now, gap, watched=watched, floor=self.volume.max_term if ours else 0)
        if before is not None and lease_view.went_back(before, self.lease):
            # The pods' resource versions have restarted as well, so whatever arrives now is newer than what we have.
            self.pods = {name: replace(pod, version="0") for name, pod in self.pods.items()}

    def _keep_pod(self, pod: Pod, deleted: bool = False, at: float = 0.0) -> None:
        """Take one pod unless a newer version is known. at: CLOCK_BOOTTIME of its arrival, 0 if it came with a list."""
        known = self.pods.get(pod.name)
        if deleted:
            self.gone = (*self.gone, pod.uid)[-GONE_KEPT:]
            if known is not None and known.uid == pod.uid:
                self.pods = {name: p for name, p in self.pods.items() if name != pod.name}
        elif known is None or known.uid != pod.uid or int(pod.version) >= int(known.version):
            self.pods = {**self.pods, pod.name: pod}
            self.pods_seen[pod.name] = max(at, self.pods_seen.get(pod.name, 0.0))

    def _keep_pods(self, pods: Iterable[Pod], asked: float) -> None:
        """Replace all pods by a list, but keep a pod reported after the list was requested if its version is newer."""
        before, self.pods = self.pods, {}
        for pod in pods:
            self._keep_pod(pod)
            known = before.get(pod.name)
            if known is not None and known.uid == pod.uid and self.pods_seen.get(pod.name, 0.0) >= asked:
                self._keep_pod(known)
        self.pods_listed_at = asked

    def _take_operation(self, result: OpResult) -> None:
        """Record the result of an operation. After a promotion, no standby is known to stream from the server yet.

        What a server flushed as the primary counts until it has started as a standby: its WAL may then be another's. A start that failed
        is repeated and still needs it.
        """
        if result.op is Op.PROMOTE:
            self.streaming = ()
        if result.op in AS_STANDBY or (result.op is Op.START and result.outcome is Outcome.OK):
            self.position = None
        if result.op is Op.START:
            self.reads_at = -1e9
        if result.refused is not None:
            self.refused = result.refused
        self.ops.append(result)

    def _see_start_settings(self, found: StartSettings | None, at: float) -> None:
        """Take what was read after the latest that we know: an operation may have restarted the server since an earlier read."""
        if at >= self.start_settings_at:
            self.start_settings, self.start_settings_at = found, at

    def _hear_supervisor(self, event: SupervisorSaid) -> None:
        """Apply an event of the supervisor; events of another incarnation are ignored."""
        if self.hello is None or event.nonce != self.hello.nonce:
            return
        if event.result in ("died", "fenced"):
            self.down_at, self.exit_code = event.at, event.exit_code
        elif event.result == "terminating":
            self.terminating = True

    def _look_at_server(self, event: ServerLooked) -> None:
        self.streaming = streaming.update(self.streaming, event.senders, event.at)
        self.position = event.position
        self.standby_names = event.standby_names
        self.status_at = event.at
        if event.has_slots:
            self.slots = event.slots

    def _take_room(self, room_on: str, room: int, at: float) -> None:
        """Take a look at the free space, unless a later one is known: a probe reports only once its write has ended."""
        if at >= self.room_at:
            self.room_on, self.room, self.room_at = room_on, room, at

    def _probe_disk(self, event: DiskProbed) -> None:
        self._take_room(event.room_on, event.room, event.at)
        self.segment = event.segment if event.segment is not None else self.segment
        self.tablespaces = event.tablespaces if event.tablespaces is not None else self.tablespaces
        self.probe_at = event.probed_at if event.probed_at is not None else self.probe_at

    def _begin_turn(self, event: TurnBegan) -> None:
        self.heartbeat = event.heartbeat
        if self.meets(event.hello, event.heartbeat, event.now):
            self.hello = event.hello
            self.down_at, self.terminating = 0.0, False
            self.term_in_force = event.term_in_force

    def meets(self, hello: Hello | None, heartbeat: Heartbeat | None, now: float) -> bool:
        """True if this hello comes from a live supervisor that is new to us."""
        return hello is not None and hello != self.hello and is_fresh(heartbeat, now) and not self.container_dead

    @property
    def origin(self) -> Origin:
        """The origin of the volume, judged by the latest known Lease."""
        v = self.volume
        return volumes.origin_of(v.made_for, v.claim, v.accepted, v.system_identifier, self.lease)

    @property
    def own_volume(self) -> VolumeFacts:
        """State of the volume for decisions: a copy of another volume counts as damaged and doesn't keep that volume's UUID."""
        v = self.volume
        if v.state is not VolumeState.DATA or self.origin is not Origin.COPIED:
            return v
        return replace(v, state=VolumeState.DAMAGED, uuid=None, reason=volumes.copy_in_words(v.made_for, v.claim))

    def _take_asked(self) -> tuple[ExtensionRequest, ...]:
        asked, self.asked = tuple(self.asked), []
        return asked

    def _take_granted(self) -> tuple[ExtensionAnswer, ...]:
        granted, self.granted = tuple(self.granted), []
        return granted

    def observe(self, turn: TurnBegan, identity: Identity, memory: Memory) -> Observation:
        """Return the input of `decide` for this turn. Each answer and each request is delivered once."""
        now, settings, heartbeat, volume = turn.now, turn.settings, self.heartbeat, self.own_volume
        fresh = is_fresh(heartbeat, now)
        server = heartbeat.state if heartbeat is not None and fresh else None
        if heartbeat is not None and heartbeat.uptime < self.down_at:
            server = "down"
        return Observation(
            now=now,
            me=Holder(identity.pod, identity.uid),
            ordinal=identity.ordinal,
            address=identity.ip,
            replicas=settings.replicas,
            standby_mode=settings.standby_mode,
            max_lag=settings.max_lag,
            timing=settings.timing,
            nonce=self.hello.nonce if self.hello is not None else None,
            server=server,
            heartbeat_at=heartbeat.uptime if heartbeat is not None else 0.0,
            gone=frozenset(self.gone),
            terminating=self.terminating or (heartbeat is not None and heartbeat.terminating and fresh),
            term_in_force=self.term_in_force,
            container_dead=self.container_dead,
            volume_state=volume.state,
            volume_reason=volume.reason,
            volume=volume.uuid,
            system_identifier=volume.system_identifier,
            max_term=volume.max_term,
            in_production=volume.in_production,
            foreign=volume.foreign,
            unmarked=volume.unmarked,
            origin=self.origin,
            restores=settings.restores,
            seeded=settings.source is not None,
            archives=settings.backup,
            former=self.volume.former,
            upgrades_from=settings.upgrades_from,
            verified_s=settings.upgrade_verified_s,
            grace=settings.grace,
            lease=self.lease,
            pods=tuple(self.pods.values()),
            pods_listed_at=self.pods_listed_at,
            streaming=self.streaming,
            position=self.position,
            recovery=self.recovery,
            slots=self.slots,
            probe_at=self.probe_at,
            probe_on=turn.probing,
            room=self.room,
            room_on=self.room_on,
            room_at=self.room_at,
            reads_at=self.reads_at,
            segment=self.segment,
            policy=settings.policy,
            standby_names=self.standby_names,
            greeting=self.greeting,
            blind=now - max(self.status_at, memory.phase_since) > BLIND_S,
            refused=self.refused,
            exit_code=self.exit_code,
            tablespaces=self.tablespaces,
            start_settings=self.start_settings,
            put=self.puts.pop(0) if self.puts else None,
            op=self.ops.pop(0) if self.ops else None,
            checked=self.checked,
            asked=self._take_asked(),
            granted=self._take_granted(),
        )


def is_fresh(heartbeat: Heartbeat | None, now: float) -> bool:
    """True if the supervisor's heartbeat is recent. now: CLOCK_BOOTTIME."""
    return heartbeat is not None and now - heartbeat.uptime < HEARTBEAT_FRESH_S
