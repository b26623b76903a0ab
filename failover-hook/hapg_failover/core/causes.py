"""Why a member was promoted."""

from __future__ import annotations

from enum import StrEnum

from hapg_protocol.model import LeaseState, ReleaseCause


class PromotionCause(StrEnum):
    """The label of a metric."""

    SWITCHOVER = "switchover"
    DELETION = "deletion"
    DEATH = "death"
    EXPIRY = "expiry"
    FORCED = "forced"
    START = "start"


def cause_of(lease: LeaseState, forced: bool, ended: bool) -> PromotionCause:
    """Return why the Lease, as it is before our claim, is ours to claim. ended: its holder has shut down without giving it back."""
    if forced:
        return PromotionCause.FORCED
    if ended:
        return PromotionCause.DELETION
    if lease.release is None:
        return PromotionCause.EXPIRY
    match lease.release.cause:
        case ReleaseCause.SWITCHOVER | ReleaseCause.FULL:
            return PromotionCause.SWITCHOVER
        case ReleaseCause.DELETION:
            return PromotionCause.DELETION
        case ReleaseCause.DEATH | ReleaseCause.FIRST_SERVER:
            return PromotionCause.DEATH if lease.timeline else PromotionCause.START
