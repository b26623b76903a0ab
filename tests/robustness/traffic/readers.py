"""Clients that read a writer's rows, each from a pod, and the answers they got: reader.sh."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.robustness.client import Client
from tests.robustness.traffic.sessions import LocalSession, script

SCRIPT = script("reader.sh")
INDEX = "CREATE INDEX IF NOT EXISTS appends_of_writer ON appends (writer, id)"
"""With it a reading costs little, however many rows there are."""


@dataclass(frozen=True)
class Reading:
    """A writer's rows as a server showed them: their number, the highest id, the times of query and answer (the client's clock), and the
    timeline on which the server writes, None if it is a standby.
    """

    begin: float
    end: float
    count: int
    max: int
    timeline: int | None


@dataclass
class Log:
    """All answers that one reader got, in order. failures: failed attempts of any kind."""

    reader: str
    readings: list[Reading] = field(default_factory=list)
    failures: int = 0
    complete: bool = False

    def note(self, line: str) -> None:
        """Parse a line of reader.sh."""
        match line.split():
            case ["ok", begin, end, count, max, timeline]:
                number = None if timeline == "-" else int(timeline, 16)
                self.readings.append(Reading(float(begin), float(end), int(count), int(max), number))
            case ["no", _, _, _] | ["maybe" | "down", _, _]:
                self.failures += 1
            case ["end"]:
                self.complete = True
            case _:
                raise ValueError(f"not a line of reader.sh: {line!r}")


class LocalReader(LocalSession[Log]):
    """A reader in a client pod of the local cluster, for the duration of the `with`; its log is in that pod."""

    def __init__(self, client: Client, name: str, writer: str, *, host: str | None = None) -> None:
        """writer: whose rows to read; host: instead of the primary's Service."""
        setup = f"export PGHOST={host}\n" if host else ""
        super().__init__(client, name, SCRIPT, writer, Log(name), setup=setup, per_second=10, pause_ms=100)
