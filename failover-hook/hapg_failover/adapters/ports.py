"""What the agent asks of the world outside: one protocol for each adapter, and their errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hapg_protocol.lsn import Position
from hapg_protocol.model import LeaseObject, LeaseState, Pod, PodPatch, VolumeState

from ..core.state.extensions import ExtensionRequest
from ..core.state.observation import Slot
from ..core.unreplicated_wal import WalRequest
from ..credentials.roles import Role
from ..pgdata.control_file import ControlData


class Condition(Protocol):
    """What `threading.Condition` offers of itself here."""

    def __enter__(self) -> bool:
        """Take the lock."""

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        """Give it back."""

    def wait(self, timeout: float | None = None) -> bool:
        """Let go of the lock until somebody notifies, `timeout` seconds at most; False if nobody did."""

    def notify_all(self) -> None:
        """Wake all that wait."""


class Mailbox(Protocol):
    """What `queue.SimpleQueue` offers of itself here."""

    def put(self, item: Any) -> None:
        """Add an item; never blocks."""

    def get(self, *, timeout: float | None = None) -> Any:
        """Wait for an item. Raise queue.Empty after `timeout` seconds."""

    def get_nowait(self) -> Any:
        """Raise queue.Empty if there is none."""


class Runtime(Protocol):
    """Time and concurrency. Everything in the agent that waits, waits here or in a call of another adapter."""

    def now(self) -> float:
        """Return CLOCK_BOOTTIME in seconds: it goes on through a suspend and is the same for both containers of a pod."""

    def wall_clock(self) -> float:
        """Return seconds since the epoch, for people alone."""

    def unique_id(self) -> str:
        """Return a UUID that was never given before."""

    def sleep(self, seconds: float) -> None:
        """Wait."""

    def spawn(self, name: str, work: Callable[[], None]) -> None:
        """Have `work` done in a thread of its own, which ends with the process."""

    def condition(self) -> Condition:
        """Return a new condition with its lock."""

    def mailbox(self) -> Mailbox:
        """Return a new queue from many threads to one."""


class Logger(Protocol):
    """Takes lines of the log."""

    def __call__(self, level: str, event: str, reason: str = "", **fields: object) -> None:
        """Log `event`. level: debug, info, warning or error; reason: why, in words; fields: what else there is to say."""


class ApiError(Exception):
    """The Kubernetes API refused a call, for a reason that a repetition won't change (403, 422 …)."""


class ApiUnavailable(ApiError):
    """No answer within the limit, no connection, 429 or 5xx. A write may or may not have been carried out, now or later."""


class Conflict(ApiError):
    """409: the object has another version, or exists already."""


class NotFound(ApiError):
    """404: the object isn't there."""


class KubeApi(Protocol):
    """The calls the agent makes. Every call has a total limit of `timeout` seconds and is never repeated by the adapter."""

    def get_lease(self, timeout: float) -> LeaseObject:
        """Raise NotFound, ApiUnavailable."""

    def create_lease(self, state: LeaseState, timeout: float) -> LeaseObject:
        """Raise Conflict if there is one, ApiUnavailable."""

    def update_lease(self, state: LeaseState, version: str, timeout: float) -> LeaseObject:
        """PUT on `version`; renewTime always changes. Raise Conflict, NotFound (there is none any more), ApiUnavailable."""

    def list_pods(self, timeout: float) -> tuple[Pod, ...]:
        """Return the pods of the release by ordinal. Raise ApiUnavailable."""

    def patch_pod(self, patch: PodPatch, timeout: float) -> Pod:
        """Raise Conflict (another UID or version), NotFound, ApiUnavailable."""

    def record_event(self, kind: str, reason: str, message: str, timeout: float) -> None:
        """Record an Event about this pod. kind: 'Normal' or 'Warning'; reason in UpperCamelCase; message in words."""

    def ensure_secret(self, name: str, key: str, make_value: Callable[[], str], timeout: float) -> bytes:
        """Create the Secret if it isn't there; return the entry `key`. Raise ApiError if it is there without the key."""


