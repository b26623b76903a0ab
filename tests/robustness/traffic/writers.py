"""Clients that write, each from a pod: writer.sh, and how its log is read."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Sequence

from tests.cluster import chosen
from tests.robustness.client import Client
from tests.robustness.traffic.sessions import END_SECONDS, LocalSession, Session, script
from tests.robustness.traffic.writes import Log

SCRIPT = script("writer.sh")


class _Writing(Session[Log]):
    def __init__(
        self,
        client: Client,
        name: str,
        *,
        host: str | None = None,
        hosts: Sequence[str] = (),
        per_second: int = 100,
        pause_ms: int = 50,
        answer_s: float = 1.0,
    ) -> None:
        """host: instead of the Service; hosts: addresses instead of it, of which the one that takes writes is looked for; per_second:
        rows; pause_ms: the least time between two attempts to connect; answer_s: how long an answer is waited for.
        """
        setup = f"export PGHOST={host}\n" if host else ""
        setup += f"export HOSTS='{' '.join(hosts)}' PGTARGETSESSIONATTRS=read-write\n" if hosts else ""
        super().__init__(client, name, SCRIPT, "1", Log(name), setup=setup, per_second=per_second, pause_ms=pause_ms, answer_s=answer_s)

    @property
    def rows(self) -> int:
        """How many rows have been acknowledged so far."""
        return len(self.log.acknowledged)

    def rows_after(self, timeline: int) -> int:
        """How many rows have been acknowledged so far on a later timeline than this one."""
        return sum(append.timeline > timeline for append in self.log.acknowledged)


class Writer(_Writing):
    """A writer in a client pod, from `with` to the end of it, whose lines come by kubectl."""

    def __enter__(self) -> Writer:
        command = ["kubectl", "--namespace", self._client.namespace.name, *self._client.command("bash", "-c", *self._arguments)]
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        self._said = ""
        self._process: subprocess.Popen[str] = subprocess.Popen(command, env=chosen.environment(), text=True, **pipes)  # type: ignore[call-overload]
        self._reader = threading.Thread(target=self._read, name=self._name, daemon=True)
        self._reader.start()
        return self

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                self._note(line.strip())
            except ValueError:
                self._said += line

    def stop(self) -> Log:
        """End it and return its complete log. Raise AssertionError if a part of the log is missing."""
        self._client.namespace.kubectl(*self._client.command("touch", f"/tmp/stop-{self._name}"))
        self._reader.join(self._end_seconds)
        assert self._log.complete, f"writer {self._name}: its log breaks off after {self.rows} rows\n{self._said[-2000:]}"
        return self._log

    def __exit__(self, *_: object) -> None:
        if not self._log.complete:
            self._client.namespace.try_kubectl(*self._client.command("touch", f"/tmp/stop-{self._name}"), limit=10)
        self._process.terminate()
        self._process.wait()
        self._reader.join(END_SECONDS)
        assert self._process.stdout is not None
        self._process.stdout.close()


class LocalWriter(_Writing, LocalSession[Log]):
    """A writer in a client pod of the local cluster, from `with` to the end of it, whose log lies in that pod."""
