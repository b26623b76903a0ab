"""A copy of a volume is restored into the PVC of a new release in another namespace."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import chosen, paths, storage
from tests.cluster.fixtures import Cluster
from tests.robustness import programs
from tests.robustness.release import CHART, VALUES, Pod, Release
from tests.robustness.stock import installed

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.thorough, pytest.mark.timeout(400)]

COPY_SECONDS = 60.0
MEBIBYTES = 50
CLAIM = "data-ha-postgres-0"


@pytest.fixture(scope="module")
def snapshot(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Pod]]:
    """A copy of the volume of a single-server release, taken after the server was stopped, and that server's pod."""
    if not chosen.is_local():
        pytest.skip("the copy needs the hand of the local cluster")
    folder = paths.CLUSTER / "restored"
    with installed("e2e-origin", replicas=1) as release:
        release.client.sql("CREATE TABLE kept AS SELECT 1 AS number")
        pod = release.primary()
        volume = storage.folder_of(pod.node, release.namespace.name, CLAIM)
        release.uninstall()
        subprocess.run(["cp", "--archive", str(volume), str(folder)], check=True, timeout=COPY_SECONDS)
    try:
        yield folder, pod
    finally:
        subprocess.run(["rm", "-r", str(folder)], check=True, timeout=COPY_SECONDS)


def test_a_new_release_takes_it_over(snapshot: tuple[Path, Pod]) -> None:
    folder, origin = snapshot
    with programs.namespace("e2e-restored") as namespace, storage.given(namespace.name, CLAIM, folder, origin.node, MEBIBYTES):
        release = Release(namespace, replicas=2)
        try:
            release.install(CHART, "--values", str(VALUES), "--set", "replicas=2")
            release.settle()
            assert release.client.sql("SELECT number FROM kept") == [["1"]]
            [event] = release.events("reason=VolumeAdopted")
            assert event.about == release.primary().name == origin.name
        finally:
            release.uninstall()
