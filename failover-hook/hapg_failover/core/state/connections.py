"""When a primary counts as one that lets nobody in (docs/protocol.md, rule 1)."""

from __future__ import annotations

from ..timing import REFUSING_S, SILENT_S
from .observation import Greeting


def trouble(greeting: Greeting, since: float) -> str | None:
    """Return what is wrong with how new connections are answered, None if nothing is, or not for long enough.

    since: boot time at which our server became the primary; an earlier one's answers don't count.
    """
    if greeting.since < since:
        return None
    if greeting.silent >= SILENT_S:
        return f"a new SQL connection has had no answer for {greeting.silent:.0f} s"
    if greeting.refusing >= REFUSING_S:
        return f"every new SQL connection has been refused for {greeting.refusing:.0f} s: the server says that it starts or shuts down"
    return None
