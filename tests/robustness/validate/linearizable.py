"""Checks whether the history of a register is linearizable, with tests/linearizable."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import builds

LIMIT_SECONDS = 60.0
VERDICTS = ("linearizable", "not linearizable", "unknown")


@dataclass(frozen=True)
class Verdict:
    """The result of tests/linearizable for a history: one of VERDICTS, and the smallest set of operations that shows a violation, one
    per line."""

    verdict: str
    shortest: tuple[str, ...] = ()


def check(path: Path, limit: float = LIMIT_SECONDS) -> Verdict:
    """Check a history. limit: seconds. Raise ValueError if it can't be read, ClusterError if the program can't be built."""
    program = builds.ensure((builds.LINEARIZABLE,))["linearizable"]
    command = [str(program), "-limit", f"{limit:f}s", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=3 * limit + 10)
    verdict, *shortest = done.stdout.splitlines() or [""]
    if verdict not in VERDICTS or VERDICTS.index(verdict) != done.returncode:
        raise ValueError(f"exit code {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return Verdict(verdict, tuple(shortest))
