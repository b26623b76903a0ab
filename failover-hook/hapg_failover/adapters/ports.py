"""The agent's ports to the outside world: one protocol per adapter, and their errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hapg_protocol.hand_over import VerifiedBackup
from hapg_protocol.lsn import Position
from hapg_protocol.model import LeaseObject, LeaseState, Pod, PodPatch, VolumeState

from ..core.state.extensions import ExtensionRequest
from ..core.state.observation import Slot
from ..core.state.volume import FormerData
from ..core.unreplicated_wal import WalRequest
from ..credentials.roles import Role
from ..declared.found import Contents, FoundDatabase, FoundRole
from ..declared.statements import Statement
from ..pgdata.control_file import ControlData


class Condition(Protocol):
    """The part of `threading.Condition` that is used here."""

    def __enter__(self) -> bool:
        """Acquire the lock."""

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        """Release it."""

    def wait(self, timeout: float | None = None) -> bool:
        """Release the lock until notified, for at most `timeout` seconds; False on timeout."""

    def notify_all(self) -> None:
        """Wake all waiters."""


class Mailbox(Protocol):
    """The part of `queue.SimpleQueue` that is used here."""

    def put(self, item: Any) -> None:
        """Add an item; never blocks."""

    def get(self, *, timeout: float | None = None) -> Any:
        """Wait for an item. Raise queue.Empty after `timeout` seconds."""

    def get_nowait(self) -> Any:
        """Return an item. Raise queue.Empty if there is none."""


class Runtime(Protocol):
    """Time and concurrency. Everything in the agent that waits does so here or in a call of another adapter."""

    def now(self) -> float:
        """Return CLOCK_BOOTTIME in seconds: it keeps counting during suspend and is the same in both containers of a pod."""

    def wall_clock(self) -> float:
        """Return seconds since the epoch; only for people to read, and for the age of a backup."""

    def unique_id(self) -> str:
        """Return a UUID that was never used before."""

    def sleep(self, seconds: float) -> None:
        """Sleep."""

    def spawn(self, name: str, work: Callable[[], None]) -> None:
        """Run `work` in a thread of its own, which ends with the process."""

    def condition(self) -> Condition:
        """Return a new condition with its lock."""

    def mailbox(self) -> Mailbox:
        """Return a new queue, for many writers and one reader."""


class Logger(Protocol):
    """Writes log lines."""

    def __call__(self, level: str, event: str, reason: str = "", **fields: object) -> None:
        """Log `event`. level: debug, info, warning or error; reason: why, in words; fields: additional fields of the line."""


class ApiError(Exception):
    """The Kubernetes API rejected a call, for a reason that a retry won't change (403, 422 …)."""


class ApiUnavailable(ApiError):
    """No answer within the time limit, no connection, 429 or 5xx. A write may take effect or not, now or later."""


class Conflict(ApiError):
    """409: the object has a different version, or already exists."""


class NotFound(ApiError):
    """404: not found."""


class KubeApi(Protocol):
    """The API calls that the agent makes. Each has a total limit of `timeout` seconds and is never retried by the adapter."""

    def get_lease(self, timeout: float) -> LeaseObject:
        """Raise NotFound, ApiUnavailable."""

    def create_lease(self, state: LeaseState, timeout: float) -> LeaseObject:
        """Raise Conflict if there already is one, ApiUnavailable."""

    def update_lease(self, state: LeaseState, version: str, timeout: float) -> LeaseObject:
        """PUT with `version`; renewTime always changes. Raise Conflict, NotFound (the Lease no longer exists), ApiUnavailable."""

    def list_pods(self, timeout: float) -> tuple[Pod, ...]:
        """Return the pods of the release, by ordinal. Raise ApiUnavailable."""

    def patch_pod(self, patch: PodPatch, timeout: float) -> Pod:
        """Raise Conflict (different UID or version), NotFound, ApiUnavailable."""

    def record_event(self, kind: str, reason: str, message: str, timeout: float) -> None:
        """Record an Event about this pod. kind: 'Normal' or 'Warning'; reason: in UpperCamelCase; message: in words."""

    def ensure_secret(self, name: str, key: str, make_entries: Callable[[], Mapping[str, str]], timeout: float) -> bytes:
        """Create the Secret with these entries if it doesn't exist; return its entry `key`. Raise ApiError if it exists without the key."""

    def change_secret(self, name: str, entries: Mapping[str, str | None], timeout: float) -> None:
        """Set entries of a Secret, None removes one; others stay. Raise NotFound, ApiUnavailable, ApiError."""


