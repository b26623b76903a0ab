"""The rules about settings that need a restart, removed one at a time."""

from __future__ import annotations

import pytest

from hapg_failover.core import restarts
from hapg_failover.core.state.decision import Step
from hapg_protocol.model import LeaseState


def _is_changed(step: Step, s: LeaseState) -> bool:
    settings = step.o.start_settings
    return settings is not None and settings.changed


def each_on_its_own(patch: pytest.MonkeyPatch) -> None:
    """A server restarts for settings that it accepts, whatever the others do."""
    patch.setattr(restarts, "_is_agreed", _is_changed)


def all_at_once(patch: pytest.MonkeyPatch) -> None:
    """A standby restarts without waiting for its turn."""
    patch.setattr(restarts, "is_due_for_settings", _is_changed)


def the_primary_first(patch: pytest.MonkeyPatch) -> None:
    """The primary switches over as soon as one standby has restarted."""
    patch.setattr(restarts, "is_primary_due", _is_changed)


def lower_limits_like_others(patch: pytest.MonkeyPatch) -> None:
    """All standbys restart before the primary for a lower limit too, and can't be hot until it has."""
    patch.setattr(restarts, "_lowers", lambda step: False)


def hot_in_any_case(patch: pytest.MonkeyPatch) -> None:
    """A standby is started hot with a lower limit than its primary's."""
    patch.setattr(Step, "lacks", property(lambda step: False))


def the_only_server_waits(patch: pytest.MonkeyPatch) -> None:
    """A server without standbys keeps running with the former settings."""
    is_due = restarts.is_primary_due
    patch.setattr(restarts, "is_primary_due", lambda step, s: bool(s.eligible) and is_due(step, s))
