"""The volumes of a pod: their names, and which claim they belong to."""

from __future__ import annotations

from enum import Enum

DATA_VOLUME = "data volume"
WAL_VOLUME = "WAL volume"


class Origin(Enum):
    """OWN: the volume was made for our claim, or nothing says otherwise; COPIED: it was made for another claim, and counts as damaged;
    ADOPTABLE: it was made for another claim, and may become ours.
    """

    OWN = "own"
    COPIED = "copied"
    ADOPTABLE = "adoptable"
