"""What `decide` looks at, remembers and orders: the observation, the memory, the actions. All frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from .lsn import Position
from .model import Holder, LeaseState, Pod, Publication, VolumeState
from .timing import Timing


class Phase(Enum):
    """Where a member stands (docs/protocol.md, the state table)."""

    BOOT = "boot"
    EMPTY = "empty"
    DAMAGED = "damaged"
    DOWN = "down"
    SEALED = "sealed"
    FOLLOW = "follow"
    CLAIMING = "claiming"
    PROMOTING = "promoting"
    PRIMARY = "primary"
    STOPPING = "stopping"


class Op(Enum):
    """An operation on the local server: one at a time, carried out by the shell, answered by an OpResult."""

    START = "start"
    SEAL = "seal"
    FOLLOW = "follow"
    REWIND = "rewind"
    CLONE = "clone"
    INITDB = "initdb"
    PROMOTE = "promote"
    HAND_OVER = "hand-over"
    STOP = "stop"


class Outcome(Enum):
    """How an operation ended. FORKED: only a rewind helps; LOST: only a clone helps."""

    OK = "ok"
    FAILED = "failed"
    FORKED = "forked"
    LOST = "lost"


@dataclass(frozen=True)
class OpResult:
    """The answer to the operation of that number.

    nonce: of the supervisor it spoke to; position: the end of WAL, where the operation tells it; ended: boot time from which on
    the supervisor's word knows of what the operation did, None: the time of the answer.
    """

    number: int
    op: Op
    outcome: Outcome
    nonce: str
    text: str = ""
    position: Position | None = None
    ended: float | None = None


class PutKind(Enum):
    """Why the Lease is written."""

    RENEW = "renew"
    CLAIM = "claim"
    RELEASE = "release"
    BOOTSTRAP = "bootstrap"


class PutOutcome(Enum):
    """UNKNOWN: no answer; the write may have been carried out, or may be later."""

    OK = "ok"
    CONFLICT = "conflict"
    NOT_FOUND = "not-found"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class PutResult:
    """The answer to a PutLease. sent_at: boot time before the send; version: the new one if OK."""

    kind: PutKind
    outcome: PutOutcome
    sent_at: float
    state: LeaseState
    version: str | None = None


@dataclass(frozen=True)
class LeaseView:
    """The Lease as this member last read it.

    state None: a read said that there is none. version: its resourceVersion; first_seen: boot time at which this version was seen
    first, or at which reading began again after a gap; last_read: boot time of the last successful read; missing_since: since when
    reads say that a Lease that was there is gone, which counts as unchanged for a minute (rule 14).
    """

    version: str
    state: LeaseState | None
    first_seen: float
    last_read: float
    missing_since: float | None = None


@dataclass(frozen=True)
class RecordCheck:
    """Whether our volume may hold a WAL record at `position`, which a better member published as its end."""

    position: Position
    exists: bool


@dataclass(frozen=True)
class Streaming:
    """A replica as the primary sees it. since: boot time since when it streams, or None; seen: when it last did; flushed: bytes or None."""

    pod: str
    since: float | None
    seen: float
    flushed: int | None


@dataclass(frozen=True)
class Observation:
    """Everything `decide` may know, at one instant.

    now: boot time in seconds. server: the supervisor's word (down, standby, primary) or None without a fresh heartbeat.
    term_in_force: of the deadline file of this supervisor, 0 without one.
    volume_reason: in words. container_dead: both locks are in our hands.
    probe_at: boot time of the last successful write to the data volume. streaming, position: from SQL while primary.
    pods_listed_at: boot time before the last LIST of the pods. put, op, checked: answers, each shown once.
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
    term_in_force: int = 0
    container_dead: bool = False
    volume_state: VolumeState = VolumeState.EMPTY
    volume_reason: str = ""
    volume: str | None = None
    system_identifier: str | None = None
    max_term: int = 0
    lease: LeaseView | None = None
    pods: tuple[Pod, ...] = ()
    pods_listed_at: float = 0.0
    streaming: tuple[Streaming, ...] = ()
    position: Position | None = None
    probe_at: float = 0.0
    put: PutResult | None = None
    op: OpResult | None = None
    checked: RecordCheck | None = None

    @property
    def deleting(self) -> bool:
        """This pod is going away."""
        return self.terminating or any(p.uid == self.me.uid and p.deleting for p in self.pods)


@dataclass(frozen=True)
class Memory:
    """What a member carries from one decision to the next. Times are boot times in seconds.

    phase, phase_since. nonce: of the supervisor whose server the phase speaks of. op, put: under way, since when; op_ended: when
    the last operation was answered.
    held_term: the term this member holds, None if it holds none; renewed_at: send of the last acknowledged write under it;
    recorded_ttl: that write's TTL. position: end of WAL, known while sealed. promised: the version of the last publication
    that was sent, and its running flag, published_at: when; start_version: the one first read after this server's start (rule 3).
    follow_term: of the primary that is followed; mode: the standby mode the server was started in. dead_reason: why our server,
    which could write, no longer runs; gave_back: a release was sent for that death; hold_s: how long others should wait
    for it. first_version: the one this agent read first; while it stands, nobody has been seen to hold the Lease (a cold
    start). tries, retry_at: of what failed. told_at: when a lasting
    trouble was announced last.
    """

    phase: Phase = Phase.BOOT
    phase_since: float = 0.0
    nonce: str | None = None
    op: Op | None = None
    op_number: int = 0
    op_ended: float = 0.0
    put: PutKind | None = None
    put_at: float = 0.0
    held_term: int | None = None
    renewed_at: float = 0.0
    recorded_ttl: float = 0.0
    position: Position | None = None
    promised: tuple[str, bool] | None = None
    published_at: float = 0.0
    start_version: str | None = None
    started: bool = False
    follow_term: int | None = None
    mode: str | None = None
    dead_reason: str | None = None
    gave_back: bool = False
    hold_s: float = 0.0
    successor: str | None = None
    failed_until: float = 0.0
    retry_at: float = 0.0
    tries: int = 0
    read_at: float = 0.0
    list_at: float = 0.0
    label_at: float = 0.0
    first_version: str | None = None
    checked: Position | None = None
    told_at: float = -1e9


@dataclass(frozen=True)
class Run:
    """Begin operation `number`. term: under which the supervisor is spoken to; host: the primary's address; mode: warm or hot;
    timeline: the primary's, or the one to promote onto; own: our end of WAL; slow: seal with the longer check.
    """

    number: int
    op: Op
    host: str | None = None
    mode: str | None = None
    timeline: int = 0
    term: int = 0
    own: Position | None = None
    slow: bool = False


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
class Announce:
    """Record an Event. kind: Normal or Warning."""

    kind: str
    reason: str
    message: str


Action = Run | PutLease | ReadLease | ListPods | CheckRecord | Publish | Label | WriteDeadline | Kill | LetGo | Exit | Announce


@dataclass(frozen=True)
class Decision:
    """What to do, in this order, why, and what to remember."""

    memory: Memory
    reason: str
    actions: tuple[Action, ...] = field(default=())
