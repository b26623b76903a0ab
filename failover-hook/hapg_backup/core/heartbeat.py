"""The role of this pod's server, from the supervisor's heartbeat."""

from __future__ import annotations

FRESH_S = 5.0
"""How old a heartbeat may be; the supervisor writes one every 0.2 s."""
_WORDS = 2


def role_of(line: str, now: float) -> str:
    """Return primary, standby or down. line: the heartbeat; now: CLOCK_BOOTTIME in seconds. An old heartbeat says nothing: down."""
    words = line.split()
    if len(words) < _WORDS or words[1] not in ("primary", "standby"):
        return "down"
    try:
        written = float(words[0])
    except ValueError:
        return "down"
    return words[1] if abs(now - written) <= FRESH_S else "down"
