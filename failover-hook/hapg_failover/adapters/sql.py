"""SQL to this pod's server and to the primary. Apart from `statements`, which quotes, the only module that imports `psycopg2`.

All connections are asynchronous and driven by `select`, because nothing else limits a call's duration: the minimum of libpq's
connect_timeout is two seconds, and statement_timeout is enforced by a server that may be frozen.
"""

from __future__ import annotations

import json
import select
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions
from psycopg2.sql import Composable

from hapg_protocol.lsn import Position, parse_lsn

from ..core.seeding import SourceState, major_of
from ..core.state.observation import Slot
from ..credentials.roles import FUNCTIONS, MEMBERSHIPS, REPLICATION, Login, Role
from . import greeting, queries
from .ports.sql import Sender, ServerStatus, SqlError, StandbyNames

_APPLICATION_NAME = "ha-postgres-failover"
_AS_WALSENDER = {"replication": "database"}
_WALSENDERS_APART = 120000
"""From this version on, walsenders have their own slots (max_wal_senders), apart from max_connections."""
_NOT_NOW = "the database system is "
"""The start of a server's message to every connection while it starts, recovers or shuts down (postmaster.c, ProcessStartupPacket)."""
_SOCKET_DIRECTORY = "/run/hapg/socket"
_LONGEST_HISTORY = 1 << 20  # bytes: 20,000 timelines

# A statement that changes a password doesn't wait for standbys, and the server's log never contains it, even if it fails.
_QUIETLY = (
    "-c synchronous_commit=local -c default_transaction_read_only=off -c log_statement=none -c log_min_error_statement=panic"
    " -c log_min_duration_statement=-1 -c log_duration=off -c log_replication_commands=off"
)
_UTF8 = "-c client_encoding=UTF8"
_LOCK_MS = 5000