@dataclass(frozen=True)
class Sender:
    """A row of pg_stat_replication. Positions in bytes, None where PostgreSQL says NULL."""

    application_name: str
    address: str
    state: str
    sent: int | None
    flushed: int | None
    sync_state: str


@dataclass(frozen=True)
class ServerStatus:
    """What the local server says over its Unix socket.

    in_recovery; timeline (of the last checkpoint or of the WAL being written); lsn: current end of WAL, or what was replayed;
    standby_names: the value of synchronous_standby_names.
    """

    in_recovery: bool
    position: Position
    senders: tuple[Sender, ...]
    system_identifier: str
    standby_names: str = ""


@dataclass(frozen=True)
class StandbyNames:
    """`synchronous_standby_names` as a new connection sees it, and (application_name, sync_priority) of every walsender."""

    shown: str
    priorities: tuple[tuple[str, int], ...]


class SqlError(Exception):
    """The server could not be reached or refused, with its message."""


class Sql(Protocol):
    """SQL to the local server (Unix socket) and, for rejoining, to the primary. Every call has a total limit."""

    def status(self, timeout: float) -> ServerStatus:
        """Raise SqlError."""

    def keep(self, timeout: float) -> None:
        """Open the session that `status` and `slots` use, unless it is open: later all slots may be taken. Raise SqlError."""

    def greet(self, patience: float, waiting: Callable[[float], None]) -> str | None:
        """Ask the local server for a new session and leave it; return the SQLSTATE of its refusal, '' if it was granted.

        None: no answer in `patience` seconds in which this process ran; waiting: told every second how many have passed.
        """

    def replay_paused(self, timeout: float) -> bool:
        """Tell whether the local server is a standby whose replay was paused by pg_wal_replay_pause(). Raise SqlError."""

    def standby_names(self, timeout: float) -> StandbyNames:
        """Ask over a connection of its own, so one that the postmaster has opened since the call. Raise SqlError."""

    def checkpoint(self, timeout: float) -> None:
        """CHECKPOINT on the local server. Raise SqlError."""

    def end_laggards(self, keep: str, behind: int, timeout: float) -> None:
        """End what streams from the local server and is more than `behind` bytes behind, or isn't a standby, but for the standby `keep`.

        A shutdown waits for each of them, however slow it is. Raise SqlError.
        """

    def slots(self, timeout: float) -> tuple[Slot, ...]:
        """Return the physical replication slots of the local server. Raise SqlError."""

    def change_slots(self, make: Sequence[str], drop: Sequence[str], timeout: float) -> None:
        """Make and drop physical slots of the local server; new ones keep WAL from now on. Raise SqlError for the first that fails."""

    def roles(self, names: Sequence[str], timeout: float) -> tuple[Role, ...]:
        """Return those of the roles that the local server has, with what they lack (credentials.roles). Raise SqlError."""

    def change_roles(self, statements: Sequence[str], timeout: float) -> None:
        """Run statements on the local server, out of its log and without waiting for a standby. Raise SqlError for the first that fails."""

    def remote_user(self, host: str, port: int, timeout: float, as_client: bool = False) -> str:
        """Return the role under which a server lets the members in (credentials.roles.logins). Raise SqlError.

        as_client: over a client's connection, as pg_rewind needs one.
        """

    def remote_slot(self, host: str, port: int, name: str, timeout: float) -> bool:
        """Make the physical slot `name` on the primary unless it is there with its WAL; tell whether it is there then. Raise SqlError."""

    def remote_history(self, host: str, port: int, timeline: int, timeout: float) -> str:
        """Return the text of the timeline history file of `timeline` on the primary ('' for timeline 1). Raise SqlError."""

    def remote_checkpoint(self, host: str, port: int, timeout: float) -> int:
        """Return the timeline of the primary's last checkpoint (pg_control_checkpoint). Raise SqlError.

        Over a client's connection, such as pg_rewind needs one: an error while clients have taken all slots.
        """

    def remote_size(self, host: str, port: int, timeout: float) -> int:
        """Return how many bytes the databases of a server take, without WAL. Raise SqlError."""

    def remote_streams(self, host: str, port: int, timeline: int, timeout: float) -> bool:
        """Tell whether a server is a standby that receives WAL of `timeline`. Raise SqlError."""

    def remote_has_segment(self, host: str, port: int, name: str, timeout: float) -> bool:
        """Tell whether the primary still has the WAL segment `name`. Raise SqlError."""


