"""What the members of a release say to each other: the Lease's state, position reports, pods.

Everything here is a frozen value. `lease` and `position_report` encode them; the rules are in docs/protocol.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum

from .lsn import Position
from .recovery import Progress

PROTOCOL = 1
"""The number of the protocol that this agent speaks (docs/protocol.md, rule 15)."""


class VolumeState(Enum):
    """What the data volume of a pod holds. OTHER_MAJOR: a server's directory of another major than ours; MISMATCHED: one whose WAL
    volume isn't its own, or the reverse; neither is ever touched.
    """

    EMPTY = "empty"
    DATA = "data"
    DAMAGED = "damaged"
    OTHER_MAJOR = "other-major"
    MISMATCHED = "mismatched"


@dataclass(frozen=True)
class Holder:
    """Who holds the right to write. A pod's name is inherited by its replacement, its UID is not."""

    pod: str
    uid: str

    @property
    def identity(self) -> str:
        """The Lease's holderIdentity."""
        return f"{self.pod}/{self.uid}"


@dataclass(frozen=True)
class EligibleReplica:
    """A replica that may claim: its pod's name and the UUID of its volume. streaming: it streamed from the holder at the last look."""

    pod: str
    volume: str
    streaming: bool = True


class ReleaseCause(StrEnum):
    """Why a holder gives the Lease back. FIRST_SERVER: it has made the first server, which stands for election like any other."""

    SWITCHOVER = "switchover"
    DELETION = "deletion"
    FULL = "full"
    DEATH = "death"
    FIRST_SERVER = "first-server"

    @property
    def words(self) -> str:
        """For people."""
        return _RELEASE_WORDS[self]


_RELEASE_WORDS = {
    ReleaseCause.SWITCHOVER: "switchover",
    ReleaseCause.DELETION: "the pod is being deleted",
    ReleaseCause.FULL: "the volume is full",
    ReleaseCause.DEATH: "the server died",
    ReleaseCause.FIRST_SERVER: "the first server is created",
}


@dataclass(frozen=True)
class Release:
    """The holder's word, with proof, that its server runs no more.

    reason: in words, for people; cause: the same as a code; clean: the server was shut down and `position` is the end of its shutdown
    checkpoint; successor: the pod that is to claim at once, or None; hold_s: how long others wait for the last holder to report
    (it may be ahead of them), in seconds.
    """

    reason: str
    clean: bool
    position: Position | None = None
    successor: str | None = None
    hold_s: float = 0.0
    cause: ReleaseCause = ReleaseCause.DEATH


@dataclass(frozen=True)
class SyncRecord:
    """The synchronous set as the Lease knows it: what was acknowledged is on k of the volumes, or more (rule 11)."""

    k: int
    volumes: tuple[str, ...]


@dataclass(frozen=True)
class LeaseState:
    """The content of the Lease.

    term grows by each claim; timeline is the highest reserved one (0: none yet); volume is the holder's volume UUID;
    address the holder's IP; ttl_s the TTL in force, in seconds; sync: the synchronous set, None while replication is asynchronous;
    position: the end of the holder's WAL at its last renewal; successor: the pod to which the holder is about to switch over;
    recovery: how far the holder is whose server can't write before it has replayed its WAL; protocol: the number of the protocol that it
    was claimed under; serial: how many writes it has seen, so that an older content is told from a newer one; unknown: name and JSON text
    of each field that this agent doesn't know and writes back as it was read (rule 15).
    """

    holder: Holder
    term: int
    ttl_s: float
    system_identifier: str | None = None
    volume: str | None = None
    address: str | None = None
    timeline: int = 0
    eligible: tuple[EligibleReplica, ...] = ()
    release: Release | None = None
    position: Position | None = None
    successor: str | None = None
    sync: SyncRecord | None = None
    recovery: Progress | None = None
    protocol: int = PROTOCOL
    serial: int = 0
    unknown: tuple[tuple[str, str], ...] = ()

    def precedes(self, other: LeaseState) -> bool:
        """Tell whether this content was written before `other`, or in a history without it: a term has one holder."""
        if self.term == other.term and self.holder != other.holder:
            return True
        return (self.term, self.serial) < (other.term, other.serial)


@dataclass(frozen=True)
class LeaseObject:
    """A Lease as it was read or written: its resourceVersion (opaque) and its state."""

    version: str
    state: LeaseState


@dataclass(frozen=True)
class PositionReport:
    """A member's statement, made while sealed, under one version of the Lease.

    lease_version: the Lease's resourceVersion it was made under (NO_LEASE: none was there); nonce: of the supervisor it speaks for; volume:
    UUID or None; running: the server runs (sealed); max_term: the highest term this volume knows; failed: it could not be promoted a moment
    ago, or has no room, and asks to be left out; suspect: its server failed as the primary within the last minute, so of equals it goes
    last; replayed: LSN up to which its server has replayed that WAL, in bytes, None: not known; protocol: the number that its
    agent speaks (rule 15); foreign: its server was promoted by somebody else, so its position counts for nobody (rule 4).
    """

    lease_version: str
    nonce: str
    state: VolumeState
    volume: str | None = None
    system_identifier: str | None = None
    position: Position | None = None
    running: bool = False
    max_term: int = 0
    failed: bool = False
    suspect: bool = False
    replayed: int | None = None
    protocol: int = PROTOCOL
    foreign: bool = False


NO_LEASE = "none"


@dataclass(frozen=True)
class Pod:
    """A pod of the release as the API shows it. version is its resourceVersion, ordinal the number at the end of its name.

    grace: the seconds that a deletion gives it, None if it isn't being deleted; switchover, force: what an operator has asked
    of it, as it was written; refused: why it doesn't take the release's configuration, as it says; not_following: why it
    doesn't stream from the primary, as it says.
    """

    name: str
    uid: str
    version: str
    ordinal: int
    ip: str | None = None
    node: str | None = None
    role: str | None = None
    deleting: bool = False
    ready: bool = False
    report: PositionReport | None = None
    grace: int | None = None
    switchover: str | None = None
    force: str | None = None
    refused: str | None = None
    not_following: str | None = None


@dataclass(frozen=True)
class PodPatch:
    """A change of one pod's metadata, valid only for that UID (and that resourceVersion, if given). None as a label's value removes it."""

    pod: str
    uid: str
    version: str | None = None
    labels: dict[str, str | None] = field(default_factory=dict)
    annotations: dict[str, str | None] = field(default_factory=dict)
