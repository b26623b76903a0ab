"""The writers of a trial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.faults import Fault
from tests.bench.systems import System
from tests.robustness.release import Pod
from tests.robustness.traffic.writers import LocalWriter, Writer

PINNED_PER_SECOND = 50
DIRECT_PER_SECOND = 50
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Writers:
    """The writers of a trial: through the Service, to the pods' addresses, and to the old primary's
    address.
    """

    service: Writer
    direct: Writer
    pinned: Writer | LocalWriter


def make(system: System, fault: Fault, label: str, old: Pod, addresses: Sequence[str]) -> Writers:
    """Create the writers of a trial; each starts with its `with` block."""
    far = system.client_apart_from(old.node)
    patience = fault.hold_ttls * system.ttl_s + PATIENCE_SECONDS if fault.patient else system.mode.answer_s
    beside = next((each for each in system.clients if each.node == old.node), far)
    kind, client = (LocalWriter, beside) if fault.near else (Writer, far)
    return Writers(
        service=Writer(far, f"{label}-service", answer_s=system.mode.answer_s),
        direct=Writer(far, f"{label}-direct", hosts=addresses, per_second=DIRECT_PER_SECOND, answer_s=system.mode.answer_s),
        pinned=kind(client, f"{label}-pinned", host=old.ip, per_second=PINNED_PER_SECOND, pause_ms=250, answer_s=patience),
    )
