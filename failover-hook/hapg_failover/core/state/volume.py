"""The volumes of a pod: what they are called, and whose they are."""

from __future__ import annotations

from enum import Enum

DATA_VOLUME = "data volume"
WAL_VOLUME = "WAL volume"


class Origin(Enum):
    """OWN: the volume was made for our claim, or nothing says otherwise; COPIED: for another one, and it counts as damaged; ADOPTABLE: for
    another one, and it may become ours.
    """

    OWN = "own"
    COPIED = "copied"
    ADOPTABLE = "adoptable"
