"""The ports to the servers, ours and others, and their errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from hapg_protocol.lsn import Position

from ...core.state.observation import Slot
from ...credentials.roles import Role
from ...declared.found import Contents, FoundDatabase, FoundRole
from ...declared.statements import Statement


@dataclass(frozen=True)
class Sender:
    """A row of pg_stat_replication. LSNs in bytes, None where PostgreSQL returns NULL."""

    application_name: str
    address: str
    state: str
    flushed: int | None


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
