"""Reads which settings our server runs with, and which it would be started with."""

from __future__ import annotations

from .adapters.ports.supervisor import Supervisor
from .adapters.ports.volume import Disk
from .core.state.start_settings import StartSettings, compare


def look(supervisor: Supervisor, volume: Disk) -> StartSettings | None:
    """Return what a restart of our server would change now, None if that can't be known. Raise OSError."""
    return compare(supervisor.started_configuration(), volume.accepted_configuration(), volume.recorded_limits())