@dataclass(frozen=True)
class Heartbeat:
    """The supervisor's last sign of life. uptime: boot time in seconds when it was written; pid: the postmaster's or 0."""

    uptime: float
    state: str
    pid: int
    terminating: bool
    job: str | None


@dataclass(frozen=True)
class Hello:
    """One incarnation of the supervisor. missing: programs of PostgreSQL that its image lacks."""

    nonce: str
    boot_id: str
    uptime: float
    missing: frozenset[str] = frozenset()


@dataclass(frozen=True)
class SupervisorEvent:
    """A line from the supervisor.

    command_id: of the command it answers, or None; result: ok, error, refused, hello, died, fenced, terminating; text: the rest.
    """

    nonce: str
    command_id: str | None
    result: str
    text: str


@dataclass(frozen=True)
class Replay:
    """What the supervisor sees of a server that starts or recovers.

    segment: name of the WAL segment that its startup process reads, None if there is none; work: processor time that the start, the
    startup process and the running job have used, in ticks.
    """

    segment: str | None
    work: int


class Supervisor(Protocol):
    """The supervisor of the postgres container: commands and events over FIFOs, files in memory (docs/contract.md)."""

    def hello(self) -> Hello | None:
        """Return the supervisor's last hello, None if there is none."""

    def heartbeat(self) -> Heartbeat | None:
        """Return its last heartbeat, None if there is none or it is unreadable."""

    def send(self, nonce: str, term: int, command: str, *args: str) -> str:
        """Write a command; return its ID. Never blocks; raise BlockingIOError if the FIFO is full, OSError if it is gone."""

    def read_events(self, timeout: float) -> list[SupervisorEvent]:
        """Wait at most `timeout` seconds for events; return all that are there, in order."""

    def output(self, command_id: str) -> str:
        """Return what the job `command_id` printed ('' if nothing)."""

    def write_deadline(self, deadline: float | None, term: int, hello: Hello) -> None:
        """Write the deadline file by atomic rename. deadline: boot time in seconds, None for no fence."""

    def term_in_force(self, hello: Hello) -> int:
        """Return the term of the deadline file of this incarnation, 0 if there is none."""

    def forget_hello(self) -> None:
        """Remove the hello of a supervisor that is known to be dead."""

    def wait_container_dead(self) -> Callable[[], None]:
        """Block until no process of the postgres container is alive; return a function that gives the lock back."""


@dataclass(frozen=True)
class Marker:
    """What says that the volume is initialised.

    uuid: its identity, a new one after every clone; made_for: the claim that it was made for, None: an earlier version has made it; former:
    the UUID before it was adopted.
    """

    uuid: str
    system_identifier: str
    made_for: str | None = None
    former: str | None = None


@dataclass(frozen=True)
class Assessment:
    """The volume's state, and in words what it rests on."""

    state: VolumeState
    reason: str


