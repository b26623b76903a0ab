"""How far apart the times of a CronJob's schedule are. Pure.

Reads what Kubernetes reads with robfig/cron's ParseStandard; hapg.spec.schedules has its form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS = {
    name: number for number, name in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1)
}
_DAYS = {name: number for number, name in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])}
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_LOOK_BACK, _WEEK = timedelta(days=35), timedelta(days=8)
_DENSE = 1000
_LONGEST = 9 * 366
"""In days: no schedule has a longer gap than from one 29 February to the next."""


@dataclass(frozen=True)
class _Schedule:
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool
    """Whether a day of the month or one of the week is enough: both are restricted."""

    def times(self, day: datetime) -> list[datetime]:
        """Return the times on a day, in order."""
        if day.month not in self.months:
            return []
        in_month, in_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        if not (in_month or in_week if self.either else in_month and in_week):
            return []
        return [day.replace(hour=hour, minute=minute) for hour in sorted(self.hours) for minute in sorted(self.minutes)]


def longest_gap(schedule: str, now: datetime) -> float:
    """Return the longest time between two times of a schedule in the last weeks and up to the next one, in seconds.

    The time zone of `now` does not matter. Raise ValueError for what no CronJob has.
    """
    if schedule.startswith("@every "):
        return sum(float(number) * _SECONDS[unit] for number, unit in re.findall("([0-9]+)([hms])", schedule))
    times = _around(_parse(_DESCRIPTORS.get(schedule, schedule)), now)
    return max(((later - earlier).total_seconds() for earlier, later in pairwise(times)), default=0.0)


def _around(schedule: _Schedule, now: datetime) -> list[datetime]:
    """Return the times of the last weeks, at least two, and the next one; none if there are none."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    before: list[datetime] = []
    for day in _days(today, -1):
        before = [time for time in schedule.times(day) if time <= now] + before
        if len(before) > 1 and now - day > (_WEEK if len(before) > _DENSE else _LOOK_BACK):
            break
    after = next((time for day in _days(today, 1) for time in schedule.times(day) if time > now), None)
    return before if after is None else [*before, after]


def _days(first: datetime, step: int) -> Iterator[datetime]:
    return (first + timedelta(days=step * number) for number in range(_LONGEST))


def _parse(schedule: str) -> _Schedule:
    fields = schedule.split()
    if len(fields) != len(("minute", "hour", "day", "month", "weekday")):
        raise ValueError(f"not a schedule: {schedule!r}")
    minutes, _ = _field(fields[0], 0, 59, {})
    hours, _ = _field(fields[1], 0, 23, {})
    days, any_day = _field(fields[2], 1, 31, {})
    months, _ = _field(fields[3], 1, 12, _MONTHS)
    weekdays, any_weekday = _field(fields[4], 0, 6, _DAYS)
    return _Schedule(minutes, hours, days, months, weekdays, not any_day and not any_weekday)


def _field(text: str, least: int, most: int, names: dict[str, int]) -> tuple[frozenset[int], bool]:
    """Return the values of a field, and whether it does not restrict them."""
    found: set[int] = set()
    is_any = False
    for item in text.split(","):
        span, _, step = item.partition("/")
        first, _, last = span.partition("-")
        if span in ("*", "?"):
            begin, end = least, most
            is_any = is_any or step in ("", "1")
        else:
            begin = _number(first, names)
            end = _number(last, names) if last else (most if step else begin)
        found.update(range(begin, end + 1, int(step or 1)))
    return frozenset(found), is_any


def _number(text: str, names: dict[str, int]) -> int:
    return names[text.lower()] if text.lower() in names else int(text)
