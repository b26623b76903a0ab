"""The phases of a member (docs/protocol.md, section 4)."""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    """Where a member stands (docs/protocol.md, the state table)."""

    BOOT = "boot"
    EMPTY = "empty"
    DAMAGED = "damaged"
    DOWN = "down"
    SEALED = "sealed"
    FOLLOW = "follow"
    CLAIMING = "claiming"
    PROMOTING = "promoting"
    PRIMARY = "primary"
    STOPPING = "stopping"
