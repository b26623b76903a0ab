"""Write to a release while a fault is injected, and check everything that must hold afterwards, regardless of the fault."""

from __future__ import annotations

import itertools
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.robustness import agents
from tests.robustness.lease import LeaseHistory, Reign
from tests.robustness.release import Pod, Release
from tests.robustness.report import histories
from tests.robustness.traffic import readers, writers
from tests.robustness.traffic.readers import LocalReader
from tests.robustness.traffic.sessions import LocalSession
from tests.robustness.traffic.writers import LocalWriter, Log
from tests.robustness.validate import reads, replicas, rows, terms, writes
from tests.robustness.validate.writes import Late

ROWS = 30
START_SECONDS = 60.0
FAILOVER_SECONDS = 90.0
FULL_STRENGTH_SECONDS = 180.0
FENCE_SECONDS = 0.7
"""What a server that runs on after a standstill may still acknowledge: docs/protocol.md, 'Known limits'."""
RECENT_SECONDS = 3.0
"""A row that a healthy replica hasn't received for so long before a fault isn't 'the tail that was on the wire'."""

ON_THE_WIRE = 10
"""Rows: what three clients write in a tenth of a second, and a killed server may not have sent to its replicas any more."""


@dataclass(frozen=True)
class Found:
    """The result.

    lost: rows that were acknowledged, or read on a primary, and are missing; gap: the longest time between two acknowledgements through
    the Service, in seconds; claims: how often the Lease changed leader or term; recovery: seconds from the end of the fault to full
    strength; no_session: failed attempts to connect; late: acknowledgements by a server that continued after a freeze, after its
    successor's first; warned: writes whose wait for the synchronous replicas was cancelled (they count as uncertain); operations: what
    the agents did, by pod, in order ('rewind', 'clone', 'follow' …).
    """

    old: Pod
    new: Pod
    lost: int
    gap: float
    claims: int
    recovery: float
    refused: int
    uncertain: int
    no_session: int
    late: int
    warned: int
    operations: dict[str, list[str]]

    def did(self, operation: str) -> list[str]:
        """The pods that did an operation."""
        return [pod for pod, operations in self.operations.items() if operation in operations]


