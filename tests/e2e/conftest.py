"""The cluster, the release of the tutorial, and what a failed test leaves behind."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from tests.cluster.fixtures import Cluster, cluster, node_faults
from tests.robustness.lease import LeaseHistory
from tests.robustness.release import Release
from tests.robustness.report import artifacts
from tests.robustness.stock import installed

MEASURED = pytest.StashKey[list[str]]()


__all__ = ["cluster", "node_faults"]


@pytest.fixture(scope="session")
def tutorial(cluster: Cluster) -> Iterator[Release]:
    """The page's release, at full strength, in a namespace of its own; all tests of the tutorial go on with it, in the page's order."""
    with installed("e2e-tutorial") as release:
        yield release


@pytest.fixture(scope="session")
def history_of_lease(tutorial: Release) -> Iterator[LeaseHistory]:
    """Every version of the tutorial's Lease since the fixture was first asked for."""
    with LeaseHistory(tutorial) as watched:
        yield watched


@pytest.fixture(scope="session")
def measured(pytestconfig: pytest.Config) -> list[str]:
    """Lines that are printed when all tests are done."""
    return pytestconfig.stash.setdefault(MEASURED, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was measured."""
    lines = config.stash.get(MEASURED, [])
    if lines:
        terminalreporter.section("measured")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Save what there is to know about the namespaces that are in use when a test fails."""
    report = yield
    artifacts.attach(report)
    return report
