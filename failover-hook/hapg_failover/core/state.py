"""What `decide` looks at, remembers and orders: the observation, the memory, the actions. All frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from .lsn import Position
from .model import DATA_VOLUME, GrantAnswer, GrantRequest, Holder, LeaseState, Pod, Publication, VolumeState
from .syncset import ASYNCHRONOUS, Policy, Setting
from .timing import Timing
from .wal import SEGMENT_SIZE


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
    PREPARE = "prepare"
    HAND_OVER = "hand-over"
    STOP = "stop"
    STANDBYS = "standbys"


class Outcome(Enum):
    """How an operation ended.

    FORKED: only a rewind helps; LOST: only a clone helps; ROOM: the volume has too little room for it; REFUSED: the server doesn't take its
    configuration.
    """

    OK = "ok"
    FAILED = "failed"
    FORKED = "forked"
    LOST = "lost"
    ROOM = "room"
    REFUSED = "refused"


@dataclass(frozen=True)
class OpResult:
    """The answer to the operation of that number.

    nonce: of the supervisor it spoke to; position: the end of WAL, where the operation tells it; shutdown: a shutdown checkpoint ends
    there; ended: boot time from which on the supervisor's word knows of what the operation did, None: the time of the answer.
    """

    number: int
    op: Op
    outcome: Outcome
    nonce: str
    text: str = ""
    position: Position | None = None
    shutdown: bool = False
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
class HandOver:
    """A hand-over that the primary has begun while it still serves.

    why: in words; since: boot time; request: the ID of the operator's switchover, None if the pod is going away; to: the successor that
    was asked for, or None for any; stop_at: boot time from which on the server may be stopped, None while it checkpoints;
    asked: boot time at which the Lease was last written to name the successor; routed: the pod that was labelled primary for it.
    """

    why: str
    since: float
    request: str | None = None
    to: str | None = None
    stop_at: float | None = None
    asked: float = 0.0
    routed: str | None = None


@dataclass(frozen=True)
class Slot:
    """A physical replication slot of our server. active: somebody streams from it."""

    name: str
    active: bool


@dataclass(frozen=True)
class Observation:
    """Everything `decide` may know, at one instant.

    now: boot time in seconds. gone: UIDs of pods that were seen to go from the API. server: the supervisor's word (down, standby,
    primary) or None without a fresh heartbeat. term_in_force: of the deadline file of this supervisor, 0 without one. container_dead:
    both locks are in our hands. probe_at: boot time of the last successful write to every volume, probe_on: the volume that was tried
    last. streaming, position, slots: from SQL while primary; slots None: not known, or not used. volume_reason: what volume_state rests
    on; room: bytes that are free on the volume that has least, None: not known, room_on: which one that is; segment: size of a WAL
    segment in bytes. policy: what the chart asks of synchronous replication; standby_names: what the server says of
    synchronous_standby_names while primary. pods_listed_at: boot time before the last LIST of the pods. put, op, checked, granted:
    answers, asked: requests of a holder; each shown once.
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
    lease: LeaseView | None = None
    pods: tuple[Pod, ...] = ()
    pods_listed_at: float = 0.0
    streaming: tuple[Streaming, ...] = ()
    position: Position | None = None
    slots: tuple[Slot, ...] | None = None
    probe_at: float = 0.0
    probe_on: str = DATA_VOLUME
    room: int | None = None
    room_on: str = DATA_VOLUME
    segment: int = SEGMENT_SIZE
    policy: Policy = ASYNCHRONOUS
    standby_names: str = ""
    put: PutResult | None = None
    op: OpResult | None = None
    checked: RecordCheck | None = None
    asked: tuple[GrantRequest, ...] = ()
    granted: tuple[GrantAnswer, ...] = ()

    @property
    def deleting(self) -> bool:
        """This pod is going away."""
        return self.terminating or self.me.uid in self.gone or any(p.uid == self.me.uid and p.deleting for p in self.pods)


