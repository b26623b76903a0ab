"""Why a member was promoted, in one word for the figures."""

from __future__ import annotations

from .model import LeaseState

SWITCHOVER = "switchover"
LEAVING = "the pod is going away"
FULL = "the volume is full"
CAUSES = ("switchover", "deletion", "death", "expiry", "forced", "start")


def cause_of(lease: LeaseState, forced: bool, ended: bool) -> str:
    """Return why the Lease, as it is before our claim, is ours to claim. ended: its holder has shut down without giving it back."""
    if forced:
        return "forced"
    release = lease.release
    if ended:
        return "deletion"
    if release is None:
        return "expiry"
    if release.clean:
        return "switchover" if release.reason in (SWITCHOVER, FULL) else "deletion"
    return "death" if lease.timeline else "start"
