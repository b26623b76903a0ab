"""The parts of an agent's memory, each with one owner among the rules."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hapg_protocol.lsn import Position
from hapg_protocol.model import Release, ReleaseCause

from ..election import Block
from ..timing import ENDLESS_S
from ..write_quorum import Setting
from .actions import Op, PutKind


@dataclass(frozen=True)
class Switchover:
    """A switchover that the primary has begun while it still serves.

    cause: the cause for the release; since: CLOCK_BOOTTIME; request: the ID of the operator's request, None if nobody requested it; to: the
    requested successor, or None for any; stop_at: CLOCK_BOOTTIME from which the server may be stopped, None during the checkpoint; asked:
    CLOCK_BOOTTIME of the last Lease write that named the successor; routed: the pod that was labelled primary for this switchover; reason:
    in words, '' for the cause's own; alone: there is no other server, and ours starts again in its place.
    """

    cause: ReleaseCause
    since: float
    request: str | None = None
    to: str | None = None
    stop_at: float | None = None
    asked: float = 0.0
    routed: str | None = None
    reason: str = ""
    alone: bool = False

    @property
    def why(self) -> str:
        """The cause in words."""
        return self.reason or self.cause.words


@dataclass(frozen=True)
class Apart:
    """State while we don't stream from a primary that exists. since: CLOCK_BOOTTIME, None while we stream; why: the last failure, in words;
    told: the reason in the last Event, '' if there was none; told_at: when that was; shown_at: when our pod was last made to show it.
    """

    since: float | None = None
    why: str = ""
    told: str = ""
    told_at: float = -1e9
    shown_at: float = -1e9


@dataclass(frozen=True)
class LeaseHold:
    """The Lease that we hold, or held when we lost our server.

    held_term: the term that we hold, None if none; renewed_at: when its last acknowledged write was sent; recorded_ttl: the TTL in that
    write. former: volume of the previous holder; reserved: the highest timeline reserved before our claim; unbegun: a term in which we
    began no timeline, and the value of `reserved` then. dead_reason: why our writable server no longer runs; hung: because a volume hung;
    gave_back: a release was sent for that death; hold_s: how long others should wait for our server, in seconds.
    """

    held_term: int | None = None
    renewed_at: float = 0.0
    recorded_ttl: float = 0.0
    former: str | None = None
    reserved: int = 0
    unbegun: tuple[int, int] | None = None
    dead_reason: str | None = None
    hung: bool = False
    gave_back: bool = False
    hold_s: float = 0.0

    def of_the_dead(self, otherwise: str) -> Release:
        """Return the release for our dead server. otherwise: the reason if none is known."""
        cause = ReleaseCause.HUNG if self.hung else ReleaseCause.DEATH
        return Release(self.dead_reason or otherwise, clean=False, hold_s=self.hold_s, cause=cause)


@dataclass(frozen=True)
class LeaseWrites:
    """Writes of the Lease. put: the write in progress; put_at: when the last one was sent; put_on: the version of the Lease known at that
    time; renewals_failed: how many renewals have failed.
    """

    put: PutKind | None = None
    put_at: float = 0.0
    put_on: str = ""
    renewals_failed: int = 0


@dataclass(frozen=True)
class ApiReads:
    """Reads from the API. read_at, list_at: when the Lease and the pods were last requested. first_version: the version of the Lease that
    this agent read first; while it is unchanged, nobody has been seen to hold the Lease (a cold start). checked: the position whose record
    was looked for, after the term that it belongs to (rule 9).
    """

    read_at: float = 0.0
    list_at: float = 0.0
    first_version: str | None = None
    checked: tuple[int, Position] | None = None


@dataclass(frozen=True)
class OperationState:
    """Operations on the server.

    op: the one in progress; op_number: number of the last one; op_begun: when it was ordered; op_ended: when its answer arrived.
    """

    op: Op | None = None
    op_number: int = 0
    op_begun: float = 0.0
    op_ended: float = 0.0

    @property
    def is_short(self) -> bool:
        """True for an operation of a few seconds; others start or copy a server, which may take long."""
        return self.op in (Op.FOLLOW, Op.SEAL)

    def is_stuck(self, moved_at: float, now: float) -> bool:
        """True if a short operation should have ended long ago: each of its steps has a time limit, so its thread is lost.

        moved_at: CLOCK_BOOTTIME at which the server or a job last made visible progress; now: CLOCK_BOOTTIME.
        """
        return self.is_short and now - max(self.op_begun, moved_at) > ENDLESS_S


@dataclass(frozen=True)
class SealedAt:
    """The end of our sealed server's WAL.

    position: the end of WAL, known while sealed; shutdown: the same position, if it is the end of a shutdown checkpoint; replayed: the LSN
    up to which WAL had been replayed when the server was sealed; started: it has been sealed since its start; start_version: the version of
    the Lease first read after this server's start (rule 3).
    """

    position: Position | None = None
    shutdown: Position | None = None
    replayed: int | None = None
    started: bool = False
    start_version: str | None = None


@dataclass(frozen=True)
class Reporting:
    """Our position report. promised: the version in the last one sent, and its running flag; reported_at: when it was sent."""

    promised: tuple[str, bool] | None = None
    reported_at: float = 0.0


@dataclass(frozen=True)
class Upstream:
    """The primary that we follow. follow_term: its term; mode: the standby mode that our server was started in. joined_at: when this pod
    was last seen to be the primary or to stream from it, None if it never was, or is known not to be; has_joined: the server that runs now
    has been primary or has streamed; leaving_since: when our pod's deletion was first seen; shown_at: when our pod was last made to show
    the mode; due_since: when another mode than ours was first due, None: ours is; settings_shown_at: as shown_at, of the start settings;
    labelled_at: when our pod was last labelled as a hot standby, or no longer so.
    """

    follow_term: int | None = None
    mode: str | None = None
    joined_at: float | None = None
    has_joined: bool = False
    leaving_since: float | None = None
    shown_at: float = -1e9
    due_since: float | None = None
    labelled_at: float = -1e9
    settings_shown_at: float = -1e9


@dataclass(frozen=True)
class Retries:
    """Failures and when to try again. tries, retry_at: for the operation that failed; starts: how many times in a row our server has failed
    to start, or has ended before it joined or was promoted; retried: the version of the Lease in which another start was attempted because
    another server had started; warm_until: no hot standby before then; failed_until: until when our server counts as suspect because it
    failed as the primary; looked: the supervisor that had left the data of another major as we know it.
    """

    tries: int = 0
    retry_at: float = 0.0
    starts: int = 0
    retried: str | None = None
    looked: str | None = None
    warm_until: float = 0.0
    failed_until: float = 0.0


@dataclass(frozen=True)
class Copying:
    """Rewinds and clones. copies: their number since we last streamed; copy_at: the earliest time for the next one; cloned: the data is a
    clone that hasn't been started yet.
    """

    copies: int = 0
    copy_at: float = 0.0
    cloned: bool = False


@dataclass(frozen=True)
class CatchingUp:
    """WAL from the archive, since we last streamed or were copied. is_due: more of it is to be taken; fetched_to: the LSN up to which our
    segments are known to be whole, None: not known; taken, total: how many segments, and how many there will be, 0 while not known;
    failures: consecutive ones; unfit: why the archive doesn't help, '' unless that is known.
    """

    is_due: bool = False
    fetched_to: int | None = None
    taken: int = 0
    total: int = 0
    failures: int = 0
    unfit: str = ""


@dataclass(frozen=True)
class Succession:
    """A switchover away from us. switchover: the one in progress; successor: the pod that is to take over; not_before: CLOCK_BOOTTIME
    before which none is begun for changed settings.
    """

    switchover: Switchover | None = None
    successor: str | None = None
    not_before: float = 0.0


@dataclass(frozen=True)
class Reign:
    """Our time as the primary. cause, promoted_at: why and when we were last promoted; checkpointed: a checkpoint has been ordered since
    then; label_at: when pods were last labelled; slots_at: when replication slots were last changed.
    """

    cause: PromotionCause | None = None
    promoted_at: float = 0.0
    checkpointed: bool = True
    label_at: float = 0.0
    slots_at: float = 0.0


@dataclass(frozen=True)
class StorageState:
    """The state of our volumes. stuck_since: when the data volume was first seen to accept no writes. slow_at: when a write was last seen
    to take longer than usual. full_since: when our volume, as the primary, was first seen to be full, or to have only the emergency WAL
    space left; emergency_space_used: our server was started with that space, and hasn't followed another primary since. died_at: when our
    server was found dead, while the free space has to be looked at since; None: it hasn't.
    """

    stuck_since: float | None = None
    slow_at: float = -1e9
    full_since: float | None = None
    emergency_space_used: bool = False
    died_at: float | None = None


@dataclass(frozen=True)
class Extensions:
    """Lease extensions that we received from peers and that we granted (rule 8).

    granted_at: (volume, CLOCK_BOOTTIME just before the request) of each replica's latest extension in held_term; claimants: the volumes
    that our writes on top of version written_on listed; asked_at, serial: of the last request for extensions; by_extensions: only
    extensions let our server continue. promised_until: CLOCK_BOOTTIME before which we don't claim, None until the agent's first decision;
    heard: (term, serial) of the last request that was granted.
    """

    granted_at: tuple[tuple[str, float], ...] = ()
    claimants: tuple[str, ...] = ()
    written_on: str = ""
    asked_at: float = 0.0
    serial: int = 0
    by_extensions: bool = False
    promised_until: float | None = None
    heard: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class SyncState:
    """The write quorum (rule 11). guarded: the server was started so that it acknowledges nothing on its own; recorded: the quorum in the
    Lease is the one last written, and that write was answered; setting: the setting in effect, verified at LSN base, None: not known;
    ordered: the setting last ordered; sync_told: the last Event about it.
    """

    guarded: bool = False
    recorded: bool = False
    setting: Setting | None = None
    ordered: Setting | None = None
    base: int = 0
    sync_told: str | None = None


@dataclass(frozen=True)
class Telling:
    """What people have been told. told: lasting problems, as the reason of their Event and when it was last recorded; answered: operator
    requests that were answered, verbatim, and when. blocked: why waiting won't let us claim a free Lease; blocked_at: when that was last
    the case; left_out_at: when the number of replicas last left out a volume that may have more WAL (rule 4H). refused: why the
    configuration is refused, as in the last Event; refused_told: when that Event was recorded; refused_shown: when our pod was last made
    to show it. apart: that we don't stream, and why. uncreated: why the first server could not be made; uncreated_shown: when our pod
    was last made to show it. not_upgraded: why data of another major is not upgraded; not_upgraded_shown: when our pod was last made to
    show it.
    """

    told: tuple[tuple[str, float], ...] = ()
    answered: tuple[tuple[str, float], ...] = ()
    blocked: Block | None = None
    blocked_at: float = -1e9
    left_out_at: float = -1e9
    refused: str = ""
    refused_told: float = 0.0
    refused_shown: float = -1e9
    apart: Apart = Apart()
    uncreated: str = ""
    uncreated_shown: float = -1e9
    not_upgraded: str = ""
    not_upgraded_shown: float = -1e9


Part = (
    LeaseHold
    | LeaseWrites
    | ApiReads
    | OperationState
    | SealedAt
    | Reporting
    | Upstream
    | Retries
    | Copying
    | CatchingUp
    | Succession
    | Reign
    | StorageState
    | Extensions
    | SyncState
    | Telling
)


class PromotionCause(StrEnum):
    """Why a server was promoted: the values of a metric's label."""

    SWITCHOVER = "switchover"
    DELETION = "deletion"
    DEATH = "death"
    EXPIRY = "expiry"
    FORCED = "forced"
    START = "start"
