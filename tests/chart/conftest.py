"""Shared by the chart tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chart import helm, kubernetes_schemas


@pytest.fixture(scope="module", autouse=True)
def _no_garbage_collection_in_go() -> Iterator[None]:
    """helm and the other tools live for a tenth of a second: collecting garbage would be a fifth of their work."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOGC", "off")
        yield


@pytest.fixture(scope="session")
def location() -> str:
    """kubeconform's location of the schemas of the tests' Kubernetes."""
    return kubernetes_schemas.location(helm.KUBERNETES)
