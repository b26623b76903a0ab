"""The log never stops the agent and never contains a password."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from hapg_failover.adapters.log import Log


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def lines(reader: int) -> list[dict[str, Any]]:
    return [json.loads(line) for line in os.read(reader, 1 << 20).splitlines()]


def drain(reader: int) -> None:
    """Read up to the end, which comes when the fixture closes the other side; until then no other file gets this descriptor."""
    with os.fdopen(reader, "rb", buffering=0) as file:
        while file.read(1 << 16):
            pass


def test_a_line(pipe: tuple[int, int]) -> None:
    log = Log("db-0", descriptor=pipe[1])
    log("info", "claim", "the Lease is 6.1 s old", term=4, position="2:0/5000060")
    log("debug", "turn")
    log.flush(1.0)
    first, second = lines(pipe[0])
    assert first.pop("ts")[-5:-4] == "."
    assert first == {
        "level": "info",
        "pod": "db-0",
        "event": "claim",
        "reason": "the Lease is 6.1 s old",
        "term": 4,
        "position": "2:0/5000060",
    }
    assert "reason" not in second


def test_secrets_are_blotted_out_wherever_they_are(pipe: tuple[int, int]) -> None:
    secret = 'a"b\\cä'
    log = Log("db-0", (secret, ""), descriptor=pipe[1])
    log("error", "sql", f"FATAL: {secret} is wrong", connection={"password": secret})
    log.flush(1.0)
    (line,) = lines(pipe[0])
    assert line["reason"] == "FATAL: *** is wrong"
    assert line["connection"] == {"password": "***"}


def test_what_is_no_json_is_said_in_words(pipe: tuple[int, int]) -> None:
    log = Log("db-0", descriptor=pipe[1])
    log("info", "odd", error=ValueError("no"))
    log.flush(1.0)
    assert lines(pipe[0])[0]["error"] == "no"


def test_a_reader_that_reads_nothing_costs_lines_and_no_time(pipe: tuple[int, int]) -> None:
    log = Log("db-0", descriptor=pipe[1])
    for number in range(3000):
        log("info", "flood", "x" * 200, number=number)
    log.flush(0.1)
    os.set_blocking(pipe[0], False)
    seen: list[bytes] = []
    end = time.monotonic() + 20
    while time.monotonic() < end and not any(b'"dropped"' in part for part in seen):
        log("info", "after")
        try:
            seen.append(os.read(pipe[0], 1 << 16))
        except BlockingIOError:
            time.sleep(0.01)
    assert any(b'"dropped"' in part for part in seen)
    os.set_blocking(pipe[0], True)
    threading.Thread(target=drain, args=(os.dup(pipe[0]),), daemon=True).start()
    log.flush(10.0)  # its remaining output would go to the next user of the pipe's descriptor


def test_a_log_without_a_reader_is_silent() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    log = Log("db-0", descriptor=writer)
    log("info", "unheard")
    log.flush(1.0)
    os.close(writer)


def test_the_same_warning_is_said_once_and_counted(pipe: tuple[int, int]) -> None:
    log = Log("db-0", descriptor=pipe[1])
    for _ in range(4):
        log("warning", "read", "connection refused")
    log("warning", "put", "connection refused")
    log("warning", "read", "no answer")
    log.flush(1.0)
    assert [(line["event"], line["reason"], line.get("repeated")) for line in lines(pipe[0])] == [
        ("read", "connection refused", None),
        ("put", "connection refused", None),
        ("read", "no answer", 3),
    ]


@pytest.fixture
def untouched_logging() -> Iterator[None]:
    """Undo a program's changes to the process's loggers."""
    root, shown = logging.getLogger(), warnings.showwarning
    level, handlers = root.level, list(root.handlers)
    yield
    logging.captureWarnings(False)
    warnings.showwarning = shown
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.mark.usefixtures("untouched_logging")
class TestLibraries:
    def test_their_warnings_are_lines_like_the_agents(self, pipe: tuple[int, int]) -> None:
        log = Log("db-0", ("secret",), descriptor=pipe[1])
        log.take_over()
        pool = logging.getLogger("urllib3.connectionpool")
        pool.debug("a body")
        for _ in range(3):
            pool.warning("Retrying after %s of %s", OSError("no route"), "secret")
        try:
            raise ValueError("odd")
        except ValueError:
            logging.getLogger("kubernetes.client.rest").exception("it failed")
        log.flush(1.0)
        first, second = lines(pipe[0])
        del first["ts"]
        reason = "Retrying after no route of ***"
        assert first == {"level": "warning", "pod": "db-0", "event": "library", "logger": "urllib3.connectionpool", "reason": reason}
        assert (second["level"], second["reason"], second["logger"]) == ("error", "it failed", "kubernetes.client.rest")
        assert "ValueError: odd" in second["traceback"]

    def test_so_are_those_of_the_module_warnings(self, pipe: tuple[int, int]) -> None:
        log = Log("db-0", descriptor=pipe[1])
        log.take_over()
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.captureWarnings(False)
            logging.captureWarnings(True)
            warnings.warn("going", FutureWarning, stacklevel=1)
        log.flush(1.0)
        (line,) = lines(pipe[0])
        assert line["logger"] == "py.warnings"
        assert "FutureWarning: going" in line["reason"]

    def test_a_message_that_does_not_fit_its_arguments_costs_the_line_alone(
        self, pipe: tuple[int, int], capfd: pytest.CaptureFixture[str]
    ) -> None:
        log = Log("db-0", descriptor=pipe[1])
        logging.getLogger().handlers.clear()  # pytest's own handlers, which raise errors of a record
        log.take_over()
        logging.getLogger("odd").warning("%d", "x")
        log("info", "next")
        log.flush(1.0)
        (line,) = lines(pipe[0])
        assert (line["event"], line["dropped"]) == ("next", 1)
        assert capfd.readouterr() == ("", "")
