"""When a primary counts as one that lets nobody in (docs/protocol.md, rule 1)."""

from __future__ import annotations

from .observation import Greeting

SILENT_S = 15.0
"""A server answers a new connection within milliseconds, and under the heaviest load within a few seconds: the postmaster does
nothing but fork, and a checkpoint or a slow disk doesn't hold it up. Its answer isn't awaited for longer than clients wait."""
REFUSING_S = 60.0
"""A primary that shuts down or recovers by itself says so (57P03). It ends or serves within that time, or clients need another one."""


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
