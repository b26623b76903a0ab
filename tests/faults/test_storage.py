"""Disks that fill up, hang, slow down and fail. The release's volumes are disks of
tests.cluster.storage.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.cluster import disks
from tests.cluster.fixtures import NodeFaults
from tests.faults.conftest import Drills
from tests.robustness.drill import Found
from tests.robustness.failpoint import acts, volumes
from tests.robustness.release import VOLUME, Release
from tests.robustness.stock import DISKS, WAL_DISKS, Kind, Stock
from tests.robustness.traffic import bulk

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(420)]

HANG_SECONDS = 15.0
FULL_SECONDS = 20.0
LOAD_SECONDS = 60.0
AGAIN_ROWS = 40_000
WAL = "/var/lib/postgresql/wal"


@pytest.fixture
def release(stock: Stock, spoilt: None, node_faults: NodeFaults) -> Iterator[Release]:
    """A release on disks that can be made to fail, at full strength; all disks go on in the end."""
    yield from _on_disks(stock, DISKS)


@pytest.fixture
def apart(stock: Stock, spoilt: None, node_faults: NodeFaults) -> Iterator[Release]:
    """The same with a WAL volume each, and only these on disks that can be made to fail."""
    yield from _on_disks(stock, WAL_DISKS)


def _on_disks(stock: Stock, kind: Kind) -> Iterator[Release]:
    found = stock.get(kind)
    yield found
    disks.resume_everywhere()
    for pod in found.pods():
        disks.free(stock.disks, pod.node)


def test_disk_hangs(release: Release, drill: Drills, stock: Stock) -> None:
    """All writes and fsyncs on the primary's disk hang for longer than the others need to notice.

    Guarantee: another server takes over; at most unreplicated WAL is lost; hung writes of the old
    server are never acknowledged later.
    """
    with drill(release, answer_s=2 * HANG_SECONDS) as trial:
        disks.hang(stock.disks, trial.old.node)
        trial.wait_writes_on_new_timeline()
        disks.resume(stock.disks, trial.old.node)
    assert trial.result.new.name != trial.old.name


@pytest.mark.faults
def test_disk_hangs_for_a_moment(release: Release, drill: Drills, stock: Stock) -> None:
    """All writes and fsyncs on the primary's disk hang for a second.

    Guarantee: nothing is lost, and the primary continues: no failover.
    """
    with drill(release, answer_s=HANG_SECONDS) as trial:
        disks.hang(stock.disks, trial.old.node)
        time.sleep(1)
        disks.resume(stock.disks, trial.old.node)
        trial.wait_writes()
    found = trial.result
    assert (found.lost, found.claims) == (0, 0)


@pytest.mark.faults
def test_disk_is_slow(release: Release, drill: Drills, stock: Stock) -> None:
    """The primary's disk answers only every half second, for half a minute.

    Guarantee: nothing is lost, and the primary continues: no failover.
    """
    with drill(release, answer_s=HANG_SECONDS) as trial:
        with disks.slow(stock.disks, trial.old.node, 0.5):
            time.sleep(30)
        trial.wait_writes()
    found = trial.result
    assert (found.lost, found.claims) == (0, 0)


@pytest.mark.faults
def test_disk_is_read_only(release: Release, drill: Drills, stock: Stock) -> None:
    """After an error the kernel makes the primary's file system read-only; the disk is checked and
    mounted again.

    Guarantee: another server takes over; at most unreplicated WAL is lost; the former primary comes
    back once its disk is repaired.
    """
    with drill(release) as trial:
        disks.break_(stock.disks, trial.old.node)
        trial.wait_writes_on_new_timeline()
        with acts.cordoned(release, trial.old.node):
            acts.delete(release, trial.old)
            disks.repair(stock.disks, trial.old.node)
    assert trial.result.new.name != trial.old.name


@pytest.mark.faults
def test_disk_of_the_primary_is_full(release: Release, drill: Drills, stock: Stock) -> None:
    """The primary's disk fills up under a bulk load that is retried again and again; later it has
    space again.

    Guarantee: nothing is lost; a replica with space takes over meanwhile, and there is no failover
    loop: the former primary is promoted again at most once.
    """
    found = _full_under_load(release, drill, stock, VOLUME)
    assert (found.lost, found.new.name != found.old.name) == (0, True)
    assert found.claims <= 2


@pytest.mark.faults
def test_primary_is_deleted_while_its_disk_is_full(release: Release, drill: Drills, stock: Stock) -> None:
    """The primary's pod is deleted while its disk is full; then the disk has space again.

    Guarantee: nothing is lost, and a replica takes over.
    """
    with drill(release) as trial:
        volumes.fill(release, stock.disks, trial.old, VOLUME)
        assert not _write_much(release)
        acts.delete(release, trial.old)
        trial.wait_writes_on_new_timeline()
        disks.free(stock.disks, trial.old.node)
    found = trial.result
    assert (found.lost, found.new.name != found.old.name) == (0, True)


@pytest.mark.faults
def test_all_disks_are_full(release: Release, drill: Drills, stock: Stock) -> None:
    """The disks of all servers are full for a while, and then have space again.

    Guarantee: writes fail, nothing is lost, there is no failover loop, and writes resume once there
    is space.
    """
    with drill(release) as trial:
        for pod in release.pods():
            disks.fill(stock.disks, pod.node)
        _write_much(release)
        time.sleep(FULL_SECONDS)
        for pod in release.pods():
            disks.free(stock.disks, pod.node)
        trial.wait_writes()
    found = trial.result
    assert found.lost == 0
    assert found.claims <= 2


@pytest.mark.faults
def test_wal_disk_hangs(apart: Release, drill: Drills, stock: Stock) -> None:
    """With a WAL volume: all writes and fsyncs on the disk of the primary's WAL hang, while the
    data disk works.

    Guarantee: another server takes over; at most unreplicated WAL is lost; hung writes of the old
    server are never acknowledged later.
    """
    with drill(apart, answer_s=2 * HANG_SECONDS) as trial:
        disks.hang(stock.disks, trial.old.node)
        trial.wait_writes_on_new_timeline()
        disks.resume(stock.disks, trial.old.node)
    assert trial.result.new.name != trial.old.name


@pytest.mark.faults
def test_wal_disk_of_the_primary_is_full(apart: Release, drill: Drills, stock: Stock) -> None:
    """With a WAL volume: the disk of the primary's WAL is full for a while, under a bulk load that
    is retried again and again.

    Guarantee: nothing is lost; a replica with space takes over meanwhile, and there is no failover
    loop: the former primary is promoted again once, or twice if the successor declines because it
    has just failed itself.
    """
    found = _full_under_load(apart, drill, stock, WAL)
    assert (found.lost, found.new.name != found.old.name) == (0, True)
    assert found.claims <= 3


def _full_under_load(release: Release, drill: Drills, stock: Stock, volume: str) -> Found:
    """Load the primary while its disk is full, until a replica has taken over, and for a while after; return what came of it."""
    with drill(release) as trial:
        volumes.fill(release, stock.disks, trial.old, volume)
        _load(release)
        trial.wait_writes_on_new_timeline()
        time.sleep(FULL_SECONDS)
        disks.free(stock.disks, trial.old.node)
    return trial.result


def _write_much(release: Release, rows: int = 400_000) -> bool:
    """Write so many kibibytes, by default more than the files that are there already can take; tell whether that was done."""
    return release.client.try_psql(bulk.statement(rows)).code == 0


def _load(release: Release) -> None:
    """Write too much, then try again and again to write what would still take more than was set aside, until that is done."""
    assert not _write_much(release)
    release.wait("a bulk load succeeds", lambda: _write_much(release, AGAIN_ROWS), LOAD_SECONDS)
