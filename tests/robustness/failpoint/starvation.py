"""Other load on the nodes' machine that competes for CPU and disk."""

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

STARVE = f"""
for ((n = 0; n < $2; n++)); do
  while ((SECONDS < $0)); do :; done &
done
for ((n = 0; n < $3; n++)); do
  while ((SECONDS < $0)); do dd if=/dev/zero of="$1/file-$n" bs=1M count={FILE_MIB} conv=fsync status=none; done &
done
wait
"""


class Starvation:
    """The loops and writers, in one session.

    Linux schedules a session as one unit (sched(7), autogroup), like a service that runs beside a node's pods. A session for each would
    leave the pods of all nodes less than a tenth of the CPU they request.
    """

    def __init__(self, folder: Path, loops: int, writers: int, limit_s: int) -> None:
        self._folder = folder
        folder.mkdir(parents=True)
        command = ["bash", "-c", STARVE, str(limit_s), str(folder), str(loops), str(writers)]
        self._leader = subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL)
        try:
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
    def pid(self) -> int:
        """PID of the session leader, which exits after them."""
        return self._leader.pid

    def end(self) -> None:
        """Stop them and remove the files they have written; may be called again."""
        if self._leader.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._leader.pid, signal.SIGKILL)
            self._leader.wait(END_SECONDS)
        shutil.rmtree(self._folder, ignore_errors=True)


@contextmanager
def starving(
    folder: Path = paths.CLUSTER / "starvation", loops: int = LOOPS, writers: int = WRITERS, limit_s: int = LIMIT_SECONDS
) -> Iterator[Starvation]:
    """Load CPU and disk until the `with` ends, `end` is called or `limit_s` is over. folder: on the nodes' disk."""
    found = Starvation(folder, loops, writers, limit_s)
    try:
        yield found
    finally:
        found.end()