class Disk(Protocol):
    """The pod's volumes: their markers (docs/contract.md, 'Data volume', 'WAL volume'), and files of a server that is down.

    Every write is on disk when the call returns, and every call may raise OSError.
    """

    claim: str | None
    """The name of the pod's claim, as core.volumes has it; None: not known."""
    probing: str
    """The volume that the last probe has tried last."""

    def assess(self) -> Assessment:
        """Say what the volumes hold."""

    def marker(self) -> Marker | None:
        """Return the marker, None if there is none. Raise ValueError if it is unreadable."""

    def write_marker(self, marker: Marker) -> None:
        """Mark the volume as initialised, the last step of an initialisation or a clone."""

    def accepted(self) -> bool:
        """Tell whether an operator wants this data, for whichever claim it was made."""

    def adopt(self, uuid: str) -> None:
        """Make the volume our claim's own, under a new UUID. Raise ValueError."""

    def settle(self) -> None:
        """Bind a volume to our claim that an earlier version has made; tidy up after an adoption. Raise ValueError."""

    def term(self) -> int:
        """Return the highest term that the volume's server was steered under."""

    def write_term(self, term: int) -> None:
        """Record `term` unless a higher one is recorded."""

    def dirty(self) -> bool:
        """Tell whether a rewind or clone was begun and not finished."""

    def set_dirty(self) -> None:
        """Say so, before it begins."""

    def clear_dirty(self) -> None:
        """Take that back, once everything else is on disk."""

    def foreign(self) -> bool:
        """Tell whether a server here was promoted by somebody else."""

    def set_foreign(self) -> None:
        """Say so, before the next server makes a standby of it again."""

    def clear_foreign(self) -> None:
        """Take that back: the data is no longer that server's, or an operator wants it."""

    def note_standby(self) -> None:
        """Record that a server is a standby here, under the term that is recorded."""

    def has_configuration(self) -> bool:
        """Tell whether the supervisor has accepted a configuration here, which a server reads."""

    def probe(self) -> None:
        """Write a number to each volume and wait until it is on disk."""

    def scarcest(self) -> tuple[str, int]:
        """Return the volume with the least room, and how many bytes are free for us there."""

    def make_emergency_spaces(self) -> list[str]:
        """Make an emergency space on each volume that has none and room enough; return these volumes."""

    def release_emergency_spaces(self) -> list[str]:
        """Remove the emergency space of each volume that is full; return these volumes."""

    def room_for_clone(self) -> dict[str, int]:
        """Return how many bytes a clone may take of each volume."""

    def tablespaces(self) -> tuple[str, ...]:
        """Return the OIDs of the tablespaces that the server's directory links to."""

    def segment_size(self) -> int:
        """Return the size of a WAL segment in bytes."""

    def production(self) -> Position | None:
        """Return where a server in production writes, as its control file says; None if it isn't, or that can't be read."""

    def read_history(self, timeline: int) -> str | None:
        """Return our history file of a timeline, None if there is none or an empty one."""

    def wal_after(self, timeline: int, lsn: int) -> bytes:
        """Return what was written from `lsn` on, up to the end of a segment or some MiB; b'' if that is nothing."""

    def add_wal(self, timeline: int, lsn: int, data: bytes) -> None:
        """Write WAL that follows on what is there."""

    def may_hold_record(self, position: Position) -> bool:
        """Tell whether there may be WAL here that goes on at `position`; True unless it is certain that there is none."""


class Inspector(Protocol):
    """What our own data directory says of its WAL: by PostgreSQL's programs, or by reading. Calls may raise OSError, ValueError."""

    def control(self) -> ControlData:
        """Return what the control file says."""

    def is_shut_down(self) -> bool:
        """Tell whether the control file says that a primary was shut down; it is read without a program."""

    def end_of_wal(self, hint: int | None, known: Position | None = None) -> Position | None:
        """Return the end of the last valid record; None if the server isn't consistent there.

        hint: an LSN that is known to have been flushed. known: a position that this server has flushed as a primary.
        """

    def ends_in_shutdown(self, end: Position) -> bool:
        """Tell whether our WAL, which ends there, does so with the shutdown checkpoint of a server."""

    def end_of_shutdown(self) -> Position:
        """Return where the shutdown checkpoint ends that the control file names."""


class PeerError(Exception):
    """A peer couldn't be reached, didn't answer in time, or its answer isn't signed with our key."""


class NotNow(PeerError):
    """The peer has nothing to give, or doesn't know yet that it has."""


@dataclass(frozen=True)
class PeerAnswer:
    """What a member said: its volume's UUID, whether it grants, the reason in words."""

    volume: str
    granted: bool
    reason: str


class Peers(Protocol):
    """The other members' agents."""

    def ask(self, request: ExtensionRequest, address: str, timeout: float) -> PeerAnswer:
        """Ask the agent at `address` for an extension; all of it takes at most `timeout` seconds. Raise PeerError."""

    def fetch_wal(self, request: WalRequest, address: str, timeout: float) -> bytes:
        """Return WAL of the dead server whose agent is at `address`, b'' if there is no more. Raise PeerError."""
