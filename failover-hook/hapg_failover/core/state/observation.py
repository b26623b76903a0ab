"""What an agent observes when it decides, all at one instant."""

from __future__ import annotations

from dataclasses import dataclass

from hapg_protocol.lsn import Position
from hapg_protocol.model import Holder, Pod, VolumeState
from hapg_protocol.wal_files import SEGMENT_SIZE

from ..timing import Timing
from ..write_quorum import ASYNCHRONOUS, Policy
from .connections import ANSWERED, Greeting
from .extensions import ExtensionAnswer, ExtensionRequest
from .lease_view import LeaseView
from .recovery import Recovery
from .results import OpResult, PutResult, RecordCheck
from .start_settings import StartSettings
from .streaming import Streaming
from .volume import DATA_VOLUME, FormerData, Origin


@dataclass(frozen=True)
class Slot:
    """A physical replication slot on our server. active: a client is streaming from it."""

    name: str
    active: bool


@dataclass(frozen=True)
class Observation:
    """Everything that `decide` may know, at one instant.

    now: CLOCK_BOOTTIME in seconds. gone: UIDs of pods whose removal from the API was seen. server: the server's state according to the
    supervisor (down, standby, primary), or None without a fresh heartbeat. term_in_force: the term in this supervisor's deadline file, 0
    without one. container_dead: we hold both locks. grace: the deletion grace period in the pod's template, in seconds. in_production: the
    control file showed, at our start or at the last operation, that recovery has ended. probe_at: CLOCK_BOOTTIME of the last successful
    write to every volume; probe_on: the volume last tried. recovery: the replay of a server that is starting, sealed or being promoted.
    greeting: how the server answers new connections while primary; blind: SQL has not shown for a while which replicas stream. streaming,
    position, slots: from SQL while primary; slots None: not known, or not used. volume_reason: the reason for volume_state; room: free
    bytes on the volume that has the least, None: not known; room_on: that volume; room_at: CLOCK_BOOTTIME just before that was last looked
    at; segment: WAL segment size in bytes. policy: the chart's settings for synchronous replication; standby_names:
    synchronous_standby_names as the server shows it while primary. pods_listed_at:
    CLOCK_BOOTTIME just before the last LIST of the pods. put, op, checked, granted: answers; asked: requests from a holder; each is
    delivered to one decision only. exit_code: of our server when it last died, None: not known. refused: why PostgreSQL rejects the
    release's configuration, '' if it doesn't. start_settings: what a restart of our server would change, None: not known. foreign: our
    server was promoted by someone else, and hasn't been rewound or cloned since. unmarked: there is a data directory without a marker.
    reads_at: CLOCK_BOOTTIME at which our server last answered a query as a hot standby. tablespaces: OIDs of the tablespaces that the data
    directory links to. origin: of the volume. restores: the first server is restored from a backup; seeded: it is a clone of a live server
    instead; archives: there is a backup container, which may have an archive; former: the data, if it is of another major; upgrades_from:
    the major whose data may be upgraded, None: none; verified_s: how many seconds before that a restore of a backup has to have been
    verified, None: no backup is needed.
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
    unmarked: bool = False
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
    room_at: float = 0.0
    reads_at: float = -1e9
    segment: int = SEGMENT_SIZE
    policy: Policy = ASYNCHRONOUS
    standby_names: str = ""
    greeting: Greeting = ANSWERED
    blind: bool = False
    refused: str = ""
    exit_code: int | None = None
    tablespaces: tuple[str, ...] = ()
    start_settings: StartSettings | None = None
    origin: Origin = Origin.OWN
    restores: bool = False
    seeded: bool = False
    archives: bool = False
    former: FormerData | None = None
    upgrades_from: str | None = None
    verified_s: float | None = None
    put: PutResult | None = None
    op: OpResult | None = None
    checked: RecordCheck | None = None
    asked: tuple[ExtensionRequest, ...] = ()
    granted: tuple[ExtensionAnswer, ...] = ()

    @property
    def deleting(self) -> bool:
        """This pod is being deleted, or already gone from the API."""
        return self.terminating or self.me.uid in self.gone or any(p.uid == self.me.uid and p.deleting for p in self.pods)
