"""pgbench in a client pod, started again whenever a failover ends it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.robustness.client import Client
from tests.robustness.release import Release

MADE_SECONDS = 180.0
SCRIPT = """export PATH=$PATH:$(echo /usr/lib/postgresql/*/bin)
pgbench --initialize --quiet --scale=%d && touch /tmp/pgbench-made
while [[ ! -e /tmp/stop-pgbench ]]; do pgbench --client=%d %s --time=3600 --no-vacuum || sleep 0.5; done"""


@contextmanager
def pgbench(release: Release, client: Client, *, scale: int = 5, clients: int = 4, rate: int = 0) -> Iterator[None]:
    """It runs, its tables having been made. scale: 100,000 rows each; rate: transactions a second, 0: as fast as it goes."""
    script = SCRIPT % (scale, clients, f"--rate={rate}" if rate else "")
    begin = f"rm -f /tmp/stop-pgbench /tmp/pgbench-made; setsid bash -c '{script}' >/tmp/pgbench.log 2>&1 </dev/null &"
    client.namespace.kubectl(*client.command("bash", "-c", begin))
    try:
        made = client.command("test", "-e", "/tmp/pgbench-made")
        release.wait("pgbench has begun", lambda: client.namespace.try_kubectl(*made).code == 0, MADE_SECONDS)
        yield
    finally:
        client.namespace.try_kubectl(*client.command("bash", "-c", "touch /tmp/stop-pgbench; pkill pgbench"), limit=20)
