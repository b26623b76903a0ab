"""A major upgrade in place: paused with one major's chart, upgraded with the next one's; refused, rolled back, and done."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import chosen
from tests.cluster.fixtures import Cluster
from tests.cluster.paths import REPOSITORY
from tests.robustness.release import DATA, VALUES, Release
from tests.robustness.stock import installed
from tests.robustness.traffic.writers import TABLE, Writer
from tests.robustness.validate.rows import present_ids
from tests.robustness.validate.writes import lost

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.thorough, pytest.mark.timeout(1200)]

NEXT: Path = REPOSITORY / "charts" / "ha-postgres-17"
ROWS = 100
STOP_SECONDS = 180.0
RESUME_SECONDS = 240.0
REFUSED_SECONDS = 240.0
"""How long it may take until the first pod says why the upgrade is refused: the former image's programs are copied first."""


@pytest.fixture(scope="module")
def release(cluster: Cluster) -> Iterator[Release]:
    """Three servers of the tutorial's major, at full strength, with the writers' table."""
    if not chosen.takes_images():
        pytest.skip("images can't be loaded into this cluster")
    chosen.load_majors(["17"])
    with installed("e2e-upgrade") as release:
        release.client.sql(TABLE)
        yield release


def pause(release: Release) -> None:
    release.upgrade("--set", "pause=true")
    release.wait("the pods are gone", lambda: not release.pods(), STOP_SECONDS)


def to_the_next_major(release: Release) -> None:
    wanted = ("--set", "majorUpgrade.allowed=true", "--set", "majorUpgrade.from=15")
    release.namespace.helm("upgrade", release.name, str(NEXT), *chosen.image_options(), "--values", str(VALUES), *wanted)


def test_an_upgrade_that_is_refused_is_rolled_back(release: Release) -> None:
    """A library that the next major's image lacks: Event, and helm rollback brings the former chart back."""
    chart = release.chart
    release.client.sql("CREATE EXTENSION adminpack; CREATE TABLE kept AS SELECT number FROM generate_series(1, 1000) AS number")
    pause(release)
    to_the_next_major(release)
    release.wait("an Event says why", lambda: "adminpack" in " ".join(release.latest("MajorUpgradeFailed").values()), REFUSED_SECONDS)
    assert [pod.name for pod in release.pods() if pod.role == "primary"] == []
    release.namespace.helm("rollback", release.name)
    release.wait("the pods are gone", lambda: not release.pods(), STOP_SECONDS)
    release.chart = chart
    release.upgrade("--set", "pause=false")
    release.wait_serving()
    release.wait_full_strength()
    assert release.client.sql("SELECT count(*), sum(number) FROM kept") == [["1000", "500500"]]
    release.client.sql("DROP EXTENSION adminpack")


def test_an_upgrade_keeps_every_acknowledged_row_and_goes_on_with_the_last_primary(release: Release, measured: list[str]) -> None:
    """The write gap is printed at the end of the run: from the last row before the pause to the first one after the upgrade."""
    release.client.sql("CREATE TABLE large AS SELECT g AS id, md5(g::text) AS what FROM generate_series(1, 1000000) AS g")
    if release.primary().name != "ha-postgres-1":
        release.hapg("switchover", "--to", "ha-postgres-1")
    release.wait_full_strength()
    timeline = release.lease()["timeline"]
    with Writer(release.client, "upgraded") as writer:
        release.wait("rows are acknowledged", lambda: writer.rows > ROWS, 60)
        asked = time.time()
        pause(release)
        paused = time.time()
        to_the_next_major(release)
        release.chart = NEXT
        release.wait("writes go on", lambda: writer.rows_after(timeline) > 0, RESUME_SECONDS)
        release.wait_serving()
        release.wait_full_strength()
        release.wait("many rows are acknowledged", lambda: writer.rows_after(timeline) > ROWS, 60)
        log = writer.stop()
    begin, end = log.pause_after(asked)
    measured.append(
        f"write gap of a major upgrade from 15 to 17 with a table of a million rows: {end - begin:.1f} s; {paused - asked:.1f} s from the "
        f"command to pause to the end of all pods, {end - paused:.1f} s from there to the first row"
    )
    assert lost(log, present_ids(release, "upgraded")) == []
    assert release.client.sql("SELECT count(*), sum(number) FROM kept") == [["1000", "500500"]]
    assert release.client.sql("SHOW server_version_num")[0][0].startswith("17")
    assert list(release.latest("MajorUpgraded")) == ["ha-postgres-1"]
    assert release.primary().name == "ha-postgres-1"


def test_after_an_upgrade_statistics_are_made_as_the_page_says_and_nothing_of_the_former_major_is_left(release: Release) -> None:
    primary = release.primary().name
    release.inside(primary, "vacuumdb", "-h", "/run/hapg/socket", "-U", "postgres", "--all", "--analyze-in-stages")
    assert release.client.sql("SELECT count(*) FROM pg_stats WHERE tablename = 'kept'") == [["1"]]
    release.upgrade("--set", "majorUpgrade.allowed=false")
    release.wait("the pods have no init container former-major", lambda: is_without_former(release), 600)
    release.wait_full_strength()
    for pod in release.pods():
        assert release.try_inside(pod.name, "ls", f"{DATA}.15").code != 0
    release.fail_over()
    assert release.client.sql("SELECT count(*), sum(number) FROM kept") == [["1000", "500500"]]


def is_without_former(release: Release) -> bool:
    pods = release.namespace.get("pods", "--selector", release.selector)
    names = {container["name"] for pod in pods for container in pod["spec"]["initContainers"]}
    return len(pods) == release.replicas and "former-major" not in names
