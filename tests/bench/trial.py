"""One fault under writes: how long clients wait, what is lost, who acknowledged what."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass

from tests.bench import load, phases, plan, writers
from tests.bench.faults import Fault
from tests.bench.summary import Measurement
from tests.bench.systems import System
from tests.bench.watching import Watch
from tests.robustness.failpoint import starvation
from tests.robustness.programs import ProgramError
from tests.robustness.release import FULL_STRENGTH_SECONDS, Pod
from tests.robustness.traffic.writers import Log, wait_table
from tests.robustness.validate import writes
from tests.robustness.validate.rows import present_ids
from tests.robustness.waiting import wait_for

ROWS_BEFORE = 150
ROWS_AFTER = 100
WRITES_SECONDS = 60.0
FAILOVER_TTLS = 2.0
FAILOVER_SECONDS = 45.0
STARVED_BEFORE_SECONDS = 3.0
STARVED_AFTER_SECONDS = 30.0
"""So long the nodes are starved before a fault and, at least, after it: time enough for a second failover that one fault mustn't cost."""


@dataclass(frozen=True)
class Trial:
    """What one fault did.

    old: the primary before; injected, ended: when the fault was begun, and when the writers were told to end (seconds since the
    epoch); service, direct, pinned: what the writer through the Service, the one that goes to the pods' addresses, and the one that
    keeps to the old primary were told; present: the ids that are there in the end, by writer, none if there was no primary to ask;
    recovery: seconds until all replicas streamed again, from the fault or, if it has to be undone, from then on; recovered: whether
    they did; stuck: writes didn't go on within the limit, or before the fault was undone; tps: transactions of pgbench a second, up to
    the fault.
    """

    old: Pod
    injected: float
    ended: float
    service: Log
    direct: Log
    pinned: Log
    present: dict[str, list[int]]
    phases: dict[str, float]
    recovery: float
    recovered: bool
    stuck: bool
    tps: float = 0.0

    @property
    def measurement(self) -> Measurement:
        """Return the measurement. Violations of the guarantees are counted too, because another
        system may have some.
        """
        logs = (self.service, self.direct, self.pinned)
        return Measurement(
            gap_s=self._gap(self.service),
            direct_gap_s=self._gap(self.direct),
            lost=len(self._lost(self.service)),
            lost_pinned=len(self._lost(self.pinned)),
            split_brain_acks=len(writes.late(logs)),
            full_strength_s=self.recovery,
            stuck=self.stuck,
            recovered=self.recovered,
            anomalies=sum(self._anomalies(log) for log in logs),
            phases=self.phases,
            promotions=self._promotions(),
            tps=self.tps,
        )

    def _gap(self, log: Log) -> float:
        """Return the longest gap, including the time since the last acknowledgement."""
        begin, end = log.pause_after(self.injected)
        return max(end - begin, self.ended - log.acknowledged[-1].end)

    def _promotions(self) -> int:
        """Return the number of timelines begun, as far as a writer has seen: each promotion, and
        each of our claims, takes one.
        """
        seen = [append.timeline for log in (self.service, self.direct) for append in log.acknowledged]
        return max(seen) - seen[0]

    def _lost(self, log: Log) -> list[int]:
        return writes.lost(log, self.present[log.writer]) if log.writer in self.present else []

    def _anomalies(self, log: Log) -> int:
        return len(writes.holes(log, self._lost(log))) + len(writes.unexpected(log, self.present.get(log.writer, ())))


def run(system: System, fault: Fault, label: str, moment: float) -> Trial:
    """Do a fault to the primary while rows are written; return when the system is at full strength again, or hasn't come back in time.

    moment: when it begins between two renewals of the primary's right, from 0 to 1.
    """
    system.wait_full_strength()
    if fault.on_disks:
        system.wait_hang_forgotten()
    old, pods = system.primary(), system.pods()
    client = system.client_apart_from(old.node)
    wait_table(system, client)
    made = writers.make(system, fault, label, old, [pod.ip for pod in pods])
    with ExitStack() as stack:
        busy = stack.enter_context(load.running(system, old)) if system.mode.scale else None
        watch = stack.enter_context(Watch(system, pods))
        for writer in (made.service, made.direct, made.pinned):
            stack.enter_context(writer)
        undo = ExitStack()
        stack.push(undo)
        if fault.undo is not None:
            undo.callback(fault.undo, system, old)
        system.wait("rows are acknowledged", lambda: _all_write(made), WRITES_SECONDS)
        tps = busy.tps if busy is not None else 0.0
        renewed_at = system.renewed_at()
        starved = stack.enter_context(starvation.starving()) if system.mode.starved else None
        _wait_moment(moment, system.renew_s, renewed_at, STARVED_BEFORE_SECONDS if starved is not None else 0.0)
        injected = time.time()
        failures = made.service.log.failures
        fault.inject(system, old)

        def go_on() -> bool:
            return made.service.log.failures > failures and made.service.log.unbroken > ROWS_AFTER

        stuck = not _comes(go_on, max(FAILOVER_SECONDS, FAILOVER_TTLS * system.ttl_s))
        time.sleep(max(0.0, injected + fault.hold_ttls * system.ttl_s - time.time()))
        if starved is not None:
            time.sleep(max(0.0, injected + STARVED_AFTER_SECONDS - time.time()))
            starved.end()
        begun = time.time() if fault.undo is not None else injected
        undo.close()
        recovered = _comes(lambda: go_on() and system.at_full_strength(client), FULL_STRENGTH_SECONDS)
        ended = time.time()
        logs = {name: writer.stop() for name, writer in vars(made).items()}
    begin, end = logs["service"].pause_after(injected)
    marks = _marks(system, watch, injected, old, end) if recovered and system.tells_phases else {}
    return Trial(
        old=old,
        injected=injected,
        ended=ended,
        present=_present(system, logs.values()),
        phases=phases.durations(marks, begin, end) if marks else {},
        recovery=ended - begun,
        recovered=recovered,
        stuck=stuck,
        tps=tps,
        **logs,
    )


def _wait_moment(moment: float, period_s: float, renewed_at: float, least_s: float) -> None:
    """Wait for a moment (0 to 1) between two renewals, and for at least the given number of
    seconds.
    """
    time.sleep(least_s + plan.pause_s(moment, period_s, time.time() + least_s - renewed_at))


def _all_write(made: writers.Writers) -> bool:
    return made.service.rows > ROWS_BEFORE and made.direct.rows > ROWS_BEFORE // 4 and made.pinned.rows > ROWS_BEFORE // 10


def _comes(condition: Callable[[], object], seconds: float) -> bool:
    try:
        wait_for("", condition, seconds)
    except AssertionError:
        return False
    return True


def _marks(system: System, watch: Watch, injected: float, old: Pod, end: float) -> dict[str, float]:
    new = system.primary()
    marks = phases.marks(watch.log(), injected, old.name, new.name, end)
    led = watch.leads_to(new.ip, injected)
    return {**marks, "endpoints": led} if marks and led is not None else marks


def _present(system: System, logs: Iterable[Log]) -> dict[str, list[int]]:
    try:
        return {log.writer: present_ids(system, log.writer) for log in logs}
    except ProgramError:
        return {}
