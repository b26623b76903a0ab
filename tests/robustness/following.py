"""The output lines of a long-running kubectl, as they arrive."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable

from tests.robustness.programs import Namespace

END_SECONDS = 10.0


class Follower:
    """Runs a kubectl for the duration of the `with`; `lines`: each line with its time of arrival, in seconds since the epoch."""

    def __init__(
        self,
        namespace: Namespace,
        *arguments: str,
        on_line: Callable[[str], None] | None = None,
        errors: int = subprocess.DEVNULL,
        again_after_s: float | None = None,
    ) -> None:
        """arguments: for kubectl; on_line: called with each line by the thread that reads it, and `lines` stays empty; errors: where
        stderr goes, as for subprocess; again_after_s: seconds after which it is restarted when it has exited, None: never.
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
        """The thread owns the pipe until the end."""
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
        """Wait until it has exited and all lines have been read, for at most this many seconds."""
        self._thread.join(seconds)

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._process.terminate()
        self._thread.join(END_SECONDS)
