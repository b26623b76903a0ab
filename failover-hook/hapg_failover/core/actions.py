"""What a member orders: operations on its own server, writes of the Lease, and the other actions of a decision."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .lsn import Position
from .model import GrantRequest, LeaseState, Publication
from .syncset import Setting


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
    HAND_OVER = "hand-over"
    STOP = "stop"
    STANDBYS = "standbys"
    ADOPT = "adopt"


@dataclass(frozen=True)
class Run:
    """Begin operation `number`. term: under which the supervisor is spoken to; host: the primary's address; source: of a standby that may
    be cloned instead; mode: warm or hot; timeline: the primary's, or the one to promote onto; own: our end of WAL; slow: seal with the
    longer check; drain: seal only once the primary has ended the stream; seconds: how long a checkpoint may take. guard: start a server
    that acknowledges nothing without so many standbys; setting: of synchronous_standby_names; waited: the one before made commits wait;
    reserve: use what was set aside on a volume that is full; known: a position that our server is known to have flushed.
    lease_term: of the Lease that was given back, whose dead holder at `host` is asked for what it had not sent.
    keep: the standby to which a server that is shut down sends its last records, however far behind it is.
    """

    number: int
    op: Op
    host: str | None = None
    source: str | None = None
    mode: str | None = None
    timeline: int = 0
    term: int = 0
    own: Position | None = None
    slow: bool = False
    drain: bool = False
    seconds: float = 0.0
    guard: int = 0
    setting: Setting | None = None
    waited: bool = True
    reserve: bool = False
    known: Position | None = None
    keep: str | None = None
    lease_term: int = 0


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
class Publish:
    """Put the publication on our own pod."""

    publication: Publication


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
class AskGrants:
    """Ask members for grants. targets: (volume, address)."""

    request: GrantRequest
    targets: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class AnswerGrant:
    """Answer a holder's request, with the reason in words."""

    request: GrantRequest
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
    | Publish
    | Annotate
    | Label
    | WriteDeadline
    | Kill
    | LetGo
    | Exit
    | AskGrants
    | AnswerGrant
    | Checkpoint
    | ChangeSlots
    | Announce
)
