"""One fault under writes: how long clients wait, what is lost, who acknowledged what."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass

from tests.bench import phases, writers
from tests.bench.faults import Fault
from tests.bench.summary import Measurement
from tests.bench.systems import System
from tests.bench.watching import Watch
from tests.e2e import writes
from tests.e2e.release import Pod
from tests.e2e.trial import present_ids
from tests.e2e.writes import Log

ROWS_BEFORE = 150
ROWS_AFTER = 100
WRITES_SECONDS = 60.0
FAILOVER_TTLS = 3.0
FAILOVER_SECONDS = 45.0


@dataclass(frozen=True)
class Trial:
    """What one fault did.

    old, new: the primaries before and after; timeline: of the old one; service, direct, pinned: what the writer through the Service,
    the one that goes to the pods' addresses, and the one that keeps to the old primary were told; present: the ids that are there in
    the end, by writer; recovery: seconds until all replicas streamed again, from the fault or, if it has to be undone, from then on;
    stuck: writes didn't go on before the fault was undone.
    """

    fault: str
    old: Pod
    new: Pod
    timeline: int
    service: Log
    direct: Log
    pinned: Log
    present: dict[str, list[int]]
    phases: dict[str, float]
    recovery: float
    stuck: bool

    @property
    def measurement(self) -> Measurement:
        """The figures."""
        return Measurement(
            gap_s=self.service.gap,
            direct_gap_s=self.direct.gap,
            lost=self._lost(self.service),
            lost_pinned=self._lost(self.pinned),
            split_brain_acks=len(writes.late((self.service, self.direct, self.pinned))),
            full_strength_s=self.recovery,
            stuck=self.stuck,
            phases=self.phases,
        )

    def _lost(self, log: Log) -> int:
        return len(writes.lost(log, self.present[log.writer]))

    def violations(self) -> list[str]:
        """What must not happen with any system but for what is counted: losses and acknowledgements by two primaries at once."""
        logs = (self.service, self.direct, self.pinned)
        wrong = [f"timeline {number} has servers {sorted(who)}" for number, who in writes.servers(logs).items() if len(who) > 1]
        for log in logs:
            missing = writes.lost(log, self.present[log.writer])
            if not writes.is_one_tail(log, missing, self.timeline):
                wrong.append(f"{log.writer}: what is lost isn't one tail of timeline {self.timeline}: {missing[:20]}")
            unexpected = writes.unexpected(log, self.present[log.writer])
            if unexpected:
                wrong.append(f"{log.writer}: there though refused, or twice: {unexpected[:20]}")
        return wrong


def run(system: System, fault: Fault, label: str) -> Trial:
    """Do a fault to the primary while rows are written; return when the system is at full strength again."""
    system.wait_full_strength()
    old, pods = system.primary(), system.pods()
    client = system.client_apart_from(old.node)
    client.sql(writes.TABLE)
    timeline = int(client.sql("SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)")[0][0], 16)
    made = writers.make(system, fault, label, old, [pod.ip for pod in pods])
    with ExitStack() as stack:
        watch = stack.enter_context(Watch(system, pods))
        for writer in (made.service, made.direct, made.pinned):
            stack.enter_context(writer)
        undo = ExitStack()
        stack.push(undo)
        if fault.undo is not None:
            undo.callback(fault.undo, system, old)
        system.wait("rows are acknowledged", lambda: _all_write(made), WRITES_SECONDS)
        injected = time.time()
        failures = made.service.log.failures
        fault.inject(system, old)
        limit = max(FAILOVER_SECONDS, FAILOVER_TTLS * system.ttl_s)

        def go_on() -> bool:
            return made.service.log.failures > failures and made.service.log.unbroken > ROWS_AFTER

        try:
            system.wait(f"writes go on after {fault.name}", go_on, limit)
            stuck = False
        except AssertionError:
            if fault.undo is None:
                raise
            stuck = True
        time.sleep(max(0.0, injected + fault.hold_ttls * system.ttl_s - time.time()))
        begun = time.time() if fault.undo is not None else injected
        undo.close()
        if stuck:
            system.wait(f"writes go on after the end of {fault.name}", go_on, limit)
        system.wait_full_strength(asker=client)
        recovery = time.time() - begun
        logs = {name: writer.stop() for name, writer in vars(made).items()}
    new = system.primary()
    begin, end = logs["service"].pause
    marks = phases.marks(watch.log(), injected, old.name, new.name, end) if system.tells_phases else {}
    led = watch.leads_to(new.ip, injected)
    if marks and led is not None:
        marks["endpoints"] = led
    return Trial(
        fault=fault.name,
        old=old,
        new=new,
        timeline=timeline,
        present={log.writer: present_ids(system, log.writer) for log in logs.values()},
        phases=phases.durations(marks, begin, end) if marks else {},
        recovery=recovery,
        stuck=stuck,
        **logs,
    )


def _all_write(made: writers.Writers) -> bool:
    return made.service.rows > ROWS_BEFORE and made.direct.rows > ROWS_BEFORE // 4 and made.pinned.rows > ROWS_BEFORE // 10
