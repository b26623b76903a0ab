"""What the agent's threads have last seen, and how it changes. Only the deciding thread changes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from .adapters.ports import Hello
from .adapters.volume import Volume
from .core import origin
from .core.actions import Op
from .core.lsn import Position
from .core.model import DATA_VOLUME, GrantAnswer, GrantRequest, LeaseObject, Pod, VolumeState
from .core.observation import ANSWERED, Greeting, LeaseView, Origin, Slot, Streaming
from .core.recovery import Recovery
from .core.results import OpResult, PutResult, RecordCheck
from .core.view import see, went_back
from .core.wal import SEGMENT_SIZE

GONE_KEPT = 64


@dataclass(frozen=True)
class VolumeFacts:
    """What the data volume says, as read after the last operation. reason: what its state rests on; in_production: recovery has ended, as
    the control file says; foreign: a server here was promoted by somebody else; made_for, claim, accepted: as core.origin.judge takes them.
    """

    state: VolumeState
    uuid: str | None
    system_identifier: str | None
    max_term: int
    reason: str = ""
    in_production: bool = True
    foreign: bool = False
    made_for: str | None = None
    claim: str | None = None
    accepted: bool = False


def read_volume(volume: Volume) -> VolumeFacts:
    """Read the markers. Raise OSError, ValueError."""
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
    )


@dataclass
class World:
    """The last word of every thread. gone: UIDs of the last pods that were seen to go; pods_seen: boot time when a pod was last told of
    alone; down_at: boot time at which the supervisor said that the server is dead; status_at: of the last look at the server by SQL;
    give_back: the dead container's locks, while we keep them; refused: why PostgreSQL doesn't take the release's configuration, '' if it
    does; tablespaces: OIDs of those that its directory links to; puts, ops, asked, granted: answers and requests that `decide` hasn't
    seen yet.
    """

    volume: VolumeFacts
    lease: LeaseView | None = None
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
    greeting: Greeting = ANSWERED
    probe_at: float = 0.0
    room: int | None = None
    room_on: str = DATA_VOLUME
    segment: int = SEGMENT_SIZE
    puts: list[PutResult] = field(default_factory=list)
    ops: list[OpResult] = field(default_factory=list)
    checked: RecordCheck | None = None
    asked: list[GrantRequest] = field(default_factory=list)
    granted: list[GrantAnswer] = field(default_factory=list)
    hello: Hello | None = None
    down_at: float = 0.0
    terminating: bool = False
    term_in_force: int = 0
    give_back: Callable[[], None] | None = None
    refused: str = ""
    tablespaces: tuple[str, ...] = ()

    def see_lease(self, lease: LeaseObject | None, asked: float, now: float, gap: float, watched: bool = False) -> None:
        """Take a read of the Lease; the arguments are those of core.view.see."""
        before, ours = self.lease, lease is not None and lease.state.system_identifier == self.volume.system_identifier
        self.lease = see(before, lease, asked, now, gap, watched=watched, floor=self.volume.max_term if ours else 0)
        if before is not None and went_back(before, self.lease):
            # The pods' versions begin anew as well: whatever comes now is newer than what we have.
            self.pods = {name: replace(pod, version="0") for name, pod in self.pods.items()}

    @property
    def origin(self) -> Origin:
        """For whom the volume was made, by what is known of the Lease."""
        v = self.volume
        return origin.judge(v.made_for, v.claim, v.accepted, v.system_identifier, self.lease)

    @property
    def own_volume(self) -> VolumeFacts:
        """What counts of the volume: a copy of another's counts as damaged, and isn't that one."""
        v = self.volume
        if v.state is not VolumeState.DATA or self.origin is not Origin.COPIED:
            return v
        return replace(v, state=VolumeState.DAMAGED, uuid=None, reason=origin.in_words(v.made_for, v.claim))

    def see_recovery(self, recovery: Recovery | None) -> None:
        """Take a look at the server's replay."""
        self.recovery = recovery

    def keep_pod(self, pod: Pod, deleted: bool = False, at: float = 0.0) -> None:
        """Take one pod, unless something newer is known of it. at: boot time when it came, 0: with a list."""
        known = self.pods.get(pod.name)
        if deleted:
            self.gone = (*self.gone, pod.uid)[-GONE_KEPT:]
            if known is not None and known.uid == pod.uid:
                self.pods = {name: p for name, p in self.pods.items() if name != pod.name}
        elif known is None or known.uid != pod.uid or int(pod.version) >= int(known.version):
            self.pods = {**self.pods, pod.name: pod}
            self.pods_seen[pod.name] = max(at, self.pods_seen.get(pod.name, 0.0))

    def keep_pods(self, pods: Iterable[Pod], asked: float) -> None:
        """Take a list of all pods that was asked for at `asked` (boot time); what is newer than the list, and came after that, stays."""
        before, self.pods = self.pods, {}
        for pod in pods:
            self.keep_pod(pod)
            known = before.get(pod.name)
            if known is not None and known.uid == pod.uid and self.pods_seen.get(pod.name, 0.0) >= asked:
                self.keep_pod(known)
        self.pods_listed_at = asked

    def take_asked(self) -> tuple[GrantRequest, ...]:
        """Return the requests for grants since the last call."""
        asked, self.asked = tuple(self.asked), []
        return asked

    def take_granted(self) -> tuple[GrantAnswer, ...]:
        """Return the answers to our own requests since the last call."""
        granted, self.granted = tuple(self.granted), []
        return granted

    def take_operation(self, result: OpResult) -> None:
        """Take how an operation has ended; who was known to stream doesn't from a server that was just promoted."""
        if result.op is Op.PROMOTE:
            self.streaming = ()
        if result.refused is not None:
            self.refused = result.refused
        self.ops.append(result)

    def take_event(self, result: str, nonce: str, at: float) -> None:
        """Take what the supervisor says unasked; another incarnation's word counts for nothing."""
        if self.hello is None or nonce != self.hello.nonce:
            return
        if result in ("died", "fenced"):
            self.down_at = at
        elif result == "terminating":
            self.terminating = True


Change = Callable[[World], None]
