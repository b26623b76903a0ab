"""Shared by the chart tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def _no_garbage_collection_in_go() -> Iterator[None]:
    """helm and the other tools live for a tenth of a second: collecting garbage would be a fifth of their work."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOGC", "off")
        yield
