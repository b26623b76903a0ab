"""pgbench at full speed beside the writers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench.systems import System
from tests.robustness.release import Pod
from tests.robustness.traffic import pgbench
from tests.robustness.traffic.pgbench import Load
from tests.robustness.traffic.writers import wait_table

CLIENTS = 8
THREADS = 2
PAUSE_SECONDS = 0.1
WARM_LINES = 10
WARM_SECONDS = 90.0

NOTICES_DEATH = "connect_timeout=2 tcp_user_timeout=3000 keepalives_idle=1 keepalives_interval=1 keepalives_count=3"
"""What libpq is told, so that pgbench ends when its server's node is lost, and doesn't wait for an answer for a quarter of an hour."""
OPTIONS = (f"--client={CLIENTS}", f"--jobs={THREADS}", "--progress=1", NOTICES_DEATH)


def make(system: System, scale: int) -> None:
    """Create pgbench's tables, once per release; return when all servers have them."""
    client = system.clients[-1]
    wait_table(system, client)
    pgbench.make(client, scale)
    client.namespace.kubectl(*client.command("psql", "-qXc", "CHECKPOINT"), limit=pgbench.MADE_SECONDS)
    system.wait_full_strength()


@contextmanager
def running(system: System, old: Pod, *options: str) -> Iterator[Load]:
    """Run pgbench from another node than the primary's; it is warmed up when the block begins. options: further ones of pgbench."""
    client = next((each for each in reversed(system.clients) if each.node != old.node), system.client)
    with pgbench.running(client, *OPTIONS, *options, pause_s=PAUSE_SECONDS) as load:
        system.wait("pgbench has run for a while", lambda: len(load.speeds()) >= WARM_LINES, WARM_SECONDS)
        yield load
