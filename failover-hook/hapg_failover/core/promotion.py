"""From a successful claim to a writable server."""

from __future__ import annotations

from dataclasses import replace

from hapg_protocol.model import LeaseState

from . import disk_space, routing, synchronous
from .state.actions import Announce, Promote
from .state.decision import Step
from .state.phases import Phase
from .state.results import OpResult, Outcome
from .timing import FAILED_S, retry_pause


def promote(step: Step, claimed: LeaseState) -> None:
    """Promote onto the timeline reserved by our claim, `claimed`, which succeeded in time."""
    step.go(Phase.PROMOTING, f"term {claimed.term} is ours")
    setting = synchronous.at_promotion(step, claimed)
    step.keep(replace(step.m.sync, ordered=setting))
    step.run(
        Promote(claimed.timeline, step.m.sealed.position, setting),
        f"term {claimed.term} is ours: promote onto timeline {claimed.timeline}",
        claimed.term,
    )


def promoted(step: Step, result: OpResult) -> None:
    """Handle the end of the promotion: the server is writable, or it is killed and the Lease released."""
    if step.m.phase is not Phase.PROMOTING:
        return
    if result.outcome is Outcome.OK:
        step.keep(
            replace(step.m.sealed, position=None, started=False),
            replace(step.m.reporting, promised=None),
            replace(step.m.reign, label_at=0.0, promoted_at=step.o.now, checkpointed=False),
            replace(step.m.succession, successor=None),
            replace(step.m.retry, starts=0),
        )
        synchronous.promoted(step, result)
        step.go(Phase.PRIMARY, f"writable on timeline {result.position.timeline if result.position else '?'}")
        step.actions.append(Announce("Normal", "Promoted", f"primary since term {step.m.hold.held_term}: {result.text}"))
        routing.primary(step)
        return
    if result.unbegun and step.m.hold.held_term is not None:
        nothing_begun(step, step.m.hold.held_term)
    step.actions.append(Announce("Warning", "PromotionFailed", result.text))
    reason = f"promotion failed: {result.text}"
    if result.unbegun and step.o.server == "down":
        _died_before(step, reason)
    else:
        step.keep(replace(step.m.retry, failed_until=step.o.now + FAILED_S))
        step.kill(reason, 0.0)


def _died_before(step: Step, reason: str) -> None:
    """Handle a server that ended after its claim and before its promotion.

    It did not fail as a primary, and may have more WAL than the others: it doesn't stand back, and they wait for its restart as for that of
    a primary. This counts as a failed start, so if it recurs, the pauses before the next start grow and the others go first.
    """
    o, retry = step.o, step.m.retry
    step.keep(replace(retry, starts=retry.starts + 1, retry_at=o.now + retry_pause(retry.starts)))
    step.kill(reason, disk_space.hold(o.room, o.segment, o.timing.restart))


def nothing_begun(step: Step, term: int) -> None:
    """Note that no promotion was ordered in `term`, or that it was refused: the timeline that our claim reserved may be reserved again."""
    step.keep(replace(step.m.hold, unbegun=(term, step.m.hold.reserved)))
