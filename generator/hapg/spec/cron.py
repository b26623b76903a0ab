"""The times of a CronJob's schedule, and how far apart they are. Pure.

cronsim computes them. It reads the dialect of Debian's cron, Kubernetes that of robfig/cron's ParseStandard, whose form is in
hapg.spec.schedules. So a schedule is first put into words that mean the same in both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hapg.spec import schedules

_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_EVERY = "@every "
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_LIMITS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
"""The least and the greatest value of each field."""
_VALUES = {
    **{name: str(number) for number, name in enumerate(schedules.MONTHS.split(), 1)},
    **{name: str(number) for number, name in enumerate(schedules.DAYS.split())},
}
_LOOK_BACK, _WEEK = timedelta(days=35), timedelta(days=8)
_DENSE = 1000
_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)


def longest_gap(schedule: str, now: datetime) -> float:
    """Return the longest time between two times of a schedule in the last weeks and up to the next one, in seconds; 0 if it never comes.

    now: in UTC. Raise ValueError for what no CronJob has.
    """
    if schedule.startswith(_EVERY):
        return sum(float(number) * _SECONDS[unit] for number, unit in re.findall("([0-9]+)([hms])", schedule))
    found: list[datetime] = []
    for time in times(schedule, now, backwards=True):
        found.append(time)
        if len(found) > 1 and now - time > (_WEEK if len(found) > _DENSE else _LOOK_BACK):
            break
    if not found:
        return 0.0
    found.insert(0, next(times(schedule, found[0])))
    return max((later - earlier).total_seconds() for later, earlier in pairwise(found))


def never_comes(schedule: str) -> bool:
    """True if a schedule of the right form has no time: a range ends before it begins, or no month has the day."""
    return not schedule.startswith(_EVERY) and next(times(schedule, _ANY_TIME), None) is None


def times(schedule: str, moment: datetime, *, backwards: bool = False) -> Iterator[datetime]:
    """Return the times of a schedule after a moment in UTC, or, the latest first, those before it; none if it never comes.

    Raise ValueError for what no CronJob has, and for @every, whose times depend on when the CronJob was made.
    """
    from cronsim import CronSim, CronSimError  # takes 10 ms, and is not needed by most commands

    if schedule.startswith(_EVERY) or not re.fullmatch(schedules.PATTERN, schedule):
        raise ValueError(f"not a schedule: {schedule!r}")
    try:
        return CronSim(_in_debians_words(_DESCRIPTORS.get(schedule, schedule)), moment, reverse=backwards)
    except CronSimError:  # of the right form, so a range ends before it begins, or no month has the day
        return iter(())


def _in_debians_words(schedule: str) -> str:
    """Return a schedule whose meaning for Debian's cron is that of the given one for Kubernetes.

    For both, a day of the month or one of the week is enough if both fields are restricted. But for Kubernetes a field is restricted
    unless its list has an item for all values (`*`, `?`, `*/1`); for Debian's cron, unless it begins with `*`.
    """
    fields = [[_item(item, *limits) for item in field.split(",")] for field, limits in zip(schedule.split(), _LIMITS, strict=True)]
    return " ".join(",".join(sorted(items, key=lambda item: item != "*")) for items in fields)


def _item(text: str, least: int, most: int) -> str:
    """Return an item of a field's list without what cronsim reads in another way: `?`, `*/2`, `5/2`, `5-5/2`, and 7 as the last day."""
    span, _, step = text.partition("/")
    first, _, last = span.partition("-")
    if span in ("*", "?"):
        if step in ("", "1"):
            return "*"
        first, last = str(least), str(most)
    begin, end = (int(_VALUES.get(each.lower(), each)) for each in (first, last or (str(most) if step else first)))
    return f"{begin}" if begin == end else f"{begin}-{end}/{step or 1}"
