"""Whether a real PostgreSQL 15 answers a new connection, and which responses count as an answer."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from hapg_failover.adapters import greeting
from hapg_failover.adapters.greeting import GRANTED, NOT_NOW, TOO_MANY, greet

from .conftest import Server

pytestmark = pytest.mark.slow
LIMIT = 10.0
WARNING = b"N\0\0\0\x0eSWARNING\0\0"


def ignore(_: float) -> None:
    pass


@pytest.fixture(scope="module")
def running(server: Server) -> Server:
    server.settings = {"max_connections": "5", "superuser_reserved_connections": "1", "log_min_messages": "log"}
    server.start()
    return server


def path_of(server: Server) -> Path:
    return server.base / ".s.PGSQL.5432"


@contextmanager
def stopped(server: Server) -> Iterator[int]:
    pid = int((server.data / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGSTOP)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def listening(says: bytes) -> Iterator[Path]:
    """A server that sends these bytes to every client and closes the connection."""
    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as listener:
        path = Path(directory) / "socket"
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            while True:
                try:
                    line, _ = listener.accept()
                except OSError:
                    return
                with line:
                    line.recv(1024)
                    line.sendall(says)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield path
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(LIMIT)


def test_a_session_is_granted_and_left_without_a_word_in_the_log(running: Server) -> None:
    log = running.base / "data.log"
    before = log.read_text()
    assert greet(path_of(running), LIMIT, ignore) == GRANTED
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ha-postgres-failover'"
    while running.ask(sessions):
        pass
    assert log.read_text() == before


def test_too_many_clients_is_an_answer(running: Server) -> None:
    connections = [running.connect() for _ in range(5)]
    try:
        assert greet(path_of(running), LIMIT, ignore) == TOO_MANY
    finally:
        for connection in connections:
            connection.close()


def test_a_server_that_shuts_down_says_so(running: Server) -> None:
    """A smart shutdown waits for its clients forever and accepts no new ones."""
    connection = running.connect()
    os.kill(int((running.data / "postmaster.pid").read_text().split()[0]), signal.SIGTERM)
    answer: str | None = GRANTED
    while answer == GRANTED:
        answer = greet(path_of(running), LIMIT, ignore)
    assert answer == NOT_NOW
    connection.close()
    running.stop("fast")
    running.start()


def test_a_postmaster_that_stands_still_is_silent_and_a_session_of_before_goes_on(running: Server) -> None:
    waited: list[float] = []
    connection = running.connect()
    with stopped(running), connection.cursor() as cursor:
        assert greet(path_of(running), 2.0, waited.append) is None
        cursor.execute("SELECT 1")
    connection.close()
    assert waited == sorted(waited)
    assert waited[-1] >= 2.0


def test_an_answer_that_comes_late_counts(running: Server) -> None:
    with stopped(running) as pid:
        assert greet(path_of(running), LIMIT, lambda _: os.kill(pid, signal.SIGCONT)) == GRANTED


def test_no_server_is_silence(tmp_path: Path) -> None:
    assert greet(tmp_path / "nothing", 0.5, ignore) is None


def test_a_time_in_which_we_did_not_run_is_no_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each reading of the clock is an hour after the previous one, as after a freeze."""
    hours = iter(range(0, 360000, 3600))
    monkeypatch.setattr(greeting, "time", SimpleNamespace(monotonic=lambda: float(next(hours))))
    monkeypatch.setattr(greeting, "select", SimpleNamespace(select=lambda *_: ([], [], [])))
    waited: list[float] = []
    greet(tmp_path / "nothing", 3.0, waited.append)
    assert waited == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("says", "answer"),
    [
        (WARNING + b"R\0\0\0\x08\0\0\0\0", GRANTED),
        (WARNING + b"E\0\0\0\x0eC53300\0X\0\0", TOO_MANY),
    ],
)
def test_a_warning_may_come_before_the_answer(says: bytes, answer: str) -> None:
    """As on a full volume, where a backend can't write its cache files."""
    with listening(says) as path:
        assert greet(path, LIMIT, ignore) == answer


@pytest.mark.parametrize("says", [b"", b"N", b"Ecould not fork new process for connection: no memory\n\0", b"E\0\0\0\6x\0"])
def test_what_is_no_message_of_the_protocol_is_no_answer(says: bytes) -> None:
    with listening(says) as path:
        assert greet(path, 0.5, ignore) is None
