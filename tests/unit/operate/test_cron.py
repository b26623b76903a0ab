"""How far apart the times of a schedule are, by which `hapg status` measures the age of backups."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hapg.operate.cron import longest_gap
from hapg.spec.schedules import PATTERN

MONDAY = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


@pytest.mark.parametrize(
    ("schedule", "gap"),
    [
        ("* * * * *", MINUTE),
        ("*/7 * * * *", 7 * MINUTE),
        ("5/20 * * * *", 20 * MINUTE),
        ("0 1 * * *", DAY),
        ("0 1 * * 0", 7 * DAY),
        ("0 1 * * SUN", 7 * DAY),
        ("0 1 * * 1-6", 2 * DAY),
        ("0 5-23/4 * * *", 8 * HOUR),
        ("0 9-17 * * mon-fri", 2 * DAY + 16 * HOUR),
        ("0 0 1 * *", 31 * DAY),
        ("0 0 1 Jan *", 365 * DAY),
        ("0 0 29 2 *", 1461 * DAY),
        ("0 0 13 * 5", 7 * DAY),
        ("0 0 ? * 5,2", 4 * DAY),
        ("0 0 */2 * *", 2 * DAY),
        ("@daily", DAY),
        ("@midnight", DAY),
        ("@hourly", HOUR),
        ("@weekly", 7 * DAY),
        ("@monthly", 31 * DAY),
        ("@yearly", 365 * DAY),
        ("@annually", 365 * DAY),
        ("@every 6h", 6 * HOUR),
        ("@every 1h30m10s", 5410.0),
        ("0 0 30 2 *", 0.0),
    ],
)
def test_the_longest_gap_of_a_backup_schedule(schedule: str, gap: float) -> None:
    assert re.fullmatch(PATTERN, schedule), "the chart takes it"
    assert longest_gap(schedule, MONDAY) == gap


@settings(max_examples=25, deadline=None)
@given(st.from_regex(PATTERN, fullmatch=True).filter(bool), st.integers(0, 20 * 366))
def test_every_schedule_of_a_backup_has_a_gap(schedule: str, days: int) -> None:
    if any(int(a) > int(b) for a, b in re.findall("([0-9]+)-([0-9]+)", schedule)) or re.search(
        "[a-zA-Z0-9]-[a-zA-Z]|[a-zA-Z]-[0-9]", schedule
    ):
        return  # Kubernetes alone refuses a range that ends before it begins
    assert longest_gap(schedule, MONDAY + timedelta(days=days)) >= 0


def test_what_is_no_schedule_is_refused() -> None:
    with pytest.raises(ValueError, match="not a schedule"):
        longest_gap("at night", MONDAY)
