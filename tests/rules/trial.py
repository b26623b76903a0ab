"""Runs one test under one mutant, each in its own process, so that its patches affect no other test.

The processes are forked from one that has imported what tests need, a few at a time: many supervisor tests detect their mutant by
waiting for something that never comes. A mutant counts as found by an assertion, or by an error in the test itself; not by an error in
the tested code.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.pool import AsyncResult
from pathlib import Path
from typing import Any

import pytest

from .table import MUTANTS

ROOT = Path(__file__).parents[2]
OPTIONS = ("-q", "-p", "no:cacheprovider", "--durations=0", "--hypothesis-seed=0", "-W", "ignore::pytest.PytestAssertRewriteWarning")
IMPORTED = ["hypothesis.stateful", "psycopg2", __name__]
AT_ONCE = 4


@dataclass(frozen=True)
class Trial:
    """failed: IDs of the tests that detected a mutant; errors: other failures; output: the end of pytest's output."""

    failed: tuple[str, ...]
    errors: tuple[str, ...]
    output: str


class _Listener:
    """A pytest plugin that records the test results."""

    def __init__(self) -> None:
        self.failed: list[str] = []
        self.errors: list[str] = []

    def pytest_exception_interact(self, node: Any, call: Any, report: Any) -> None:
        error = call.excinfo.value
        passed = [Path(entry.path) for entry in call.excinfo.traceback]
        by_itself = not any(path.is_relative_to(folder) for path in passed for folder in (ROOT / "failover-hook", Path(__file__).parent))
        if report.when == "call" and (by_itself or isinstance(error, (AssertionError, pytest.fail.Exception))):
            self.failed.append(node.nodeid)
        else:
            self.errors.append(f"{node.nodeid}: {type(error).__name__}: {error}"[:500])


@contextmanager
def begun(wanted: Mapping[str, str]) -> Iterator[dict[str, AsyncResult[Trial]]]:
    """Start trials, AT_ONCE at a time and in this order. wanted: pytest node IDs of tests by the names of the mutants to run them with."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    with context.Pool(AT_ONCE, maxtasksperchild=1) as pool:
        yield {mutant: pool.apply_async(_run, (mutant, test)) for mutant, test in wanted.items()}


def _run(mutant: str, test: str) -> Trial:
    listener = _Listener()
    with tempfile.TemporaryDirectory(prefix="hapg-trial-") as left_behind, pytest.MonkeyPatch.context() as patch:
        Path(left_behind).chmod(0o755)  # servers, which don't run as root, find their programs there
        patch.setattr(tempfile, "tempdir", left_behind)
        with tempfile.TemporaryFile("w+") as output:
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
                MUTANTS[mutant](patch)
                pytest.main([str(ROOT / test), *OPTIONS], [listener])
            output.seek(0)
            return Trial(tuple(listener.failed), tuple(listener.errors), output.read()[-3000:])
