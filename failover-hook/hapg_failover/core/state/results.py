"""How what was ordered has ended, each shown to one decision."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from hapg_protocol.lsn import Position
from hapg_protocol.model import LeaseState

from .actions import Op, PutKind


class Outcome(Enum):
    """How an operation ended.

    DIVERGED: only a rewind helps; NEEDS_CLONE: only a clone helps; ROOM: the volume has too little room for it; REFUSED: the server
    doesn't take its configuration, which one without data doesn't either; UNPROVEN: neither that nor its data is known to be the reason;
    BUSY: the primary takes no connection for it, and nothing has been touched.
    """

    OK = "ok"
    FAILED = "failed"
    DIVERGED = "diverged"
    NEEDS_CLONE = "needs-clone"
    ROOM = "room"
    REFUSED = "refused"
    BUSY = "busy"
    UNPROVEN = "unproven"


@dataclass(frozen=True)
class OpResult:
    """The answer to the operation of that number.

    nonce: of the supervisor it spoke to; position: the end of WAL, where the operation tells it; shutdown: a shutdown checkpoint ends
    there; ended: boot time from which on the supervisor's word knows of what the operation did, None: the time of the answer;
    emergency_spaces: the volumes whose emergency space was released; replayed: LSN up to which a sealed server has replayed its WAL, in
    bytes; unbegun: the promotion was refused, so its timeline was not begun; refused: why PostgreSQL doesn't take the release's
    configuration, '' if it does, None if that wasn't tried; hindrance: what is known to keep a server from streaming that has been told
    to follow.
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
class RecordCheck:
    """Whether our volume may hold a WAL record at `position`, which a better member reported as its end."""

    position: Position
    exists: bool
