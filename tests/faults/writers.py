"""Writers whose log lies in their own pod: it can be read while the API server is down or the pod's node is cut off."""

from __future__ import annotations

import time
from pathlib import Path

from tests.cluster import nodes
from tests.e2e.client import CONTAINER, Client
from tests.e2e.writes import END_SECONDS, SCRIPT, Log

START = 'setsid bash -c "$@" >"$0" 2>&1 </dev/null &'


class LocalWriter:
    """A writer in a client pod of the local cluster, from `with` to the end of it."""

    def __init__(
        self, client: Client, name: str, *, host: str | None = None, per_second: int = 50, pause_ms: int = 50, answer_s: float = 1.0
    ) -> None:
        """host: instead of the Service; per_second: rows; pause_ms: the least time between two attempts to connect;
        answer_s: how long an answer is waited for.
        """
        self.client = client
        setup = f"export PGHOST={host}\n" if host else ""
        self._arguments = (setup + SCRIPT, "writer", name, "1", str(per_second), str(pause_ms), str(answer_s))
        self._name = name
        self._log = Log(name)
        self._read = 0
        [first, *_] = nodes.processes(client.namespace.name, client.name, CONTAINER, client.node)
        self._folder = Path(f"/proc/{first.pid}/root/tmp")

    def __enter__(self) -> LocalWriter:
        self.client.namespace.kubectl(*self.client.command("bash", "-c", START, f"/tmp/{self._name}.log", *self._arguments))
        return self

    @property
    def log(self) -> Log:
        """What the writer has been told so far."""
        with (self._folder / f"{self._name}.log").open("rb") as file:
            file.seek(self._read)
            whole = file.read().rpartition(b"\n")[0]
        for line in whole.decode().splitlines():
            self._log.note(line)
        self._read += len(whole) + bool(whole)
        return self._log

    @property
    def rows(self) -> int:
        """How many rows have been acknowledged so far."""
        return len(self.log.acknowledged)

    def rows_after(self, timeline: int) -> int:
        """How many rows have been acknowledged so far on a later timeline than this one."""
        return sum(append.timeline > timeline for append in self.log.acknowledged)

    def stop(self) -> Log:
        """End it and return its complete log. Raise AssertionError if a part of the log is missing."""
        (self._folder / f"stop-{self._name}").touch()
        limit = time.monotonic() + END_SECONDS
        while not self.log.complete and time.monotonic() < limit:
            time.sleep(0.05)
        assert self._log.complete, f"writer {self._name}: its log breaks off after {self.rows} rows"
        return self._log

    def __exit__(self, *_: object) -> None:
        if self._folder.exists():
            (self._folder / f"stop-{self._name}").touch()
