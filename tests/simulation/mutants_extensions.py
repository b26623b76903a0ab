"""The rules of lease extensions, removed one at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hapg_failover.core import candidacy, lease_extension, replica
from hapg_failover.core.state.decision import Step
from hapg_failover.core.state.extensions import ExtensionAnswer


def any_grant_is_enough(patch: pytest.MonkeyPatch) -> None:
    """The holder continues once one peer has extended its lease."""

    def until(self: Step) -> float | None:
        return max((sent + self.o.timing.extension for _, sent in self.m.extensions.granted_at), default=None)

    patch.setattr(Step, "granted_until", property(until))


def promises_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    """Sealing and claiming depend only on the Lease's age, which grows while a peer can't read the Lease and extends it."""
    patch.setattr(lease_extension, "waits", lambda step: None)
    patch.setattr(candidacy, "_others_could_report_since", lambda step, s: step.m.reporting.reported_at)
    patch.setattr(replica, "_seal_at", lambda step, s: step.o.timing.seal_after(s.ttl_s))


def counted_from_the_answer(patch: pytest.MonkeyPatch) -> None:
    """An extension is counted from the time its answer is processed, which may be long after the request."""
    take = lease_extension.take

    def late(step: Step, answers: tuple[ExtensionAnswer, ...]) -> None:
        take(step, tuple(replace(answer, sent_at=step.o.now + 1.6) for answer in answers))

    patch.setattr(lease_extension, "take", late)