@dataclass(frozen=True)
class Memory:
    """What a member carries from one decision to the next. Times are boot times in seconds.

    phase, phase_since. nonce: of the supervisor whose server the phase speaks of. op, put: under way, since when; op_ended: when
    the last operation was answered.
    held_term: the term this member holds, None if it holds none; renewed_at: send of the last acknowledged write under it; recorded_ttl:
    that write's TTL. position: end of WAL, known while sealed; shutdown: that end, if it is a shutdown checkpoint's. promised: the
    version of the last publication that was sent, and its running flag, published_at: when; start_version: the one first read after this
    server's start (rule 3). follow_term: of the primary that is followed; mode: the standby mode the server was started in. dead_reason:
    why our server, which could write, no longer runs; gave_back: a release was sent for that death; hold_s: how long others should wait
    for it. handover: under way; successor: the pod that is to take over. former: volume of the holder before us. first_version: the one
    this agent read first; while it stands, nobody has been seen to hold the Lease (a cold start). tries, retry_at: of what failed;
    copies: rewinds and clones since we last streamed, copy_at: the next one not before that; cloned: the data is a clone that hasn't
    started yet. warm_until: hot standby isn't tried before that. stuck_since: when the data volume was first seen to take no writes.
    slots_at: when slots were changed last. told_at: when a lasting trouble was announced last; answered: requests of operators that were
    answered, as they were written, and when. blocked: why we may not claim a Lease that is free, however long it stays so, in a word of
    election.BLOCKS. renewals_failed: how many; cause, promoted_at: why we were promoted last, a word of causes.CAUSES, and when. grants:
    (volume, boot time before it was asked) of the members' latest grants under held_term; claimants: volumes that may be in the member
    list, while the outcome of our last write isn't known; asked_at, serial: of the last request for grants; by_grants: they are all that
    lets our server go on. promised_until: boot time before which we don't claim, None until the agent's first decision; heard: (term,
    serial) of the last request that was granted. guarded: the server was started to acknowledge nothing by itself; recorded: the
    synchronous set in the Lease is what was last written and answered; setting: found in force, at LSN base; None: not known; ordered:
    the last one that was ordered; sync_told: the last Event about it.
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
    shutdown: Position | None = None
    promised: tuple[str, bool] | None = None
    published_at: float = 0.0
    start_version: str | None = None
    started: bool = False
    follow_term: int | None = None
    mode: str | None = None
    dead_reason: str | None = None
    gave_back: bool = False
    hold_s: float = 0.0
    handover: HandOver | None = None
    successor: str | None = None
    failed_until: float = 0.0
    retry_at: float = 0.0
    tries: int = 0
    copies: int = 0
    copy_at: float = 0.0
    cloned: bool = False
    warm_until: float = 0.0
    stuck_since: float | None = None
    read_at: float = 0.0
    list_at: float = 0.0
    label_at: float = 0.0
    former: str | None = None
    first_version: str | None = None
    checked: Position | None = None
    slots_at: float = 0.0
    told_at: float = -1e9
    answered: tuple[tuple[str, float], ...] = ()
    blocked: str = ""
    renewals_failed: int = 0
    cause: str = ""
    promoted_at: float = 0.0
    grants: tuple[tuple[str, float], ...] = ()
    claimants: tuple[str, ...] = ()
    asked_at: float = 0.0
    serial: int = 0
    by_grants: bool = False
    promised_until: float | None = None
    heard: tuple[int, int] = (0, 0)
    guarded: bool = False
    recorded: bool = False
    setting: Setting | None = None
    ordered: Setting | None = None
    base: int = 0
    sync_told: str | None = None


@dataclass(frozen=True)
class Run:
    """Begin operation `number`. term: under which the supervisor is spoken to; host: the primary's address; source: of a standby that may
    be cloned instead; mode: warm or hot; timeline: the primary's, or the one to promote onto; own: our end of WAL; slow: seal with the
    longer check; drain: seal only once the primary has ended the stream; seconds: how long a checkpoint may take. guard: start a server
    that acknowledges nothing without so many standbys; setting: of synchronous_standby_names; waited: the one before made commits wait.
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
    | ChangeSlots
    | Announce
)


@dataclass(frozen=True)
class Decision:
    """What to do, in this order, why, and what to remember."""

    memory: Memory
    reason: str
    actions: tuple[Action, ...] = field(default=())
