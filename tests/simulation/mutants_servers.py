"""What keeps PostgreSQL's own ways from doing harm, one left out at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hapg_failover.core import election, primary
from hapg_failover.core.results import OpResult
from hapg_failover.core.step import Step

from . import operations
from .world import World


def crashes_are_recovered_in_place(patch: pytest.MonkeyPatch) -> None:
    """After a backend's crash the postmaster recovers and writes on, behind a shutdown checkpoint."""
    patch.setattr(World, "restart_after_crash", True)


def recovery_has_ten_seconds(patch: pytest.MonkeyPatch) -> None:
    """A promotion that isn't through after ten seconds has failed, whatever it gets on with."""
    patch.setattr(operations, "gives_up", lambda server, begun, stall: server.now - begun > 10.0)


def backlogs_decide_nothing(patch: pytest.MonkeyPatch) -> None:
    """Of members with the same WAL the lowest ordinal goes first, however much it has to replay."""
    patch.setattr(election, "_backlog", lambda position, replayed: 0)


def numbers_are_given_back(patch: pytest.MonkeyPatch) -> None:
    """Whatever becomes of a promotion, its timeline may be reserved again if it fails."""
    promoted = primary.promoted

    def giving_back(step: Step, result: OpResult) -> None:
        promoted(step, replace(result, unbegun=True))

    patch.setattr(primary, "promoted", giving_back)


def copies_stream_as_standbys(patch: pytest.MonkeyPatch) -> None:
    """A base backup streams under the name of its pod."""
    patch.setattr(operations, "CLONE_SUFFIX", "")
