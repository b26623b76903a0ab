"""Waiting for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from tests.robustness.programs import ProgramError

T = TypeVar("T")


def wait_for(what: str, condition: Callable[[], T], seconds: float, explain: Callable[[], str] | None = None, pause: float = 0.25) -> T:
    """Return the first true value of `condition`. A program that fails in it counts as 'not yet'.

    Raise AssertionError with the message of `explain` after `seconds`.
    """
    limit = time.monotonic() + seconds
    while True:
        trouble = ""
        try:
            value = condition()
            if value:
                return value
        except ProgramError as error:
            trouble = f"\n{error}"
        if time.monotonic() > limit:
            raise AssertionError(f"after {seconds:.0f} s still not: {what}{trouble}\n{explain() if explain else ''}")
        time.sleep(pause)
