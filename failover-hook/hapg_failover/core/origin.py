"""Whether a volume was made for the claim that it is mounted from (docs/protocol.md, rule 13).

A claim is named as the pod that has it: NAMESPACE/RELEASE-ORDINAL.
"""

from __future__ import annotations

from .state.observation import LeaseView, Origin


def judge(made_for: str | None, claim: str | None, accepted: bool, system_identifier: str | None, lease: LeaseView | None) -> Origin:
    """Compare what a volume's marker says with our claim; None: not known. accepted: an operator wants this data, wherever it comes from.

    Another claim's volume of this release is a copy, whose original may be a member. One of another release is a restore while this
    release has no Lease; else a copy as well, for the members have the data. Data of another cluster than the Lease's is nobody's copy.
    """
    if made_for is None or claim is None or made_for == claim:
        return Origin.OWN
    if accepted:
        return Origin.ADOPTABLE
    state = lease.state if lease is not None else None
    if state is not None and state.system_identifier not in (None, system_identifier):
        return Origin.OWN
    return Origin.COPIED if state is not None or _release(made_for) == _release(claim) else Origin.ADOPTABLE


def _release(claim: str) -> str:
    return claim.rpartition("-")[0]


def in_words(made_for: str | None, claim: str | None) -> str:
    """Say what a copy is."""
    return f"the volume was made for {made_for}, this pod is {claim}: it is a copy, as of a VolumeSnapshot, or was moved by hand"
