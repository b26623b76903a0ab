"""Hunt: python -m tests.simulation --seeds 1000 --steps 40 [--first 0]."""

from __future__ import annotations

import argparse
import sys
import time

from .walk import walk


def main() -> int:
    """Walk from each seed and print the violations; for a single seed print the whole log."""
    parser = argparse.ArgumentParser(prog="tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--stop-after", type=int, default=10, help="end after so many seeds with violations")
    options = parser.parse_args()
    began, events, settled, bad = time.monotonic(), 0, [0.0], 0
    seeds = range(options.first, options.first + options.seeds)
    for seed in seeds:
        world = walk(seed, options.steps)
        events += world.engine.events
        settled.append(world.settled_after)
        if len(seeds) == 1:
            sys.stdout.write("\n".join(world.log) + "\n")
        if world.violations:
            bad += 1
            sys.stdout.write(f"seed {seed}, {world.replicas} members: {world.violations[0]}\n")
            sys.stdout.flush()
            if bad >= options.stop_after:
                break
    seconds = time.monotonic() - began
    sys.stdout.write(
        f"{seed + 1 - options.first} seeds, {events} events, {seconds:.0f} s; {bad} bad; slowest settled in {max(settled):.0f} s\n"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
