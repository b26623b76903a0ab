"""The log: one line of JSON for each event, on stdout."""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime

_STDOUT = 1
_PENDING_LINES = 1000
_REPEAT_SECONDS = 10.0


class Log:
    """Writes from a thread of its own: a container runtime that doesn't empty the pipe must not stop the agent.

    Lines that find the queue full are dropped and counted; the next line that gets through says how many. A warning that is the same as
    one a moment ago is counted too: while the API is away the same call fails twice a second.
    """

    def __init__(self, pod: str, secrets: Iterable[str] = (), descriptor: int = _STDOUT) -> None:
        """pod: named in every line; secrets: strings that never leave; descriptor: where lines go."""
        self._pod = pod
        self._secrets: tuple[str, ...] = ()
        self.hide(secrets)
        self._descriptor = descriptor
        self._lines: queue.Queue[str] = queue.Queue(_PENDING_LINES)
        self._dropped = 0
        self._warned: dict[str, tuple[str, float, int]] = {}
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def hide(self, secrets: Iterable[str]) -> None:
        """Let these strings never leave either."""
        self._secrets = tuple(dict.fromkeys((*self._secrets, *(json.dumps(secret)[1:-1] for secret in secrets if secret))))

    def __call__(self, level: str, event: str, reason: str = "", **fields: object) -> None:
        """Log `event`. level: debug, info, warning or error; reason: why, in words; fields: what else there is to say."""
        repeated = 0
        if level == "warning":
            text, said_at, repeated = self._warned.get(event, ("", 0.0, 0))
            if text == reason and time.monotonic() - said_at < _REPEAT_SECONDS:
                self._warned[event] = (text, said_at, repeated + 1)
                return
            self._warned[event] = (reason, time.monotonic(), 0)
        entry: dict[str, object] = {
            "ts": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": level,
            "pod": self._pod,
            "event": event,
        }
        if reason:
            entry["reason"] = reason
        if repeated:
            entry["repeated"] = repeated
        if self._dropped:
            entry["dropped"] = self._dropped
        line = json.dumps(entry | fields, default=str)
        for secret in self._secrets:
            line = line.replace(secret, "***")
        try:
            self._lines.put_nowait(line + "\n")
            self._dropped = 0
        except queue.Full:
            self._dropped += 1

    def flush(self, timeout: float) -> None:
        """Wait at most `timeout` seconds until everything is written, before the process ends."""
        waiter = threading.Thread(target=self._lines.join, daemon=True)
        waiter.start()
        waiter.join(timeout)

    def _run(self) -> None:
        while True:
            data = self._lines.get().encode()
            try:
                while data:
                    data = data[os.write(self._descriptor, data) :]
            except OSError:
                pass  # nobody reads the log any more: there is nowhere to say so
            finally:
                self._lines.task_done()
