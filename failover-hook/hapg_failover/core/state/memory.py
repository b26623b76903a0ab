"""What a member carries from one decision to the next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from hapg_protocol.lsn import Position
from hapg_protocol.model import ReleaseCause

from ..election import Block
from ..write_quorum import Setting
from .actions import Op, PutKind
from .phases import Phase


@dataclass(frozen=True)
class Switchover:
    """A switchover that the primary has begun while it still serves.

    cause: as the release will have it; since: boot time; request: the ID of the operator's switchover, None if nobody asked for it; to: the
    successor that was asked for, or None for any; stop_at: boot time from which on the server may be stopped, None while it checkpoints;
    asked: boot time at which the Lease was last written to name the successor; routed: the pod that was labelled primary for it.
    """

    cause: ReleaseCause
    since: float
    request: str | None = None
    to: str | None = None
    stop_at: float | None = None
    asked: float = 0.0
    routed: str | None = None

    @property
    def why(self) -> str:
        """The cause in words."""
        return self.cause.words


@dataclass(frozen=True)
class Apart:
    """That we don't stream from a primary that is there. since: boot time, None while we do; why: what failed last, in words; told: the
    reason in the last Event, '' if there was none; told_at: when that was; shown_at: when our pod was last made to show it.
    """

    since: float | None = None
    why: str = ""
    told: str = ""
    told_at: float = -1e9
    shown_at: float = -1e9


@dataclass(frozen=True)
class LeaseHold:
    """That we hold the Lease, or have lost our server while we did.

    held_term: the term that this member holds, None if it holds none; renewed_at: send of the last acknowledged write under it;
    recorded_ttl: that write's TTL. former: volume of the holder before us; reserved: the highest timeline reserved before our claim;
    unbegun: a term under which we began none, and that timeline. dead_reason: why our server, which could write, no longer runs;
    gave_back: a release was sent for that death; hold_s: how long others should wait for it.
    """

    held_term: int | None = None
    renewed_at: float = 0.0
    recorded_ttl: float = 0.0
    former: str | None = None
    reserved: int = 0
    unbegun: tuple[int, int] | None = None
    dead_reason: str | None = None
    gave_back: bool = False
    hold_s: float = 0.0


@dataclass(frozen=True)
class LeaseWrites:
    """put: the write of the Lease that is under way, put_at: when the last one was sent, put_on: the version of the Lease that was known
    then; renewals_failed: how many.
    """

    put: PutKind | None = None
    put_at: float = 0.0
    put_on: str = ""
    renewals_failed: int = 0


@dataclass(frozen=True)
class ApiReads:
    """read_at, list_at: when the Lease and the pods were last asked for. first_version: the Lease's that this agent read first; while it
    stands, nobody has been seen to hold the Lease (a cold start). checked: the position whose record was looked for (rule 9).
    """

    read_at: float = 0.0
    list_at: float = 0.0
    first_version: str | None = None
    checked: Position | None = None


@dataclass(frozen=True)
class OperationState:
    """op: the operation under way; op_number: of the last one; op_ended: when that was answered."""

    op: Op | None = None
    op_number: int = 0
    op_ended: float = 0.0


@dataclass(frozen=True)
class SealedAt:
    """Where our sealed server's WAL ends.

    position: the end of WAL, known while sealed; shutdown: that end, if it is a shutdown checkpoint's; replayed: LSN up to which it was
    replayed then; started: it was sealed by its start; start_version: the version first read after this server's start (rule 3).
    """

    position: Position | None = None
    shutdown: Position | None = None
    replayed: int | None = None
    started: bool = False
    start_version: str | None = None


@dataclass(frozen=True)
class Reporting:
    """promised: the version of the last position report that was sent, and its running flag; reported_at: when."""

    promised: tuple[str, bool] | None = None
    reported_at: float = 0.0


@dataclass(frozen=True)
class Upstream:
    """follow_term: of the primary that is followed; mode: the standby mode that the server was started in. joined_at: when this member was
    last seen to be the primary or to stream from it, None if it never was, or is known not to; has_joined: the server that runs now has
    been that or done that; leaving_since: when our pod was first
    seen to go.
    """

    follow_term: int | None = None
    mode: str | None = None
    joined_at: float | None = None
    has_joined: bool = False
    leaving_since: float | None = None


@dataclass(frozen=True)
class Retries:
    """tries, retry_at: of what failed; starts: how often in a row our server has failed to start, or has ended before it had joined or was
    promoted; retried: the version under which a start was tried again because another server had started;
    warm_until: hot standby isn't tried before that; failed_until: how long our server counts as suspect, as it failed as the primary.
    """

    tries: int = 0
    retry_at: float = 0.0
    starts: int = 0
    retried: str | None = None
    warm_until: float = 0.0
    failed_until: float = 0.0


@dataclass(frozen=True)
class Copying:
    """copies: rewinds and clones since we last streamed, copy_at: the next one not before that; cloned: the data is a clone that hasn't
    started yet.
    """

    copies: int = 0
    copy_at: float = 0.0
    cloned: bool = False


@dataclass(frozen=True)
class Succession:
    """handover: under way; successor: the pod that is to take over."""

    switchover: Switchover | None = None
    successor: str | None = None


@dataclass(frozen=True)
class Reign:
    """Our time as the primary. cause, promoted_at: why we were promoted last, and when; checkpointed: a checkpoint
    was ordered since; label_at: when pods were labelled last; slots_at: when replication slots were changed last.
    """

    cause: PromotionCause | None = None
    promoted_at: float = 0.0
    checkpointed: bool = True
    label_at: float = 0.0
    slots_at: float = 0.0


@dataclass(frozen=True)
class StorageState:
    """stuck_since: when the data volume was first seen to take no writes. full_since: when our volume, as the primary, was first seen to
    be full, or to have only the emergency WAL space; emergency_space_used: our server was started with that, and hasn't followed another
    since.
    """

    stuck_since: float | None = None
    full_since: float | None = None
    emergency_space_used: bool = False


@dataclass(frozen=True)
class Extensions:
    """What peers let us do, and what we let them (rule 8).

    granted_at: (volume, boot time before it was asked) of the replicas' latest extensions under held_term; claimants: volumes that our
    writes on the version written_on listed; asked_at, serial: of the last request for extensions; by_extensions: nothing else lets our
    server go on. promised_until: boot time before which we don't claim, None until the agent's first decision; heard: (term, serial) of
    the last request that was granted.
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
    """The synchronous set (rule 11). guarded: the server was started to acknowledge nothing by itself; recorded: the set in the Lease is
    what was last written and answered; setting: found in force, at LSN base; None: not known; ordered: the last one that was ordered;
    sync_told: the last Event about it.
    """

    guarded: bool = False
    recorded: bool = False
    setting: Setting | None = None
    ordered: Setting | None = None
    base: int = 0
    sync_told: str | None = None


