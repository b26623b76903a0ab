"""The supervisor of the postgres container, reached through FIFOs and files on the shared memory volume.

docs/contract.md describes every file. This module has no threads; the caller checks nonces and interprets events. An SQL superuser can
write to that volume too: anything but a regular file of plausible size counts as missing.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import re
import secrets
import select
import stat
import threading
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

from . import beneath
from .beneath import Irregular
from .clock import boottime
from .ports.supervisor import Heartbeat, Hello, SupervisorEvent

# Writes to a FIFO of up to this many bytes are atomic (PIPE_BUF on Linux); this also limits the length of a command.
_LONGEST_LINE = 4096
_END = "\x1e\n"  # the supervisor may miss the newline, and knows the end by the byte before it
_LONGEST_OUTPUT = 1 << 20
_MOST_EVENTS = 1 << 16
_RESULTS = frozenset({"ok", "error", "refused", "hello", "died", "fenced", "terminating"})
_HEARTBEAT = re.compile(r"(\d+\.\d\d) (down|standby|primary) (\d+) ([01]) (-|[a-z0-9-]{1,40}) *\n")
_HELLO = re.compile(r"([0-9A-Za-z-]{1,64}) ([0-9A-Za-z-]{1,64}) (\d+\.\d\d) (-|[a-z_,]+)\n")
_DEADLINE = re.compile(r"\S+ \S+ \S+ (\S+) (\d+)\n")
_EVENT = re.compile(r"(\S+) (-|[a-z0-9-]{1,40}) ([a-z]+)(?: (.*))?")
_ARGUMENT = re.compile(r"[!-~]+")


def _hundredths(seconds: float) -> str:
    """Return `seconds` with two decimals, rounded down: writing a deadline must not move it into the future."""
    whole = math.floor(seconds * 100)
    return f"{whole // 100}.{whole % 100:02d}"


class SupervisorFiles:
    """Implements `ports.Supervisor` on the directory that both containers mount.

    Methods may be called from several threads; `read_events` only from one at a time.
    """

    def __init__(self, run: Path = Path("/run/hapg")) -> None:
        """Create the FIFOs if the supervisor has not yet, and open the events FIFO."""
        self._run = str(run)
        self._below = beneath.open_directory(self._run)
        for name in ("commands", "events"):
            self._make_fifo(name)
        # Also opened for writing, so that the end of a supervisor doesn't cause an end of file, which would wake every poll.
        self._events = self._open_fifo("events", os.O_RDWR)
        self._pending = b""
        self._prefix = secrets.token_hex(4)
        self._numbers = count(1)
        self._deadline_lock = threading.Lock()

    def _make_fifo(self, name: str) -> None:
        with contextlib.suppress(FileExistsError):
            os.mkfifo(name, 0o600, dir_fd=self._below)
        if not stat.S_ISFIFO(beneath.mode_of(self._below, name) or 0):
            raise FileExistsError(f"{self._run}/{name} is not a FIFO")

    def _open_fifo(self, name: str, flags: int) -> int:
        return beneath.open_file(self._below, name, flags, f"{self._run}/{name}", stat.S_ISFIFO)

    def close(self) -> None:
        """Close all descriptors; the object can't be used afterwards."""
        os.close(self._events)
        os.close(self._below)

    def hello(self) -> Hello | None:
        """Return the supervisor's latest hello, None if there is none."""
        match = _HELLO.fullmatch(self._text("hello"))
        if not match:
            return None
        missing = frozenset() if match[4] == "-" else frozenset(match[4].split(","))
        return Hello(match[1], match[2], float(match[3]), missing)

    def heartbeat(self) -> Heartbeat | None:
        """Return its latest heartbeat, None if there is none or it is unreadable."""
        # It is rewritten in place, so a read may see a half-written line: try again.
        for _ in range(3):
            match = _HEARTBEAT.fullmatch(self._text("heartbeat"))
            if match:
                job = None if match[5] == "-" else match[5]
                return Heartbeat(float(match[1]), match[2], int(match[3]), match[4] == "1", job)
        return None

    def send(self, nonce: str, term: int, command: str, *args: str) -> str:
        """Write a command; return its ID. Never blocks; raise BlockingIOError if the FIFO is full, OSError if nobody reads it.

        Raise ValueError for a word that is empty or contains a blank or unprintable character, and for a line that is too long.
        """
        command_id = f"{self._prefix}-{next(self._numbers)}"
        words = [nonce, str(term), _hundredths(boottime()), command_id, command, *args]
        for word in words:
            if not _ARGUMENT.fullmatch(word):
                raise ValueError(f"not one printable word: {word!r}")
        line = (" ".join(words) + _END).encode("ascii")
        if len(line) > _LONGEST_LINE:
            raise ValueError(f"longer than {_LONGEST_LINE} bytes: {command}")
        # Without a reader, i.e. without a supervisor, this open fails: commands must not wait for the next supervisor.
        fifo = self._open_fifo("commands", os.O_WRONLY)
        try:
            os.write(fifo, line)
        finally:
            os.close(fifo)
        return command_id

    def read_events(self, timeout: float) -> list[SupervisorEvent]:
        """Wait at most `timeout` seconds for events; return all available ones, in order."""
        end = time.monotonic() + timeout
        while True:
            events = self._drain()
            left = end - time.monotonic()
            if events or left <= 0:
                return events
            poll = select.poll()
            poll.register(self._events, select.POLLIN)
            poll.poll(math.ceil(left * 1000))

    def _drain(self) -> list[SupervisorEvent]:
        """Return the complete events in the FIFO; keep the start of an incomplete one."""
        data = self._pending
        while len(data) < _MOST_EVENTS:
            try:
                data += os.read(self._events, _MOST_EVENTS)
            except BlockingIOError:
                break
        *lines, rest = data.split(b"\n")
        self._pending = rest if len(rest) <= _LONGEST_LINE else b""
        found = []
        for line in lines:
            match = _EVENT.fullmatch(line.decode("utf-8", "replace"))
            if match and match[3] in _RESULTS:
                text = "".join(c if c.isprintable() else "?" for c in match[4] or "")
                found.append(SupervisorEvent(match[1], None if match[2] == "-" else match[2], match[3], text))
        return found

    def output(self, command_id: str) -> str:
        """Return the output of the job `command_id` ('' if none)."""
        with contextlib.suppress(Irregular):
            return (beneath.read(self._run, "out", command_id, most=_LONGEST_OUTPUT) or b"").decode("utf-8", "replace")
        return ""

    def started_configuration(self) -> str | None:
        """Return the postgresql.conf with which the server was last started, None if it isn't known."""
        with contextlib.suppress(Irregular):
            found = beneath.read(self._run, "conf", "started.conf", most=_LONGEST_OUTPUT)
            return found.decode("utf-8", "replace") if found is not None else None
        return None

    def write_deadline(self, deadline: float | None, term: int, hello: Hello) -> None:
        """Write the deadline file by atomic rename. deadline: CLOCK_BOOTTIME in seconds, None for no fence."""
        until = "none" if deadline is None else _hundredths(deadline)
        # One writer at a time: the temporary file has a fixed name, so that a killed agent leaves no garbage in memory.
        with self._deadline_lock:
            line = f"{until} {_hundredths(boottime())} {hello.boot_id} {hello.nonce} {term}\n"
            beneath.write(self._below, "deadline", line.encode("ascii"))

    def term_in_force(self, hello: Hello) -> int:
        """Return the term in this incarnation's deadline file, 0 if there is none."""
        match = _DEADLINE.fullmatch(self._text("deadline"))
        return int(match[2]) if match and match[1] == hello.nonce else 0

    def forget_hello(self) -> None:
        """Remove the hello of a supervisor that is known to be dead."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink("hello", dir_fd=self._below)

    def wait_container_dead(self) -> Callable[[], None]:
        """Block until no process of the postgres container is alive; return a function that releases the lock.

        While the lock is held, a supervisor that kubelet restarts waits for it.
        """
        file = beneath.open_or_create(self._below, "lock", os.O_RDWR, f"{self._run}/lock")
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except BaseException:
            os.close(file)
            raise
        held = [file]

        def give_back() -> None:
            while held:
                os.close(held.pop())

        return give_back

    def _text(self, name: str) -> str:
        """Return the content of a file; '' if it is missing or can't come from the supervisor."""
        with contextlib.suppress(Irregular):
            return (beneath.read_in(self._below, name, _LONGEST_LINE, name) or b"").decode("utf-8", "replace")
        return ""
