"""The volumes of a pod: their names, and which claim they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from hapg_protocol.lsn import Position

DATA_VOLUME = "data volume"
WAL_VOLUME = "WAL volume"


class Origin(Enum):
    """OWN: the volume was made for our claim, or nothing says otherwise; COPIED: it was made for another claim, and counts as damaged;
    ADOPTABLE: it was made for another claim, and may become ours.
    """

    OWN = "own"
    COPIED = "copied"
    ADOPTABLE = "adoptable"


@dataclass(frozen=True)
class FormerData:
    """Data of another major on our volume.

    major: of the data; volume: the volume's UUID; own: it was made for our claim; shut_down: the place of the shutdown checkpoint, if the
    control file says that a primary was shut down, else None; begun: the term and the serial of the Lease under which its upgrade was
    begun, None if none was.
    """

    major: str
    volume: str
    system_identifier: str
    own: bool
    shut_down: Position | None = None
    begun: tuple[int, int] | None = None
