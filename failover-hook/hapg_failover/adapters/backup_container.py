"""The pod's backup container, asked for archived WAL and for a verified backup over loopback (hapg_protocol.hand_over)."""

from __future__ import annotations

import hashlib
import hmac
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hapg_protocol.hand_over import LISTENER, WAIT, AskVerified, Fetch, NotFetched, VerifiedBackup, fetched, verified

from . import beneath
from .ports.archive import ArchiveError, NotArchived

FOLDER = "backup"
_LISTENER = re.compile(r"([0-9]{1,5}) ([0-9a-f]{32})\n")
_LONGEST = 4096
_CHUNK = 1 << 20


class BackupContainer:
    """Implements ports.Archive."""

    def __init__(self, run: Path) -> None:
        """run: the memory volume."""
        self._run = run

    def fetch(self, segment: str, timeout: float) -> Iterator[bytes]:
        """See ports.Archive."""
        end = time.monotonic() + timeout
        with self._asked(Fetch(segment).line, timeout) as connection:
            yield from _content(connection, segment, end)

    def verified(self, major: str, timeout: float) -> VerifiedBackup | None:
        """See ports.Archive."""
        end = time.monotonic() + timeout
        with self._asked(AskVerified(major).line, timeout) as connection:
            return verified(_line(connection, end)[0])

    @contextmanager
    def _asked(self, line: str, timeout: float) -> Iterator[socket.socket]:
        """Hold a connection on which this was asked. Raise ArchiveError, also for what fails meanwhile."""
        try:
            port, token = self._listener()
            with socket.socket() as connection:
                connection.settimeout(timeout)
                connection.connect(("127.0.0.1", port))
                connection.sendall(f"{token} {line}\n".encode())
                yield connection
        except (OSError, ValueError, NotFetched) as error:
            raise ArchiveError(f"the backup container: {error}") from error

    def _listener(self) -> tuple[int, str]:
        text = beneath.read(str(self._run), FOLDER, LISTENER, most=_LONGEST)
        found = _LISTENER.fullmatch((text or b"").decode("ascii", "replace"))
        if found is None:
            raise ValueError("it does not listen")
        return int(found[1]), found[2]


def _line(connection: socket.socket, end: float) -> tuple[str, bytes]:
    """Return the first line that is not a sign of life, and what was received after it. Raise OSError, NotFetched."""
    rest = b""
    while True:
        line, found, rest = rest.partition(b"\n")
        if not found:
            rest = line + _receive(connection, end)
            if len(rest) > _LONGEST + _CHUNK:
                raise NotFetched("its answer has no end")
        elif not line.startswith(WAIT.encode()):
            return line.decode("utf-8", "replace"), rest


def _content(connection: socket.socket, segment: str, end: float) -> Iterator[bytes]:
    """Yield the content of the answer. Raise OSError, NotFetched, NotArchived."""
    line, rest = _line(connection, end)
    answer = fetched(line)
    if answer is None:
        raise NotArchived(f"the archive lacks {segment}")
    digest, left = hashlib.sha1(usedforsecurity=False), answer.size
    while left > 0:
        part = rest or _receive(connection, end)
        rest, left = b"", left - len(part)
        digest.update(part)
        yield part
    if left < 0 or not hmac.compare_digest(digest.hexdigest(), answer.sha1):
        raise NotFetched(f"what it sent is not {segment} as it was archived")


def _receive(connection: socket.socket, end: float) -> bytes:
    """Return some bytes. Raise OSError if the other side is silent until `end` (of time.monotonic), or gone."""
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError("no answer in time")
    connection.settimeout(left)
    part = connection.recv(_CHUNK)
    if not part:
        raise ConnectionError("it ended before its answer was complete")
    return part
