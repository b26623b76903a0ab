"""Random faults for hours, under pgbench and appending writers: ``python -m tests.faults.soak --hours 0.5 --seed 7``.

It alternates faults with quiet times, in which no failover may happen, and makes a drill's checks after each. Each round prints a
line of JSON. In the end no agent may have grown in memory. The same seed gives the same faults in the same order.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from dataclasses import dataclass

from tests.cluster import chosen
from tests.cluster.errors import ClusterError
from tests.cluster.fixtures import NodeFaults
from tests.robustness.drill import Drill, Found
from tests.robustness.failpoint import at_random
from tests.robustness.programs import ProgramError
from tests.robustness.release import TTL, Release
from tests.robustness.report import artifacts, histories
from tests.robustness.stock import ASYNCHRONOUS, Stock
from tests.robustness.traffic import pgbench
from tests.robustness.validate.growth import Growth

SCALE = 5
QUIET_SECONDS = (5.0, 30.0)
RATE = 60


@dataclass
class Soak:
    """A soak of one release. chance: the source of all randomness; until: its end, by time.monotonic()."""

    release: Release
    chance: random.Random
    until: float
    growth: Growth

    def run(self) -> int:
        """Run until the end; return the number of faults. Raise AssertionError if a guarantee was broken."""
        rounds = 0
        while time.monotonic() < self.until:
            rounds += 1
            self._quiet(rounds)
            self._fault(rounds)
        wrong = self.growth.violations()
        assert not wrong, "\n".join(wrong)
        return rounds

    def _quiet(self, number: int) -> None:
        with Drill(self.release, histories.path(f"soak-{number}-quiet")) as drill:
            time.sleep(self.chance.uniform(*QUIET_SECONDS))
            self.growth.look(self.release)
        found = drill.result
        assert (found.claims, found.lost) == (0, 0), f"nothing was done, and there were {found.claims} claims, {found.lost} lost rows"

    def _fault(self, number: int) -> None:
        name = self.chance.choice(sorted(at_random.FAULTS))
        faults = NodeFaults()
        begun = time.monotonic()
        try:
            with Drill(self.release, histories.path(f"soak-{number}-{name}")) as drill:
                at_random.FAULTS[name](self.release, faults, self.chance)
                faults.undo()
                time.sleep(TTL)  # a server without its agent serves on until its lease ends: only then the failover begins
                drill.wait_writes()
        finally:
            faults.undo()
        self.growth.look(self.release)
        print(json.dumps(_line(number, name, drill.result, time.monotonic() - begun)), flush=True)


def _line(number: int, name: str, found: Found, seconds: float) -> dict[str, object]:
    figures = {"claims": found.claims, "lost": found.lost, "gap_s": round(found.gap, 2), "seconds": round(seconds, 1)}
    return {"round": number, "fault": name, "old": found.old.name, "new": found.new.name, **figures}


def soak(hours: float, seed: int) -> None:
    """Install a release and run the soak. Raise AssertionError, ClusterError or ProgramError on a failure."""
    stock = Stock()
    try:
        release = stock.get(ASYNCHRONOUS)
        try:
            client = release.clients[-1]
            pgbench.make(client, SCALE)
            with pgbench.running(client, "--client=4", f"--rate={RATE}", pause_s=0.5):
                rounds = Soak(release, random.Random(seed), time.monotonic() + 3600 * hours, growth := Growth()).run()
        except BaseException:
            artifacts.save(release.namespace, artifacts.FOLDER / release.namespace.name)
            raise
    finally:
        stock.drop()
    print(json.dumps({"seed": seed, "faults": rounds, "agents": growth.summary()}), flush=True)


def main() -> int:
    """Run the soak and return the exit code: 0, 1 for an error explained on stderr, 2 for invalid arguments."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description="Random faults under pgbench and appending writers.")
    parser.add_argument("--hours", type=float, default=1.0, metavar="N", help="how long, in hours; a fraction will do (default: 1)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), metavar="N", help="repeats a soak's faults")
    options = parser.parse_args()
    if options.hours <= 0:
        parser.error("--hours: more than 0")
    print(json.dumps({"seed": options.seed, "hours": options.hours}), flush=True)
    try:
        if not chosen.is_local():
            raise ClusterError("a soak needs the hand of the local cluster")
        chosen.tools()
        chosen.up()
        soak(options.hours, options.seed)
    except (ClusterError, ProgramError, AssertionError) as error:
        print(f"error: {error}\nseed {options.seed} repeats it", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
