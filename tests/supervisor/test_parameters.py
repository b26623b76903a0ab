"""The table of parameters against real servers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hapg.spec.parameter_contexts import contexts
from tests.cluster import embedded

from .conftest import Make
from .harness import DEFAULT


@pytest.mark.parametrize("major", [*embedded.MAJORS, DEFAULT])
def test_the_table_is_what_the_server_says(major: str, make: Make, templates: Callable[[str], Path]) -> None:
    container = make("pod-0", major=major)
    container.start()
    container.ok("initdb")
    container.ok("start", "hot")
    rows = container.sql("select lower(name), context from pg_settings").splitlines()
    assert dict(row.split("|") for row in rows) == contexts(major)
