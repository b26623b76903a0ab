"""A major upgrade of a release that archives to an S3 server: refused until the restore of a backup was verified; then the archive goes on
in the same place. The tests depend on each other, in order.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster import chosen
from tests.e2e import test_archiver
from tests.e2e.test_archiver import (
    EVENT_SECONDS,
    RESTORE_SECONDS,
    Archived,
    archive_of,
    backup,
    check,
    listed,
    logs,
    run_job,
    switch,
    wait_archived,
)
from tests.e2e.test_upgrade import NEXT, REFUSED_SECONDS, STOP_SECONDS, pause
from tests.robustness import programs
from tests.robustness.certificates import Authority
from tests.robustness.object_store import ObjectStore
from tests.robustness.release import CHART, VALUES, Release
from tests.robustness.traffic.writers import TABLE

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.thorough, pytest.mark.timeout(1200)]

REPLICAS = 2
KEPT = "SELECT count(*), sum(number) FROM kept"

store = test_archiver.store


@pytest.fixture(scope="module")
def archived(store: tuple[ObjectStore, Authority], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archived]:
    """A release of two servers that archives, with a full backup and a table."""
    server, authority = store
    folder: Path = tmp_path_factory.mktemp("upgrade")
    chosen.load_majors(["17"])
    with programs.namespace("e2e-upgrade-archive") as namespace:
        made = Archived(Release(namespace, replicas=REPLICAS), server, authority, folder, secrets.token_hex(16))
        made.secrets(namespace)
        (folder / "values.yaml").write_text(yaml.safe_dump({**made.values(), "replicas": REPLICAS}))
        made.release.install(CHART, "--values", str(VALUES), "--values", str(folder / "values.yaml"))
        made.release.settle()
        filled = "INSERT INTO appends VALUES ('setup', 1); CREATE TABLE kept AS SELECT number FROM generate_series(1, 1000) AS number"
        made.release.client.sql(f"{TABLE}; {filled}")
        done = backup(made.release, "now", "--type", "full")
        assert done.code == 0, done.text
        yield made


def to_the_next_major(archived: Archived) -> None:
    files = ("--values", str(VALUES), "--values", str(archived.folder / "values.yaml"))
    wanted = ("--set", "majorUpgrade.allowed=true", "--set", "majorUpgrade.from=15")
    release = archived.release
    release.namespace.helm("upgrade", release.name, str(NEXT), *chosen.image_options(), *files, *wanted)


def test_an_upgrade_without_a_verified_backup_is_refused_and_says_what_to_do(archived: Archived) -> None:
    release = archived.release
    pause(release)
    to_the_next_major(archived)
    why = "no restore of a backup was ever verified: go back to the former chart"
    release.wait("an Event says why", lambda: why in " ".join(release.latest("MajorUpgradeFailed").values()), REFUSED_SECONDS)
    release.wait("`hapg status` says it", lambda: why in " ".join(release.try_status()[1].get("warnings", ())), EVENT_SECONDS)
    release.namespace.helm("rollback", release.name)
    release.wait("the pods are gone", lambda: not release.pods(), STOP_SECONDS)
    release.upgrade("--set", "pause=false")
    release.wait_serving()
    release.wait_full_strength()
    assert release.client.sql(KEPT) == [["1000", "500500"]]


def test_after_a_verified_restore_the_upgrade_is_done_and_the_archive_goes_on(archived: Archived) -> None:
    release = archived.release
    wait_archived(release, switch(release))
    assert run_job(release, "verify", "before-upgrade", RESTORE_SECONDS), logs(release, "before-upgrade")
    before = listed(release)
    pause(release)
    to_the_next_major(archived)
    release.chart = NEXT
    release.wait_serving()
    release.wait_full_strength()
    assert release.client.sql(KEPT) == [["1000", "500500"]]
    assert release.client.sql("SHOW server_version_num")[0][0].startswith("17")
    release.client.sql("INSERT INTO kept VALUES (1001)")
    wait_archived(release, switch(release))
    after = listed(release)
    assert (after["stanza"], after["major"]) == (before["stanza"], "17")
    assert [each["version"] for each in after["backups"]] == ["15"]
    assert after["verification"] == {"verified": None, "failed": None}
    done = backup(release, "now", "--type", "full")
    assert done.code == 0, done.text
    assert [each["version"] for each in listed(release)["backups"]] == ["15", "17"]
    check(release)


def test_a_restore_of_a_backup_of_the_new_major_is_verified_after_an_upgrade(archived: Archived) -> None:
    release = archived.release
    assert run_job(release, "verify", "after-upgrade", RESTORE_SECONDS), logs(release, "after-upgrade")
    found = release.wait("`hapg status` knows it", lambda: archive_of(release)["verifiedRestore"], EVENT_SECONDS)
    assert found["backup"] == listed(release)["backups"][-1]["label"]
