"""The failover container's side of the FIFOs and files, without a supervisor."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hapg_failover.adapters.ports.supervisor import Heartbeat, Hello, Supervisor, SupervisorEvent
from hapg_failover.adapters.supervisor import SupervisorFiles

HELLO = Hello("nonce", "boot", 1.0)


@pytest.fixture
def files(tmp_path: Path) -> Iterator[SupervisorFiles]:
    files = SupervisorFiles(tmp_path)
    yield files
    files.close()


def put(path: Path, data: bytes) -> None:
    fifo = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    os.write(fifo, data)
    os.close(fifo)


def test_it_is_what_the_agent_asks_for(files: SupervisorFiles) -> None:
    supervisor: Supervisor = files
    assert supervisor.hello() is None
    assert supervisor.heartbeat() is None
    assert supervisor.output("none") == ""
    assert supervisor.read_events(0) == []


def test_hello_and_heartbeat(files: SupervisorFiles, tmp_path: Path) -> None:
    (tmp_path / "hello").write_text("nonce boot 12.34 -\n")
    assert files.hello() == Hello("nonce", "boot", 12.34)
    (tmp_path / "hello").write_text("nonce boot 12.34 pg_controldata,pg_rewind\n")
    assert files.hello() == Hello("nonce", "boot", 12.34, frozenset({"pg_controldata", "pg_rewind"}))
    (tmp_path / "hello").write_text("nonce boot")
    assert files.hello() is None
    (tmp_path / "heartbeat").write_text("12.34 standby 17 0 -      \n")
    assert files.heartbeat() == Heartbeat(12.34, "standby", 17, False, None)
    (tmp_path / "heartbeat").write_text("12.34 down 0 1 abc-1\n")
    assert files.heartbeat() == Heartbeat(12.34, "down", 0, True, "abc-1")
    for unreadable in ("", "12.34 standby 17", "12.34 prindby 17 0 -\n", "x down 0 0 -\n"):
        (tmp_path / "heartbeat").write_text(unreadable)
        assert files.heartbeat() is None


def test_events(files: SupervisorFiles, tmp_path: Path) -> None:
    put(tmp_path / "events", b"n1 - hello\nn1 a-1 ok\nn2 a-2 error exit code 1: no way\nnonsense\nn2 - surprise\nn2 - died 1")
    assert files.read_events(0) == [
        SupervisorEvent("n1", None, "hello", ""),
        SupervisorEvent("n1", "a-1", "ok", ""),
        SupervisorEvent("n2", "a-2", "error", "exit code 1: no way"),
    ]
    put(tmp_path / "events", b"37\n")
    assert files.read_events(0) == [SupervisorEvent("n2", None, "died", "137")]
    started = time.monotonic()
    assert files.read_events(0.05) == []
    assert time.monotonic() - started >= 0.05
    threading.Timer(0.05, put, (tmp_path / "events", b"n - terminating\n")).start()
    assert files.read_events(10) == [SupervisorEvent("n", None, "terminating", "")]


def test_send(files: SupervisorFiles, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such device"):
        files.send("nonce", 1, "hello")
    reader = os.open(tmp_path / "commands", os.O_RDONLY | os.O_NONBLOCK)
    command_id = files.send("nonce", 3, "follow", "10.0.0.1", "5432")
    nonce, term, clock, sent_id, *rest = os.read(reader, 4096).decode().removesuffix("\x1e\n").split(" ")
    assert (nonce, term, sent_id, rest) == ("nonce", "3", command_id, ["follow", "10.0.0.1", "5432"])
    assert 0 <= time.clock_gettime(time.CLOCK_BOOTTIME) - float(clock) < 1
    assert files.send("nonce", 3, "hello") != command_id
    for bad in ("", "a b", "a\n", "ä"):
        with pytest.raises(ValueError, match="word"):
            files.send("nonce", 3, "follow", bad)
    with pytest.raises(ValueError, match="longer"):
        files.send("nonce", 3, "follow", "x" * 4096)
    with pytest.raises(BlockingIOError):
        while True:
            files.send("nonce", 3, "follow", "x" * 4000)
    os.close(reader)


def test_a_deadline_is_rounded_down(files: SupervisorFiles, tmp_path: Path) -> None:
    files.write_deadline(123.4599, 7, HELLO)
    until, now, *rest = (tmp_path / "deadline").read_text().split(" ")
    assert (until, rest) == ("123.45", ["boot", "nonce", "7\n"])
    assert 0 <= time.clock_gettime(time.CLOCK_BOOTTIME) - float(now) < 1
    files.write_deadline(None, 7, HELLO)
    assert (tmp_path / "deadline").read_text().startswith("none ")
    assert (tmp_path / "deadline").stat().st_mode & 0o777 == 0o600


def test_the_fifos_are_shared_with_the_program_that_made_them(files: SupervisorFiles, tmp_path: Path) -> None:
    again = SupervisorFiles(tmp_path)
    put(tmp_path / "events", b"n - hello\n")
    assert again.read_events(0) == [SupervisorEvent("n", None, "hello", "")]
    again.close()
    (tmp_path / "other").mkdir()
    (tmp_path / "other/commands").write_text("")
    with pytest.raises(FileExistsError):
        SupervisorFiles(tmp_path / "other")


def test_the_lock_is_obtained_once(files: SupervisorFiles) -> None:
    give_back = files.wait_container_dead()
    second: list[object] = []
    waiter = threading.Thread(target=lambda: second.append(files.wait_container_dead()))
    waiter.start()
    waiter.join(0.1)
    assert waiter.is_alive()
    give_back()
    waiter.join(10)
    assert second
