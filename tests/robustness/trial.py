"""One fault under writes, and all that has to hold afterwards."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tests.robustness.client import Client
from tests.robustness.failpoint.faults import Fault, undone
from tests.robustness.release import Pod, Release
from tests.robustness.traffic import writes
from tests.robustness.traffic.writers import Writer
from tests.robustness.traffic.writes import Log

ROWS_BEFORE = 150
ROWS_AFTER = 100
WRITES_SECONDS = 60.0
FAILOVER_SECONDS = 90.0
START_SECONDS = 60.0


@dataclass(frozen=True)
class Trial:
    """What one fault did.

    old, new: the primaries before and after; timeline: of the old one; service: what the writer through the Service was told,
    pinned: what the one at the old primary's address was told; present: the ids that are there in the end, by writer;
    recovery: seconds until all replicas streamed again, from the fault or, if it has to be undone, from then on.
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
        """Rows that were acknowledged through the Service and are gone."""
        return writes.lost(self.service, self.present[self.service.writer])

    @property
    def lost_pinned(self) -> list[int]:
        """Rows that were acknowledged at the old primary's address and are gone."""
        return writes.lost(self.pinned, self.present[self.pinned.writer])

    @property
    def summary(self) -> str:
        """The measurements in a line."""
        log = self.service
        return (
            f"{self.fault}: {self.old.name} -> {self.new.name}, gap {log.gap:.2f} s at {log.per_second:.0f} rows/s, "
            f"lost {len(self.lost)} of {len(log.acknowledged)} and {len(self.lost_pinned)} of {len(self.pinned.acknowledged)} "
            f"(uncertain {len(log.uncertain)}, refused {len(log.refused)}), full strength after {self.recovery:.1f} s"
        )

    def violations(self) -> list[str]:
        """What must not have happened, whatever the fault."""
        logs = (self.service, self.pinned)
        wrong = [str(each) for each in writes.late(logs)]
        wrong += [f"timeline {number} has servers {sorted(who)}" for number, who in writes.servers(logs).items() if len(who) > 1]
        for log in logs:
            missing = writes.lost(log, self.present[log.writer])
            if not writes.is_one_tail(log, missing, self.timeline):
                wrong.append(f"{log.writer}: what is lost isn't one tail of timeline {self.timeline}: {missing[:20]}")
            unexpected = writes.unexpected(log, self.present[log.writer])
            if unexpected:
                wrong.append(f"{log.writer}: there though refused, or twice: {unexpected[:20]}")
        return wrong


def wait_table(release: Release, client: Client) -> None:
    """Make the writers' table as soon as the Service leads to the primary: a proxy that was cut off may still know a former one."""
    release.wait("the Service is reached", lambda: client.try_psql(writes.TABLE).code == 0, START_SECONDS)


def run(release: Release, fault: Fault, label: str) -> Trial:
    """Do a fault to the primary while rows are written; return when the release is at full strength again."""
    release.wait_full_strength()
    old = release.primary()
    client = release.client_apart_from(old.node)
    client.sql(writes.TABLE)
    timeline = client.timeline()
    with (
        Writer(client, f"{label}-service") as service,
        Writer(client, f"{label}-pinned", host=old.ip, per_second=20, pause_ms=250) as pinned,
        undone(fault, old) as undo,
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
    present = {log.writer: present_ids(release, log.writer) for log in logs}
    for log in logs:
        release.acknowledged[log.writer] = {append.id for append in log.acknowledged} - set(writes.lost(log, present[log.writer]))
    return Trial(fault.name, old, release.primary(), timeline, logs[0], logs[1], present, recovery)


def present_ids(release: Release, writer: str) -> list[int]:
    """The ids of a writer that are in the primary's table, with repetitions: asked at its address, for a node that was cut off learns late
    where the Service leads.
    """
    found = release.client.sql(f"SELECT id FROM appends WHERE writer = '{writer}'", host=release.primary().ip)
    return [int(row[0]) for row in found]


def missing_rows(release: Release) -> dict[str, list[int]]:
    """Rows of all trials of this release that were there after their trial and aren't now, by writer."""
    missing = {writer: sorted(ids - set(present_ids(release, writer))) for writer, ids in release.acknowledged.items()}
    return {writer: ids for writer, ids in missing.items() if ids}
