"""The lines of a kubectl that goes on, as they come."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable

from tests.robustness.programs import Namespace

END_SECONDS = 10.0


class Follower:
    """The lines of a kubectl, from `with` to the end of it; `lines`: each with the time at which it came, in seconds since the epoch."""

    def __init__(
        self,
        namespace: Namespace,
        *arguments: str,
        on_line: Callable[[str], None] | None = None,
        errors: int = subprocess.DEVNULL,
        again_after_s: float | None = None,
    ) -> None:
        """arguments: of kubectl; on_line: is called with each line, by the thread that reads it, and `lines` stays empty; errors: where
        stderr goes, as subprocess has it; again_after_s: how long after its end it is begun again, None: it isn't.
        """
        self.lines: list[tuple[float, str]] = []
        self._namespace = namespace
        self._arguments = arguments
        self._take = on_line or self._keep
        self._errors = errors
        self._again_after_s = again_after_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read, name=f"kubectl {arguments[0]}", daemon=True)

    def __enter__(self) -> Follower:
        self._process = self._begin()
        self._thread.start()
        return self

    def _begin(self) -> subprocess.Popen[str]:
        return self._namespace.begin_kubectl(*self._arguments, errors=self._errors)

    def _read(self) -> None:
        """The pipe is this thread's own, until its end."""
        while True:
            with self._process as process:
                assert process.stdout is not None
                for line in process.stdout:
                    self._take(line)
            if self._again_after_s is None or self._ended.wait(self._again_after_s):
                return
            self._process = self._begin()
            if self._ended.is_set():
                self._process.terminate()

    def _keep(self, line: str) -> None:
        self.lines.append((time.time(), line))

    def wait_end(self, seconds: float) -> None:
        """Wait until it has ended by itself and all lines have been taken, for so many seconds at most."""
        self._thread.join(seconds)

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._process.terminate()
        self._thread.join(END_SECONDS)
