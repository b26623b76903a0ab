"""The clock: boot time, which goes on through a suspend and is the same for both containers of a pod."""

from __future__ import annotations

import time


def boottime() -> float:
    """Return CLOCK_BOOTTIME in seconds."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