class Drill:
    """Runs three writers for the duration of the `with`: one through the Service, one pinned to the primary's address on the primary's
    own node, one more through the Service from the third node. A reader reads the first one's rows through the Service; with hot
    standbys another one reads them from the replicas' Service. The fault must be undone when the block ends; then the drill waits for
    full strength, stops the clients and checks. However the block ends, `found` is available afterwards, and the history records what
    happened.
    """

    numbers = itertools.count(1)

    def __init__(self, release: Release, path: Path, *, same_node: bool = True, answer_s: float = 1.0) -> None:
        """path: the file for the history; same_node: the pinned writer is on the primary's node, False if that node will be powered off;
        answer_s: the pinned writer's timeout for an answer.
        """
        self.release = release
        self.path = path
        self.old = release.primary()
        self.timeline = 0
        self.begun = datetime.now(UTC) - timedelta(seconds=1)
        self.found: Found | None = None
        self._number = next(self.numbers)
        self._stack = ExitStack()
        self._history = LeaseHistory(release)
        self._fault_at = 0.0
        self._thawed_at: float | None = None
        elsewhere = [each for each in release.clients if each.node != self.old.node] or release.clients
        beside = [each for each in release.clients if each.node == self.old.node] or elsewhere
        self.asker = elsewhere[0]
        self._service = LocalWriter(elsewhere[0], f"service-{self._number}", per_second=50)
        self._third = LocalWriter(elsewhere[-1], f"third-{self._number}", per_second=20)
        pinned = beside[0] if same_node else elsewhere[-1]
        self._pinned = LocalWriter(pinned, f"pinned-{self._number}", host=self.old.ip, per_second=20, pause_ms=250, answer_s=answer_s)
        self._hot = release.standby_mode() == "hot"
        hosts = {"reader": None, "replicas-reader": f"{release.name}-replicas.{release.namespace.name}"}
        self._readers = [
            LocalReader(self.asker, f"{kind}-{self._number}", self._service.name, host=host)
            for kind, host in hosts.items()
            if self._hot or host is None
        ]

    @property
    def _writers(self) -> tuple[LocalWriter, ...]:
        return self._service, self._third, self._pinned

    @property
    def _clients(self) -> list[tuple[LocalSession[Any], histories.Fields]]:
        fields = [(writer, histories.WRITER) for writer in self._writers]
        return [*fields, *((reader, histories.READER) for reader in self._readers)]

    def __enter__(self) -> Drill:
        with ExitStack() as stack:
            stack.enter_context(self._history)
            writers.wait_table(self.release, self.asker)
            self.asker.sql(readers.INDEX)
            self.timeline = self.asker.timeline()
            for client, _ in self._clients:
                stack.enter_context(client)
            self.release.wait("rows are acknowledged and read", self._is_ready, START_SECONDS)
            self._stack = stack.pop_all()
        self._fault_at = time.time()
        return self

    def _is_ready(self) -> bool:
        write = all(writer.rows >= ROWS for writer in self._writers)
        return write and bool(self._history.reigns) and all(reader.log.readings for reader in self._readers)

    # --- during the fault ---

    def thawed(self) -> None:
        """Note that servers have just resumed after a freeze."""
        self._thawed_at = time.time()

    def _is_excused(self, late: Late) -> bool:
        return self._thawed_at is not None and late.append.end <= self._thawed_at + FENCE_SECONDS

    def wait_writes_on_new_timeline(self, seconds: float = FAILOVER_SECONDS) -> None:
        """Wait until rows are acknowledged through the Service by a newly promoted server."""
        self.release.wait("writes go on on a new timeline", lambda: self._service.rows_after(self.timeline) >= ROWS, seconds)

    def wait_writes(self, seconds: float = FAILOVER_SECONDS) -> None:
        """Wait until further rows are acknowledged through the Service, by any server."""
        before = self._service.rows
        self.release.wait("writes go on", lambda: self._service.rows >= before + ROWS, seconds)

    @property
    def rows(self) -> int:
        """The number of rows acknowledged through the Service so far."""
        return self._service.rows

    @property
    def rows_at_old_address(self) -> int:
        """The number of rows acknowledged at the old primary's address so far."""
        return self._pinned.rows

    # --- the end ---

    def __exit__(self, kind: object, *_: object) -> None:
        with self._stack:
            try:
                if kind is None:
                    self._judge()
            finally:
                self._keep()

    def _keep(self) -> None:
        """Write the history; for an unreachable client, the answers known so far."""
        entries = [histories.reign(at, reign) for at, reign in self._history.timed]
        for client, fields in self._clients:
            with suppress(OSError, ValueError):
                client.catch_up()
            entries += [histories.entry(client.name, fields, line) for line in client.lines]
        histories.keep(self.path, entries)

    def _judge(self) -> None:
        recovery = self.release.wait_full_strength(FULL_STRENGTH_SECONDS, self.asker)
        logs = [writer.stop() for writer in self._writers]
        read = [reader.stop() for reader in self._readers]
        present = {log.writer: rows.present_ids(self.release, log.writer) for log in logs}
        now = self.asker.timeline(self.release.primary().ip)
        self.release.wait(f"all replay timeline {now}", lambda: set(self.release.timelines().values()) <= {now}, FAILOVER_SECONDS)
        wrong = replicas.violations(self.release, self.asker, FAILOVER_SECONDS) if self._hot else []
        reigns = self._history.reigns
        new = self.release.primary()
        missing = {log.writer: writes.lost(log, present[log.writer]) for log in logs}
        gone = [each for log in read for each in reads.gone(log, present[logs[0].writer])]
        self.found = Found(
            old=self.old,
            new=new,
            lost=sum(map(len, missing.values())) + len({reading.max for reading in gone} - set(missing[logs[0].writer])),
            gap=logs[0].gap,
            claims=len({reign.term for reign in reigns}) - 1,
            recovery=recovery,
            refused=sum(len(log.refused) for log in logs),
            uncertain=sum(len(log.uncertain) for log in logs),
            no_session=sum(log.no_session for log in logs),
            late=len(writes.late(logs)),
            warned=sum(log.warned for log in logs),
            operations=agents.operations(self.release, self.begun),
        )
        wrong += [*self._wrong_rows(logs, present, missing), *terms.violations(reigns), *self._wrong_end(reigns[-1], new, now)]
        wrong += reads.outside_the_tail(gone, logs, present)
        for each in read:
            wrong += [*reads.backwards(each), *reads.impossible(each, logs[0])]
        for log in logs:
            self.release.acknowledged[log.writer] = {append.id for append in log.acknowledged} - set(missing[log.writer])
        assert not wrong, "\n".join(wrong)

    def _wrong_rows(self, logs: list[Log], present: dict[str, list[int]], missing: dict[str, list[int]]) -> list[str]:
        wrong = [str(late) for late in writes.late(logs) if not self._is_excused(late)]
        wrong += writes.shared_timelines(logs)
        for log in logs:
            gone = set(missing[log.writer])
            lost = [append for append in log.acknowledged if append.id in gone]
            for timeline in {append.timeline for append in lost}:
                wrong += writes.broken_tail(log, [append.id for append in lost if append.timeline == timeline], timeline)
            early = [append.id for append in lost if append.end < self._fault_at - RECENT_SECONDS]
            if early:
                wrong.append(f"{log.writer}: lost though acknowledged {RECENT_SECONDS:g} s and more before the fault: {early[:20]}")
            wrong += writes.unexplained(log, present[log.writer])
        return wrong

    def _wrong_end(self, last: Reign, new: Pod, timeline: int) -> list[str]:
        wrong = []
        if (last.pod, last.uid) != (new.name, new.uid):
            wrong.append(f"{new.name} is labelled primary, and {last.pod} holds the Lease")
        if last.timeline != timeline:
            wrong.append(f"the server writes on timeline {timeline}, and {last.timeline} is the last one that was reserved")
        return wrong

    @property
    def result(self) -> Found:
        """The result, once the block has ended."""
        assert self.found is not None
        return self.found
