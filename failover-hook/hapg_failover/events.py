"""What the agent's threads report, as values: the deciding thread applies them to its World one by one.

A recorded run is a list of them (`recording`), so each says all that it changes.
"""

from __future__ import annotations

from dataclasses import dataclass

from hapg_protocol.lsn import Position
from hapg_protocol.model import LeaseObject, Pod, VolumeState

from .adapters.ports import Heartbeat, Hello
from .core.state.connections import Greeting
from .core.state.extensions import ExtensionAnswer, ExtensionRequest
from .core.state.observation import Slot
from .core.state.recovery import Recovery
from .core.state.results import OpResult, PutResult, RecordCheck
from .settings import Settings


@dataclass(frozen=True)
class VolumeFacts:
    """What the data volume says, as read after the last operation. reason: what its state rests on; in_production: recovery has ended, as
    the control file says; foreign: a server here was promoted by somebody else; made_for, claim, accepted: as origin_of takes them.
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


@dataclass(frozen=True)
class LeaseSeen:
    """The Lease, by a read that was sent at `asked` and answered at `at` (boot time), or by a watch, where both are alike.

    lease None: there is none (404). gap: longest time between two reads, in seconds, through which its age still counts.
    """

    lease: LeaseObject | None
    asked: float
    at: float
    gap: float
    watched: bool = False


@dataclass(frozen=True)
class PodSeen:
    """A pod, or its deletion, by a watch or as the answer to a patch. at: boot time."""

    pod: Pod
    deleted: bool
    at: float


@dataclass(frozen=True)
class PodsListed:
    """All pods, by a LIST that was sent at `asked` (boot time)."""

    pods: tuple[Pod, ...]
    asked: float


@dataclass(frozen=True)
class PutAnswered:
    """How a write of the Lease has ended. lease: as it is now, if it was written; at: boot time of the answer."""

    result: PutResult
    lease: LeaseObject | None
    at: float
    gap: float


@dataclass(frozen=True)
class OperationEnded:
    """How an operation has ended, and what the volumes say after it. room: bytes, on the volume `room_on`, which has least."""

    result: OpResult
    volume: VolumeFacts
    room_on: str
    room: int


@dataclass(frozen=True)
class RecordChecked:
    """The answer to CheckRecord."""

    check: RecordCheck


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
    """We have given those locks back, and forgotten the supervisor that is dead."""


@dataclass(frozen=True)
class DeadlineWritten:
    """The supervisor's deadline file is of this term."""

    term: int


@dataclass(frozen=True)
class ServerLooked:
    """What a primary says by SQL. senders: (application_name, flushed LSN) of the rows in state 'streaming'; slots None: not asked for or
    not used; has_slots: whether they were asked for; at: boot time.
    """

    senders: tuple[tuple[str, int | None], ...]
    position: Position
    standby_names: str
    slots: tuple[Slot, ...] | None
    has_slots: bool
    at: float


@dataclass(frozen=True)
class Greeted:
    """How a new connection to our server was answered."""

    greeting: Greeting


@dataclass(frozen=True)
class DiskProbed:
    """A look at the volumes, with a write of the probe at `probed_at` (boot time; None: not written).

    segment in bytes and tablespaces: None if they weren't looked at this time.
    """

    room_on: str
    room: int
    segment: int | None
    tablespaces: tuple[str, ...] | None
    probed_at: float | None


@dataclass(frozen=True)
class ReplaySeen:
    """How far the replay of our server is; None: there is nothing to see."""

    recovery: Recovery | None


@dataclass(frozen=True)
class ConfigurationTried:
    """Why PostgreSQL doesn't take the release's configuration; '' if it does."""

    refused: str


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
    """The deciding thread looks at what lies in memory: the clock (boot time), the settings, the supervisor's files.

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
    | SupervisorSaid
    | ContainerDied
    | LocksReturned
    | DeadlineWritten
    | ServerLooked
    | Greeted
    | DiskProbed
    | ReplaySeen
    | ConfigurationTried
    | PeerAsked
    | PeerAnswered
    | TurnBegan
)