class _Session:
    """One connection, opened when needed and kept open. Calls from several threads take turns.

    If the server refuses the connection, as when clients have taken all connection slots, it is opened as a walsender: walsenders have
    slots of their own and run SQL as well (protocol-replication, "replication=database").

    A call that times out leaves its statement running and the connection open: the next call first waits for that statement. So a hung
    server has one backend of ours, not one more every two seconds.
    """

    def __init__(self, names: Mapping[str, str], parameters: Mapping[str, str | int], as_client: bool = False) -> None:
        """names: as in PostgresSql; parameters: of libpq; as_client: do not retry as a walsender."""
        self._names = names
        self._as_client = as_client
        self._parameters: dict[str, Any] = {
            "user": "postgres",
            "dbname": "postgres",
            "application_name": _APPLICATION_NAME,
            "gssencmode": "disable",
            **parameters,
        }
        self._lock = threading.Lock()
        self._connection: Any = None
        self._is_open = False
        self._cursor: Any = None  # kept, because psycopg2 fails if the cursor of a running statement has been freed

    def query(self, statement: str | Composable, arguments: Sequence[object], timeout: float) -> tuple[Any, ...]:
        """Run `statement`; return its first row, () if it returns none. Raise SqlError."""
        end = time.monotonic() + timeout
        if not self._lock.acquire(timeout=timeout):
            raise SqlError(f"an earlier call is still running after {timeout:g} s")
        try:
            kept = self._connection is not None
            try:
                return self._query(statement, arguments, end)
            except psycopg2.Error as error:
                lost = self._close_if_lost()
                if not (kept and lost):
                    raise SqlError(_message(error)) from error
            try:  # the connection kept from an earlier call was lost
                return self._query(statement, arguments, end)
            except psycopg2.Error as error:
                self._close_if_lost()
                raise SqlError(_message(error)) from error
        finally:
            self._lock.release()

    def open(self, timeout: float) -> None:
        """Open the connection unless it is open. Raise SqlError."""
        if not self._is_open:
            self.query("SELECT 1", (), timeout)

    def close(self) -> None:
        """Close the connection, whatever is running on it."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._is_open = False

    def _open(self, end: float) -> None:
        """Wait until the connection is usable; open it first if needed, as a walsender if the server refuses it."""
        if self._is_open:
            self._wait(end)
            return
        try:
            self._connect({}, end)
        except psycopg2.Error as refusal:
            self.close()
            if self._as_client or _NOT_NOW in str(refusal):
                raise
            try:
                self._connect(_AS_WALSENDER, end)
            except psycopg2.Error:
                raise refusal from None
            if self._connection.server_version < _WALSENDERS_APART:
                self.close()
                raise
        self._is_open = True

    def _connect(self, more: Mapping[str, str], end: float) -> None:
        if self._connection is None:
            self._connection = psycopg2.connect(async_=1, **{**self._parameters, **more})
        try:
            self._wait(end)
        except SqlError:
            if more:  # the next call tries an ordinary connection first
                self.close()
            raise

    def _query(self, statement: str | Composable, arguments: Sequence[object], end: float) -> tuple[Any, ...]:
        self._open(end)
        self._cursor = self._connection.cursor()
        if isinstance(statement, str):
            for name, spelled in self._names.items():
                statement = statement.replace(name, spelled)
        self._cursor.execute(statement, arguments)
        self._wait(end)
        return () if self._cursor.description is None else tuple(self._cursor.fetchone() or ())

    def _wait(self, end: float) -> None:
        while (state := self._connection.poll()) != psycopg2.extensions.POLL_OK:
            left = end - time.monotonic()
            reads = [self._connection] if state == psycopg2.extensions.POLL_READ else []
            writes = [self._connection] if state == psycopg2.extensions.POLL_WRITE else []
            if left <= 0 or select.select(reads, writes, [], left) == ([], [], []):
                raise SqlError("no answer in time")

    def _close_if_lost(self) -> bool:
        """Close the connection unless only the statement failed; True if it was closed."""
        connection = self._connection
        if connection is not None and not connection.closed:
            try:
                usable = connection.poll() == psycopg2.extensions.POLL_OK
            except psycopg2.Error:
                usable = False
            if usable:
                return False
        self.close()
        return True


def _message(error: psycopg2.Error) -> str:
    return " ".join(str(error).split()) or type(error).__name__


class PostgresSql:
    """Implements ports.Sql."""

    def __init__(
        self, logins: Callable[[], Sequence[Login]], names: Mapping[str, str], port: int = 5432, socket_directory: str = _SOCKET_DIRECTORY
    ) -> None:
        """logins: for servers of other pods, preferred first; the local socket needs no password. port: of the local server.

        names: maps current names to those of this PostgreSQL major, where they differ.
        """
        self._logins = logins
        self._names = names
        self._local: dict[str, str | int] = {"host": socket_directory, "port": port}
        self._socket = Path(socket_directory) / f".s.PGSQL.{port}"
        self._status = _Session(names, {**self._local, "options": _options()})

    def status(self, timeout: float) -> ServerStatus:
        """See ports.Sql."""
        in_recovery, timeline, lsn, system_identifier, senders, names = self._status.query(queries.STATUS, (), timeout)
        if lsn is None:
            raise SqlError("the server has no position yet")
        return ServerStatus(
            in_recovery=in_recovery,
            position=Position(timeline, parse_lsn(lsn)),
            senders=tuple(_sender(row) for row in json.loads(senders)),
            system_identifier=system_identifier,
            standby_names=names,
        )

    def keep(self, timeout: float) -> None:
        """See ports.Sql."""
        self._status.open(timeout)

    def reads(self, timeout: float) -> bool:
        """See ports.Sql."""
        (in_recovery,) = self._status.query("SELECT pg_is_in_recovery()", (), timeout)
        return bool(in_recovery)

    def greet(self, patience: float, waiting: Callable[[float], None]) -> str | None:
        """See ports.Sql."""
        return greeting.greet(self._socket, patience, waiting)

    def replay_paused(self, timeout: float) -> bool:
        """See ports.Sql."""
        (paused,) = self._once(self._local, timeout, queries.REPLAY_PAUSED)
        return bool(paused)

    def standby_names(self, timeout: float) -> StandbyNames:
        """See ports.Sql."""
        shown, senders = self._once(self._local, timeout, queries.STANDBY_NAMES)
        return StandbyNames(shown, tuple((name or "", int(priority or 0)) for name, priority in json.loads(senders)))

    def checkpoint(self, timeout: float) -> None:
        """See ports.Sql."""
        self._once(self._local, timeout, "CHECKPOINT")

    def end_laggards(self, keep: str, behind: int, timeout: float) -> None:
        """See ports.Sql."""
        self._once(self._local, timeout, (queries.END_LAGGARDS, (keep, behind)))

    def end_transactions(self, timeout: float) -> int:
        """See ports.Sql."""
        (ended,) = self._once(self._local, timeout, queries.END_TRANSACTIONS)
        return int(ended)

    def slots(self, timeout: float) -> tuple[Slot, ...]:
        """See ports.Sql."""
        (rows,) = self._status.query(queries.SLOTS, (), timeout)
        return tuple(Slot(name, active) for name, active in json.loads(rows))

    def change_slots(self, make: Sequence[str], drop: Sequence[str], timeout: float) -> None:
        """See ports.Sql."""
        makes = [(queries.MAKE_SLOT, (name,)) for name in make]
        self._once(self._local, timeout, *makes, *(("SELECT pg_drop_replication_slot(%s)", (name,)) for name in drop))

    def remote_slot(self, host: str, port: int, name: str, timeout: float) -> bool:
        """See ports.Sql."""
        statements = [(text, (name,)) for text in (queries.DROP_LOST_SLOT, queries.MAKE_SLOT, queries.HAS_SLOT)]
        (found,) = self._remotely(host, port, timeout, *statements)
        return bool(found)

    def remote_history(self, host: str, port: int, timeline: int, timeout: float) -> str:
        """See ports.Sql."""
        if timeline == 1:
            return ""
        (text,) = self._remotely(host, port, timeout, (queries.HISTORY, (f"{timeline:08X}.history", _LONGEST_HISTORY)))
        return str(text)

    def remote_checkpoint(self, host: str, port: int, timeout: float) -> int:
        """See ports.Sql."""
        (timeline,) = self._remotely(host, port, timeout, "SELECT timeline_id FROM pg_control_checkpoint()", as_client=True)
        return int(timeline)

    def remote_size(self, host: str, port: int, timeout: float) -> int:
        """See ports.Sql."""
        (size,) = self._remotely(host, port, timeout, queries.SIZE)
        return int(size)

    def remote_streams(self, host: str, port: int, timeline: int, timeout: float) -> bool:
        """See ports.Sql."""
        (streams,) = self._remotely(host, port, timeout, (queries.STREAMS, (timeline,)))
        return bool(streams)

    def remote_has_segment(self, host: str, port: int, name: str, timeout: float) -> bool:
        """See ports.Sql."""
        statement = "SELECT (pg_stat_file('pg_wal/' || %s, true)).size IS NOT NULL"
        (there,) = self._remotely(host, port, timeout, (statement, (name,)))
        return bool(there)

    def remote_segments(self, host: str, port: int, timeout: float) -> tuple[str, ...]:
        """See ports.Sql."""
        (names,) = self._remotely(host, port, timeout, queries.SEGMENTS)
        return tuple(str(name) for name in json.loads(names))

    def remote_user(self, host: str, port: int, timeout: float, as_client: bool = False) -> str:
        """See ports.Sql."""
        (user,) = self._remotely(host, port, timeout, "SELECT session_user", as_client=as_client)
        return str(user)

    def roles(self, names: Sequence[str], timeout: float) -> tuple[Role, ...]:
        """See ports.Sql."""
        wanted = (list(FUNCTIONS), list(MEMBERSHIPS)) if REPLICATION in names else ([], [])
        (rows,) = self._once(self._local, timeout, (queries.ROLES, (*wanted, list(names))))
        return tuple(_role(row) for row in json.loads(rows))

    def database_owner(self, name: str, timeout: float) -> str | None:
        """See ports.Sql."""
        (owner,) = self._once(self._local, timeout, (queries.DATABASE_OWNER, (name,)))
        return None if owner is None else str(owner)

    def change_roles(self, statements: Sequence[str], timeout: float) -> None:
        """See ports.Sql."""
        self._once(self._local, timeout, *statements, more=_QUIETLY)

    def ask(self, database: str, statement: tuple[str, Sequence[object]], timeout: float) -> tuple[Any, ...]:
        """Return the first row that a query of a database of the local server returns. Raise SqlError."""
        return self._once({**self._local, "dbname": database}, timeout, statement, more=_UTF8)

    def change(self, database: str, statements: Sequence[str | Composable], timeout: float) -> None:
        """Run statements in a database of the local server, unlogged, without waiting for a standby, or long for a lock. Raise SqlError."""
        self._once({**self._local, "dbname": database}, timeout, *statements, more=f"{_QUIETLY} {_UTF8} -c lock_timeout={_LOCK_MS}")

    def _remotely(
        self, host: str, port: int, timeout: float, *statements: str | tuple[str, Sequence[object]], as_client: bool = False
    ) -> tuple[Any, ...]:
        """Run statements on another pod's server, with the first login that works. as_client: as in `_once`."""
        end = time.monotonic() + timeout
        failed: SqlError | None = None
        for login in self._logins():
            server: dict[str, str | int] = {"host": host, "port": port, "user": login.user, "password": login.password}
            try:
                return self._once(server, max(0.001, end - time.monotonic()), *statements, as_client=as_client)
            except SqlError as error:
                failed = failed or error
        raise failed or SqlError("no login")

    def _once(
        self,
        server: dict[str, str | int],
        timeout: float,
        *statements: str | Composable | tuple[str, Sequence[object]],
        as_client: bool = False,
        more: str = "",
    ) -> tuple[Any, ...]:
        """Run statements over a new connection; return the last one's first row. as_client: not as a walsender; more: server options."""
        end = time.monotonic() + timeout
        options = _options(f"-c statement_timeout={max(1, int(timeout * 1000))}", more)
        session = _Session(self._names, {**server, "options": options}, as_client)
        row: tuple[Any, ...] = ()
        try:
            for statement in statements:
                text, arguments = statement if isinstance(statement, tuple) else (statement, ())
                row = session.query(text, arguments, max(0.0, end - time.monotonic()))
        finally:
            session.close()
        return row


