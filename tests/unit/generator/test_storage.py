"""KubeDB's archiver, backupSchedule and init become the values archiver, backup and restore."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from hapg.errors import InputError
from hapg.spec import parser, version_profiles
from hapg.spec.schedules import PATTERN
from tests.unit.generator.conftest import WARM

S3: dict[str, Any] = {"storageSecretName": "s3-secret", "s3": {"bucket": "kubedb"}}
GCS: dict[str, Any] = {"storageSecretName": "gcs-secret", "gcs": {"bucket": "kubedb"}}
CLAIM: dict[str, Any] = {"local": {"mountPath": "/repo", "persistentVolumeClaim": {"claimName": "archive"}}}
OURS = ("archiver.", "backup.", "restore.")


def text(**keys: object) -> bytes:
    document = yaml.safe_load(WARM)
    document["spec"] |= keys
    return yaml.safe_dump(document).encode()


def defaults(**keys: object) -> dict[str, object]:
    found = parser.parse(text(**keys), "pg.yaml").defaults
    return {path: value for path, value in found.items() if path.startswith(OURS)}


def refusals(**keys: object) -> tuple[str, ...]:
    with pytest.raises(InputError) as caught:
        parser.parse(text(**keys), "pg.yaml")
    return caught.value.problems


def s3(**keys: object) -> dict[str, object]:
    return {**S3, "s3": {**S3["s3"], **keys}}


@pytest.mark.parametrize(
    ("storage", "values"),
    [
        (S3, {"type": "s3", "bucket": "kubedb", "secretName": "s3-secret"}),
        (
            s3(endpoint="https://minio.storage:9000/", prefix="/clusters/production/"),
            {
                "type": "s3",
                "bucket": "kubedb",
                "secretName": "s3-secret",
                "endpoint": "minio.storage:9000",
                "uriStyle": "path",
                "path": "/clusters/production",
            },
        ),
        (
            s3(endpoint="s3.eu-west-1.amazonaws.com"),
            {
                "type": "s3",
                "bucket": "kubedb",
                "secretName": "s3-secret",
                "endpoint": "s3.eu-west-1.amazonaws.com",
                "region": "eu-west-1",
            },
        ),
        (s3(endpoint="s3.amazonaws.com"), {"type": "s3", "bucket": "kubedb", "secretName": "s3-secret", "endpoint": "s3.amazonaws.com"}),
        (GCS, {"type": "gcs", "bucket": "kubedb", "secretName": "gcs-secret"}),
        (
            {"storageSecretName": "azure-secret", "azure": {"container": "kubedb", "prefix": "a/b"}},
            {"type": "azure", "bucket": "kubedb", "secretName": "azure-secret", "path": "/a/b"},
        ),
        (CLAIM, {"type": "posix", "claimName": "archive"}),
        ({"local": {**CLAIM["local"], "subPath": "a"}}, {"type": "posix", "claimName": "archive", "path": "/a"}),
    ],
)
def test_the_storage_of_an_archiver(storage: dict[str, object], values: dict[str, object]) -> None:
    assert defaults(archiver={"storage": storage}) == {f"archiver.{key}": value for key, value in values.items()}


def test_a_schedule_of_backups_brings_its_storage() -> None:
    resources = {"limits": {"memory": "512Mi"}}
    assert defaults(backupSchedule={"cronExpression": "@every 6h", **GCS, "resources": resources}) == {
        "archiver.type": "gcs",
        "archiver.bucket": "kubedb",
        "archiver.secretName": "gcs-secret",
        "backup.schedules.full": "@every 6h",
        "backup.resources": resources,
    }


def test_a_schedule_of_backups_beside_an_archiver_has_its_storage() -> None:
    found = defaults(archiver={"storage": S3}, backupSchedule={"cronExpression": "0 1 * * 0", **S3})
    assert found == {**defaults(archiver={"storage": S3}), "backup.schedules.full": "0 1 * * 0"}


def test_backups_go_to_the_archivers_storage_and_advice_says_so_if_another_is_named() -> None:
    keys = {"archiver": {"storage": S3}, "backupSchedule": {"cronExpression": "0 1 * * 0", **GCS}}
    assert defaults(**keys) == {**defaults(archiver={"storage": S3}), "backup.schedules.full": "0 1 * * 0"}
    assert [str(piece) for piece in parser.parse(text(**keys), "pg.yaml").advice if piece.id == "backup-storage"] == [
        "spec.backupSchedule: its storage is not that of archiver; backups go to the archiver's, because a backup is useless without the "
        "WAL beside it [backup-storage]"
    ]


@pytest.mark.parametrize(
    ("prefix", "path", "stanza"),
    [
        ("kubedb/demo/wal-postgres/archive", "/ha-postgres/demo", "wal-postgres"),
        ("a/b/kubedb/demo/wal-postgres/archive/", "/a/b", "wal-postgres"),
        ("/production/wal-postgres", "/production", "wal-postgres"),
        ("production/wal-postgres-1a2b3c4d", "/production", "wal-postgres-1a2b3c4d"),
    ],
)
def test_a_database_is_restored_from_the_archive_of_a_release(prefix: str, path: str, stanza: str) -> None:
    assert defaults(init={"postgresWAL": s3(prefix=prefix)}) == {
        "restore.enabled": True,
        "restore.stanza": stanza,
        "restore.source.type": "s3",
        "restore.source.bucket": "kubedb",
        "restore.source.secretName": "s3-secret",
        "restore.source.path": path,
    }


@pytest.mark.parametrize("folder", [None, "production"])
def test_the_two_objects_of_kubedbs_page_fit_together(folder: str | None) -> None:
    """What wal-postgres archives is where replay-postgres looks for it."""
    archive = defaults(archiver={"storage": s3(prefix=folder) if folder else S3})
    prefix = "/".join(filter(None, (folder, "kubedb/demo/wal-postgres/archive")))
    source = defaults(init={"postgresWAL": s3(prefix=prefix)})
    assert source["restore.source.path"] == archive.get("archiver.path", "/ha-postgres/demo")
    assert source["restore.source.bucket"] == archive["archiver.bucket"]


def test_a_snapshot_has_to_be_told_at_installation_and_advice_says_so() -> None:
    source = {"snapshotSource": {"name": "instant-snapshot", "namespace": "demo"}}
    assert defaults(init=source) == {"restore.enabled": True, "restore.target.type": "backup"}
    (said,) = [str(piece) for piece in parser.parse(text(init=source), "pg.yaml").advice if piece.id == "snapshot"]
    assert said == (
        "spec.init.snapshotSource: does not say where the backup is, and KubeDB's own Snapshots can't be read; set the values "
        "restore.source, restore.stanza and restore.target.value at installation, as `hapg restore` writes them [snapshot]"
    )


def test_a_snapshot_with_the_label_of_a_backup_is_that_backup() -> None:
    found = defaults(init={"snapshotSource": {"name": "20261201-010000F"}})
    assert found["restore.target.value"] == "20261201-010000F"


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        (
            {"archiver": {"storage": {"storageSecretName": "x"}}},
            'spec.archiver.storage: {"storageSecretName": "x"} names no storage; s3, gcs, azure or local is expected',
        ),
        (
            {"archiver": {"storage": {"storageSecretName": "x", "swift": {"container": "kubedb"}}}},
            "spec.archiver.storage.swift: pgBackRest, which archives, does not know Swift; remove it and name s3, gcs, azure or local, "
            "for example the S3 interface that most Swift servers have",
        ),
        (
            {"archiver": {"storage": {**S3, **GCS}}},
            "spec.archiver.storage: names s3 and gcs, but there is one repository; keep one of them",
        ),
        (
            {"archiver": {"storage": {"s3": {"bucket": "kubedb"}}}},
            "spec.archiver.storage.storageSecretName: missing; the name of an existing Secret with the credentials",
        ),
        (
            {"archiver": {"storage": s3(endpoint="http://minio:9000")}},
            'spec.archiver.storage.s3.endpoint: "http://minio:9000" is not an endpoint that speaks TLS; HOST or HOST:PORT, with or without '
            "https://",
        ),
        (
            {"archiver": {"storage": s3(prefix="a b")}},
            'spec.archiver.storage.s3.prefix: "a b" is not a folder; names of letters, digits and -_. with / between '
            "them, none with a dot first",
        ),
        ({"archiver": {"storage": {"storageSecretName": "x", "s3": {}}}}, "spec.archiver.storage.s3.bucket: missing; a string"),
        (
            {"archiver": {"storage": {"local": {"mountPath": "/repo", "hostPath": {"path": "/data"}}}}},
            "spec.archiver.storage.local.hostPath: pods on other nodes have another folder there; remove it and name a shared claim in "
            "persistentVolumeClaim",
        ),
        (
            {"archiver": {"storage": {"local": {"mountPath": "/repo"}}}},
            "spec.archiver.storage.local.persistentVolumeClaim: missing; claimName of a claim that the pods share (ReadWriteMany) is "
            "expected",
        ),
        (
            {"backupSchedule": {"cronExpression": "often", **S3}},
            'spec.backupSchedule.cronExpression: "often" is not allowed; a cron expression of five fields (minute, hour, day of month, '
            "month, day of week) such as 0 1 * * 0, or @daily and the like, or @every 6h",
        ),
        ({"backupSchedule": S3}, "spec.backupSchedule.cronExpression: missing; a string that is not empty"),
        (
            {"init": {"postgresWAL": S3}},
            "spec.init.postgresWAL: its prefix does not say which release's archive it is; FOLDER/NAME, or as in KubeDB "
            "FOLDER/kubedb/NAMESPACE/NAME/archive, is expected",
        ),
        (
            {"init": {"postgresWAL": s3(prefix="a/b"), "scriptSource": {"configMap": {"name": "x"}}}},
            "spec.init: scriptSource and postgresWAL are both the content of a new database; keep one of them",
        ),
    ],
)
def test_what_of_archiver_backup_and_restore_is_refused(keys: dict[str, object], sentence: str) -> None:
    assert refusals(**keys) == (sentence,)


@pytest.mark.parametrize(
    ("keys", "path"),
    [
        ({"archiver": {"storage": S3}}, "archiver"),
        ({"backupSchedule": {"cronExpression": "@daily", **S3}}, "backupSchedule"),
        ({"init": {"postgresWAL": s3(prefix="a/b")}}, "init.postgresWAL"),
        ({"init": {"snapshotSource": {"name": "x"}}}, "init.snapshotSource"),
    ],
)
def test_a_major_without_archive_refuses_every_key_that_needs_one(keys: dict[str, object], path: str) -> None:
    why = version_profiles.PROFILES["19"].no_archive
    assert refusals(version="19.1", **keys) == (f"spec.{path}: must be left out, because {why}",)
    assert defaults(version="18.1", **keys)


@pytest.mark.parametrize("schedule", ["0 1 * * 0", "*/5 0-6,22 1,15 jan-MAR mon-fri", "0 0 1 1 ?", "@daily", "@every 1h30m"])
def test_schedules_of_backups_that_kubernetes_takes(schedule: str) -> None:
    assert defaults(backupSchedule={"cronExpression": schedule, **S3})["backup.schedules.full"] == schedule


@pytest.mark.parametrize(
    "schedule", ["60 1 * * *", "0 24 * * *", "0 1 0 * *", "0 1 * 13 *", "0 1 * * 7", "0 1 * *", "0 1 * * * *", "@reboot"]
)
def test_schedules_of_backups_that_kubernetes_refuses(schedule: str) -> None:
    (sentence,) = refusals(backupSchedule={"cronExpression": schedule, **S3})
    assert sentence.startswith("spec.backupSchedule.cronExpression: ")
    assert len(PATTERN) < 2000


@pytest.mark.parametrize("schedule", ["0 1 * * 5-1", "0 1 31 apr *"])
def test_a_schedule_of_backups_that_never_comes_is_refused(schedule: str) -> None:
    assert refusals(backupSchedule={"cronExpression": schedule, **S3}) == (
        f"spec.backupSchedule.cronExpression: {schedule} never comes; let each range end after it begins, "
        "and name a day that the month has",
    )
