"""A volume's copy is restored into a claim of a new release, in another namespace."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import chosen, paths, storage
from tests.cluster.fixtures import Cluster
from tests.robustness import programs
from tests.robustness.release import CHART, VALUES, Pod, Release

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(400)]

COPY_SECONDS = 60.0
MEBIBYTES = 50
CLAIM = "data-ha-postgres-0"
ADOPTED = "reason=VolumeAdopted"


@pytest.fixture(scope="module")
def snapshot(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Pod]]:
    """A copy of the volume of a release of one server, which was stopped before, and that server's pod."""
    if not chosen.is_local():
        pytest.skip("the copy needs the hand of the local cluster")
    folder = paths.CLUSTER / "restored"
    with programs.namespace("e2e-origin") as namespace:
        release = Release(namespace, replicas=1)
        release.install(CHART, "--values", str(VALUES), "--set", "replicas=1")
        release.wait_serving()
        release.add_clients()
        release.client.sql("CREATE TABLE kept AS SELECT 1 AS number")
        pod = release.primary()
        volume = storage.folder_of(pod.node, namespace.name, CLAIM)
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
            release.wait_serving()
            release.add_clients()
            release.wait_full_strength()
            assert release.client.sql("SELECT number FROM kept") == [["1"]]
            [event] = namespace.get("events", "--field-selector", ADOPTED)
            assert event["involvedObject"]["name"] == release.primary().name == origin.name
        finally:
            release.uninstall()
