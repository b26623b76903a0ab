"""The command line: ``python -m tests.bench``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench import summary
from tests.bench.summary import Measurement, Summary
from tests.cluster import cli
from tests.cluster.errors import ClusterError
from tests.e2e import artifacts, programs, trial
from tests.e2e.faults import CONTAINER, FAULTS, Fault
from tests.e2e.programs import REPOSITORY, ProgramError
from tests.e2e.release import CHART, VALUES, Release

OUTPUT = REPOSITORY / "build" / "bench.jsonl"


def measure(release: Release, fault: Fault, times: int) -> Summary:
    """Do a fault so many times; raise AssertionError if something happened that must not."""
    found = []
    for number in range(1, times + 1):
        result = trial.run(release, fault, f"{fault.name}-{number}")
        print(f"{number}/{times} {result.summary}", file=sys.stderr, flush=True)
        wrong = result.violations()
        assert not wrong, "\n".join(wrong)
        found.append(Measurement(result.service.gap, len(result.lost), result.recovery))
        if fault is CONTAINER:
            # kubelet makes a container wait that has died before, longer each time; a new pod begins anew
            release.namespace.kubectl("delete", "pod", result.old.name)
    return summary.summarize(fault.name, found)


def write(summaries: Sequence[Summary], output: Path) -> None:
    """Write the lines at once: whoever reads the file finds those of one bench."""
    output.parent.mkdir(parents=True, exist_ok=True)
    new = output.with_name(f"{output.name}.{os.getpid()}")
    new.write_text("".join(json.dumps(each.line()) + "\n" for each in summaries), encoding="utf-8")
    new.replace(output)


def bench(chosen: Sequence[Fault], times: int, output: Path) -> None:
    """Install a release, do the faults to it, write the lines and print the table."""
    summaries: list[Summary] = []
    with programs.namespace("bench") as namespace:
        release = Release(namespace)
        try:
            release.install(CHART, "--values", str(VALUES))
            release.wait_serving()
            release.add_clients()
            for fault in chosen:
                summaries.append(measure(release, fault, times))
                write(summaries, output)
        except BaseException:
            artifacts.save(namespace, artifacts.FOLDER / namespace.name)
            raise
    print(summary.table(summaries))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description="Measure how long a writing client waits when the primary of a release fails."
    )
    parser.add_argument("--times", type=int, default=3, metavar="N", help="how often each fault is done (default: 3)")
    parser.add_argument("--faults", default=",".join(FAULTS), metavar="LIST", help=f"some of {','.join(FAULTS)} (default: all)")
    parser.add_argument("--output", type=Path, default=OUTPUT, metavar="FILE", help="for the lines of JSON (default: build/bench.jsonl)")
    return parser


def main() -> int:
    """Measure; exit code 0, or 1 for an error that is explained on stderr, or 2 for wrong arguments."""
    parser = _parser()
    options = parser.parse_args()
    names = options.faults.split(",")
    unknown = [name for name in names if name not in FAULTS]
    if unknown or options.times < 1:
        parser.error(f"unknown faults: {', '.join(unknown)}" if unknown else "--times: at least 1")
    try:
        cli.tools()
        cli.up()
        chosen = [FAULTS[name] for name in names if FAULTS[name].possible]
        for name in sorted(set(names) - {fault.name for fault in chosen}):
            print(f"{name}: left out, it needs the local cluster", file=sys.stderr)
        bench(chosen, options.times, options.output)
    except (ClusterError, ProgramError, AssertionError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
