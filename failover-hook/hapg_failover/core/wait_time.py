"""How long the deciding thread may wait when nothing is reported."""

from __future__ import annotations

from .state.memory import Memory, Phase
from .state.observation import LeaseView
from .timing import FOLLOWING_TURN_S, HAND_OVER_TURN_S, LEAST_TURN_S, STEADY_TURN_S, TURN_S, Timing


def longest_wait(m: Memory, timing: Timing, lease: LeaseView | None, now: float) -> float:
    """Return seconds, LEAST_TURN_S or more: a time that is nearly due is reached by one sleep, not by ever shorter ones.

    A primary whose last write of the Lease was acknowledged has little to do before the next one is due: it writes it in between when
    members have come or gone. A replica that follows has nothing to do while it hears of renewals. What happens is reported to both.
    Else there are retries and requests for grants to make, and at each age of another's Lease something else from then on.
    """
    if m.succession.handover is not None:
        return HAND_OVER_TURN_S
    steady_for = _steady_for(m, timing, lease, now)
    turn = STEADY_TURN_S if m.phase is Phase.PRIMARY else FOLLOWING_TURN_S
    longest = min(turn, steady_for) if steady_for > 0 else min(TURN_S, _next_age(timing, lease, now))
    return max(LEAST_TURN_S, longest)


def _steady_for(m: Memory, timing: Timing, lease: LeaseView | None, now: float) -> float:
    """Return for how many seconds nothing is to be done unless something happens; 0 or less if there may be."""
    if m.phase is Phase.PRIMARY and m.hold.renewed_at >= m.writes.put_at:
        return m.hold.renewed_at + timing.renew - now
    if m.phase is Phase.FOLLOW and m.operation.op is None and lease is not None and lease.state is not None:
        return min(lease.last_read + timing.quiet_after, lease.first_seen + timing.overdue) - now
    return 0.0


def _next_age(timing: Timing, lease: LeaseView | None, now: float) -> float:
    """Return in how many seconds the Lease is overdue, its holder's time up, the Lease to be sealed by, or run out; whichever is next."""
    if lease is None or lease.state is None:
        return TURN_S
    recorded = lease.state.ttl_s
    ages = (timing.overdue, timing.lease, timing.seal_after(recorded), timing.claim_after(recorded))
    left = (lease.first_seen + age - now for age in ages)
    return min((each for each in left if each > 0), default=TURN_S)