def source_state(parameters: Mapping[str, str | int], major: str, timeout: float) -> SourceState:
    """Return what the server at `parameters`, of libpq, says of itself. major: with another one only its version. Raise SqlError."""
    end = time.monotonic() + timeout
    session = _Session({}, {**parameters, "options": _options(f"-c statement_timeout={int(timeout * 1000)}")})

    def ask(statement: str) -> tuple[Any, ...]:
        return session.query(statement, (), max(0.001, end - time.monotonic()))

    try:
        version = int(ask("SELECT current_setting('server_version_num')")[0])
        if major_of(version) != major:
            return SourceState(version)
        tablespaces, may_copy, has_superuser, has_database = ask(queries.SOURCE)
        size = int(ask(queries.SIZE)[0]) if may_copy else 0
        return SourceState(version, size, tuple(json.loads(tablespaces)), may_copy, has_superuser, has_database)
    finally:
        session.close()


def _options(*more: str) -> str:
    """Return the options of a session; the search path prevents user-defined functions from being called in place of built-in ones."""
    return " ".join(("-c search_path=pg_catalog", *more))


def _role(row: Sequence[Any]) -> Role:
    name, stored, login, replication, superuser, lacks_functions, lacks_memberships = row
    return Role(name, stored, login, replication, superuser, tuple(lacks_functions), tuple(lacks_memberships))


def _sender(row: Sequence[Any]) -> Sender:
    name, address, state, flushed = row
    return Sender(
        application_name=name or "",
        address=address or "",
        state=state or "",
        flushed=None if flushed is None else parse_lsn(flushed),
    )
