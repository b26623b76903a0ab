"""Results of actions; each is delivered to one decision."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from hapg_protocol.lsn import Position
from hapg_protocol.model import LeaseState

from .actions import Op, PutKind


class Outcome(Enum):
    """How an operation ended.

    DIVERGED: a rewind is needed; NEEDS_CLONE: only a clone helps; LACKS_WAL: the primary has removed WAL that we need; ROOM: the volume has
    too little free space; REFUSED: the server rejects its configuration, and would do so without this data too; UNPROVEN: neither the
    configuration nor the data is known to be the cause; BUSY: the primary accepts no connection for it, and nothing was changed.
    """

    OK = "ok"
    FAILED = "failed"
    DIVERGED = "diverged"
    NEEDS_CLONE = "needs-clone"
    LACKS_WAL = "lacks-wal"
    ROOM = "room"
    REFUSED = "refused"
    BUSY = "busy"
    UNPROVEN = "unproven"


@dataclass(frozen=True)
class Fetched:
    """WAL that was taken from the archive. count: how many segments; to: the LSN up to which our segments are whole now; until: the LSN at
    which the primary's WAL begins.
    """

    count: int
    to: int
    until: int


@dataclass(frozen=True)
class OpResult:
    """The result of operation `number`.

    nonce: identifies the supervisor it addressed; position: the end of WAL, if the operation reports it; shutdown: a shutdown checkpoint
    ends there; ended: CLOCK_BOOTTIME from which the supervisor's reports include the operation's effects, None: the time of the answer;
    emergency_spaces: the volumes whose emergency WAL space was released; replayed: the LSN up to which a sealed server has replayed its
    WAL, in bytes; unbegun: the promotion was refused, so its timeline was not begun; refused: why PostgreSQL rejects the release's
    configuration, '' if it accepts it, None if that wasn't tested; hindrance: a known reason why a server that was told to follow may not
    stream; fetched: what was taken from the archive.
    """

    number: int
    op: Op
    outcome: Outcome
    nonce: str
    text: str = ""
    position: Position | None = None
    shutdown: bool = False
    ended: float | None = None
    emergency_spaces: tuple[str, ...] = ()
    replayed: int | None = None
    unbegun: bool = False
    refused: str | None = None
    hindrance: str = ""
    fetched: Fetched | None = None


class PutOutcome(Enum):
    """How a write of the Lease ended. UNKNOWN: no answer; the write may have been applied, or may still be."""

    OK = "ok"
    CONFLICT = "conflict"
    NOT_FOUND = "not-found"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class PutResult:
    """The answer to a PutLease. sent_at: CLOCK_BOOTTIME just before it was sent; version: the new version if OK."""

    kind: PutKind
    outcome: PutOutcome
    sent_at: float
    state: LeaseState
    version: str | None = None


@dataclass(frozen=True)
class RecordCheck:
    """Whether our volume may hold a WAL record at `position`, which a better candidate reported as its end of WAL.

    term: of the Lease that was released after our server had died. A later term's server has written more.
    """

    term: int
    position: Position
    exists: bool
