"""One fault under writes, and all checks afterwards."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tests.robustness.failpoint.faults import Fault, undone
from tests.robustness.release import Pod, Release
from tests.robustness.traffic import writers
from tests.robustness.traffic.writers import Log, Writer
from tests.robustness.validate import rows, writes

ROWS_BEFORE = 150
ROWS_AFTER = 100
WRITES_SECONDS = 60.0
FAILOVER_SECONDS = 90.0


@dataclass(frozen=True)
class Trial:
    """The effect of one fault.

    old, new: the primaries before and after; timeline: of the old one; service, pinned: the answers that the writer through the Service
    and the one at the old primary's address got; present: the ids that exist at the end, by writer; recovery: seconds until all replicas
    streamed again, from the fault on or, if it has to be undone, from then on.
    """

    fault: str
    old: Pod
    new: Pod
    timeline: int
    service: Log
    pinned: Log
    present: dict[str, list[int]]
    recovery: float

    @property
    def lost(self) -> list[int]:
        """Rows that were acknowledged through the Service and are missing."""
        return writes.lost(self.service, self.present[self.service.writer])

    @property
    def lost_pinned(self) -> list[int]:
        """Rows that were acknowledged at the old primary's address and are missing."""
        return writes.lost(self.pinned, self.present[self.pinned.writer])

    @property
    def summary(self) -> str:
        """The measurements in one line."""
        log = self.service
        return (
            f"{self.fault}: {self.old.name} -> {self.new.name}, gap {log.gap:.2f} s at {log.per_second:.0f} rows/s, "
            f"lost {len(self.lost)} of {len(log.acknowledged)} and {len(self.lost_pinned)} of {len(self.pinned.acknowledged)} "
            f"(uncertain {len(log.uncertain)}, refused {len(log.refused)}), full strength after {self.recovery:.1f} s"
        )

    def violations(self) -> list[str]:
        """Violations of what must hold after any fault."""
        logs = (self.service, self.pinned)
        wrong = [*map(str, writes.late(logs)), *writes.shared_timelines(logs)]
        for log in logs:
            present = self.present[log.writer]
            wrong += writes.broken_tail(log, writes.lost(log, present), self.timeline) + writes.unexplained(log, present)
        return wrong


def run(release: Release, fault: Fault[Release], label: str) -> Trial:
    """Inject a fault into the primary while rows are written; return when the release is at full strength again."""
    release.wait_full_strength()
    old = release.primary()
    client = release.client_apart_from(old.node)
    client.sql(writers.TABLE)
    timeline = client.timeline()
    with (
        Writer(client, f"{label}-service") as service,
        Writer(client, f"{label}-pinned", host=old.ip, per_second=20, pause_ms=250) as pinned,
        undone(fault, release, old) as undo,
    ):
        release.wait("rows are acknowledged", lambda: service.rows > ROWS_BEFORE and pinned.rows > ROWS_BEFORE // 10, WRITES_SECONDS)
        begun = time.monotonic()
        fault.inject(release, old)
        release.wait(f"writes go on after {fault.name}", lambda: service.rows_after(timeline) > ROWS_AFTER, FAILOVER_SECONDS)
        if fault.undo is not None:
            begun = time.monotonic()
        undo()
        release.wait_full_strength(asker=client)
        recovery = time.monotonic() - begun
        logs = (service.stop(), pinned.stop())
    present = {log.writer: rows.present_ids(release, log.writer) for log in logs}
    for log in logs:
        release.acknowledged[log.writer] = {append.id for append in log.acknowledged} - set(writes.lost(log, present[log.writer]))
    return Trial(fault.name, old, release.primary(), timeline, logs[0], logs[1], present, recovery)
