"""Others on the nodes' machine that want its processors and its disk."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.cluster import paths

LOOPS = 8
WRITERS = 12
FILE_MIB = 300
LIMIT_SECONDS = 150
"""So long at most each of them goes on, whatever becomes of the bench."""
BEGIN_SECONDS = 30.0
END_SECONDS = 30.0

LOOP = "while ((SECONDS < $0)); do :; done"
WRITE = f'while ((SECONDS < $0)); do dd if=/dev/zero of="$1" bs=1M count={FILE_MIB} conv=fsync status=none; done'


def _start(*command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["bash", "-c", *command], start_new_session=True, stdin=subprocess.DEVNULL)


def _end(started: list[subprocess.Popen[bytes]]) -> None:
    for each in started:
        with suppress(ProcessLookupError):
            os.killpg(each.pid, signal.SIGKILL)
    for each in started:
        each.wait(END_SECONDS)


class Starvation:
    """The loops and writers, by their process groups, each of which this has made."""

    def __init__(self, folder: Path, loops: int, writers: int, limit_s: int) -> None:
        self._folder = folder
        folder.mkdir(parents=True)
        self._started: list[subprocess.Popen[bytes]] = []
        try:
            self._started += [_start(LOOP, str(limit_s)) for _ in range(loops)]
            self._started += [_start(WRITE, str(limit_s), str(folder / f"file-{number}")) for number in range(writers)]
            self._wait_writing(writers)
        except BaseException:
            self.end()
            raise

    def _wait_writing(self, writers: int) -> None:
        limit = time.monotonic() + BEGIN_SECONDS
        while len(os.listdir(self._folder)) < writers:
            assert time.monotonic() < limit, f"{self._folder}: not all writers have begun within {BEGIN_SECONDS:.0f} s"
            time.sleep(0.05)

    @property
    def pids(self) -> list[int]:
        """Of those that run."""
        return [each.pid for each in self._started if each.poll() is None]

    def end(self) -> None:
        """End them and remove what they have written; may be called again."""
        _end(self._started)
        self._started = []
        shutil.rmtree(self._folder, ignore_errors=True)


@contextmanager
def starving(
    folder: Path = paths.CLUSTER / "starvation", loops: int = LOOPS, writers: int = WRITERS, limit_s: int = LIMIT_SECONDS
) -> Iterator[Starvation]:
    """Processors and disk are wanted by others until the end of `with`, or of `end`, or `limit_s`. folder: on the disk of the nodes."""
    found = Starvation(folder, loops, writers, limit_s)
    try:
        yield found
    finally:
        found.end()
