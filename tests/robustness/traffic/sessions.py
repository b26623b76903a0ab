"""Scripts that run one statement after the other in a client pod, and the parsing of their logs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Generic, Protocol, Self, TypeVar

from tests.cluster import nodes
from tests.robustness.client import CONTAINER, Client

START = ': >"$0"; setsid bash -c "$@" >"$0" 2>&1 </dev/null &'
END_SECONDS = 20.0


class Told(Protocol):
    """The parsed output of a script so far. complete: its last line has arrived."""

    complete: bool

    def note(self, line: str) -> None:
        """Parse a line of the script."""


L = TypeVar("L", bound=Told)


def script(name: str) -> str:
    """A script of this folder, after the part that all of them share."""
    return "".join(Path(__file__).with_name(each).read_text(encoding="utf-8") for each in ("session.sh", name))


class Session(Generic[L]):
    """A client's script, and the answers it has got."""

    def __init__(
        self,
        client: Client,
        name: str,
        code: str,
        own: str,
        log: L,
        *,
        setup: str = "",
        per_second: int = 100,
        pause_ms: int = 50,
        answer_s: float = 1.0,
    ) -> None:
        """code: the script; own: its own argument; log: an empty one; setup: lines to run before the script; per_second: statements;
        pause_ms: minimum time between two attempts to connect; answer_s: timeout for an answer.
        """
        self.lines: list[str] = []
        self._client = client
        self._name = name
        self._end_seconds = END_SECONDS + answer_s
        self._log = log
        self._arguments = (setup + code, "session", name, str(per_second), str(pause_ms), f"{answer_s:g}", own)

    @property
    def name(self) -> str:
        """The client's name."""
        return self._name

    @property
    def told(self) -> L:
        """The answers it has got, as far as they were read."""
        return self._log

    @property
    def log(self) -> L:
        """The answers it has got so far."""
        return self._log

    def _note(self, line: str) -> None:
        self.lines.append(line)
        self._log.note(line)


class LocalSession(Session[L]):
    """A script in a client pod of the local cluster, for the duration of the `with`. Its log is in that pod, so it can be read while the
    API server is down or the pod's node is cut off.
    """

    def __enter__(self) -> Self:
        client = self._client
        [first, *_] = nodes.processes(client.namespace.name, client.name, CONTAINER, client.node)
        self._folder = Path(f"/proc/{first.pid}/root/tmp")
        self._bytes_read = 0
        client.namespace.kubectl(*client.command("bash", "-c", START, f"/tmp/{self._name}.log", *self._arguments))
        return self

    @property
    def log(self) -> L:
        """The answers it has got so far."""
        self.catch_up()
        return self._log

    def catch_up(self) -> None:
        """Read the new part of its log. Raise OSError if that fails."""
        with (self._folder / f"{self._name}.log").open("rb") as file:
            file.seek(self._bytes_read)
            whole = file.read().rpartition(b"\n")[0]
        self._bytes_read += len(whole) + bool(whole)
        for line in whole.decode().splitlines():
            self._note(line)

    def stop(self) -> L:
        """Stop it and return its complete log. Raise AssertionError if part of the log is missing."""
        (self._folder / f"stop-{self._name}").touch()
        limit = time.monotonic() + self._end_seconds
        while not self.log.complete and time.monotonic() < limit:
            time.sleep(0.05)
        assert self._log.complete, f"client {self._name}: its log breaks off after {len(self.lines)} lines"
        return self._log

    def __exit__(self, *_: object) -> None:
        if self._folder.exists():
            (self._folder / f"stop-{self._name}").touch()
