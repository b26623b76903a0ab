"""Runs helm. Only this module does."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence

from hapg.errors import HapgError

DEFAULT = "helm"

_LIMIT_SECONDS = 300
_REFUSAL = re.compile(r"execution error at \([^)]*\): (.*)", re.DOTALL)


def refusals(said: str) -> list[str]:
    """Return the sentences in which a chart's templates refuse values; none if helm failed for another reason."""
    found = _REFUSAL.search(said)
    lines = found[1].splitlines() if found else []
    return [line for line in lines if line and not line.startswith("Use --debug")]


def run(program: str, arguments: Sequence[str]) -> str:
    """Return helm's output; its warnings go to standard error.

    Raises HapgError if helm is not found, fails, or takes longer than five minutes.
    """
    found = shutil.which(program)
    if found is None:
        raise HapgError(f"{program} not found; install helm 3 or 4, or name it with --helm")
    try:
        done = subprocess.run(
            [found, *arguments], capture_output=True, encoding="utf-8", errors="surrogateescape", check=False, timeout=_LIMIT_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise HapgError(f"{program} {arguments[0]}: took longer than {_LIMIT_SECONDS} s") from error
    if done.returncode != 0:
        said = "\n".join(filter(None, (text.strip() for text in (done.stdout, done.stderr))))
        raise HapgError(f"{program} {arguments[0]}: {said}")
    for line in done.stderr.splitlines():
        print(f"helm: {line}", file=sys.stderr)
    return done.stdout
