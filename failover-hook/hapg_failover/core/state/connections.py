"""How our server answers new connections, and when a primary counts as unresponsive (docs/protocol.md, rule 1)."""

from __future__ import annotations

from dataclasses import dataclass

from ..timing import REFUSING_S, SILENT_S


@dataclass(frozen=True)
class Greeting:
    """How our server has recently answered new connections.

    since: CLOCK_BOOTTIME at the start of the last probe; silent: for how many seconds that probe has waited for an answer; refusing: for
    how many seconds every probe has been told that the server isn't ready (57P03); crowded: the last probe was told that all connection
    slots are taken (53300), by a server that is in production according to its control file.
    """

    since: float = 0.0
    silent: float = 0.0
    refusing: float = 0.0
    crowded: bool = False


ANSWERED = Greeting()


def trouble(greeting: Greeting, since: float) -> str | None:
    """Return what is wrong with how new connections are answered; None if nothing is, or not for long enough yet.

    greeting: the recent answers; since: CLOCK_BOOTTIME at which our server became the primary, as earlier answers don't count.
    """
    if greeting.since < since:
        return None
    if greeting.silent >= SILENT_S:
        return f"a new SQL connection has had no answer for {greeting.silent:.0f} s"
    if greeting.refusing >= REFUSING_S:
        return f"every new SQL connection has been refused for {greeting.refusing:.0f} s: the server says that it starts or shuts down"
    return None