class Removal(Protocol):
    """The API calls of the Job that wipes a release. A deletion returns True while the object is still there, so it is asked for again.

    All of them raise ApiUnavailable, and ApiError if the Job has no right to them.
    """

    def pod_exists(self, name: str) -> bool:
        """Tell whether there is a pod of this name."""

    def secret_labels(self, name: str) -> Mapping[str, str] | None:
        """Return the labels of a Secret, or None if there is none of this name."""

    def delete_claim(self, name: str) -> bool:
        """Delete a PersistentVolumeClaim."""

    def delete_secret(self, name: str) -> bool:
        """Delete a Secret."""

    def delete_lease(self, name: str) -> bool:
        """Delete a Lease."""


@dataclass(frozen=True)
class Sender:
    """A row of pg_stat_replication. LSNs in bytes, None where PostgreSQL returns NULL."""

    application_name: str
    address: str
    state: str
    sent: int | None
    flushed: int | None
    sync_state: str


@dataclass(frozen=True)
class ServerStatus:
    """Status of the local server, over its Unix socket.

    position: in recovery, the highest known timeline and the end of received or replayed WAL; otherwise the current timeline and the end of
    flushed WAL. system_identifier: of the cluster; standby_names: the value of synchronous_standby_names.
    """

    in_recovery: bool
    position: Position
    senders: tuple[Sender, ...]
    system_identifier: str
    standby_names: str = ""


@dataclass(frozen=True)
class StandbyNames:
    """`synchronous_standby_names` as seen by a new connection, and (application_name, sync_priority) of every walsender."""

    shown: str
    priorities: tuple[tuple[str, int], ...]


class SqlError(Exception):
    """The server could not be reached, or it refused; with its message."""


class Sql(Protocol):
    """SQL to the local server (Unix socket) and, for rejoining, to the primary. Every call has a total time limit."""

    def status(self, timeout: float) -> ServerStatus:
        """Raise SqlError."""

    def keep(self, timeout: float) -> None:
        """Open the session used by `status` and `slots` unless it is open: later, all slots may be taken. Raise SqlError."""

    def reads(self, timeout: float) -> bool:
        """True if the local server answers a query and is a standby. Raise SqlError."""

    def greet(self, patience: float, waiting: Callable[[float], None]) -> str | None:
        """Request a new session from the local server and leave it; return the SQLSTATE of the refusal, '' if the session was granted.

        None: no answer within `patience` seconds, not counting time in which this process didn't run. waiting: called every second with the
        number of seconds waited.
        """

    def replay_paused(self, timeout: float) -> bool:
        """True if the local server is a standby whose replay was paused by pg_wal_replay_pause(). Raise SqlError."""

    def standby_names(self, timeout: float) -> StandbyNames:
        """Query over a new connection, i.e. from a backend that the postmaster started after the call. Raise SqlError."""

    def checkpoint(self, timeout: float) -> None:
        """Run CHECKPOINT on the local server. Raise SqlError."""

    def end_laggards(self, keep: str, behind: int, timeout: float) -> None:
        """End replication connections of the local server that would delay its shutdown, except that of the standby `keep`.

        These are connections more than `behind` bytes behind, not streaming, or without a flushed LSN, i.e. no standby. A shutdown waits
        for each of them, however slow. Raise SqlError.
        """

    def end_transactions(self, timeout: float) -> int:
        """End the sessions of the local server that have a transaction open; return their number. Raise SqlError."""

    def slots(self, timeout: float) -> tuple[Slot, ...]:
        """Return the physical replication slots of the local server. Raise SqlError."""

    def change_slots(self, make: Sequence[str], drop: Sequence[str], timeout: float) -> None:
        """Create and drop physical slots on the local server; new ones retain WAL from now on. Raise SqlError for the first that fails."""

    def roles(self, names: Sequence[str], timeout: float) -> tuple[Role, ...]:
        """Return those of the roles that exist on the local server, with what they lack (credentials.roles). Raise SqlError."""

    def database_owner(self, name: str, timeout: float) -> str | None:
        """Return the owner of a database of the local server, None if there is no such database. Raise SqlError."""

    def change_roles(self, statements: Sequence[str], timeout: float) -> None:
        """Run statements on the local server, unlogged and without waiting for a standby. Raise SqlError for the first that fails."""

    def remote_user(self, host: str, port: int, timeout: float, as_client: bool = False) -> str:
        """Return the role under which a server accepts replicas (credentials.roles.logins). Raise SqlError.

        as_client: over an ordinary client connection, which pg_rewind needs.
        """

    def remote_slot(self, host: str, port: int, name: str, timeout: float) -> bool:
        """Create the physical slot `name` on the primary unless it exists with its WAL; return whether it exists now. Raise SqlError."""

    def remote_history(self, host: str, port: int, timeline: int, timeout: float) -> str:
        """Return the content of the primary's history file of `timeline` ('' for timeline 1). Raise SqlError."""

    def remote_checkpoint(self, host: str, port: int, timeout: float) -> int:
        """Return the timeline of the primary's last checkpoint (pg_control_checkpoint). Raise SqlError.

        Uses an ordinary client connection, as pg_rewind does, so it fails while clients have taken all slots.
        """

    def remote_size(self, host: str, port: int, timeout: float) -> int:
        """Return the size of a server's databases in bytes, without WAL. Raise SqlError."""

    def remote_streams(self, host: str, port: int, timeline: int, timeout: float) -> bool:
        """True if a server is a standby that receives WAL of `timeline`. Raise SqlError."""

    def remote_has_segment(self, host: str, port: int, name: str, timeout: float) -> bool:
        """True if the primary still has the WAL segment `name`. Raise SqlError."""

    def remote_segments(self, host: str, port: int, timeout: float) -> tuple[str, ...]:
        """Return the names of all WAL segments on the primary, those made in advance included. Raise SqlError."""


