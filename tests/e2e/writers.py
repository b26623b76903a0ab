"""Clients that write, each from a pod: writer.sh, and how its log is read."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from tests.cluster import nodes
from tests.e2e.client import CONTAINER, Client
from tests.e2e.programs import environment
from tests.e2e.writes import Log

SCRIPT = Path(__file__).with_name("writer.sh").read_text(encoding="utf-8")
START = ': >"$0"; setsid bash -c "$@" >"$0" 2>&1 </dev/null &'
END_SECONDS = 20.0


class _Script:
    """What a writer runs, and what it has been told."""

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
        self._client = client
        self._name = name
        self._end_seconds = END_SECONDS + answer_s
        self._log = Log(name)
        setup = f"export PGHOST={host}\n" if host else ""
        setup += f"export HOSTS='{' '.join(hosts)}' PGTARGETSESSIONATTRS=read-write\n" if hosts else ""
        self._arguments = (setup + SCRIPT, "writer", name, "1", str(per_second), str(pause_ms), f"{answer_s:g}")

    @property
    def log(self) -> Log:
        """What the writer has been told so far."""
        return self._log

    @property
    def rows(self) -> int:
        """How many rows have been acknowledged so far."""
        return len(self.log.acknowledged)

    def rows_after(self, timeline: int) -> int:
        """How many rows have been acknowledged so far on a later timeline than this one."""
        return sum(append.timeline > timeline for append in self.log.acknowledged)


class Writer(_Script):
    """A writer in a client pod, from `with` to the end of it, whose lines come by kubectl."""

    def __enter__(self) -> Writer:
        command = ["kubectl", "--namespace", self._client.namespace.name, *self._client.command("bash", "-c", *self._arguments)]
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        self._said = ""
        self._process: subprocess.Popen[str] = subprocess.Popen(command, env=environment(), text=True, **pipes)  # type: ignore[call-overload]
        self._reader = threading.Thread(target=self._read, name=self._name, daemon=True)
        self._reader.start()
        return self

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                self._log.note(line.strip())
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


class LocalWriter(_Script):
    """A writer in a client pod of the local cluster, from `with` to the end of it, whose log lies in that pod: it can be read while the API
    server is down or the pod's node is cut off.
    """

    def __enter__(self) -> LocalWriter:
        client = self._client
        [first, *_] = nodes.processes(client.namespace.name, client.name, CONTAINER, client.node)
        self._folder = Path(f"/proc/{first.pid}/root/tmp")
        self._bytes_read = 0
        client.namespace.kubectl(*client.command("bash", "-c", START, f"/tmp/{self._name}.log", *self._arguments))
        return self

    @property
    def log(self) -> Log:
        """What the writer has been told so far."""
        with (self._folder / f"{self._name}.log").open("rb") as file:
            file.seek(self._bytes_read)
            whole = file.read().rpartition(b"\n")[0]
        for line in whole.decode().splitlines():
            self._log.note(line)
        self._bytes_read += len(whole) + bool(whole)
        return self._log

    def stop(self) -> Log:
        """End it and return its complete log. Raise AssertionError if a part of the log is missing."""
        (self._folder / f"stop-{self._name}").touch()
        limit = time.monotonic() + self._end_seconds
        while not self.log.complete and time.monotonic() < limit:
            time.sleep(0.05)
        assert self._log.complete, f"writer {self._name}: its log breaks off after {self.rows} rows"
        return self._log

    def __exit__(self, *_: object) -> None:
        if self._folder.exists():
            (self._folder / f"stop-{self._name}").touch()
