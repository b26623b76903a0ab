"""The actions that a decision orders: operations on the local server, writes of the Lease, and everything else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from hapg_protocol.lsn import Position
from hapg_protocol.model import LeaseState, PositionReport

from ..write_quorum import OFF, Setting
from .extensions import ExtensionRequest


class Op(Enum):
    """An operation on the local server. One runs at a time; the shell carries it out and answers with an OpResult."""

    START = "start"
    SEAL = "seal"
    FOLLOW = "follow"
    REWIND = "rewind"
    CLONE = "clone"
    INITDB = "initdb"
    RESTORE = "restore"
    SEED = "seed"
    LOOK = "look"
    UPGRADE = "upgrade"
    PROMOTE = "promote"
    PREPARE = "prepare"
    SWITCHOVER = "switchover"
    STOP = "stop"
    STANDBYS = "standbys"
    ADOPT = "adopt"
    MARK = "mark"
    CATCH_UP = "catch-up"


@dataclass(frozen=True)
class Start:
    """Start the server, sealed. mode: warm or hot; guard: how many standbys must confirm before it acknowledges a commit; emergency_space:
    release the emergency WAL space of a full volume; known: a position that our server is known to have flushed.
    """

    mode: str = "warm"
    guard: int = 0
    emergency_space: bool = False
    known: Position | None = None
    op: ClassVar[Op] = Op.START


@dataclass(frozen=True)
class DeadHolder:
    """A holder that released the Lease in `term` because its server died: its agent at `host` has the unreplicated WAL of `timeline`."""

    host: str
    timeline: int
    term: int


@dataclass(frozen=True)
class Seal:
    """Stop the WAL receiver and find the end of WAL. slow: use the longer check; drain_s: wait up to this many seconds for the primary to
    end the stream, None: seal at once; dead: the holder to ask for unreplicated WAL.
    """

    slow: bool = False
    drain_s: float | None = None
    dead: DeadHolder | None = None
    op: ClassVar[Op] = Op.SEAL


@dataclass(frozen=True)
class Follow:
    """Stream from the primary at `host`, on its timeline. own: our end of WAL, None if we are already following a primary; fetched_to: the
    LSN up to which our segments are known to be whole, if some were taken from the archive.
    """

    host: str
    timeline: int
    own: Position | None = None
    fetched_to: int | None = None
    op: ClassVar[Op] = Op.FOLLOW


@dataclass(frozen=True)
class Rewind:
    """Run pg_rewind against the primary at `host`, which is on `timeline`."""

    host: str
    timeline: int
    op: ClassVar[Op] = Op.REWIND


@dataclass(frozen=True)
class Clone:
    """Run pg_basebackup against the primary at `host`, or against the standby at `source` if that standby streams on `timeline`."""

    host: str
    timeline: int
    source: str | None = None
    op: ClassVar[Op] = Op.CLONE


@dataclass(frozen=True)
class Initdb:
    """Create the first server's data directory."""

    op: ClassVar[Op] = Op.INITDB


@dataclass(frozen=True)
class Restore:
    """Restore the first server's data directory from a backup and archived WAL."""

    op: ClassVar[Op] = Op.RESTORE


@dataclass(frozen=True)
class Seed:
    """Make the first server's data directory a clone of a live server outside the release."""

    op: ClassVar[Op] = Op.SEED


@dataclass(frozen=True)
class Look:
    """Read again what the volume holds."""

    op: ClassVar[Op] = Op.LOOK


@dataclass(frozen=True)
class Upgrade:
    """Upgrade data of another major. timeline: where its WAL continues; begun: the term and the serial of the Lease that allows it;
    verified_s: how many seconds ago a restore of a backup has to have been verified, None: no backup is needed.
    """

    major: str
    timeline: int
    system_identifier: str
    begun: tuple[int, int]
    verified_s: float | None = None
    op: ClassVar[Op] = Op.UPGRADE


@dataclass(frozen=True)
class Promote:
    """Promote onto `timeline`, from our end of WAL. setting: the value of synchronous_standby_names."""

    timeline: int
    own: Position | None
    setting: Setting = OFF
    op: ClassVar[Op] = Op.PROMOTE


@dataclass(frozen=True)
class Prepare:
    """Run a checkpoint while still serving, for at most `seconds`."""

    seconds: float
    op: ClassVar[Op] = Op.PREPARE