@dataclass(frozen=True)
class Telling:
    """What people were told. told: lasting troubles by their Event's reason, and when each was announced last; answered: requests of
    operators that were answered, as they were written, and when. blocked: why we may not claim a Lease that is free, however long it stays
    so, and when that was found last: blocked_at. refused: why the configuration is refused, as the last Event
    had it; refused_told: when that was; refused_shown: when our pod was last made to show it. apart: that we don't stream, and why.
    """

    told: tuple[tuple[str, float], ...] = ()
    answered: tuple[tuple[str, float], ...] = ()
    blocked: Block | None = None
    blocked_at: float = -1e9
    refused: str = ""
    refused_told: float = 0.0
    refused_shown: float = -1e9
    apart: Apart = Apart()


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
    | Succession
    | Reign
    | StorageState
    | Extensions
    | SyncState
    | Telling
)


@dataclass(frozen=True)
class Memory:
    """What a member carries from one decision to the next. Times are boot times in seconds.

    phase, phase_since: `Step.go` alone changes them. nonce: of the supervisor whose server the phase speaks of.
    """

    phase: Phase = Phase.BOOT
    phase_since: float = 0.0
    nonce: str | None = None
    hold: LeaseHold = LeaseHold()
    writes: LeaseWrites = LeaseWrites()
    reads: ApiReads = ApiReads()
    operation: OperationState = OperationState()
    sealed: SealedAt = SealedAt()
    reporting: Reporting = Reporting()
    upstream: Upstream = Upstream()
    retry: Retries = Retries()
    copying: Copying = Copying()
    succession: Succession = Succession()
    reign: Reign = Reign()
    storage: StorageState = StorageState()
    extensions: Extensions = Extensions()
    sync: SyncState = SyncState()
    telling: Telling = Telling()

    def having(self, part: Part) -> Memory:  # noqa: C901 a case for each
        """Return the memory with `part` in the place of its kind."""
        match part:
            case LeaseHold():
                return replace(self, hold=part)
            case LeaseWrites():
                return replace(self, writes=part)
            case ApiReads():
                return replace(self, reads=part)
            case OperationState():
                return replace(self, operation=part)
            case SealedAt():
                return replace(self, sealed=part)
            case Reporting():
                return replace(self, reporting=part)
            case Upstream():
                return replace(self, upstream=part)
            case Retries():
                return replace(self, retry=part)
            case Copying():
                return replace(self, copying=part)
            case Succession():
                return replace(self, succession=part)
            case Reign():
                return replace(self, reign=part)
            case StorageState():
                return replace(self, storage=part)
            case Extensions():
                return replace(self, extensions=part)
            case SyncState():
                return replace(self, sync=part)
            case Telling():
                return replace(self, telling=part)
            case _:
                assert_never(part)


class PromotionCause(StrEnum):
    """The label of a metric."""

    SWITCHOVER = "switchover"
    DELETION = "deletion"
    DEATH = "death"
    EXPIRY = "expiry"
    FORCED = "forced"
    START = "start"
