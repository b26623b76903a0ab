"""Shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# From fast to slow. The tests of the cluster itself come last, because they take it down.
ORDER = ("unit", "simulation", "model", "rules", "chart", "supervisor", "contract", "e2e", "faults", "audit", "cluster")

# Hypothesis judges results, not how busy the machine is.

settings.register_profile(
    "house",
    deadline=None,
    print_blob=True,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("house")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the tests by folder, and keep the order within a folder."""

    def rank(item: pytest.Item) -> int:
        folder = item.path.relative_to(Path(__file__).parent).parts[0]
        return ORDER.index(folder) if folder in ORDER else len(ORDER)

    items.sort(key=rank)
