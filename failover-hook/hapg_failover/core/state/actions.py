"""What a member orders: operations on its own server, writes of the Lease, and the other actions of a decision."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from hapg_protocol.lsn import Position
from hapg_protocol.model import LeaseState, PositionReport

from ..write_quorum import OFF, Setting
from .extensions import ExtensionRequest


class Op(Enum):
    """An operation on the local server: one at a time, carried out by the shell, answered by an OpResult."""

    START = "start"
    SEAL = "seal"
    FOLLOW = "follow"
    REWIND = "rewind"
    CLONE = "clone"
    INITDB = "initdb"
    PROMOTE = "promote"
    PREPARE = "prepare"
    SWITCHOVER = "switchover"
    STOP = "stop"
    STANDBYS = "standbys"
    ADOPT = "adopt"


@dataclass(frozen=True)
class Start:
    """Start the server, sealed. mode: warm or hot; guard: it acknowledges nothing without so many standbys; emergency_space: release that
    of a volume that is full; known: a position that our server is known to have flushed.
    """

    mode: str = "warm"
    guard: int = 0
    emergency_space: bool = False
    known: Position | None = None
    op: ClassVar[Op] = Op.START


@dataclass(frozen=True)
class DeadHolder:
    """A holder whose server has died, and gave the Lease of `term` back: its agent at `host` has what wasn't sent on `timeline`."""

    host: str
    timeline: int
    term: int


@dataclass(frozen=True)
class Seal:
    """Stop the WAL receiver and find the end of WAL. slow: with the longer check; drain_s: only once the primary has ended the stream, for
    which so many seconds are waited, None: at once; dead: whom to ask for what it had not sent.
    """

    slow: bool = False
    drain_s: float | None = None
    dead: DeadHolder | None = None
    op: ClassVar[Op] = Op.SEAL


@dataclass(frozen=True)
class Follow:
    """Stream from the primary at `host`, on its timeline. own: our end of WAL, None while we follow somebody."""

    host: str
    timeline: int
    own: Position | None = None
    op: ClassVar[Op] = Op.FOLLOW


@dataclass(frozen=True)
class Rewind:
    """pg_rewind to the primary at `host`, which is on `timeline`."""

    host: str
    timeline: int
    op: ClassVar[Op] = Op.REWIND


@dataclass(frozen=True)
class Clone:
    """pg_basebackup of the primary at `host`, or of the standby at `source` if that streams on `timeline`."""

    host: str
    timeline: int
    source: str | None = None
    op: ClassVar[Op] = Op.CLONE


@dataclass(frozen=True)
class Initdb:
    """Make the first server's directory."""

    op: ClassVar[Op] = Op.INITDB


@dataclass(frozen=True)
class Promote:
    """Promote onto `timeline`, from our end of WAL. setting: of synchronous_standby_names."""

    timeline: int
    own: Position | None
    setting: Setting = OFF
    op: ClassVar[Op] = Op.PROMOTE


@dataclass(frozen=True)
class Prepare:
    """Checkpoint while serving, for so many seconds at most."""

    seconds: float
    op: ClassVar[Op] = Op.PREPARE


@dataclass(frozen=True)
class ShutDown:
    """Shut the primary down for a switchover. keep: the standby that gets its last records, however far behind it is; seconds: how long
    others are waited for; the emergency WAL space on a volume that is full is used.
    """

    keep: str | None = None
    seconds: float = 0.0
    op: ClassVar[Op] = Op.SWITCHOVER


@dataclass(frozen=True)
class Stop:
    """Stop the server."""

    op: ClassVar[Op] = Op.STOP


@dataclass(frozen=True)
class SetStandbys:
    """Bring a setting of synchronous_standby_names into force. waited: the one before made commits wait."""

    setting: Setting
    waited: bool = True
    op: ClassVar[Op] = Op.STANDBYS


@dataclass(frozen=True)
class Adopt:
    """Make the volume our claim's own."""

    op: ClassVar[Op] = Op.ADOPT


Order = Start | Seal | Follow | Rewind | Clone | Initdb | Promote | Prepare | ShutDown | Stop | SetStandbys | Adopt


@dataclass(frozen=True)
class Run:
    """Begin operation `number`. term: under which the supervisor is spoken to."""

    number: int
    order: Order
    term: int = 0

    @property
    def op(self) -> Op:
        """What kind of operation it is."""
        return self.order.op


class PutKind(Enum):
    """Why the Lease is written."""

    RENEW = "renew"
    CLAIM = "claim"
    RELEASE = "release"
    BOOTSTRAP = "bootstrap"


@dataclass(frozen=True)
class PutLease:
    """Write the Lease: on `version`, or create it if that is None."""

    kind: PutKind
    state: LeaseState
    version: str | None


@dataclass(frozen=True)
class ReadLease:
    """Read the Lease afresh."""


@dataclass(frozen=True)
class ListPods:
    """Read the pods afresh."""


@dataclass(frozen=True)
class CheckRecord:
    """Look whether our volume may hold a WAL record at this position (rule 9)."""

    position: Position


@dataclass(frozen=True)
class Report:
    """Put the position report on our own pod."""

    report: PositionReport


@dataclass(frozen=True)
class Annotate:
    """Change annotations of our own pod; None removes one."""

    annotations: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True)
class Label:
    """Change a pod's role to 'primary' or 'replica'."""

    pod: str
    uid: str
    role: str


@dataclass(frozen=True)
class WriteDeadline:
    """Tell the supervisor how long the server may write: boot time, or None for no fence."""

    deadline: float | None
    term: int


@dataclass(frozen=True)
class Kill:
    """Kill every process of the server's container, now."""


@dataclass(frozen=True)
class LetGo:
    """Give back the locks that prove the container's death, so that it can start again."""


@dataclass(frozen=True)
class Exit:
    """Let the supervisor end: the pod is going away and the server is down."""


@dataclass(frozen=True)
class AskExtensions:
    """Ask eligible replicas for extensions. targets: (volume, address)."""

    request: ExtensionRequest
    targets: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class AnswerExtension:
    """Answer a holder's request, with the reason in words."""

    request: ExtensionRequest
    granted: bool
    reason: str


@dataclass(frozen=True)
class Checkpoint:
    """Have our server make a checkpoint, beside whatever else is done."""


@dataclass(frozen=True)
class ChangeSlots:
    """Make and drop physical replication slots of our server, by name."""

    make: tuple[str, ...]
    drop: tuple[str, ...]


@dataclass(frozen=True)
class Announce:
    """Record an Event. kind: Normal or Warning."""

    kind: str
    reason: str
    message: str


Action = (
    Run
    | PutLease
    | ReadLease
    | ListPods
    | CheckRecord
    | Report
    | Annotate
    | Label
    | WriteDeadline
    | Kill
    | LetGo
    | Exit
    | AskExtensions
    | AnswerExtension
    | Checkpoint
    | ChangeSlots
    | Announce
)
