"""The clock: CLOCK_BOOTTIME, which keeps counting during suspend and is the same in both containers of a pod."""

from __future__ import annotations

import time


def boottime() -> float:
    """Return CLOCK_BOOTTIME in seconds."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
