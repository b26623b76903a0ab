"""The outcome of a verified restore: as it is reported, kept and shown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hapg_backup.core import verification
from hapg_backup.core.state import METRICS, State, render
from hapg_backup.core.verification import LONGEST_REASON, Record, Verification

DONE = Verification(1000.0, "15", "", "20261201-010000F", 2, "0/3000148", 8_000_000, 4.0, 6.0, 2.0, ("checksums", "query"))
FAILED = Verification(2000.0, "15", "the query returned f instead of true")


def test_a_report_is_read_as_it_was_written() -> None:
    for found in (DONE, FAILED):
        assert verification.read(verification.fields(found)) == found


def test_a_record_of_verified_restores_is_read_as_it_was_kept() -> None:
    for record in (Record(), Record(DONE), Record(DONE, FAILED), Record(None, FAILED)):
        assert verification.decode(verification.encode(record)) == record


def test_a_failure_keeps_the_last_verified_restore_and_a_success_ends_the_failure() -> None:
    assert Record().after(DONE) == Record(DONE)
    assert Record(DONE).after(FAILED) == Record(DONE, FAILED)
    assert Record(DONE, FAILED).after(replace(DONE, ended=3000.0)) == Record(replace(DONE, ended=3000.0))


def test_a_verified_restore_counts_for_its_own_major_alone() -> None:
    record = Record(DONE, replace(FAILED, major="17"))
    assert record.of("15") == Record(DONE)
    assert record.of("17") == Record(None, replace(FAILED, major="17"))


def test_what_a_restore_took() -> None:
    assert (DONE.rto_s, DONE.rate) == (10.0, 2_000_000.0)
    assert FAILED.rate == 0.0
    assert Record(DONE).document == {"verified": DONE.document, "failed": None}
    assert DONE.document["bytesPerSecond"] == 2_000_000


@pytest.mark.parametrize(
    "changes",
    [
        {"ended": "now"},
        {"ended": -1},
        {"ended": float("nan")},
        {"size": True},
        {"major": "fifteen"},
        {"backup": "../x"},
        {"lsn": "3000148"},
        {"lsn": ""},
        {"backup": ""},
        {"checks": 5},
        {"restore_s": None},
    ],
)
def test_a_malformed_report_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="verification"):
        verification.read({**verification.fields(DONE), **changes})


def test_a_reason_is_one_line_of_limited_length_and_unknown_checks_are_left_out() -> None:
    found = verification.read({**verification.fields(FAILED), "failure": "a\n b" + "c" * 5000, "checks": ["query", "another"]})
    assert found.failure.startswith("a bc")
    assert len(found.failure) == LONGEST_REASON
    assert found.checks == ("query",)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"verified": {}}', '{"verified": 5}'])
def test_a_malformed_record_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        verification.decode(text)


def shown(state: State) -> dict[str, float]:
    lines = (line.split() for line in render(state).splitlines() if line[0] != "#")
    return {name.removeprefix("ha_postgres_"): float(value) for name, value in lines}


def test_metrics_of_verified_restores() -> None:
    names = [metric.name for metric in METRICS if "verif" in metric.name]
    assert [shown(State())[name] for name in names] == [0, 0, 0, 0]
    assert [shown(State(record=Record(DONE, FAILED)))[name] for name in names] == [1000, 1, 10, 2_000_000]
    assert [shown(State(record=Record(DONE)))[name] for name in names] == [1000, 0, 10, 2_000_000]


@pytest.mark.parametrize(
    ("state", "rpo"),
    [
        (State(role="primary", archived="A", timeout_s=60.0), 60.0),
        (State(role="primary", archived="A", timeout_s=60.0, oldest_s=100.0), 160.0),
        (State(role="primary", archived="", timeout_s=60.0), float("inf")),
        (State(role="primary", archived="A", timeout_s=None), float("inf")),
        (State(role="standby"), 0.0),
    ],
)
def test_how_much_a_loss_of_all_volumes_would_lose_without_the_archive(state: State, rpo: float) -> None:
    assert shown(state)["archive_rpo_seconds"] == rpo
