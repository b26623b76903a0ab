"""What a member carries from one decision to the next."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .actions import Op, PutKind
from .lsn import Position
from .syncset import Setting


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


@dataclass(frozen=True)
class HandOver:
    """A hand-over that the primary has begun while it still serves.

    why: in words; since: boot time; request: the ID of the operator's switchover, None if nobody asked for it; to: the successor that
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
class Memory:
    """What a member carries from one decision to the next. Times are boot times in seconds.

    phase, phase_since. nonce: of the supervisor whose server the phase speaks of. op, put: under way, since when; put_on: the version of
    the Lease that was known when the last write was sent; op_ended: when the last operation was answered. held_term: the term this member
    holds, None if it holds none; renewed_at: send of the last acknowledged write under it; recorded_ttl: that write's TTL. position: end of
    WAL, known while sealed; shutdown: that end, if it is a shutdown checkpoint's; replayed: LSN up to which it was replayed then. promised:
    the version of the last publication that was sent, and its running flag, published_at: when; start_version: the one first read after
    this server's start (rule 3). follow_term: of the primary that is followed; mode: the standby mode the server was started in.
    dead_reason: why our server, which could write, no longer runs; gave_back: a release was sent for that death; hold_s: how long others
    should wait for it. handover: under way; successor: the pod that is to take over. former: volume of the holder before us; reserved: the
    highest timeline reserved before our claim; unbegun: a term under which we began none, and that timeline. first_version: the one this
    agent read first; while it stands, nobody has been seen to hold the Lease (a cold start). tries, retry_at: of what failed; retried: the
    version under which a start was tried again because another server had started; copies: rewinds and clones since we last streamed,
    copy_at: the next one not before that; cloned: the data is a clone that hasn't started yet. warm_until: hot standby isn't tried before
    that. stuck_since: when the data volume was first seen to take no writes. full_since: when our volume, as the primary, was first seen to
    be full, or to have only what was set aside; reserve_used: our server was started with that, and hasn't followed another since.
    slots_at: when slots were changed last. told: lasting troubles by their Event's reason, and when each was announced last; answered:
    requests of operators that were answered, as they were written, and when. blocked: why we may not claim a Lease that is free, however
    long it stays so, in a word of election.BLOCKS, and when that was found last: blocked_at. renewals_failed: how many; cause, promoted_at:
    why we were promoted last, a word of causes.CAUSES, and when; checkpointed: a checkpoint was ordered since. grants: (volume, boot time
    before it was asked) of the members' latest grants under held_term; claimants: volumes that our writes on the version written_on named
    as members; asked_at, serial: of the last request for grants; by_grants: they are all that lets our server go on. promised_until: boot
    time before which we don't claim, None until the agent's first decision; heard: (term, serial) of the last request that was granted.
    guarded: the server was started to acknowledge nothing by itself; recorded: the synchronous set in the Lease is what was last written
    and answered; setting: found in force, at LSN base; None: not known; ordered: the last one that was ordered; sync_told: the last Event
    about it. joined_at: when this member was last seen to be the primary or to stream from it, None if it never was, or is known not to;
    leaving_since: when our pod was first seen to go. refused: why the configuration is refused, as the last Event had it; refused_told:
    when that was; refused_shown: when our pod was last made to show it. apart: that we don't stream, and why.
    """

    phase: Phase = Phase.BOOT
    phase_since: float = 0.0
    nonce: str | None = None
    op: Op | None = None
    op_number: int = 0
    op_ended: float = 0.0
    put: PutKind | None = None
    put_at: float = 0.0
    put_on: str = ""
    held_term: int | None = None
    renewed_at: float = 0.0
    recorded_ttl: float = 0.0
    position: Position | None = None
    shutdown: Position | None = None
    replayed: int | None = None
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
    retried: str | None = None
    copies: int = 0
    copy_at: float = 0.0
    cloned: bool = False
    warm_until: float = 0.0
    stuck_since: float | None = None
    full_since: float | None = None
    reserve_used: bool = False
    read_at: float = 0.0
    list_at: float = 0.0
    label_at: float = 0.0
    former: str | None = None
    reserved: int = 0
    unbegun: tuple[int, int] | None = None
    first_version: str | None = None
    checked: Position | None = None
    slots_at: float = 0.0
    told: tuple[tuple[str, float], ...] = ()
    joined_at: float | None = None
    leaving_since: float | None = None
    answered: tuple[tuple[str, float], ...] = ()
    blocked: str = ""
    blocked_at: float = -1e9
    renewals_failed: int = 0
    cause: str = ""
    promoted_at: float = 0.0
    checkpointed: bool = True
    grants: tuple[tuple[str, float], ...] = ()
    claimants: tuple[str, ...] = ()
    written_on: str = ""
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
    refused: str = ""
    refused_told: float = 0.0
    refused_shown: float = -1e9
    apart: Apart = Apart()