class DatabaseObjects(Protocol):
    """Roles and databases of the local server. Every call has a total limit of `timeout` seconds and may raise SqlError."""

    def roles(self, names: Sequence[str], timeout: float) -> Mapping[str, FoundRole]:
        """Return those of the roles that exist."""

    def databases(self, names: Sequence[str], timeout: float) -> Mapping[str, FoundDatabase]:
        """Return those of the databases that exist."""

    def contents(self, database: str, schemas: Sequence[str], extensions: Sequence[str], timeout: float) -> Contents:
        """Return a database's extensions, those of the schemas that exist, and what is available of the extensions named."""

    def run(self, database: str, statements: Sequence[Statement], timeout: float) -> None:
        """Run statements in a transaction of a database, if they can be part of one: unlogged, and without waiting for a standby."""


class SourceError(Exception):
    """A live server can't be cloned into the first server; the message is one sentence with what to do."""


@dataclass(frozen=True)
class SourceFacts:
    """A live server that can be cloned. address: the supervisor's words for it; size: of its databases, in bytes, without WAL."""

    address: tuple[str, str, str, str]
    size: int


@dataclass(frozen=True)
class Heartbeat:
    """The supervisor's latest heartbeat. uptime: CLOCK_BOOTTIME in seconds when it was written; pid: of the postmaster, or 0."""

    uptime: float
    state: str
    pid: int
    terminating: bool
    job: str | None


@dataclass(frozen=True)
class Hello:
    """One incarnation of the supervisor. missing: PostgreSQL programs that its image lacks."""

    nonce: str
    boot_id: str
    uptime: float
    missing: frozenset[str] = frozenset()


@dataclass(frozen=True)
class SupervisorEvent:
    """A line from the supervisor.

    command_id: the command that it answers, or None; result: ok, error, refused, hello, died, fenced, terminating; text: the rest.
    """

    nonce: str
    command_id: str | None
    result: str
    text: str


@dataclass(frozen=True)
class StartupProcess:
    """What a server's startup process is doing.

    state: of the process, a letter as in proc(5); switches: its voluntary context switches so far; place: the kernel function that it waits
    in, None if it runs or that isn't shown; title: its process title, without "postgres: "; receiver: there is a WAL receiver.
    """

    state: str
    switches: int
    place: str | None
    title: str
    receiver: bool

    @property
    def waits_for_sessions(self) -> bool:
        """True if replay waits for queries or transactions that it conflicts with (standby.c, lock.c, bufmgr.c)."""
        return self.title.endswith(" waiting")

    @property
    def disk_waits(self) -> int | None:
        """A number that grows from one wait for a disk to the next; None while it waits for none."""
        return self.switches if self.state == "D" else None


@dataclass(frozen=True)
class Replay:
    """The supervisor's view of a server that starts or recovers.

    segment: name of the WAL segment that the startup process is reading, None if there is none; work: CPU time used by the start, the
    startup process and the running job, in clock ticks; startup: the startup process, None if there is none.
    """

    segment: str | None
    work: int
    startup: StartupProcess | None = None


