"""Fixtures for releases and drills, and the recording of results for the report."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator

import pytest

from tests.cluster import chosen
from tests.cluster.fixtures import Cluster, NodeFaults, cluster, node_faults
from tests.robustness.drill import Drill
from tests.robustness.release import Release
from tests.robustness.report import artifacts, faults_page, histories
from tests.robustness.report.faults_page import Entry
from tests.robustness.stock import ASYNCHRONOUS, Stock

__all__ = ["cluster", "node_faults"]

DRILLS = pytest.StashKey[list[Drill]]()
FAILED = pytest.StashKey[bool]()

WHY_CHARACTERS = 300

Drills = Callable[..., Drill]


@pytest.fixture(scope="session")
def stock(cluster: Cluster) -> Iterator[Stock]:
    """The releases; skips the test unless the cluster is the local one."""
    if not chosen.is_local():
        pytest.skip("faults need the hand of the local cluster")
    made = Stock()
    yield made
    made.drop()


@pytest.fixture
def spoilt(request: pytest.FixtureRequest, stock: Stock) -> Iterator[None]:
    """Drops the release after a failed test, so that the next test gets a new one."""
    yield
    if request.node.stash.get(FAILED, False):
        stock.drop()


@pytest.fixture
def release(stock: Stock, spoilt: None, node_faults: NodeFaults) -> Release:
    """An asynchronous release with three servers, at full strength."""
    return stock.get(ASYNCHRONOUS)


@pytest.fixture
def drill(request: pytest.FixtureRequest) -> Drills:
    """Creates drills and records them for the report."""
    made = request.node.stash.setdefault(DRILLS, [])

    def make(release: Release, *, same_node: bool = True, answer_s: float = 1.0) -> Drill:
        path = histories.path(request.node.nodeid, f"-{len(made) + 1}" if made else "")
        new = Drill(release, path, same_node=same_node, answer_s=answer_s)
        made.append(new)
        return new

    return make


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Write a test's result into the report at once, so that an interrupted run keeps the results so far."""
    found = yield
    if found.failed:
        item.stash[FAILED] = True
        artifacts.attach(found)
    if found.when == "call" or not found.passed:
        faults_page.keep(_entry(item, found))
    return found


def _entry(item: pytest.Item, found: pytest.TestReport) -> Entry:
    function = getattr(item, "function", None)
    results = [drill.found for drill in item.stash.get(DRILLS, []) if drill.found is not None]
    why = found.longrepr[2].removeprefix("Skipped: ") if found.skipped and isinstance(found.longrepr, tuple) else ""
    if found.failed:
        crash = getattr(found.longrepr, "reprcrash", None)
        why = " ".join((crash.message if crash is not None else found.longreprtext).split())[:WHY_CHARACTERS]
    return Entry(
        name=item.nodeid.partition("::")[2],
        theme=item.path.stem.removeprefix("test_"),
        text=function.__doc__ or "" if function else "",
        outcome="skipped" if found.skipped else "passed" if found.passed else "failed",
        why=why,
        lost=sum(each.lost for each in results) if results else None,
        late=sum(each.late for each in results) if results else None,
        gap_s=round(max(each.gap for each in results), 2) if results else None,
        seconds=round(found.duration, 1),
        at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )
