"""An HTTP server for short requests, in one thread that never blocks on a client.

Each client has one deadline for its request and the answer. The number of clients is limited: a new one replaces the oldest, so silent
clients can't lock others out.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus

from .requests import Request, Response, parse
from .sockets import listen

CLIENT_SECONDS = 2.0
PLACES = 64
WAITING = 8
_CHUNK = 8192
_MOST_IGNORED = 1 << 20
_ACCEPTED_AT_ONCE = 16

Later = Callable[[], Response]
"""Work that may block, run in another thread within the client's deadline; returns the answer."""

Answer = Callable[[Request], Response | Later]
"""Called in the server's thread, so it must not block."""


class _Client:
    """A connection and its state.

    deadline: monotonic time; received: bytes read; unsent: bytes not sent yet; ignored: number of bytes ignored after a refusal; awaited:
    the selector events it is registered for, 0 for none.
    """

    __slots__ = ("awaited", "deadline", "ignored", "is_refused", "received", "socket", "unsent")

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self.socket = connection
        self.deadline = deadline
        self.received = bytearray()
        self.unsent = b""
        self.is_refused = False
        self.ignored = 0
        self.awaited = 0


class HttpServer:
    """Answers on one port. Slow, silent and broken clients are dropped without an answer."""

    def __init__(self, port: int, name: str, answer: Answer, longest_body: int = 0) -> None:
        """port: 0 for any; name: of the thread; longest_body: in bytes, see requests.parse. Raise OSError if the port is taken."""
        self._listener = listen(port)
        self._listener.setblocking(False)
        self._name = name
        self._answer = answer
        self._longest_body = longest_body
        self._selector = selectors.DefaultSelector()
        self._clients: dict[_Client, None] = {}  # by age, and therefore by deadline
        self._pool = ThreadPoolExecutor(WAITING, name)
        self._free = threading.BoundedSemaphore(WAITING)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._listener.getsockname()[1])

    def start(self) -> None:
        """Start serving, until the process ends."""
        self._selector.register(self._listener, selectors.EVENT_READ)
        threading.Thread(target=self._serve, name=self._name, daemon=True).start()

    def close(self) -> None:
        """Release the port; only for a server that was not started."""
        self._listener.close()

    def _serve(self) -> None:
        while True:
            oldest = next(iter(self._clients), None)
            timeout = None if oldest is None else max(0.0, oldest.deadline - time.monotonic())
            for key, events in self._selector.select(timeout):
                if key.data is None:
                    self._accept()
                elif key.data in self._clients:  # it may have been dropped in this pass
                    (self._write if events & selectors.EVENT_WRITE else self._read)(key.data)
            now = time.monotonic()
            while (oldest := next(iter(self._clients), None)) is not None and oldest.deadline <= now:
                self._drop(oldest)

    def _accept(self) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                connection, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError:  # the client has disconnected, or no descriptor is left
                self._drop_oldest()
                return
            if len(self._clients) >= PLACES:
                self._drop_oldest()
            connection.setblocking(False)
            client = _Client(connection, time.monotonic() + CLIENT_SECONDS)
            self._clients[client] = None
            self._read(client)  # most requests are complete by now

    def _drop_oldest(self) -> None:
        oldest = next(iter(self._clients), None)
        if oldest is not None:
            self._drop(oldest)

    def _read(self, client: _Client) -> None:
        try:
            said = client.socket.recv(_CHUNK)
        except BlockingIOError:
            self._await(client, selectors.EVENT_READ)
            return
        except OSError:
            said = b""
        if client.is_refused:
            client.ignored += len(said)
        if not said or client.ignored > _MOST_IGNORED:
            self._drop(client)
        elif not client.is_refused:
            client.received += said
            self._consider(client)

    def _consider(self, client: _Client) -> None:
        request = parse(bytes(client.received), self._longest_body)
        if isinstance(request, HTTPStatus):
            # Read and ignore the rest: closing a connection with unread bytes resets it, and the client may lose the answer.
            client.is_refused = True
            self._send(client, Response(request))
        elif request is None:
            self._await(client, selectors.EVENT_READ)
        else:
            answer = self._answer_to(request)
            if isinstance(answer, Response):
                self._send(client, answer)
            else:
                self._switch_over(client, answer)

    def _answer_to(self, request: Request) -> Response | Later:
        try:
            return self._answer(request)
        except Exception:  # one bad answer must not end the server
            return Response(HTTPStatus.INTERNAL_SERVER_ERROR)

    def _send(self, client: _Client, response: Response) -> None:
        client.unsent = response.encode()
        self._write(client)

    def _write(self, client: _Client) -> None:
        try:
            client.unsent = client.unsent[client.socket.send(client.unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(client)
            return
        if client.unsent:
            self._await(client, selectors.EVENT_WRITE)
        elif client.is_refused:
            with suppress(OSError):
                client.socket.shutdown(socket.SHUT_WR)
            self._await(client, selectors.EVENT_READ)
        else:
            self._drop(client)

    def _await(self, client: _Client, events: int) -> None:
        if not client.awaited:
            self._selector.register(client.socket, events, client)
        elif client.awaited != events:
            self._selector.modify(client.socket, events, client)
        client.awaited = events

    def _switch_over(self, client: _Client, work: Later) -> None:
        """Hand the client over to another thread, which answers it and owns the connection from here on."""
        if not self._free.acquire(blocking=False):
            self._send(client, Response(HTTPStatus.SERVICE_UNAVAILABLE))
            return
        self._forget(client)

        def answer() -> None:
            with client.socket as connection, suppress(OSError):
                try:
                    response = work()
                finally:
                    self._free.release()
                left = client.deadline - time.monotonic()
                if left > 0:
                    connection.settimeout(left)  # for the whole answer, not for each part
                    connection.sendall(response.encode())

        self._pool.submit(answer)

    def _forget(self, client: _Client) -> None:
        del self._clients[client]
        if client.awaited:
            self._selector.unregister(client.socket)

    def _drop(self, client: _Client) -> None:
        self._forget(client)
        client.socket.close()
