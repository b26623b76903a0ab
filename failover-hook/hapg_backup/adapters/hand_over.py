"""The hand-over on loopback: archive_command, restore_command and the job `restore` send one line and wait for the answer.

The port is guarded by a token, because users of SQL with dblink reach loopback, too. While an answer takes long, the client gets a line
that begins with `wait` every few seconds, so that it can tell work from silence.
"""

from __future__ import annotations

import hmac
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hapg_protocol.hand_over import LISTENER, WAIT

from . import files
from .closed import is_closed

SENT = ""
"""The answer of a request whose answer was sent already."""
_REQUEST_S = 5.0
_LONGEST = 500
_PLACES = 32
_CHUNK = 1 << 20


class Client:
    """The other side of one request."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def is_gone(self) -> bool:
        """True once the client has closed the connection: it was killed, or its patience is over."""
        return is_closed(self._connection)

    def wait(self, text: str = "") -> None:
        """Tell the client that work goes on."""
        with suppress(OSError):
            self._connection.sendall(f"{WAIT} {text}".encode()[:_LONGEST].replace(b"\n", b" ") + b"\n")

    def send(self, line: str, path: Path) -> None:
        """Send a line, and the content of a file after it. Raise OSError."""
        self._connection.sendall(line.encode() + b"\n")
        with path.open("rb") as file:
            while part := file.read(_CHUNK):
                self._connection.sendall(part)


Answer = Callable[[list[str], Client], str]
"""Takes the words of a request, returns the answer: `ok`, `missing`, `error` and a reason, or SENT."""


class HandOver:
    """Listens on loopback."""

    def __init__(self, folder: Path, answer: Answer, port: int = 0) -> None:
        """folder: where clients find the port and the token; answer: called in a thread of each client. Raise OSError."""
        self._folder = folder
        self._answer = answer
        self._token = secrets.token_hex(16)
        self._listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self._places = threading.BoundedSemaphore(_PLACES)

    def start(self) -> None:
        """Serve until the process ends. Raise OSError if the token can't be left for the clients."""
        threading.Thread(target=self._serve, name="hand-over", daemon=True).start()
        files.write(self._folder / LISTENER, f"{self._listener.getsockname()[1]} {self._token}\n".encode())

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # the client has gone again, or no descriptor is left
                time.sleep(0.05)
                continue
            if self._places.acquire(blocking=False):
                threading.Thread(target=self._client, args=(connection,), daemon=True).start()
            else:
                connection.close()

    def _client(self, connection: socket.socket) -> None:
        try:
            with connection, suppress(OSError):
                words = self._request(connection)
                if words is not None:
                    connection.settimeout(_REQUEST_S)
                    answer = self._safely(words, Client(connection))
                    if answer != SENT:
                        connection.sendall((" ".join(answer.split())[: 2 * _LONGEST] + "\n").encode())
        finally:
            self._places.release()

    def _safely(self, words: list[str], client: Client) -> str:
        try:
            return self._answer(words, client)
        except Exception as error:  # one bad request must not end the thread without an answer
            return f"error {type(error).__name__}: {error}"

    def _request(self, connection: socket.socket) -> list[str] | None:
        end, line = time.monotonic() + _REQUEST_S, b""
        while not line.endswith(b"\n"):
            connection.settimeout(max(0.01, end - time.monotonic()))
            part = connection.recv(_LONGEST)
            line += part
            if not part or len(line) > _LONGEST or time.monotonic() > end:
                return None
        token, *words = line.decode("ascii", "replace").split() or [""]
        return words if hmac.compare_digest(token.encode(), self._token.encode()) else None
