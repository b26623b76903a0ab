"""Checks of the sequence of a Lease's terms."""

from __future__ import annotations

from collections.abc import Iterable

from tests.robustness.lease import Reign


def violations(sequence: Iterable[Reign]) -> list[str]:
    """Errors in a sequence: a term with two leaders, or a term or timeline that isn't higher than all before.

    A leader whose promotion could not begin releases its timeline reservation (docs/protocol.md, rule 6): the Lease then has the
    timeline from before this claim, and the next leader may reserve the same number again.
    """
    wrong = []
    before: Reign | None = None
    claimed_above: int | None = None
    for reign in sequence:
        if before is not None:
            if reign.term < before.term:
                wrong.append(f"term {reign.term} after {before.term}")
            elif reign.term == before.term and (reign.pod, reign.uid) != (before.pod, before.uid):
                wrong.append(f"term {reign.term} has two holders: {before.pod} and {reign.pod}")
            elif reign.term == before.term and reign.timeline < before.timeline and reign.timeline != claimed_above:
                wrong.append(f"timeline {reign.timeline} after {before.timeline} in term {reign.term}")
            elif reign.term > before.term and reign.timeline <= before.timeline:
                wrong.append(f"term {reign.term} reserves timeline {reign.timeline}, which isn't above {before.timeline}")
            if reign.term > before.term:
                claimed_above = before.timeline
        before = reign
    return wrong
