"""The data that a release's pods exchange: the Lease's state, position reports, pods.

Everything here is a frozen value. `lease` and `position_report` encode it; the rules are in docs/protocol.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum

from .lsn import Position
from .recovery import Progress
from .start_settings import Shown

PROTOCOL = 1
"""The protocol number of this agent (docs/protocol.md, rule 15)."""


class VolumeState(Enum):
    """What a pod's data volume holds. OTHER_MAJOR: the data directory of another PostgreSQL major; MISMATCHED: a data volume and a WAL
    volume that don't belong together. Neither is ever modified.
    """

    EMPTY = "empty"
    DATA = "data"
    DAMAGED = "damaged"
    OTHER_MAJOR = "other-major"
    MISMATCHED = "mismatched"


@dataclass(frozen=True)
class Holder:
    """The pod that holds the Lease. A replacement pod inherits the name, but not the UID."""

    pod: str
    uid: str

    @property
    def identity(self) -> str:
        """The Lease's holderIdentity."""
        return f"{self.pod}/{self.uid}"


@dataclass(frozen=True)
class EligibleReplica:
    """A replica that may claim: its pod's name and its volume's UUID. streaming: it was streaming from the holder at the last check."""

    pod: str
    volume: str
    streaming: bool = True


class ReleaseCause(StrEnum):
    """Why a holder releases the Lease. FIRST_SERVER: it has created the first server, which then stands for election like any other."""

    SWITCHOVER = "switchover"
    DELETION = "deletion"
    FULL = "full"
    DEATH = "death"
    HUNG = "hung"
    FIRST_SERVER = "first-server"

    @property
    def words(self) -> str:
        """The cause in words, for people."""
        return _RELEASE_WORDS[self]


_RELEASE_WORDS = {
    ReleaseCause.SWITCHOVER: "switchover",
    ReleaseCause.DELETION: "the pod is being deleted",
    ReleaseCause.FULL: "the volume is full",
    ReleaseCause.DEATH: "the server died",
    ReleaseCause.HUNG: "a volume hangs",
    ReleaseCause.FIRST_SERVER: "the first server is created",
}


@dataclass(frozen=True)
class Release:
    """The holder's statement, backed by proof, that its server no longer runs.

    reason: in words, for people; cause: the same as a code; clean: the server was shut down and `position` is the end of its shutdown
    checkpoint; successor: the pod that should claim at once, or None; hold_s: how long others wait for the last holder to report, in
    seconds, because it may be ahead of them.
    """

    reason: str
    clean: bool
    position: Position | None = None
    successor: str | None = None
    hold_s: float = 0.0
    cause: ReleaseCause = ReleaseCause.DEATH


@dataclass(frozen=True)
class SyncRecord:
    """The write quorum in the Lease: every acknowledged commit is on at least k of these volumes (rule 11)."""

    k: int
    volumes: tuple[str, ...]


@dataclass(frozen=True)
class LeaseState:
    """The content of the Lease.

    term grows with each claim; timeline is the highest reserved timeline (0: none yet); volume is the holder's volume UUID; address is the
    holder's IP; ttl_s is the TTL in effect, in seconds; sync: the write quorum, None while replication is asynchronous; position: the end
    of the holder's WAL at its last renewal; successor: the pod that the holder is about to switch over to; recovery: the progress of a
    holder whose server must replay WAL before it can write; hangs: how many holders in a row have lost the Lease to a volume that hung, as
    far as it is counted; protocol: the protocol number that it was claimed under; serial: counts the writes, to tell older content from
    newer; unknown: name and JSON text of each field that this agent doesn't know and writes back unchanged (rule 15).
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
    hangs: int = 0
    protocol: int = PROTOCOL
    serial: int = 0
    unknown: tuple[tuple[str, str], ...] = ()

    def precedes(self, other: LeaseState) -> bool:
        """True if this content was written before `other`, or in a history that doesn't contain `other`: a term has only one holder."""
        if self.term == other.term and self.holder != other.holder:
            return True
        return (self.term, self.serial) < (other.term, other.serial)


@dataclass(frozen=True)
class LeaseObject:
    """A Lease as read or written: its resourceVersion (opaque), its state, and the UID that Kubernetes gave the object."""

    version: str
    state: LeaseState
    uid: str = ""


@dataclass(frozen=True)
class PositionReport:
    """A pod's position report, made while sealed, for one version of the Lease.

    lease_version: the Lease's resourceVersion that it was made for (NO_LEASE: there was no Lease); nonce: identifies the supervisor that it
    speaks for; volume: UUID or None; running: the server is running (sealed); max_term: the highest term that this volume knows; failed:
    this pod could not be promoted a moment ago, or is out of disk space, and asks to be passed over; suspect: its server failed as the
    primary within the last minute, so it ranks last among equals; replayed: the LSN up to which its server has replayed that WAL, in bytes,
    None: not known; protocol: its agent's protocol number (rule 15); foreign: its server was promoted by someone other than its agent, so
    its position doesn't count (rule 4).
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
    """A pod of the release, as the API shows it. version is its resourceVersion; ordinal is the number at the end of its name.

    role, reads: from its labels; reads: the Service for reads leads to it.
    grace: the grace period of its deletion in seconds, None if it isn't being deleted; switchover, force: an operator's request, verbatim;
    refused: why it rejects the release's configuration, in its own words; not_following: why it doesn't stream from the primary, in its own
    words; uncreated: why it could not make the first server; not_upgraded: why the data of an older major, which it has, is not upgraded;
    not_applied: what of the declared roles and databases is not as declared.
    standby_mode: the mode in which its server last followed; start_settings: those that its server has and wants; None: not shown.
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
    uncreated: str | None = None
    not_upgraded: str | None = None
    not_applied: str | None = None
    standby_mode: str | None = None
    reads: bool = False
    start_settings: Shown | None = None


@dataclass(frozen=True)
class PodPatch:
    """A change to one pod's metadata, valid only for that UID (and that resourceVersion, if given). A label of None is removed."""

    pod: str
    uid: str
    version: str | None = None
    labels: dict[str, str | None] = field(default_factory=dict)
    annotations: dict[str, str | None] = field(default_factory=dict)
