"""The log never stops the agent and never says a password."""

from __future__ import annotations

import json
import os
import threading
import time
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
    """Read up to the end, which comes when the fixture closes the other side; the number is nobody else's until then."""
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
    log.flush(10.0)  # what it still wrote would go to whoever gets the pipe's number next


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
