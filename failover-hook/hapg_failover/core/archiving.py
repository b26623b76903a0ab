"""What a primary says about its archive, from what its backup container has found."""

from __future__ import annotations

from dataclasses import dataclass

from hapg_protocol.json_fields import Fields

from .state.actions import Announce

SILENT_S = 30.0
"""How old the container's state may be; it writes one every two seconds."""
FAILING_S = 30.0
"""How long archiving has to fail before an Event says so: a container that is restarted, or a new primary's archive, takes seconds."""
SILENCE = "the backup container does not answer"


@dataclass(frozen=True)
class Archiving:
    """The state of archiving. failing: why WAL is not archived, '' if it is; misconfigured: why the settings can't be used, '' if they can;
    holes: what is missing in the archive.
    """

    failing: str = ""
    misconfigured: str = ""
    holes: tuple[str, ...] = ()


def parse(text: str, now: float, wall: float) -> Archiving:
    """Return the state in `text`, what the container has written. now: CLOCK_BOOTTIME; wall: seconds since the epoch.

    Raise ValueError if it is malformed.
    """
    fields = Fields.parse(text, "state.json")
    failing, since = fields.text("failing"), fields.seconds("failing_since")
    if now - fields.seconds("at") > SILENT_S:
        failing = SILENCE
    elif wall - since < FAILING_S:
        failing = ""
    return Archiving(failing, fields.text("misconfigured"), fields.texts("holes"))


def news(told: Archiving, found: Archiving) -> tuple[Announce, ...]:
    """Return the Events for what has changed since the last ones. told: the state that they were about."""
    events = []
    if found.misconfigured and found.misconfigured != told.misconfigured:
        events.append(Announce("Warning", "ArchiveMisconfigured", found.misconfigured))
    if found.failing and not told.failing:
        events.append(Announce("Warning", "ArchivingFailed", f"WAL is kept and not archived: {found.failing}"))
    elif told.failing and not found.failing:
        events.append(Announce("Normal", "ArchivingResumed", "WAL is archived again"))
    if found.holes and found.holes != told.holes:
        missing = ", ".join(found.holes)
        events.append(Announce("Warning", "ArchiveHole", f"missing in the archive: {missing}; no restore gets past it: make a full backup"))
    return tuple(events)
