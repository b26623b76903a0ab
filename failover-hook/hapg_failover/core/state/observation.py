"""What a member sees when it decides: all of it at one instant."""

from __future__ import annotations

from dataclasses import dataclass

from hapg_protocol.lsn import Position
from hapg_protocol.model import Holder, Pod, VolumeState

from ...pgdata.wal import SEGMENT_SIZE
from ..timing import Timing
from ..write_quorum import ASYNCHRONOUS, Policy
from .connections import ANSWERED, Greeting
from .extensions import ExtensionAnswer, ExtensionRequest
from .lease_view import LeaseView
from .recovery import Recovery
from .results import OpResult, PutResult, RecordCheck
from .streaming import Streaming
from .volume import DATA_VOLUME, Origin


@dataclass(frozen=True)
class Slot:
    """A physical replication slot of our server. active: somebody streams from it."""

    name: str
    active: bool


@dataclass(frozen=True)
class Observation:
    """Everything `decide` may know, at one instant.

    now: boot time in seconds. gone: UIDs of pods that were seen to go from the API. server: the supervisor's word (down, standby, primary)
    or None without a fresh heartbeat. term_in_force: of the deadline file of this supervisor, 0 without one. container_dead: both locks are
    in our hands. grace: what the pod's template gives a deletion, in seconds. in_production: the control file said at our start, or at the
    last operation, that recovery has ended. probe_at: boot time of the last successful write to every volume, probe_on: the volume that was
    tried last. recovery: the replay of a server that starts, is sealed or promoted. greeting: of the server while primary; blind: SQL
    hasn't told for a while who streams. streaming, position, slots: from SQL while primary; slots None: not known, or not used.
    volume_reason: what volume_state rests on; room: bytes that are free on the volume that has least, None: not known, room_on: which one
    that is; segment: size of a WAL segment in bytes. policy: what the chart asks of synchronous replication; standby_names: what the server
    says of synchronous_standby_names while primary. pods_listed_at: boot time before the last LIST of the pods. put, op, checked, granted:
    answers, asked: requests of a holder; each shown once. exit_code: of our server when it died last, None: not known. refused: why
    PostgreSQL doesn't take the release's configuration, '' if it does. foreign: our server was promoted by somebody else, and hasn't been
    rewound or cloned since. tablespaces: OIDs of those that the server's directory links to. origin: of the volume.
    """

    now: float
    me: Holder
    ordinal: int
    address: str
    replicas: int
    standby_mode: str
    max_lag: int
    timing: Timing
    nonce: str | None = None
    server: str | None = None
    heartbeat_at: float = 0.0
    terminating: bool = False
    gone: frozenset[str] = frozenset()
    term_in_force: int = 0
    container_dead: bool = False
    volume_state: VolumeState = VolumeState.EMPTY
    volume_reason: str = ""
    volume: str | None = None
    system_identifier: str | None = None
    max_term: int = 0
    in_production: bool = True
    foreign: bool = False
    grace: int = 0
    lease: LeaseView | None = None
    pods: tuple[Pod, ...] = ()
    pods_listed_at: float = 0.0
    streaming: tuple[Streaming, ...] = ()
    position: Position | None = None
    recovery: Recovery | None = None
    slots: tuple[Slot, ...] | None = None
    probe_at: float = 0.0
    probe_on: str = DATA_VOLUME
    room: int | None = None
    room_on: str = DATA_VOLUME
    segment: int = SEGMENT_SIZE
    policy: Policy = ASYNCHRONOUS
    standby_names: str = ""
    greeting: Greeting = ANSWERED
    blind: bool = False
    refused: str = ""
    exit_code: int | None = None
    tablespaces: tuple[str, ...] = ()
    origin: Origin = Origin.OWN
    put: PutResult | None = None
    op: OpResult | None = None
    checked: RecordCheck | None = None
    asked: tuple[ExtensionRequest, ...] = ()
    granted: tuple[ExtensionAnswer, ...] = ()

    @property
    def deleting(self) -> bool:
        """This pod is going away."""
        return self.terminating or self.me.uid in self.gone or any(p.uid == self.me.uid and p.deleting for p in self.pods)
