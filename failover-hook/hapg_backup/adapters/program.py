"""pgBackRest as a child process, in a process group of its own so that it can be stopped with its helpers."""

from __future__ import annotations

import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..core.configuration import Configuration
from . import files

_LOOK_S = 0.2
_TERM_S = 5.0
_KEPT = 1 << 16
_CHUNK = 1 << 16
_LONGEST = 600
_MESSAGE = re.compile(r"(P[0-9]+ +)?(ERROR|WARN|INFO|DETAIL): ")
_REASON = re.compile(r"WARN: repo[0-9]+: ")
_VAGUE = re.compile(r"ERROR: \[(103|075)\]: ")
"""Errors that say only that no repository could be used, or that none has a backup: the warning before says why."""
_LINES = 3
GONE, SLOW = -1, -2
"""Instead of an exit code: the child was stopped because nobody wants its result any more, or because its time was over."""


@dataclass(frozen=True)
class Done:
    """A finished run. code: its exit code, GONE or SLOW; output: of stdout and stderr."""

    code: int
    output: str

    @property
    def words(self) -> str:
        """The first error in one line, or the last line if there is none."""
        if self.code == SLOW:
            return "no answer from the repository in time"
        found = _messages(self.output)
        errors = [number for number, message in enumerate(found) if "ERROR:" in message[0]]
        if not errors:
            return found[-1][-1][:_LONGEST] if found else f"exit code {self.code}"
        chosen = found[errors[0]]
        if _VAGUE.search(chosen[0]):
            chosen = next((message for message in reversed(found[: errors[0]]) if _REASON.search(message[0])), chosen)
        return " ".join(chosen[:_LINES])[:_LONGEST]


def _messages(output: str) -> list[list[str]]:
    """Return the lines of each message."""
    found: list[list[str]] = []
    for line in filter(None, map(str.strip, output.splitlines())):
        if found and not _MESSAGE.match(line):
            found[-1].append(line)
        else:
            found.append([line])
    return found


class PgBackRest:
    """Runs pgBackRest with one configuration at a time per name."""

    def __init__(self, program: str, work: Path) -> None:
        """program: its path; work: a directory for configuration files and locks."""
        self._program = program
        self._work = work

    def run(
        self,
        configuration: Configuration,
        stanza: str,
        *words: str,
        seconds: float | None = None,
        unwanted: Callable[[], bool] = lambda: False,
        tell: Callable[[str], None] | None = None,
        niceness: int = 0,
        name: str = "own",
        given: bytes = b"",
    ) -> Done:
        """Run a command of pgBackRest. words: the command and its options; stanza: '' for commands without one.

        seconds: the time limit; unwanted: called five times a second, ends the run once it is true; tell: gets each line as it comes, and
        only the last 64 KiB are kept then; name: of the configuration file; given: its standard input, at most 64 KiB. Raise OSError if it
        can't be started.
        """
        file = self._work / f"{name}.conf"
        self._write(file, configuration.text)
        argv = [self._program, words[0], f"--config={file}", *([f"--stanza={stanza}"] if stanza else []), *words[1:]]
        environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC", **configuration.environment}
        child = subprocess.Popen(
            ["nice", f"-n{niceness}", *argv] if niceness else argv,
            stdin=subprocess.PIPE if given else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        end = None if seconds is None else time.monotonic() + seconds
        with child:
            try:
                if child.stdin is not None:
                    child.stdin.write(given)
                    child.stdin.close()
                return self._follow(child, end, unwanted, tell)
            finally:
                _stop(child)

    @staticmethod
    def _write(file: Path, text: str) -> None:
        with suppress(OSError):
            if file.read_text(encoding="utf-8") == text:
                return
        files.write(file, text.encode())

    @staticmethod
    def _follow(
        child: subprocess.Popen[bytes], end: float | None, unwanted: Callable[[], bool], tell: Callable[[str], None] | None
    ) -> Done:
        assert child.stdout is not None
        output, rest = b"", b""
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            while True:
                if selector.select(_LOOK_S):
                    part = os.read(child.stdout.fileno(), _CHUNK)
                    if not part:
                        return Done(child.wait(), output.decode("utf-8", "replace"))
                    output += part
                    if tell is not None:
                        output = output[-_KEPT:]
                        *lines, rest = (rest + part).split(b"\n")
                        for line in lines:
                            tell(line.decode("utf-8", "replace"))
                if unwanted():
                    return Done(GONE, output.decode("utf-8", "replace"))
                if end is not None and time.monotonic() > end:
                    return Done(SLOW, output.decode("utf-8", "replace"))


def _stop(child: subprocess.Popen[bytes]) -> None:
    """End the child and its helpers, if they still run."""
    if child.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            child.wait(_TERM_S)
    if child.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
