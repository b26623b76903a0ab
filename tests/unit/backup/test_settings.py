"""backup.json, and pgBackRest's configuration made of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hapg_backup.core.configuration import Credentials, Paths, configure
from hapg_backup.core.errors import Misconfigured
from hapg_backup.core.settings import Repository, Restore, Retention, Settings, read

LOCAL: dict[str, Any] = {"type": "local", "path": "/repository/a"}
S3: dict[str, Any] = {"type": "s3", "path": "/a", "bucket": "b", "region": "us-east-1"}
PATHS = Paths("/data", "/socket", "/work", "/ca")
GCS: dict[str, Any] = {"type": "gcs", "path": "/a", "bucket": "b"}
AZURE: dict[str, Any] = {"type": "azure", "path": "/a", "bucket": "b"}
ACCOUNT = {"client_email": "a@b", "private_key": "PRIVATE", "token_uri": "https://token"}
ENTRIES = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "CIPHER_PASS": "pass", "AZURE_ACCOUNT_NAME": "a"}
KEYS = Credentials({**ENTRIES, "AZURE_ACCOUNT_KEY": "k", "GOOGLE_SERVICE_ACCOUNT_JSON_KEY": json.dumps(ACCOUNT)}, {})


def parse(**keys: Any) -> Settings:
    return read(json.dumps({"name": "db", "repository": LOCAL, **keys}))


def test_defaults() -> None:
    assert parse() == Settings("db", Repository("local", "/repository/a"), Retention(2, 0, 0), "zst", None, 1)
    assert parse(repository=None).repository is None


def test_everything() -> None:
    found = parse(
        repository={**S3, "endpoint": "minio:9000", "uriStyle": "path", "verifyTls": False, "encryption": True},
        retention={"full": 3, "diff": 4, "days": 30},
        compression={"type": "lz4", "level": 1},
        processMax=2,
        restore={"stanza": "db-1a2b3c4d", "type": "lsn", "target": "0/1", "inclusive": False, "timeline": 3, "backup": "20261201-101010F"},
    )
    assert found.repository == Repository("s3", "/a", "b", "minio:9000", "us-east-1", "path", False, True)
    assert found.restore == Restore("db-1a2b3c4d", "lsn", "0/1", False, 3, "20261201-101010F")
    assert (found.retention, found.compression, found.level, found.processes) == (Retention(3, 4, 30), "lz4", 1, 2)
    assert found.unknown == ()


def test_an_unknown_key_is_told() -> None:
    assert parse(more=1, restore={"stanza": "db", "les": 1}).unknown == (
        "backup.json.restore.les: unknown key",
        "backup.json.more: unknown key",
    )


@pytest.mark.parametrize("target", ["2026-12-01T10:00:00Z", "2026-12-01 10:00:00+00:00", "2026-12-01 10:00:00+00"])
def test_times_in_the_usual_forms(target: str) -> None:
    restore = parse(restore={"stanza": "db", "type": "time", "target": target}).restore
    assert restore is not None
    assert restore.target == "2026-12-01 10:00:00+00:00"


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"name": "DB"}, "backup.json.name: 'DB' is not allowed; the release's name"),
        ({"name": None}, "backup.json.name: missing"),
        ({"repository": []}, "backup.json.repository: expected an object"),
        ({"repository": {"type": "swift"}}, "backup.json.repository.type: 'swift' is not allowed; one of s3, gcs, azure, local"),
        ({"repository": {**LOCAL, "path": "/a/../b"}}, "a path without .."),
        ({"repository": {**LOCAL, "path": "/a\nrepo1-type=posix"}}, "backup.json.repository.path: "),
        ({"repository": {**S3, "bucket": None}}, "backup.json.repository.bucket: missing"),
        ({"repository": {**S3, "endpoint": "x y"}}, "HOST or HOST:PORT"),
        ({"repository": {**LOCAL, "encryption": "yes"}}, "true or false"),
        ({"retention": {"full": 0}}, "backup.json.retention.full: 0 is not allowed; a whole number from 1"),
        ({"processMax": True}, "backup.json.processMax: True is not allowed"),
        ({"restore": {"stanza": "db", "type": "time", "target": "2026-12-01 10:00:00"}}, "a time with an offset"),
        ({"restore": {"stanza": "db", "type": "time", "target": "soon"}}, "a time with an offset"),
        ({"restore": {"stanza": "db", "type": "lsn"}}, "backup.json.restore.target: missing; an LSN"),
        ({"restore": {"stanza": "db", "type": "name", "target": "it's"}}, "without quotes"),
        ({"restore": {"stanza": "db", "target": "x"}}, "none, because the type is latest"),
        ({"repository": None, "restore": {"stanza": "db"}}, "backup.json.restore.repository: missing"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(keys: dict[str, Any], reason: str) -> None:
    with pytest.raises(Misconfigured) as error:
        parse(**keys)
    assert reason in str(error.value)


def test_text_that_is_no_json() -> None:
    with pytest.raises(Misconfigured, match=r"backup\.json: not JSON"):
        read("{")


def test_secrets_are_in_the_environment_and_not_in_the_file() -> None:
    settings = parse(repository={**S3, "encryption": True})
    assert settings.repository is not None
    found = configure(settings, settings.repository, "db-1", 5432, PATHS, KEYS)
    assert found.environment == {
        "PGBACKREST_REPO1_S3_KEY": "id",
        "PGBACKREST_REPO1_S3_KEY_SECRET": "secret",
        "PGBACKREST_REPO1_CIPHER_PASS": "pass",
    }
    assert not {"id", "secret", "pass"} & set(found.text.replace("=", "\n").splitlines())
    lines = found.text.splitlines()
    assert "repo1-s3-endpoint=s3.us-east-1.amazonaws.com" in lines
    assert "repo1-storage-ca-file=/ca" in lines
    assert "archive-push-queue-max" not in found.text  # it would drop WAL and say that it is archived
    assert lines[-5:] == ["[db-1]", "pg1-path=/data", "pg1-socket-path=/socket", "pg1-port=5432", "pg1-user=postgres"]


@pytest.mark.parametrize(
    ("repository", "files", "expected"),
    [
        ({**S3, "verifyTls": False}, {}, "repo1-storage-verify-tls=n"),
        (S3, {"CA_CERT_DATA": "/own"}, "repo1-storage-ca-file=/own"),
        (GCS, {"GOOGLE_SERVICE_ACCOUNT_JSON_KEY": "/g"}, "repo1-gcs-key=/g"),
        ({**GCS, "endpoint": "gcs:8443"}, {"GOOGLE_SERVICE_ACCOUNT_JSON_KEY": "/g"}, "repo1-gcs-endpoint=gcs:8443"),
        (AZURE, {}, "repo1-azure-uri-style=host"),
        ({**AZURE, "endpoint": "blobs:8443"}, {}, "repo1-azure-endpoint=blobs:8443"),
        (LOCAL, {}, "repo1-type=posix"),
    ],
)
def test_each_kind_of_repository(repository: dict[str, Any], files: dict[str, str], expected: str) -> None:
    settings = parse(repository=repository)
    assert settings.repository is not None
    assert expected in configure(settings, settings.repository, "db", 1, PATHS, Credentials(KEYS.values, files)).text.splitlines()


@pytest.mark.parametrize(
    ("repository", "missing"),
    [
        (S3, "AWS_ACCESS_KEY_ID"),
        (GCS, "GOOGLE_SERVICE_ACCOUNT_JSON_KEY"),
        (AZURE, "AZURE_ACCOUNT_NAME"),
        ({**LOCAL, "encryption": True}, "CIPHER_PASS"),
    ],
)
def test_a_missing_credential_is_named(repository: dict[str, Any], missing: str) -> None:
    settings = parse(repository=repository)
    assert settings.repository is not None
    with pytest.raises(Misconfigured, match=f"the repository's Secret has no entry {missing}"):
        configure(settings, settings.repository, "db", 1, PATHS, Credentials({}, {}))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"private_key": "PRIVATE"', "it is not JSON"),
        ("PRIVATE", "it is not JSON"),
        ('["PRIVATE"]', "it is not an object"),
        (json.dumps({**ACCOUNT, "private_key": ["PRIVATE"]}), "its private_key is missing"),
        (json.dumps({**ACCOUNT, "client_email": ""}), "its client_email is missing"),
        ('{"private_key": "PRIVATE", "client_email": "a@b"}', "its token_uri is missing"),
    ],
)
def test_a_wrong_key_of_a_service_account_is_refused_and_not_quoted(text: str, reason: str) -> None:
    settings = parse(repository=GCS)
    assert settings.repository is not None
    credentials = Credentials({"GOOGLE_SERVICE_ACCOUNT_JSON_KEY": text}, {"GOOGLE_SERVICE_ACCOUNT_JSON_KEY": "/g"})
    with pytest.raises(Misconfigured) as error:
        configure(settings, settings.repository, "db", 1, PATHS, credentials)
    assert f" is not the JSON key of a service account: {reason}; " in str(error.value)
    assert "PRIVATE" not in str(error.value)


def test_retention_by_days() -> None:
    settings = parse(retention={"full": 2, "diff": 3, "days": 30})
    assert settings.repository is not None
    lines = configure(settings, settings.repository, "db", 1, PATHS, KEYS).text.splitlines()
    assert {"repo1-retention-full=30", "repo1-retention-full-type=time", "repo1-retention-diff=3"} <= set(lines)
