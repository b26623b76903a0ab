"""Archive, backups and verified restores in `hapg status`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hapg.operate import archive_status, status
from hapg.operate.archive_status import ArchiveState
from hapg_protocol import archive_report
from hapg_protocol.archive_report import ArchiveReport, Verified
from tests.unit.operate.conftest import NOW, FakeCluster, archiving, pod

AT = NOW.timestamp()
HOUR, DAY = 3600.0, 86400.0
SCHEDULES = {"full": "0 1 * * 0", "incr": "0 */4 * * *", "verify": "0 6 * * *"}
VERIFIED = Verified(AT - 2 * HOUR, "", "20260102-010000F", 42.0, 12e6)
FAILED = Verified(AT - HOUR, "the query returned f instead of true", "20260102-010000F", 0.0, 0.0)
BACKUPS = {"full": AT - 5 * DAY, "diff": 0.0, "incr": AT - HOUR}
WELL: dict[str, Any] = {
    "archived": "000000010000000000000007",
    "archived_at": AT - 12,
    "timeout": 60.0,
    "read_at": AT - 60,
    "backups": BACKUPS,
    "verified": VERIFIED,
}


def state(schedules: dict[str, str] = SCHEDULES, age: float = 30 * DAY, **changes: Any) -> ArchiveState:
    return ArchiveState(ArchiveReport(**{**WELL, **changes}), AT, AT - age, schedules)


def cluster(report: str | None) -> FakeCluster:
    config = archiving()
    config["metadata"] |= {"annotations": {"ha-postgres/schedules": json.dumps(SCHEDULES)}, "creationTimestamp": "2025-01-01T00:00:00Z"}
    primary = pod(0, "primary") if report is None else pod(0, "primary", archive=report)
    return FakeCluster([primary, pod(1), pod(2)], config=config)


def test_a_release_with_an_archive_that_is_well() -> None:
    assert archive_status.summary(state()) == [
        "archive   000000010000000000000007 archived 12 s ago; the loss of all volumes would lose at most 1 min",
        "backup    full 5 d ago, incr 1 h ago",
        "verified  restore of 20260102-010000F 2 h ago, which took 42 s (12 MB/s)",
    ]
    assert archive_status.warnings(state()) == []


def test_the_archive_is_part_of_the_status_of_a_release() -> None:
    seen = cluster(archive_report.encode(ArchiveReport(**WELL))).read()
    table = status.table(seen)
    assert "\nbackup    full 5 d ago, incr 1 h ago\n" in table
    assert "warning" not in table
    assert status.document(seen)["archive"] == {
        "known": True,
        "lastArchived": "000000010000000000000007",
        "lastArchivedAt": round(AT - 12),
        "rpoSeconds": 60,
        "trouble": None,
        "holes": [],
        "lastBackupAt": {"full": AT - 5 * DAY, "diff": None, "incr": AT - HOUR},
        "verifiedRestore": {"at": AT - 2 * HOUR, "backup": "20260102-010000F", "failure": None, "seconds": 42.0, "bytesPerSecond": 12e6},
        "failedRestore": None,
        "schedules": SCHEDULES,
    }


def test_a_release_without_an_archiver_says_nothing_of_an_archive() -> None:
    seen = FakeCluster().read()
    assert status.document(seen)["archive"] is None
    assert "archive" not in status.table(seen)
    assert FakeCluster(config=archiving(None)).read().archive is None


@pytest.mark.parametrize("report", [None, "{", "{}"])
def test_an_archive_without_a_readable_report_is_not_known(report: str | None) -> None:
    seen = cluster(report).read()
    assert "archive   not known: no primary has reported on it\n" in status.table(seen)
    assert status.warnings(seen) == []
    assert status.document(seen)["archive"]["known"] is False


def test_only_the_lease_holders_report_on_the_archive_counts() -> None:
    found = cluster(None)
    found.pods[1] = pod(1, archive=archive_report.encode(ArchiveReport(**WELL)))
    archive = found.read().archive
    assert archive is not None
    assert archive.report is None


def test_what_a_loss_of_all_volumes_would_lose_without_its_archive() -> None:
    found = state(waiting_since=AT - 95)
    assert archive_status.summary(found)[0].endswith("archived 12 s ago; the loss of all volumes would lose at most 2 min 35 s")
    assert archive_status.document(found)["rpoSeconds"] == 155
    assert archive_status.document(state(timeout=None))["rpoSeconds"] is None
    assert archive_status.summary(state(timeout=None))[0] == "archive   000000010000000000000007 archived 12 s ago"


def test_what_is_not_known_of_an_archive_yet() -> None:
    found = ArchiveState(ArchiveReport(), AT)
    assert archive_status.summary(found) == [
        "archive   nothing archived yet",
        "backup    not known: the repository has not been read yet",
        "verified  no restore yet",
    ]
    assert archive_status.warnings(found) == []
    assert archive_status.document(found)["rpoSeconds"] is None
    read = ArchiveState(ArchiveReport(read_at=AT), AT)
    assert archive_status.summary(read)[1] == "backup    none"


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (state(trouble="403 Forbidden"), "WAL is not archived: 403 Forbidden"),
        (
            state(holes=("a to b",)),
            "the archive has holes: a to b; take a full backup now, because no restore gets past them",
        ),
        (state(backups={"full": 0.0}), "there is no backup, so nothing can be restored; `hapg backup now` takes one"),
        (
            state(backups=BACKUPS | {"full": AT - 8 * DAY}),
            "the last full backup ended 8 d ago, but its schedule is 0 1 * * 0: see the Jobs of its CronJob",
        ),
        (
            state({"full": "@daily"}, backups={"incr": AT - HOUR}),
            "the last full backup was never made, but its schedule is @daily: see the Jobs of its CronJob",
        ),
        (
            state(backups=BACKUPS | {"incr": AT - 7 * HOUR}),
            "the last backup ended 7 h ago, but its schedule is 0 */4 * * *: see the Jobs of its CronJob",
        ),
        (
            state({"diff": "@daily"}),
            "the last differential or full backup ended 5 d ago, but its schedule is @daily: see the Jobs of its CronJob",
        ),
        (
            state(failed=FAILED),
            "the restore of 20260102-010000F 1 h ago is not verified: the query returned f instead of true",
        ),
        (
            state(verified=Verified(AT - 27 * HOUR, "", "b", 1.0, 1.0)),
            "no restore has been verified since 1 d 3 h, but its schedule is 0 6 * * *: see the Jobs of its CronJob",
        ),
        (state(verified=None), "no restore has been verified yet, but its schedule is 0 6 * * *: see the Jobs of its CronJob"),
    ],
)
def test_trouble_of_archive_backup_and_restore_is_a_warning(found: ArchiveState, sentence: str) -> None:
    assert archive_status.warnings(found) == [sentence]


@pytest.mark.parametrize(
    "found",
    [
        state({"full": "0 1 * * 0", "incr": "@every 5h"}, backups={"full": AT - HOUR}),
        state({"diff": "@weekly", "full": "@weekly"}),
        state({}, backups={"full": AT - 900 * DAY}, verified=None),
        state(verified=None, age=HOUR),
        state({"full": "a schedule of a newer chart"}),
    ],
)
def test_what_serves_its_backup_schedule_is_no_warning(found: ArchiveState) -> None:
    assert archive_status.warnings(found) == []
