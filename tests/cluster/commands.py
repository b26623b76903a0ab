"""Runs other programs, and puts their output into the error if they fail."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cluster.errors import ClusterError

_TAIL_CHARACTERS = 4000


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
    timeout: float | None = None,
) -> str:
    """Runs a program and returns its stdout; `env` is added to the current environment; `timeout` is in seconds.

    Raises ClusterError with the end of the program's output if it cannot be started, fails or takes too long.
    """
    try:
        done = subprocess.run(
            list(argv),
            env={**os.environ, **(env or {})},
            cwd=cwd,
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as error:
        raise ClusterError(f"{argv[0]}: not found") from error
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"{' '.join(argv)}: no end after {timeout} s") from error
    if done.returncode != 0:
        tail = (done.stdout + done.stderr)[-_TAIL_CHARACTERS:]
        raise ClusterError(f"{' '.join(argv)}: exit code {done.returncode}\n{tail}")
    return done.stdout


def succeeds(argv: Sequence[str], *, timeout: float | None = None) -> bool:
    """True if a program ends with exit code 0; its output is discarded."""
    try:
        run(argv, timeout=timeout)
    except ClusterError:
        return False
    return True
