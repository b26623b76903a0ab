"""A primary whose WAL has parted from its successor's."""

from __future__ import annotations

from tests.cluster import nodes
from tests.cluster.fixtures import NodeFaults
from tests.robustness.client import Client
from tests.robustness.release import Pod, Release
from tests.robustness.traffic import bulk

MUCH = "INSERT INTO diverged SELECT repeat('x', 1000) FROM generate_series(1, 2000000)"
INSERTS = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'INSERT%'"


def rejoined(release: Release, node_faults: NodeFaults) -> tuple[Pod, Client]:
    """Cut the primary's node off in the middle of a bulk write until there is another primary, and wait for full strength.

    Return the former primary, and a client on another node. The table `diverged` has to exist, with a column for text.
    """
    former = release.primary()
    bulk.begin(release.client_on(former.node), former.ip, MUCH)
    release.wait("it writes", lambda: release.client.sql(INSERTS) != [["0"]], 20)
    node_faults.partition(former.node)
    elsewhere = release.client_apart_from(former.node)
    release.wait("another primary", lambda: elsewhere.try_psql("CREATE TABLE after ()").code == 0, 90)
    node_faults.heal(former.node)
    nodes.wait_ready()
    release.wait_full_strength(asker=elsewhere)
    return former, elsewhere
