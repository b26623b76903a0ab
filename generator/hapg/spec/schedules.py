"""The schedules that a Kubernetes CronJob accepts, as a regular expression.

Kubernetes reads them with robfig/cron's ParseStandard: five fields, or a descriptor. A range that
ends before it begins, which Kubernetes refuses, matches too; hapg.spec.cron finds no time for it.
"""

from __future__ import annotations

MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec"
DAYS = "sun mon tue wed thu fri sat"


def _names(words: str) -> str:
    """Return a pattern for any of the words in any case; JSON Schema has no flag for that."""
    return "|".join("".join(f"[{letter.upper()}{letter}]" for letter in word) for word in words.split())


def _field(value: str) -> str:
    """Return a pattern for one field: a list of values, ranges and steps."""
    item = rf"([*?]|({value})(-({value}))?)(/[1-9][0-9]*)?"
    return f"{item}(,{item})*"


_FIELDS = (
    _field("[0-5]?[0-9]"),
    _field("[01]?[0-9]|2[0-3]"),
    _field("0?[1-9]|[12][0-9]|3[01]"),
    _field(f"0?[1-9]|1[0-2]|{_names(MONTHS)}"),
    _field(f"[0-6]|{_names(DAYS)}"),
)
"""Minute, hour, day of the month, month, day of the week (0 is Sunday)."""

_DESCRIPTOR = "@(yearly|annually|monthly|weekly|daily|midnight|hourly)|@every ([0-9]+(h|m|s))+"

PATTERN = f"^(|{_DESCRIPTOR}|{' +'.join(_FIELDS)})$"
"""A schedule, or nothing."""
