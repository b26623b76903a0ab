"""Whether clients notice a backup: pgbench's latencies while a full backup runs, and between backups."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

from tests.bench import load as traffic
from tests.bench import plan
from tests.bench.latency import Comparison, Load, Window
from tests.bench.systems import HaPostgres
from tests.robustness import programs
from tests.robustness.object_store import ObjectStore
from tests.robustness.programs import HAPG, Done
from tests.robustness.traffic import pgbench

CREDENTIALS = "s3-credentials"
FOLDER = "/bench"
BACKUP_SECONDS = 900.0
ARCHIVED_SECONDS = 600.0
SETTLE_SECONDS = 5.0
"""Between two windows, and before pgbench's log is read: longer than a block of it takes to fill."""
LEAST_SECONDS = 10.0
"""So long a window without a backup is at least."""


@dataclass(kw_only=True)
class Archiving(HaPostgres):
    """Ours, with an archive in an object store. authority: of the store's certificate, PEM."""

    store: ObjectStore
    authority: str

    def values(self) -> dict[str, str]:
        """See HaPostgres."""
        archiver = self.store.archiver(FOLDER, CREDENTIALS)
        return super().values() | {f"archiver.{name}": value for name, value in archiver.items()}

    def deploy(self) -> None:
        """See System."""
        self.namespace.apply(self.store.credentials(CREDENTIALS, self.authority))
        super().deploy()

    def backup(self, verb: str, *options: str) -> Done:
        """Run `hapg backup`; return the result."""
        return programs.attempt(str(HAPG), "backup", verb, self.name, "--namespace", self.namespace.name, *options, limit=BACKUP_SECONDS)


def measure(system: Archiving, load: Load, times: int, allowed_s: float) -> Iterator[Comparison]:
    """Take full backups under a load, each followed by a window of the same length without one; yield what is known after each.

    times: how many backups at most; allowed_s: for all of them; the first ones are taken whatever time they need. Raise AssertionError
    if the primary has changed: the windows are then about a failover.
    """
    system.wait_full_strength()
    system.wait("the archive has caught up", lambda: system.backup("check").code == 0, ARCHIVED_SECONDS)
    primary, found, used_s = system.primary(), Comparison(), 0.0
    with traffic.running(system, primary, *pgbench.LOGGED, *load.options) as running:
        while plan.goes_on(len(found.during), times, used_s, allowed_s):
            begun = time.monotonic()
            during, found.size = _backup(system)
            time.sleep(SETTLE_SECONDS)
            quiet = time.time()
            time.sleep(max(LEAST_SECONDS, during[1] - during[0]))
            without = (quiet, time.time())
            time.sleep(SETTLE_SECONDS)
            assert system.primary().uid == primary.uid, "the primary has changed"
            found.during.append(_window(running, *during))
            found.without.append(_window(running, *without))
            used_s += time.monotonic() - begun
            yield found


def _backup(system: Archiving) -> tuple[tuple[float, float], int]:
    """Take a full backup; return from when to when it copied files (seconds since the epoch), and the size of the database in bytes."""
    done = system.backup("now", "--type", "full", "--output", "json")
    if done.code:
        raise programs.ProgramError(f"hapg backup now: {done.text}")
    made = json.loads(done.out)["backups"][-1]
    return (made["startedAt"], made["endedAt"]), made["bytes"]


def _window(running: pgbench.Load, begin: float, end: float) -> Window:
    latencies = running.latencies(begin, end)
    assert latencies, f"pgbench has logged no transaction from {begin:.0f} to {end:.0f}"
    return Window(end - begin, latencies)
