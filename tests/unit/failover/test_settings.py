"""failover.json: a chart and an agent of different versions work together, and a mistake is still found."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from hapg_failover import container
from hapg_failover.adapters.threads import Threads
from hapg_failover.container import SettingsFile
from hapg_failover.settings import Source, parse, read
from hapg_protocol.settings import SettingsError
from hapg_protocol.version_profile import VersionProfile

GOOD: dict[str, Any] = {
    "name": "pg",
    "replicas": 3,
    "standbyMode": "warm",
    "replication": {"mode": "asynchronous", "minSyncReplicas": 1, "synchronousPolicy": "strict"},
    "port": 5432,
    "httpPort": 8008,
    "peerPort": 8009,
    "labels": {"name": "l/name", "kind": "l/kind", "role": "l/role"},
    "selector": {"l/name": "pg"},
    "secret": "pg-auth",
    "database": "postgres",
    "postgresMajor": {
        "major": "15",
        "walDirectory": "pg_wal",
        "sqlNames": {},
        "reloadsConninfo": True,
        "boundsSlots": True,
        "replicationRole": True,
        "authentication": "scram-sha-256",
    },
    "failover": {
        "ttlSeconds": 6.0,
        "leaseSeconds": 4.7,
        "renewSeconds": 2.0,
        "callTimeoutSeconds": 1.2,
        "overdueSeconds": 3.5,
        "fenceSeconds": 0.7,
        "clockRatio": 0.05,
        "maxLagBytes": 1073741824,
        "restartInPlaceSeconds": 3.0,
        "extensionSeconds": 1.6,
    },
    "terminationGracePeriodSeconds": 120,
}


def changed(path: str, value: object) -> str:
    """GOOD as JSON, with a different value at a dotted path."""
    document = json.loads(json.dumps(GOOD))
    *parents, key = path.split(".")
    inner = document
    for parent in parents:
        inner = inner[parent]
    inner[key] = value
    return json.dumps(document)


UNKNOWN = [
    ("later", "failover.json.later: unknown key"),
    ("replica", "failover.json.replica: unknown key; did you mean replicas?"),
    ("labels.later", "failover.json.labels.later: unknown key"),
    ("failover.ttlSecond", "failover.json.failover.ttlSecond: unknown key; did you mean ttlSeconds?"),
    ("replication.later", "failover.json.replication.later: unknown key"),
    ("postgresMajor.later", "failover.json.postgresMajor.later: unknown key"),
]


@pytest.mark.parametrize(
    ("host", "text"), [("db.example.org", "db.example.org:5432"), ("10.0.0.1", "10.0.0.1:5432"), ("fd00::1", "[fd00::1]:5432")]
)
def test_a_source_is_told_as_host_and_port(host: str, text: str) -> None:
    assert str(Source(host, 5432, "prefer")) == text


@pytest.mark.parametrize(("path", "sentence"), UNKNOWN)
def test_a_setting_of_a_newer_chart_is_passed_over_and_told(path: str, sentence: str) -> None:
    assert read(changed(path, {"any": 1})) == (parse(json.dumps(GOOD)), (sentence,))


@pytest.mark.parametrize(("path", "sentence"), UNKNOWN)
def test_a_strict_reader_refuses_it(path: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse(changed(path, 1))
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("replicas", 0, "failover.json.replicas: 0 is not allowed; a number from 1"),
        ("replicas", True, "failover.json.replicas: True is not allowed; a number from 1"),
        ("labels", [], "failover.json.labels: [] is not allowed; an object"),
        ("replication.mode", "none", "failover.json.replication.mode: 'none' is not allowed; asynchronous or synchronous"),
        (
            "postgresMajor.authentication",
            "trust",
            "failover.json.postgresMajor.authentication: 'trust' is not allowed; scram-sha-256 or md5",
        ),
        ("standbyMode", "cold", "failover.json.standbyMode: 'cold' is not allowed; warm or hot"),
        ("failover.ttlSeconds", "6", "failover.json.failover.ttlSeconds: '6' is not allowed; a number of seconds"),
    ],
)
def test_a_value_that_cant_be_used_is_refused_by_both(path: str, value: object, sentence: str) -> None:
    for reader in (read, parse):
        with pytest.raises(SettingsError) as refused:
            reader(changed(path, value))
        assert str(refused.value) == sentence


@pytest.mark.parametrize(("major", "authentication"), [("9.6", "md5"), ("15", "scram-sha-256")])
def test_a_profile_of_an_earlier_chart_is_as_it_was_then(major: str, authentication: str) -> None:
    document = json.loads(changed("postgresMajor.major", major))
    del document["postgresMajor"]["replicationRole"], document["postgresMajor"]["authentication"]
    assert parse(json.dumps(document)).profile == VersionProfile(major=major, replication_role=False, authentication=authentication)


@pytest.mark.parametrize(
    "key", ["name", "labels", "failover", "terminationGracePeriodSeconds", "failover.ttlSeconds", "postgresMajor.major"]
)
def test_a_key_that_is_missing_is_named(key: str) -> None:
    document = json.loads(json.dumps(GOOD))
    *parents, last = key.split(".")
    inner = document
    for parent in parents:
        inner = inner[parent]
    del inner[last]
    with pytest.raises(SettingsError, match=rf"failover\.json\.{key}: missing; "):
        read(json.dumps(document))


Line = tuple[str, str, str]


class Lines(list[Line]):
    """A log that records its lines."""

    def __call__(self, level: str, event: str, reason: str = "", **_: object) -> None:
        self.append((level, event, reason))


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(container, "LOOK_S", 0.0)
    return tmp_path / "failover.json"


def write(path: Path, text: str) -> None:
    """As kubelet does: another file replaces it."""
    path.with_suffix(".new").write_text(text)
    os.replace(path.with_suffix(".new"), path)


WARNING = ("warning", "settings", "failover.json.later: unknown key; ignored, since a newer chart may have written it")
CHANGED = ("info", "settings", "the settings have changed")


def test_the_age_of_a_verified_backup_is_given_in_hours() -> None:
    assert parse(json.dumps(GOOD)).upgrade_verified_s is None
    assert parse(changed("upgradeVerifiedHours", 24)).upgrade_verified_s == 86400.0


def test_the_agent_logs_each_unknown_setting_once_and_obeys_the_others(path: Path) -> None:
    write(path, json.dumps(GOOD))
    lines = Lines()
    settings = SettingsFile(path, lines, Threads())  # type: ignore[arg-type]
    for value in (5, 4):
        write(path, json.dumps(json.loads(changed("later", value)) | {"replicas": value}))
        assert settings().replicas == value
    assert lines == [WARNING, CHANGED, CHANGED]


def test_the_agent_starts_with_an_unknown_setting(path: Path) -> None:
    write(path, changed("later", 1))
    lines = Lines()
    assert SettingsFile(path, lines, Threads())().replicas == 3  # type: ignore[arg-type]
    assert lines == [WARNING]


def test_the_agent_keeps_its_settings_when_one_becomes_unusable(path: Path) -> None:
    write(path, json.dumps(GOOD))
    lines = Lines()
    settings = SettingsFile(path, lines, Threads())  # type: ignore[arg-type]
    write(path, changed("replicas", 0))
    assert settings().replicas == 3
    assert lines == [("error", "settings", "failover.json.replicas: 0 is not allowed; a number from 1")]
