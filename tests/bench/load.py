"""pgbench at full speed beside the writers, started again whenever an error ends it."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench.systems import System
from tests.robustness.client import Client
from tests.robustness.release import Pod
from tests.robustness.traffic.writers import wait_table

CLIENTS = 8
THREADS = 2
INIT_SECONDS = 300.0
WARM_LINES = 10
WARM_SECONDS = 90.0
PROGRESS = re.compile(r"^progress: [0-9.]+ s, (?P<tps>[0-9.]+) tps", re.MULTILINE)

NOTICES_DEATH = "connect_timeout=2 tcp_user_timeout=3000 keepalives_idle=1 keepalives_interval=1 keepalives_count=3"
"""What libpq is told, so that pgbench ends when its server's node is lost, and doesn't wait for an answer for a quarter of an hour."""
PATH = "export PATH=$PATH:$(echo /usr/lib/postgresql/*/bin)"
MAKE = f"{PATH}; pgbench --initialize --quiet --scale=$0 && exec psql -qX -c CHECKPOINT"
RUN = (
    f"{PATH}; while [[ ! -e /tmp/stop-pgbench ]]; do "
    f"pgbench --client={CLIENTS} --jobs={THREADS} --time=3600 --no-vacuum --progress=1 '{NOTICES_DEATH}' || read -r -t 0.1 <> <(:); done"
)
START = 'rm -f /tmp/stop-pgbench; setsid bash -c "$0" >/tmp/pgbench.log 2>&1 </dev/null &'
STOP = "touch /tmp/stop-pgbench; pkill -x pgbench; true"
LOG = "cat /tmp/pgbench.log"


def make(system: System, scale: int) -> None:
    """Make pgbench's tables, once for each release; return when all servers have them."""
    client = system.clients[-1]
    wait_table(system, client)
    client.namespace.kubectl(*client.command("bash", "-c", MAKE, str(scale)), limit=INIT_SECONDS)
    system.wait_full_strength()


def speeds(log: str) -> list[float]:
    """Transactions a second, a number for each second that pgbench has told of."""
    return [float(found["tps"]) for found in PROGRESS.finditer(log)]


class Load:
    """A pgbench that runs."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def tps(self) -> float:
        """The median of its transactions a second so far; 0 if it has told of none."""
        return statistics.median(found) if (found := self._speeds()) else 0.0

    def is_warm(self) -> bool:
        """Whether it has run for a while."""
        return len(self._speeds()) >= WARM_LINES

    def _speeds(self) -> list[float]:
        return speeds(self._client.namespace.try_kubectl(*self._client.command("bash", "-c", LOG)).out)


@contextmanager
def running(system: System, old: Pod) -> Iterator[Load]:
    """pgbench runs, through the Service, from a node that isn't the primary's; it is warm."""
    client = next((each for each in reversed(system.clients) if each.node != old.node), system.client)
    load = Load(client)
    client.namespace.kubectl(*client.command("bash", "-c", START, RUN))
    try:
        system.wait("pgbench has run for a while", load.is_warm, WARM_SECONDS)
        yield load
    finally:
        client.namespace.try_kubectl(*client.command("bash", "-c", STOP), limit=20)
