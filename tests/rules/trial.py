"""One test under one mutant, each in a process of its own: what is patched there harms nobody.

`python -m tests.rules.trial` has imported what tests need and waits for lines `MUTANT<tab>TEST` on stdin; it forks for each, and
answers with a line of JSON. A mutant counts as found by an assertion, or by an error of the test's own; not by one in what is tested.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import pytest

ROOT = Path(__file__).parents[2]
OPTIONS = ("-q", "-p", "no:cacheprovider", "--durations=0", "--hypothesis-seed=0", "-W", "ignore::pytest.PytestAssertRewriteWarning")


@dataclass(frozen=True)
class Trial:
    """failed: IDs of the tests that have found something; errors: what else went wrong; output: of pytest, its end."""

    failed: tuple[str, ...]
    errors: tuple[str, ...]
    output: str


class _Listener:
    """A pytest plugin that keeps how tests ended."""

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


class Trials:
    """A process that forks for each trial."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, mutant: str, test: str) -> Trial:
        """Run a test (its pytest node ID) under the mutant of that name."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{mutant}\t{test}\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return Trial(tuple(answer["failed"]), tuple(answer["errors"]), answer["output"])

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def _try(mutant: str, test: str, answer: TextIO) -> None:
    from .table import MUTANTS

    listener = _Listener()
    with tempfile.TemporaryFile("w+") as output, pytest.MonkeyPatch.context() as patch:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            MUTANTS[mutant](patch)
            pytest.main([test, *OPTIONS], [listener])
        output.seek(0)
        said = output.read()[-3000:]
    _answer(answer, listener.failed, listener.errors, said)


def _answer(answer: TextIO, failed: list[str], errors: list[str], output: str) -> None:
    json.dump({"failed": failed, "errors": errors, "output": output}, answer)
    answer.write("\n")
    answer.flush()


def main() -> None:
    """Serve trials until stdin ends."""
    import hypothesis.stateful  # noqa: F401
    import psycopg2  # noqa: F401

    from . import table  # noqa: F401

    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            mutant, _, test = line.rstrip("\n").partition("\t")
            try:
                _try(mutant, test, sys.stdout)
            except BaseException as error:
                _answer(sys.stdout, [], [f"the trial itself failed: {error!r}"], "")
            finally:
                os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
