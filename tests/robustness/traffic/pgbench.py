"""pgbench in a client pod, restarted whenever an error ends it."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator
from contextlib import contextmanager

from tests.robustness.client import Client

MADE_SECONDS = 300.0
PROGRESS = re.compile(r"^progress: [0-9.]+ s, (?P<tps>[0-9.]+) tps", re.MULTILINE)
STOP_FILE, LOG_FILE, TRANSACTIONS = "/tmp/stop-pgbench", "/tmp/pgbench.log", "/tmp/pgbench-transactions"
LOGGED = ("--log", f"--log-prefix={TRANSACTIONS}")
"""Options with which it logs each transaction. It writes the log in blocks, so the last seconds may be missing."""
PATH = "export PATH=$PATH:$(echo /usr/lib/postgresql/*/bin)"
MAKE = f"{PATH}; exec pgbench --initialize --quiet --scale=$0"
RUN = f"{PATH}; while [[ ! -e {STOP_FILE} ]]; do pgbench --time=3600 --no-vacuum %s || read -r -t %g <> <(:); done"
START = f'rm -f {STOP_FILE} {TRANSACTIONS}.*; setsid bash -c "$0" >{LOG_FILE} 2>&1 </dev/null &'
LATENCIES = f"""awk -v begin="$0" -v end="$1" '{{ at = $5 + $6 / 1e6 }} at >= begin && at < end {{ print $3 }}' {TRANSACTIONS}.*"""
"""Prints the microseconds of each transaction that ended in a time. With --rate they count from when it was due."""
STOP = f"touch {STOP_FILE}; pkill -x pgbench; true"


def make(client: Client, scale: int) -> None:
    """Create pgbench's tables. scale: 100,000 rows (15 MB) each."""
    client.namespace.kubectl(*client.command("bash", "-c", MAKE, str(scale)), limit=MADE_SECONDS)


def speeds(log: str) -> list[float]:
    """Transactions per second, one number for each second that pgbench has reported."""
    return [float(found["tps"]) for found in PROGRESS.finditer(log)]


class Load:
    """A running pgbench; it reports its progress if it was asked to."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def tps(self) -> float:
        """The median of its transactions per second so far; 0 if it has reported none."""
        return statistics.median(found) if (found := self.speeds()) else 0.0

    def speeds(self) -> list[float]:
        """Its transactions per second so far, one number per second."""
        return speeds(self._client.namespace.try_kubectl(*self._client.command("cat", LOG_FILE)).out)

    def latencies(self, begin: float, end: float) -> list[float]:
        """The seconds of each transaction that ended in this time (seconds since the epoch), if it runs with the options LOGGED."""
        command = self._client.command("bash", "-c", LATENCIES, f"{begin:.3f}", f"{end:.3f}")
        return [int(word) / 1e6 for word in self._client.namespace.kubectl(*command).split()]


@contextmanager
def running(client: Client, *options: str, pause_s: float) -> Iterator[Load]:
    """Run it through the Service. options: for pgbench; pause_s: pause after an error."""
    run = RUN % (" ".join(f"'{each}'" for each in options), pause_s)
    client.namespace.kubectl(*client.command("bash", "-c", START, run))
    try:
        yield Load(client)
    finally:
        client.namespace.try_kubectl(*client.command("bash", "-c", STOP), limit=20)
