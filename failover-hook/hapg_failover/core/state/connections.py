"""How our server answers new connections, and when a primary counts as one that lets nobody in (docs/protocol.md, rule 1)."""

from __future__ import annotations

from dataclasses import dataclass

from ..timing import REFUSING_S, SILENT_S


@dataclass(frozen=True)
class Greeting:
    """How our server has answered new connections of late.

    since: boot time of the last look; silent: seconds in which it has waited in vain; refusing: seconds in which each was told that the
    server isn't ready (57P03); crowded: the last one was told that all slots are taken (53300), by a server that is in production as its
    control file says.
    """

    since: float = 0.0
    silent: float = 0.0
    refusing: float = 0.0
    crowded: bool = False


ANSWERED = Greeting()


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