@dataclass(frozen=True)
class ShutDown:
    """Shut the primary down for a switchover. keep: the standby that must get the last records, however far behind it is; seconds: how long
    to wait for the others. Uses the emergency WAL space if the volume is full.
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
    """Make a value of synchronous_standby_names take effect. waited: commits waited under the previous value."""

    setting: Setting
    waited: bool = True
    op: ClassVar[Op] = Op.STANDBYS


@dataclass(frozen=True)
class Adopt:
    """Mark the volume as belonging to our own claim."""

    op: ClassVar[Op] = Op.ADOPT


@dataclass(frozen=True)
class Mark:
    """Mark the first server's directory, which was created and not marked before its agent ended."""

    op: ClassVar[Op] = Op.MARK


@dataclass(frozen=True)
class CatchUp:
    """Put up to `most` segments that the primary at `host` has removed into our WAL directory, from the archive. timeline: the primary's;
    own: the end of our WAL, which stands still; fetched_to: as for Follow.
    """

    host: str
    timeline: int
    own: Position
    fetched_to: int | None
    most: int
    op: ClassVar[Op] = Op.CATCH_UP


_Creation = Initdb | Restore | Seed | Look | Upgrade
Order = Start | Seal | Follow | Rewind | Clone | _Creation | Promote | Prepare | ShutDown | Stop | SetStandbys | Adopt | Mark | CatchUp


@dataclass(frozen=True)
class Run:
    """Start operation `number`. term: the term under which to address the supervisor."""

    number: int
    order: Order
    term: int = 0

    @property
    def op(self) -> Op:
        """The kind of operation."""
        return self.order.op


class PutKind(Enum):
    """Why the Lease is written."""

    RENEW = "renew"
    CLAIM = "claim"
    RELEASE = "release"
    BOOTSTRAP = "bootstrap"


@dataclass(frozen=True)
class PutLease:
    """Write the Lease: an update of `version`, or a creation if that is None. routine: it only renews the Lease."""

    kind: PutKind
    state: LeaseState
    version: str | None
    routine: bool = False


@dataclass(frozen=True)
class ReadLease:
    """Read the Lease from the API."""


@dataclass(frozen=True)
class ListPods:
    """List the pods from the API."""


@dataclass(frozen=True)
class CheckRecord:
    """Check whether our volume may hold a WAL record at this position (rule 9). term: of the Lease that was released."""

    term: int
    position: Position


@dataclass(frozen=True)
class CheckSpace:
    """Look at the free space of our volumes now."""


@dataclass(frozen=True)
class Report:
    """Set the position report on our own pod. standby_mode: of our server, to be shown there too; None: as it is."""

    report: PositionReport
    standby_mode: str | None = None


@dataclass(frozen=True)
class Annotate:
    """Change annotations on our own pod; None removes one."""

    annotations: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True)
class Label:
    """Set a pod's role label to 'primary' or 'replica'. As the primary it is labelled as a hot standby no longer."""

    pod: str
    uid: str
    role: str


@dataclass(frozen=True)
class LabelReads:
    """Label our own pod as a hot standby, so that the Service for reads leads to it, or take that label away."""

    reads: bool


@dataclass(frozen=True)
class WriteDeadline:
    """Tell the supervisor until when the server may write: a CLOCK_BOOTTIME instant, or None for no fence."""

    deadline: float | None
    term: int


@dataclass(frozen=True)
class Kill:
    """Kill every process in the server's container immediately."""


@dataclass(frozen=True)
class LetGo:
    """Release the locks that prove that the container is dead, so that it can start again."""


@dataclass(frozen=True)
class Exit:
    """Let the supervisor exit: the pod is being deleted and the server is down."""


@dataclass(frozen=True)
class AskExtensions:
    """Ask the eligible replicas for lease extensions. targets: (volume, address)."""

    request: ExtensionRequest
    targets: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class AnswerExtension:
    """Answer a holder's request, giving the reason in words."""

    request: ExtensionRequest
    granted: bool
    reason: str


@dataclass(frozen=True)
class Checkpoint:
    """Have our server run a checkpoint, alongside any other operation."""


@dataclass(frozen=True)
class ChangeSlots:
    """Create and drop physical replication slots on our server, by name."""

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
    | CheckSpace
    | Report
    | Annotate
    | Label
    | LabelReads
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
