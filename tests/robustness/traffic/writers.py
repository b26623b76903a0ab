"""Clients that write, each from a pod, and the answers they got: writer.sh."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.robustness.client import Client
from tests.robustness.following import Follower
from tests.robustness.release import Release
from tests.robustness.traffic.sessions import LocalSession, Session, script

SCRIPT = script("writer.sh")
TABLE = "CREATE TABLE IF NOT EXISTS appends (writer text, id bigint)"
TABLE_SECONDS = 60.0


@dataclass(frozen=True)
class Append:
    """An acknowledged row: the times of its statement and its answer (the client's clock), the server, and the timeline."""

    id: int
    begin: float
    end: float
    server: str
    timeline: int


@dataclass
class Log:
    """All answers that one writer got, in order. warned: how many of the uncertain ones were acknowledged with a WARNING."""

    writer: str
    acknowledged: list[Append] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    uncertain: list[int] = field(default_factory=list)
    no_session: int = 0
    warned: int = 0
    complete: bool = False
    failures: int = 0
    unbroken: int = 0
    """Attempts of any kind that failed, and how many rows have been acknowledged since the last of them."""

    def note(self, line: str) -> None:
        """Parse a line of writer.sh."""
        words = line.split()
        match words:
            case ["ok", id, begin, end, server, timeline]:
                self.acknowledged.append(Append(int(id), float(begin), float(end), server, int(timeline, 16)))
            case ["no", id, _, _, _]:
                self.refused.append(int(id))
            case ["maybe", id, _, _, *why]:
                self.uncertain.append(int(id))
                self.warned += why == ["warned"]
            case ["down", _, _]:
                self.no_session += 1
            case ["end"]:
                self.complete = True
            case _:
                raise ValueError(f"not a line of writer.sh: {line!r}")
        if words[0] == "ok":
            self.unbroken += 1
        elif words[0] != "end":
            self.failures, self.unbroken = self.failures + 1, 0

    @property
    def gap(self) -> float:
        """The longest time between two acknowledgements, in seconds."""
        begin, end = self.pause
        return end - begin

    @property
    def pause(self) -> tuple[float, float]:
        """Start and end of the longest time between two acknowledgements; 0 and 0 if there are fewer than two."""
        return self.pause_after(0.0)

    def pause_after(self, moment: float) -> tuple[float, float]:
        """The longest gap of those that end after this time, in seconds since the epoch."""
        times = [append.end for append in self.acknowledged]
        pairs = (pair for pair in itertools.pairwise(times) if pair[1] > moment)
        return max(pairs, key=lambda pair: pair[1] - pair[0], default=(0.0, 0.0))

    @property
    def per_second(self) -> float:
        """Acknowledged rows per second, without the gap."""
        if len(self.acknowledged) < 2:
            return 0.0
        return (len(self.acknowledged) - 1) / max(self.acknowledged[-1].end - self.acknowledged[0].end - self.gap, 1e-6)


def wait_table(release: Release, client: Client) -> None:
    """Create the writers' table as soon as the Service leads to the primary: the proxy of a node that was cut off may still know a
    former one."""
    release.wait("the Service is reached", lambda: client.try_psql(TABLE).code == 0, TABLE_SECONDS)


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
        """host: instead of the Service; hosts: addresses to try instead of it, to find the writable one; per_second: rows; pause_ms:
        minimum time between two attempts to connect; answer_s: timeout for an answer.
        """
        setup = f"export PGHOST={host}\n" if host else ""
        setup += f"export HOSTS='{' '.join(hosts)}' PGTARGETSESSIONATTRS=read-write\n" if hosts else ""
        super().__init__(client, name, SCRIPT, "1", Log(name), setup=setup, per_second=per_second, pause_ms=pause_ms, answer_s=answer_s)

    @property
    def rows(self) -> int:
        """The number of rows acknowledged so far."""
        return len(self.log.acknowledged)

    def rows_after(self, timeline: int) -> int:
        """The number of rows acknowledged so far on a later timeline than this one."""
        return sum(append.timeline > timeline for append in self.log.acknowledged)


class Writer(_Writing):
    """A writer in a client pod, for the duration of the `with`; its lines arrive through kubectl."""

    def __enter__(self) -> Writer:
        self._said = ""
        command = self._client.command("bash", "-c", *self._arguments)
        self._follower = Follower(self._client.namespace, *command, on_line=self._take, errors=subprocess.STDOUT)
        self._follower.__enter__()
        return self

    def _take(self, line: str) -> None:
        try:
            self._note(line.strip())
        except ValueError:
            self._said += line

    def stop(self) -> Log:
        """Stop it and return its complete log. Raise AssertionError if part of the log is missing."""
        self._client.namespace.kubectl(*self._client.command("touch", f"/tmp/stop-{self._name}"))
        self._follower.wait_end(self._end_seconds)
        assert self._log.complete, f"writer {self._name}: its log breaks off after {self.rows} rows\n{self._said[-2000:]}"
        return self._log

    def __exit__(self, *_: object) -> None:
        if not self._log.complete:
            self._client.namespace.try_kubectl(*self._client.command("touch", f"/tmp/stop-{self._name}"), limit=10)
        self._follower.__exit__()


class LocalWriter(_Writing, LocalSession[Log]):
    """A writer in a client pod of the local cluster, for the duration of the `with`; its log is in that pod."""
