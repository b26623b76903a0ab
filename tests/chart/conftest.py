"""Shared by the chart tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chart import kubernetes_schemas


@pytest.fixture(scope="module", autouse=True)
def _no_garbage_collection_in_go() -> Iterator[None]:
    """helm and the other tools live for a tenth of a second: collecting garbage would be a fifth of their work."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOGC", "off")
        yield


@pytest.fixture(scope="session")
def location(tmp_path_factory: pytest.TempPathFactory) -> str:
    """kubeconform's location of Kubernetes' schemas."""
    return kubernetes_schemas.write(tmp_path_factory.mktemp("schemas"))
