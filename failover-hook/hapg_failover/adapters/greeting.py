"""Whether the local server answers a new connection: the start of a session over its Unix socket, without libpq.

A session opened earlier proves nothing: it keeps working while the postmaster is stopped and no new client can connect.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

GRANTED = ""
NOT_NOW = "57P03"
TOO_MANY = "53300"
AGAIN_S = 5.0
SLICE_S = 1.0
FAREWELL_S = 1.0
_PROTOCOL_3 = 196608
_WORDS = b"user\0postgres\0database\0postgres\0application_name\0ha-postgres-failover\0\0"
_STARTUP = struct.pack("!II", 8 + len(_WORDS), _PROTOCOL_3) + _WORDS
_TERMINATE = struct.pack("!cI", b"X", 4)
_HEADER = 5


@dataclass
class _Caller:
    """One connection, and the answer received so far."""

    line: socket.socket
    heard: bytearray = field(default_factory=bytearray)

    def fileno(self) -> int:
        return self.line.fileno()

    def listen(self) -> bool:
        """Receive what is available; False if the connection has ended."""
        try:
            heard = self.line.recv(4096)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self.heard += heard
        return bool(heard)

    @property
    def answer(self) -> str | None:
        """GRANTED, or the SQLSTATE of the refusal; None if there is none yet or it violates the protocol. Notices may precede it."""
        at = 0
        while len(self.heard) >= at + _HEADER:
            kind, end = bytes(self.heard[at : at + 1]), at + 1 + struct.unpack_from("!I", self.heard, at + 1)[0]
            if kind == b"R":
                return GRANTED
            if kind not in (b"E", b"N") or len(self.heard) < end:
                return None
            if kind == b"E":
                fields = bytes(self.heard[at + _HEADER : end]).split(b"\0")
                return next((field[1:].decode("ascii", "replace") for field in fields if field.startswith(b"C")), None)
            at = end
        return None

    def leave(self) -> None:
        """Terminate the session once it is ready, so that the server logs nothing about us."""
        end = time.monotonic() + FAREWELL_S
        with suppress(OSError):
            while b"Z\0\0\0\5" not in self.heard and (left := end - time.monotonic()) > 0:
                if not select.select([self], [], [], left)[0] or not self.listen():
                    return
            self.line.sendall(_TERMINATE)


def greet(path: Path, patience: float, waiting: Callable[[float], None]) -> str | None:
    """Return GRANTED or the SQLSTATE of the refusal; None if there was no answer within `patience` seconds.

    path: the server's Unix socket. Every AGAIN_S seconds another connection is tried and the earlier ones are kept, because a server that
    is merely slow eventually answers one of them. waiting: called every second with the number of seconds waited. A second in which this
    process didn't run counts only once, however long it took: being frozen ourselves is not silence of the server.
    """
    callers: list[_Caller] = []
    tried, waited = 0, 0.0
    try:
        while waited < patience:
            if waited >= tried * AGAIN_S:
                tried += 1
                with suppress(OSError):
                    callers.append(_call(path))
            began = time.monotonic()
            for caller in select.select(callers, [], [], SLICE_S)[0]:
                goes_on = caller.listen()
                if caller.answer is not None:
                    if caller.answer == GRANTED:
                        caller.leave()
                    return caller.answer
                if not goes_on:
                    callers.remove(caller)
                    caller.line.close()
            waited += min(time.monotonic() - began, SLICE_S)
            waiting(waited)
    finally:
        for caller in callers:
            caller.line.close()
    return None


def _call(path: Path) -> _Caller:
    """Connect and request a session. Raise OSError; a listener with a full queue refuses at once."""
    line = socket.socket(socket.AF_UNIX)
    try:
        line.setblocking(False)
        line.connect(str(path))
        line.sendall(_STARTUP)
    except OSError:
        line.close()
        raise
    return _Caller(line)
