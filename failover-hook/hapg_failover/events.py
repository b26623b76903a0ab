"""Reports of the agent's threads, as values: the deciding thread applies them to its World one by one.

A recorded run is a list of events (`recording`), so each must carry everything that it changes.
"""

from __future__ import annotations

from dataclasses import dataclass

from hapg_protocol.lsn import Position
from hapg_protocol.model import LeaseObject, Pod, VolumeState

from .adapters.ports.supervisor import Heartbeat, Hello
from .core.state.connections import Greeting
from .core.state.extensions import ExtensionAnswer, ExtensionRequest
from .core.state.observation import Slot
from .core.state.recovery import Recovery
from .core.state.results import OpResult, PutResult, RecordCheck
from .core.state.start_settings import StartSettings
from .core.state.volume import FormerData
from .settings import Settings


@dataclass(frozen=True)
class VolumeFacts:
    """State of the data volume, as read after the last operation.

    reason: the basis for `state`; in_production: the control file says that recovery has ended; foreign: a server on this volume was
    promoted by someone other than the agent; made_for, claim, accepted: as for origin_of; former: data of another major; unmarked: there
    is a data directory without a marker.
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
    former: FormerData | None = None
    unmarked: bool = False


@dataclass(frozen=True)
class LeaseSeen:
    """The Lease, from a read sent at `asked` and answered at `at` (CLOCK_BOOTTIME), or from a watch, where both are the same.

    lease: None if there is none (404). gap: longest time between two reads, in seconds, across which the Lease's age keeps counting.
    """

    lease: LeaseObject | None
    asked: float
    at: float
    gap: float
    watched: bool = False


@dataclass(frozen=True)
class PodSeen:
    """A pod or its deletion, from a watch or as the response to a patch. at: CLOCK_BOOTTIME."""

    pod: Pod
    deleted: bool
    at: float


@dataclass(frozen=True)
class PodsListed:
    """All pods, from a LIST sent at `asked` (CLOCK_BOOTTIME)."""

    pods: tuple[Pod, ...]
    asked: float


@dataclass(frozen=True)
class PutAnswered:
    """The result of a Lease write. lease: the new Lease if it was written; at: CLOCK_BOOTTIME of the answer; gap: as in LeaseSeen."""

    result: PutResult
    lease: LeaseObject | None
    at: float
    gap: float


@dataclass(frozen=True)
class OperationEnded:
    """The result of an operation, and the state of the volumes after it.

    room: free bytes on `room_on`, the volume with the least free space; start_settings: of the server, read after `at` (CLOCK_BOOTTIME).
    """

    result: OpResult
    volume: VolumeFacts
    room_on: str
    room: int
    start_settings: StartSettings | None = None
    at: float = 0.0


@dataclass(frozen=True)
class RecordChecked:
    """The answer to CheckRecord."""

    check: RecordCheck


@dataclass(frozen=True)
class SpaceChecked:
    """The answer to CheckSpace: free bytes on `room_on`, the volume with the least. at: CLOCK_BOOTTIME just before they were read."""

    room_on: str
    room: int
    at: float


@dataclass(frozen=True)
class SupervisorSaid:
    """An event of the supervisor that answers no command.

    result: died, fenced, terminating, hello; at: boot time; exit_code: of the postmaster that died, None: not known.
    """

    result: str
    nonce: str
    at: float
    exit_code: int | None = None


@dataclass(frozen=True)
class ContainerDied:
    """No process of the postgres container is alive; we hold the locks that prove it."""


@dataclass(frozen=True)
class LocksReturned:
    """We have released those locks and forgotten the dead supervisor."""


@dataclass(frozen=True)
class DeadlineWritten:
    """The supervisor's deadline file now carries this term."""

    term: int


@dataclass(frozen=True)
class ServerLooked:
    """Status of a primary, by SQL.

    senders: (application_name, flushed LSN) of the rows in state 'streaming'; slots: None if not queried or not used; has_slots: whether
    they were queried; at: CLOCK_BOOTTIME.
    """

    senders: tuple[tuple[str, int | None], ...]
    position: Position
    standby_names: str
    slots: tuple[Slot, ...] | None
    has_slots: bool
    at: float


@dataclass(frozen=True)
class ReadsAnswered:
    """Our server, a hot standby, has answered a query at `at` (CLOCK_BOOTTIME)."""

    at: float


@dataclass(frozen=True)
class Greeted:
    """The server's response to a new connection."""

    greeting: Greeting


@dataclass(frozen=True)
class DiskProbed:
    """Free space of the volumes, looked at at `at`, and a probe write at `probed_at` (both CLOCK_BOOTTIME; None: not written).

    segment (bytes) and tablespaces: None if not checked this time.
    """

    room_on: str
    room: int
    segment: int | None
    tablespaces: tuple[str, ...] | None
    probed_at: float | None
    at: float


@dataclass(frozen=True)
class ReplaySeen:
    """Replay progress of our server; None: nothing to observe."""

    recovery: Recovery | None


@dataclass(frozen=True)
class ConfigurationTried:
    """Why PostgreSQL rejects the release's configuration; '' if it accepts it."""

    refused: str


@dataclass(frozen=True)
class StartSettingsSeen:
    """What a restart of our server would change; read after `at` (CLOCK_BOOTTIME)."""

    start_settings: StartSettings
    at: float


@dataclass(frozen=True)
class PeerAsked:
    """A peer that holds the Lease asks for an extension."""

    request: ExtensionRequest


@dataclass(frozen=True)
class PeerAnswered:
    """A peer's answer to our own request."""

    answer: ExtensionAnswer


@dataclass(frozen=True)
class TurnBegan:
    """The deciding thread reads what is in memory: the clock (CLOCK_BOOTTIME), the settings, the supervisor's files.

    probing: the volume whose probe is being written.
    """

    now: float
    settings: Settings
    hello: Hello | None
    heartbeat: Heartbeat | None
    probing: str
    term_in_force: int


Event = (
    LeaseSeen
    | PodSeen
    | PodsListed
    | PutAnswered
    | OperationEnded
    | RecordChecked
    | SpaceChecked
    | SupervisorSaid
    | ContainerDied
    | LocksReturned
    | DeadlineWritten
    | ServerLooked
    | ReadsAnswered
    | Greeted
    | DiskProbed
    | ReplaySeen
    | ConfigurationTried
    | StartSettingsSeen
    | PeerAsked
    | PeerAnswered
    | TurnBegan
)
