"""The cluster, the tutorial's release, and the files saved when a test fails."""

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
    """The tutorial's release, at full strength, in its own namespace. All tests of the tutorial
    share it, in the tutorial's order.
    """
    with installed("e2e-tutorial") as release:
        yield release


@pytest.fixture(scope="session")
def history_of_lease(tutorial: Release) -> Iterator[LeaseHistory]:
    """Every version of the tutorial's Lease since the fixture was first asked for."""
    with LeaseHistory(tutorial) as watched:
        yield watched


@pytest.fixture(scope="session")
def measured(pytestconfig: pytest.Config) -> list[str]:
    """Lines to print after all tests."""
    return pytestconfig.stash.setdefault(MEASURED, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the measurements."""
    lines = config.stash.get(MEASURED, [])
    if lines:
        terminalreporter.section("measured")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Save all namespaces in use when a test fails."""
    report = yield
    artifacts.attach(report)
    return report