class Supervisor(Protocol):
    """The supervisor of the postgres container: commands and events over FIFOs, files in memory (docs/contract.md)."""

    def hello(self) -> Hello | None:
        """Return the supervisor's latest hello, None if there is none."""

    def heartbeat(self) -> Heartbeat | None:
        """Return its latest heartbeat, None if there is none or it is unreadable."""

    def send(self, nonce: str, term: int, command: str, *args: str) -> str:
        """Write a command; return its ID. Never blocks; raise BlockingIOError if the FIFO is full, OSError if nobody reads it."""

    def read_events(self, timeout: float) -> list[SupervisorEvent]:
        """Wait at most `timeout` seconds for events; return all available ones, in order."""

    def output(self, command_id: str) -> str:
        """Return the output of the job `command_id` ('' if none)."""

    def started_configuration(self) -> str | None:
        """Return the postgresql.conf with which the server was last started, None if it isn't known."""

    def write_deadline(self, deadline: float | None, term: int, hello: Hello) -> None:
        """Write the deadline file by atomic rename. deadline: CLOCK_BOOTTIME in seconds, None for no fence."""

    def term_in_force(self, hello: Hello) -> int:
        """Return the term in this incarnation's deadline file, 0 if there is none."""

    def forget_hello(self) -> None:
        """Remove the hello of a supervisor that is known to be dead."""

    def wait_container_dead(self) -> Callable[[], None]:
        """Block until no process of the postgres container is alive; return a function that releases the lock."""


@dataclass(frozen=True)
class Marker:
    """The marker of an initialised volume.

    uuid: its identity, new after every clone; made_for: the PVC that it was made for, None: made by an earlier version; former: the UUID
    before the volume was adopted.
    """

    uuid: str
    system_identifier: str
    made_for: str | None = None
    former: str | None = None


@dataclass(frozen=True)
class Assessment:
    """The volume's state, and the reason in words. unmarked: there is a data directory, and no marker that says it was finished."""

    state: VolumeState
    reason: str
    unmarked: bool = False


class Disk(Protocol):
    """The pod's volumes: their markers (docs/contract.md, 'Data volume', 'WAL volume'), and the files of a stopped server.

    Every write is on disk when the call returns, and every call may raise OSError.
    """

    claim: str | None
    """The name of the pod's PVCs, in the form of core.volumes; None: not known."""
    probing: str
    """The volume that the latest probe tried last."""

    def assess(self) -> Assessment:
        """Return what the volumes hold."""

    def marker(self) -> Marker | None:
        """Return the marker, None if there is none. Raise ValueError if it is unreadable."""

    def write_marker(self, marker: Marker) -> None:
        """Mark the volume as initialised, as the last step of initdb or a clone."""

    def accepted(self) -> bool:
        """True if an operator has accepted this data, whichever claim it was made for."""

    def adopt(self, uuid: str) -> None:
        """Bind the volume to our claim under a new UUID. Raise ValueError."""

    def settle(self) -> None:
        """Bind a volume made by an earlier version to our claim; clean up after an adoption. Raise ValueError."""

    def term(self) -> int:
        """Return the highest term under which the volume's server was controlled."""

    def write_term(self, term: int) -> None:
        """Record `term` unless a higher one is recorded."""

    def dirty(self) -> bool:
        """True if a rewind or clone was started and not finished."""

    def set_dirty(self) -> None:
        """Record that a rewind or clone starts, before it does."""

    def clear_dirty(self) -> None:
        """Record that it is finished, once everything else is on disk."""

    def foreign(self) -> bool:
        """True if someone other than the agent promoted this server."""

    def set_foreign(self) -> None:
        """Record such a promotion, before the next start turns the server back into a standby."""

    def clear_foreign(self) -> None:
        """Clear that record: the data is no longer that server's, or an operator accepts it."""

    def note_standby(self) -> None:
        """Record that the server here is a standby under the recorded term."""

    def has_configuration(self) -> bool:
        """True if the supervisor has accepted a configuration for this volume, which its server reads."""

    def accepted_configuration(self) -> str | None:
        """Return the postgresql.conf that the supervisor has accepted for this volume, None if there is none."""

    def recorded_limits(self) -> Mapping[str, int]:
        """Return the limits of a hot standby according to the control file, by name; {} if it can't be read."""

    def former(self) -> FormerData | None:
        """Return the data if it is another major's, None if it isn't, or can't be read."""

    def begin_upgrade(self, term: int, serial: int) -> None:
        """Record that an upgrade begins under this Lease, before it does."""

    def end_upgrade(self) -> None:
        """Record that it has succeeded."""

    def probe(self) -> None:
        """Write a number to each volume and wait until it is on disk."""

    def scarcest(self) -> tuple[str, int]:
        """Return the volume with the least free space, and the bytes available to us there."""

    def make_emergency_spaces(self) -> list[str]:
        """Create the emergency WAL space on each volume that lacks it and has enough free space; return these volumes."""

    def release_emergency_spaces(self) -> list[str]:
        """Remove the emergency WAL space of each full volume; return these volumes."""

    def room_for_clone(self) -> dict[str, int]:
        """Return the bytes available to a clone, per volume."""

    def tablespaces(self) -> tuple[str, ...]:
        """Return the OIDs of the tablespaces that the data directory links to."""

    def segment_size(self) -> int:
        """Return the size of a WAL segment in bytes."""

    def promotion_is_pending(self) -> bool:
        """True if the server has not taken the request to promote it yet."""

    def production(self) -> Position | None:
        """Return the write position of a server in production, from its control file; None if it isn't in production or on a read error."""

    def read_history(self, timeline: int) -> str | None:
        """Return our history file of a timeline, None if it is missing or empty."""

    def wal_after(self, timeline: int, lsn: int) -> bytes:
        """Return WAL written from `lsn` on, up to the end of a segment or a few MiB; b'' if there is none."""

    def add_wal(self, timeline: int, lsn: int, data: bytes) -> None:
        """Append WAL where ours ends."""

    def add_segment(self, segment: str, end: int, identifier: str, content: Iterable[bytes]) -> None:
        """Put a whole archived segment into our WAL directory. Raise SegmentRefused, and what `content` raises.

        end: the LSN at which our WAL ends; identifier: of our cluster.
        """

    def may_hold_record(self, position: Position) -> bool:
        """True if there may be WAL here that continues at `position`; False only if there certainly is none."""


