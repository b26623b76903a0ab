"""The port to the supervisor, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


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
