"""The phases of an agent, and the only allowed changes between them (docs/protocol.md, section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class Phase(Enum):
    """The phase that an agent is in."""

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


class NoTransition(Exception):
    """A rule attempted a phase change that the table doesn't allow: a bug in the protocol's code."""


NEW_SUPERVISOR = "a new supervisor"
CONTAINER_DEAD = "the postgres container is dead"
_FROM_ANYWHERE: Mapping[tuple[Phase, Phase], str] = {
    **{(phase, Phase.BOOT): NEW_SUPERVISOR for phase in Phase},
    **{(phase, Phase.DOWN): CONTAINER_DEAD for phase in Phase},
}

TRANSITIONS: Mapping[tuple[Phase, Phase], str] = {
    **_FROM_ANYWHERE,
    (Phase.BOOT, Phase.BOOT): "the start failed",
    (Phase.BOOT, Phase.EMPTY): "no data",
    (Phase.BOOT, Phase.DAMAGED): "unusable data",
    (Phase.BOOT, Phase.SEALED): "started, sealed",
    (Phase.BOOT, Phase.PROMOTING): "the agent restarted during a promotion",
    (Phase.BOOT, Phase.PRIMARY): "the agent restarted beside its primary",
    (Phase.BOOT, Phase.STOPPING): "own deletion",
    (Phase.BOOT, Phase.DOWN): "its server writes without the Lease",
    (Phase.EMPTY, Phase.BOOT): "clone, or initdb on ordinal 0",
    (Phase.EMPTY, Phase.EMPTY): "clone or initdb failed",
    (Phase.EMPTY, Phase.DAMAGED): "what a failed clone left can't be used",
    (Phase.EMPTY, Phase.STOPPING): "own deletion",
    (Phase.DAMAGED, Phase.BOOT): "cloned, or tried again without a primary",
    (Phase.DAMAGED, Phase.EMPTY): "the clone failed, nothing is left",
    (Phase.DAMAGED, Phase.DAMAGED): "the clone failed, the old data is kept",
    (Phase.DAMAGED, Phase.STOPPING): "own deletion",
    (Phase.SEALED, Phase.SEALED): "started again, or can't follow yet",
    (Phase.SEALED, Phase.FOLLOW): "another primary, seen in a later version of the Lease",
    (Phase.SEALED, Phase.CLAIMING): "rule 4",
    (Phase.SEALED, Phase.BOOT): "rewound or cloned, or its server has ended",
    (Phase.SEALED, Phase.EMPTY): "the clone failed, nothing is left",
    (Phase.SEALED, Phase.DAMAGED): "can't follow, can't rewind, or ends again and again",
    (Phase.SEALED, Phase.STOPPING): "own deletion",
    (Phase.FOLLOW, Phase.FOLLOW): "follows the next term",
    (Phase.FOLLOW, Phase.SEALED): "released, or its primary is dead",
    (Phase.FOLLOW, Phase.BOOT): "rewound or cloned, or its server has ended",
    (Phase.FOLLOW, Phase.EMPTY): "the clone failed, nothing is left",
    (Phase.FOLLOW, Phase.DAMAGED): "can't follow, can't rewind, or ends again and again",
    (Phase.FOLLOW, Phase.STOPPING): "own deletion",
    (Phase.CLAIMING, Phase.SEALED): "conflict, no answer, or too late",
    (Phase.CLAIMING, Phase.PROMOTING): "success, still in time",
    (Phase.PROMOTING, Phase.PRIMARY): "writable",
    (Phase.PROMOTING, Phase.DOWN): "promotion failed, deadline, or another holder",
    (Phase.PRIMARY, Phase.DOWN): "deadline, another holder, death, or unfit",
    (Phase.PRIMARY, Phase.STOPPING): "own deletion, switchover, or full volume",
    (Phase.STOPPING, Phase.BOOT): "switched over: starts again",
    (Phase.STOPPING, Phase.SEALED): "a start that was under way has ended",
    (Phase.STOPPING, Phase.EMPTY): "a clone that was under way has failed",
    (Phase.STOPPING, Phase.DAMAGED): "a start or clone that was under way has failed",
    (Phase.DOWN, Phase.SEALED): "started again, sealed",
    (Phase.DOWN, Phase.BOOT): "the start failed",
    (Phase.DOWN, Phase.DAMAGED): "the start failed again and again",
    (Phase.DOWN, Phase.STOPPING): "own deletion",
}
"""The allowed changes, and the reason for each. A new supervisor leads to BOOT from any phase, and a dead postgres container to DOWN."""


def check(old: Phase, new: Phase) -> None:
    """Raise NoTransition if no rule may change the phase from `old` to `new`."""
    if (old, new) not in TRANSITIONS:
        raise NoTransition(f"{old.name} to {new.name} is no transition of the protocol")