class Inspector(Protocol):
    """WAL facts of our own data directory, by PostgreSQL's programs or by parsing. Calls may raise OSError, ValueError."""

    def control(self) -> ControlData:
        """Return the contents of the control file."""

    def is_shut_down(self) -> bool:
        """True if the control file says that a primary was shut down; reads the file without a program."""

    def end_of_wal(self, hint: int | None, known: Position | None = None) -> Position | None:
        """Return the end of the last valid record; None if the server isn't consistent there.

        hint: an LSN known to be flushed. known: a position that this server flushed as a primary.
        """

    def ends_in_shutdown(self, end: Position) -> bool:
        """True if our WAL, which ends at `end`, ends with a shutdown checkpoint."""

    def end_of_shutdown(self) -> Position:
        """Return the end of the shutdown checkpoint named in the control file."""


class SegmentRefused(Exception):
    """An archived segment does not continue our WAL; with its name and the reason."""


class ArchiveError(Exception):
    """The archive can't be asked now, or doesn't answer; with the reason."""


class NotArchived(ArchiveError):
    """The archive lacks a segment; with its name."""


class Archive(Protocol):
    """The release's archive, by way of the pod's backup container."""

    def fetch(self, segment: str, timeout: float) -> Iterator[bytes]:
        """Return the content of a segment, part by part, within `timeout` seconds. Raise NotArchived, ArchiveError.

        Only the end of the iteration says that the parts are the whole segment, as it was archived.
        """

    def verified(self, major: str, timeout: float) -> VerifiedBackup | None:
        """Return the backup of this major whose restore was verified last, None if none was, within `timeout` seconds. Raise ArchiveError.

        All WAL of the server that was shut down is archived then, except for its last segment.
        """


class PeerError(Exception):
    """A peer could not be reached, didn't answer in time, or its answer isn't signed with our key."""


class NotNow(PeerError):
    """The peer has nothing to hand out, or doesn't know yet that it may."""


@dataclass(frozen=True)
class PeerAnswer:
    """A peer's answer: its volume's UUID, whether it grants the extension, the reason in words."""

    volume: str
    granted: bool
    reason: str


class Peers(Protocol):
    """The agents of the other pods."""

    def ask(self, request: ExtensionRequest, address: str, timeout: float) -> PeerAnswer:
        """Ask the agent at `address` for a lease extension; the whole exchange takes at most `timeout` seconds. Raise PeerError."""

    def fetch_wal(self, request: WalRequest, address: str, timeout: float) -> bytes:
        """Return WAL of the dead server whose agent is at `address`, b'' if there is no more. Raise PeerError."""
