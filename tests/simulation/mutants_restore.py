"""The rules for a Lease that has gone back, removed one at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hapg_failover.core import candidacy, election
from hapg_failover.core.state import lease_view
from hapg_failover.core.state.lease_view import LeaseView
from hapg_failover.core.state.memory import Memory
from hapg_failover.core.state.observation import Observation
from hapg_failover.events import TurnBegan
from hapg_failover.settings import Identity
from hapg_failover.world import World
from hapg_protocol.model import LeaseObject, LeaseState


def way_back_unseen(patch: pytest.MonkeyPatch) -> None:
    """An older Lease is ignored as if it were a late answer."""
    patch.setattr(lease_view, "_gone_back", lambda seen, lease, now: seen)


def older_lease_believed(patch: pytest.MonkeyPatch) -> None:
    """Any Lease that the API shows is accepted, however old."""

    def believed(seen: LeaseView, lease: LeaseObject, now: float) -> LeaseView:
        return LeaseView(lease.version, lease.state, now, now)

    patch.setattr(lease_view, "_gone_back", believed)
    _members_tell_nothing(patch)


def serials_uncompared(patch: pytest.MonkeyPatch) -> None:
    """Two different Leases of one term are never compared by age."""
    patch.setattr(LeaseState, "precedes", lambda self, other: self.term < other.term)


def volumes_tell_nothing(patch: pytest.MonkeyPatch) -> None:
    """An agent that starts accepts the first Lease that it reads."""
    see = lease_view.see

    def unknowing(*read: Any, floor: int = 0, **more: Any) -> LeaseView:
        return see(*read, **more)

    patch.setattr(lease_view, "see", unknowing)
    _members_tell_nothing(patch)


def _members_tell_nothing(patch: pytest.MonkeyPatch) -> None:
    """A pod's later term or timeline doesn't show that the Lease is outdated."""
    patch.setattr(election, "is_foreign", lambda report, lease: False)
    observe = World.observe

    def silent(self: World, turn: TurnBegan, identity: Identity, memory: Memory) -> Observation:
        seen = observe(self, turn, identity, memory)
        pods = (replace(p, report=p.report and replace(p.report, max_term=0)) for p in seen.pods)
        return replace(seen, pods=tuple(pods))

    patch.setattr(World, "observe", silent)


def never_made_anew(patch: pytest.MonkeyPatch) -> None:
    """Only the holder recreates the Lease."""
    patch.setattr(candidacy, "LEASE_GONE_S", 1e9)
