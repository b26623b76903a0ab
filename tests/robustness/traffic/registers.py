"""A row that several clients write and read as a register, and the answers they got: register.sh."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.robustness.client import Client
from tests.robustness.release import Release
from tests.robustness.traffic.sessions import LocalSession, script

SCRIPT = script("register.sh")
TABLE = "CREATE TABLE IF NOT EXISTS register (id int PRIMARY KEY, value bigint)"
FIRST = "INSERT INTO register VALUES (1, 0) ON CONFLICT (id) DO UPDATE SET value = 0"
START_SECONDS = 60.0
PER_SECOND = 20
APART = 1_000_000
"""Each client's values begin so far after those of the one before it."""


@dataclass(frozen=True)
class Operation:
    """One client's operation on the register, 'write' or 'read', and when it was sent and answered (seconds since the epoch, by the
    machine's clock, which all nodes share). value: None for a read without an answer; outcome: 'ok', 'no' (certainly not done) or
    'maybe'.
    """

    client: str
    kind: str
    value: int | None
    begin: float
    end: float
    outcome: str


@dataclass
class Log:
    """All operations of one client, in order. no_session: failed attempts to connect."""

    client: str
    operations: list[Operation] = field(default_factory=list)
    no_session: int = 0
    complete: bool = False

    def note(self, line: str) -> None:
        """Parse a line of register.sh."""
        match line.split():
            case [("write" | "read") as kind, value, begin, end, ("ok" | "no" | "maybe") as outcome, *_]:
                number = None if value == "-" else int(value)
                self.operations.append(Operation(self.client, kind, number, float(begin), float(end), outcome))
            case ["down", _, _]:
                self.no_session += 1
            case ["end"]:
                self.complete = True
            case _:
                raise ValueError(f"not a line of register.sh: {line!r}")

    def done(self, kind: str) -> int:
        """The number of writes or reads that were answered."""
        return sum((each.kind, each.outcome) == (kind, "ok") for each in self.operations)


def write(operations: Iterable[Operation], path: Path) -> None:
    """Write a history for tests/linearizable: one JSON object per line, in order of start time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(asdict(each)) for each in sorted(operations, key=lambda each: each.begin))
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


class Register:
    """Clients that write and read a row through the primary's Service, one per node, for the duration of the `with`. However the block
    ends, their history is written to `path` then.
    """

    def __init__(self, release: Release, path: Path) -> None:
        self._release = release
        self._path = path
        self._stack = ExitStack()
        self._clients = [
            LocalSession(client, name, SCRIPT, str(number * APART + 1), Log(name), per_second=PER_SECOND)
            for number, client in enumerate(release.clients)
            for name in [f"register-{number}"]
        ]

    def __enter__(self) -> Register:
        asker = self._release.client
        self._release.wait("the register is made", lambda: self._made(asker), START_SECONDS)
        with ExitStack() as stack:
            for client in self._clients:
                stack.enter_context(client)
            self._release.wait("the register is used", lambda: min(map(min, self.done())) > 0, START_SECONDS)
            self._stack = stack.pop_all()
        return self

    @staticmethod
    def _made(asker: Client) -> bool:
        return asker.try_psql(f"{TABLE}; {FIRST}").code == 0

    def done(self) -> list[tuple[int, int]]:
        """The number of answered writes and reads per client so far."""
        logs = [client.log for client in self._clients]
        return [(log.done("write"), log.done("read")) for log in logs]

    def __exit__(self, kind: object, *_: object) -> None:
        with self._stack:
            try:
                for client in self._clients:
                    client.stop()
            finally:
                for client in self._clients:
                    with suppress(OSError, ValueError):
                        client.catch_up()
                write((each for client in self._clients for each in client.told.operations), self._path)
