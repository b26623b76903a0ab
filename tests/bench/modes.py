"""The modes of the bench: quiet, under load, on starved nodes, while backups are taken, and while values are changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

QUIET_NAME = "quiet"
BUSY_FAULTS = ("graceful", "switchover", "postmaster", "container", "node")


@dataclass(frozen=True)
class Mode:
    """A state.

    faults: those that are done unless others are asked for, () for all; storage: size of each server's claim; parameters: of
    postgresql.conf; scale: of pgbench's tables, 100,000 rows (15 MB) each, 0: no pgbench; starved: processors and disk of the nodes
    are kept busy by others while a fault is done; answer_s: how long a writer waits for an answer, in seconds.
    """

    name: str
    faults: tuple[str, ...] = ()
    storage: str = "50Mi"
    parameters: Mapping[str, str] = field(default_factory=dict)
    scale: int = 0
    starved: bool = False
    answer_s: float = 1.0


QUIET = Mode(QUIET_NAME)
LOAD = Mode("load", BUSY_FAULTS, storage="8Gi", parameters={"shared_buffers": "1GB"}, scale=100)
STARVE = Mode("starve", BUSY_FAULTS, starved=True, answer_s=5.0)
BACKUP = replace(LOAD, name="backup", faults=())
"""Without a fault: backups.py measures."""
RECONFIGURE = Mode("reconfigure")
"""Without a fault: reconfigure.py measures."""
WITHOUT_FAULTS = (BACKUP, RECONFIGURE)
MODES = {mode.name: mode for mode in (QUIET, LOAD, STARVE, BACKUP, RECONFIGURE)}


def of(line: Mapping[str, object]) -> str:
    """Return the mode's name in a line of JSON; a line without one is from the quiet mode."""
    return str(line.get("mode", QUIET_NAME))
