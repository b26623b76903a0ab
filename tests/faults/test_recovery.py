"""Servers with much WAL to replay are waited for, and their progress is visible."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster import nodes
from tests.cluster.fixtures import NodeFaults
from tests.robustness.failpoint import processes
from tests.robustness.stock import Kind, Stock
from tests.robustness.traffic import bulk

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

MUCH_WAL = (
    "--set",
    "storage.resources.requests.storage=20Gi,postgresql.parameters.max_wal_size=16GB,postgresql.parameters.checkpoint_timeout=1h",
)
RECOVERY_SECONDS = 900.0
LET_IN_SECONDS = 10.0
"""A server that doesn't answer SQL yet is known to write by its control file, a moment before it lets clients in."""
TOLD = "nobody can write: "
HOT = (*MUCH_WAL, "--set", "standbyMode=hot")
PAUSE = "SELECT pg_wal_replay_pause()"
RESUME = "SELECT pg_wal_replay_resume()"
SAYS_PAUSED = "does not stream from the primary: its replay is paused"
RECEIVED = "SELECT pg_last_wal_receive_lsn() >= '{}'::pg_lsn"


@pytest.mark.faults
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("replicas", "gigabytes"), [(1, 1.0), (1, 3.0), (3, 1.0), (3, 3.0)])
def test_much_wal_to_replay(stock: Stock, spoilt: None, replicas: int, gigabytes: float) -> None:
    """All servers are killed with gigabytes of WAL since the last checkpoint, in a release with one
    server or with three.

    Guarantee: the release comes back by itself with all rows, under one new term; meanwhile `hapg
    status` shows the progress and exits with 1.
    """
    release = stock.get(Kind(MUCH_WAL, replicas=replicas))
    rows = bulk.write_wal(release, gigabytes)
    term = int(release.lease()["term"])
    for pod in release.pods():
        processes.kill_container(release, pod)
    seen: list[tuple[int, dict[str, Any]]] = []

    def writes() -> bool:
        seen.append(release.try_status())
        return bool(seen[-1][1].get("writable"))

    release.wait("it is lost", lambda: not writes(), 30.0)
    release.wait("it writes again", writes, RECOVERY_SECONDS)
    counted = lambda: int(release.client.sql("SELECT count(*) FROM big")[0][0])  # noqa: E731
    assert release.wait("it lets clients in", counted, LET_IN_SECONDS) == rows
    down = [(code, document) for code, document in seen if not document.get("writable")]
    assert {code for code, _ in down} == {1}
    told = [document for _, document in down if (document.get("lease") or {}).get("recovery")]
    assert told, "hapg status has said how far the recovery is"
    assert all(any(text.startswith(TOLD) for text in document["warnings"]) for document in told)
    assert int(release.lease()["term"]) == term + 1
    release.wait_full_strength(RECOVERY_SECONDS)


@pytest.mark.faults
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("behind", [1, 2], ids=["one", "both"])
def test_replay_backlog_at_a_failover(stock: Stock, spoilt: None, node_faults: NodeFaults, behind: int) -> None:
    """One or both replicas have received a gigabyte of WAL that they have not replayed, and the
    primary's node is switched off.

    Guarantee: nothing is lost; a replica that has replayed it is promoted before one that has not,
    whatever its ordinal; a replica that must replay it first is waited for; a replica whose replay
    stays paused, so that it does not stream, says so.
    """
    release = stock.get(Kind(HOT))
    old = release.primary()
    asker = release.client_apart_from(old.node)
    late = release.standbys()[:behind]
    for pod in late:
        asker.sql(PAUSE, host=pod.ip)
    rows = bulk.write_wal(release, 1.0)
    [[flushed]] = release.client.sql("SELECT pg_current_wal_flush_lsn()")
    for pod in release.standbys():
        release.wait(f"{pod.name} has it all", lambda: asker.sql(RECEIVED.format(flushed), host=pod.ip) == [["t"]], RECOVERY_SECONDS)  # noqa: B023
    term = int(release.lease()["term"])
    node_faults.power_off(old.node)
    release.wait("another writes", lambda: release.try_status()[1].get("writable") and release.primary().name != old.name, RECOVERY_SECONDS)
    assert int(asker.sql("SELECT count(*) FROM big")[0][0]) == rows
    assert int(release.lease()["term"]) == term + 1
    if behind == 1:
        assert release.primary().name not in {pod.name for pod in late}
    node_faults.boot(old.node)
    nodes.wait_ready()
    [paused] = [pod for pod in late if pod.name != release.primary().name]
    release.wait("it says why it doesn't stream", lambda: SAYS_PAUSED in release.try_hapg("status").out, RECOVERY_SECONDS)
    asker.sql(RESUME, host=paused.ip)
    release.wait_full_strength(RECOVERY_SECONDS, asker)
