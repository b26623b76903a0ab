"""The times of a CronJob's schedule are those of robfig/cron, which Kubernetes uses; by the longest gap between them `hapg status`
measures the age of backups.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hapg.spec.cron import longest_gap, never_comes, times
from hapg.spec.schedules import PATTERN

MONDAY = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
SECOND = timedelta(seconds=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


ACTIVATION = [
    ("2012-07-09 15:00", "0/15 * * * *", True),
    ("2012-07-09 15:45", "0/15 * * * *", True),
    ("2012-07-09 15:40", "0/15 * * * *", False),
    ("2012-07-09 15:05", "5/15 * * * *", True),
    ("2012-07-09 15:20", "5/15 * * * *", True),
    ("2012-07-09 15:50", "5/15 * * * *", True),
    ("2012-07-15 15:00", "0/15 * * Jul *", True),
    ("2012-07-15 15:00", "0/15 * * Jun *", False),
    ("2012-07-15 08:30", "30 08 ? Jul Sun", True),
    ("2012-07-15 08:30", "30 08 15 Jul ?", True),
    ("2012-07-16 08:30", "30 08 ? Jul Sun", False),
    ("2012-07-16 08:30", "30 08 15 Jul ?", False),
    ("2012-07-09 15:00", "@hourly", True),
    ("2012-07-09 15:04", "@hourly", False),
    ("2012-07-09 15:00", "@daily", False),
    ("2012-07-09 00:00", "@daily", True),
    ("2012-07-09 00:00", "@weekly", False),
    ("2012-07-08 00:00", "@weekly", True),
    ("2012-07-08 01:00", "@weekly", False),
    ("2012-07-08 00:00", "@monthly", False),
    ("2012-07-01 00:00", "@monthly", True),
    ("2012-07-15 00:00", "* * 1,15 * Sun", True),
    ("2012-06-15 00:00", "* * 1,15 * Sun", True),
    ("2012-08-01 00:00", "* * 1,15 * Sun", True),
    ("2012-07-15 00:00", "* * */10 * Sun", True),
    ("2012-07-15 00:00", "* * * * Mon", False),
    ("2012-07-09 00:00", "* * 1,15 * *", False),
    ("2012-07-15 00:00", "* * 1,15 * *", True),
    ("2012-07-15 00:00", "* * */2 * Sun", True),
]
"""TestActivation of robfig/cron v3.0.1, spec_test.go: whether a schedule has this time."""

NEXT = [
    ("2012-07-09 14:45", "0/15 * * * *", "2012-07-09 15:00"),
    ("2012-07-09 14:59", "0/15 * * * *", "2012-07-09 15:00"),
    ("2012-07-09 14:59:59", "0/15 * * * *", "2012-07-09 15:00"),
    ("2012-07-09 15:45", "20-35/15 * * * *", "2012-07-09 16:20"),
    ("2012-07-09 23:46", "*/15 * * * *", "2012-07-10 00:00"),
    ("2012-07-09 23:45", "20-35/15 * * * *", "2012-07-10 00:20"),
    ("2012-07-09 23:35", "0 0 9 Apr-Oct ?", "2012-08-09 00:00"),
    ("2012-07-09 23:35", "0 0 */5 Apr,Aug,Oct Mon", "2012-08-01 00:00"),
    ("2012-07-09 23:35", "0 0 */5 Oct Mon", "2012-10-01 00:00"),
    ("2012-07-09 23:35", "0 0 * Feb Mon", "2013-02-04 00:00"),
    ("2012-07-09 23:35", "0 0 * Feb Mon/2", "2013-02-01 00:00"),
    ("2012-12-31 23:59:45", "* * * * *", "2013-01-01 00:00"),
    ("2012-07-09 23:35", "0 0 29 Feb ?", "2016-02-29 00:00"),
    ("2012-07-09 23:35", "0 0 30 Feb ?", None),
    ("2012-07-09 23:35", "0 0 31 Apr ?", None),
]
"""TestNext of the same file, without the cases of other time zones, and those that name seconds, which Kubernetes' parser doesn't take."""

REFUSED = [
    "xyz",
    "60 0 * * *",
    "0 60 * * *",
    "0 0 * * XYZ",
    "15/0 * * * *",
    "TZ=UTC 0 1 * * *",
    "@unrecognized",
    "@every Xm",
    "* * * *",
    "",
]
"""TestErrors and TestSlash0NoHang of the same file, TestParseScheduleErrors of parser_test.go; Kubernetes takes no time zone there."""


@pytest.mark.parametrize(("moment", "schedule", "has"), ACTIVATION)
def test_a_schedule_of_backups_has_the_times_that_kubernetes_library_expects(moment: str, schedule: str, has: bool) -> None:
    assert re.fullmatch(PATTERN, schedule), "the chart takes it"
    assert (next(times(schedule, at(moment) - SECOND)) == at(moment)) is has
    assert (next(times(schedule, at(moment) + SECOND, backwards=True)) == at(moment)) is has


@pytest.mark.parametrize(("moment", "schedule", "expected"), NEXT)
def test_the_next_time_of_a_backup_is_the_one_that_kubernetes_library_expects(moment: str, schedule: str, expected: str | None) -> None:
    assert re.fullmatch(PATTERN, schedule), "the chart takes it"
    assert next(times(schedule, at(moment)), None) == (at(expected) if expected else None)
    assert never_comes(schedule) is (expected is None)


@pytest.mark.parametrize("schedule", REFUSED)
def test_what_kubernetes_library_refuses_is_refused(schedule: str) -> None:
    with pytest.raises(ValueError):
        times(schedule, MONDAY)


@pytest.mark.parametrize(
    ("schedule", "days"),
    [
        pytest.param("0 0 ? * 2", [1, 8, 15, 22], id="a question mark, unknown to Debian's cron"),
        pytest.param("0 0 */10 * 2", [1, 8, 11, 15], id="a step restricts days, so a day of the week is enough"),
        pytest.param("0 0 13 * */4", [3, 6, 10, 13], id="the same for days of the week"),
        pytest.param("0 0 */1 * 2", [1, 8, 15, 22], id="a step of one restricts nothing"),
        pytest.param("0 0 5,* * 2", [1, 8, 15, 22], id="a star later in the list counts too"),
        pytest.param("0 0 ?,5 * 2", [1, 8, 15, 22], id="and a question mark"),
        pytest.param("0 0 * * 5/2", [4, 11, 18, 25], id="the days of the week end with Saturday"),
        pytest.param("0 0 * * sat/1", [5, 12, 19, 26], id="by name too"),
        pytest.param("0 0 5-05/2 * *", [5, 36, 67, 95], id="a range of one day ends there, whatever its step"),
        pytest.param("0 0 * * mon-1/2", [7, 14, 21, 28], id="by name too"),
    ],
)
def test_where_debians_cron_differs_kubernetes_way_is_taken(schedule: str, days: list[int]) -> None:
    """days: the first of a schedule, counted from 1 December 2026, a Tuesday: as robfig/cron v3.0.1 itself gives them."""
    assert re.fullmatch(PATTERN, schedule), "the chart takes it"
    begin = datetime(2026, 11, 30, 0, 0, 1, tzinfo=UTC)
    assert [(found - begin).days + 1 for found in islice(times(schedule, begin), len(days))] == days


@pytest.mark.parametrize("schedule", ["0 0 L * *", "0 0 LW * *", "0 0 * * 1#2", "0 0 * * 5L", "0 0 * * 7", "0 0 0 * * *"])
def test_what_cronsim_knows_and_kubernetes_does_not_is_refused(schedule: str) -> None:
    with pytest.raises(ValueError, match="not a schedule"):
        times(schedule, MONDAY)


@pytest.mark.parametrize(
    "schedule", ["0 5-2 * * *", "30-15,* 1 * * *", "0 0 1 oct-mar *", "0 0 * * sat-sun", "0 0 30 2 *", "0 0 31 4,6,9,11 *"]
)
def test_a_schedule_that_never_comes(schedule: str) -> None:
    """Those with a range that ends before it begins are refused by robfig/cron; the others it takes, and never finds a time."""
    assert re.fullmatch(PATTERN, schedule), "the chart takes it"
    assert never_comes(schedule)
    assert longest_gap(schedule, MONDAY) == 0.0


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
    gap = longest_gap(schedule, MONDAY + timedelta(days=days))
    assert gap > 0 or never_comes(schedule) or schedule.startswith("@every ")


def test_what_is_no_schedule_is_refused() -> None:
    with pytest.raises(ValueError, match="not a schedule"):
        longest_gap("at night", MONDAY)


def test_the_gap_of_a_dense_schedule_is_found_at_once() -> None:
    begun = time.process_time()
    assert longest_gap("* * * * *", MONDAY) == MINUTE
    assert time.process_time() - begun < 1.0


def test_a_time_that_is_now_does_not_widen_the_gap() -> None:
    assert longest_gap("0 12 * * *", MONDAY) == DAY
