"""What the chart renders for a clone of a live server, and which values it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hapg_failover import settings
from tests.chart import helm

BOTH = pytest.mark.parametrize("version", helm.VERSIONS)
RELEASE = {"clone.from.release": "production"}
HOST = {"clone.from.host": "db.example.org", "clone.from.port": 5433, "clone.from.secretName": "source", "clone.from.sslMode": "require"}


def source(given: dict[str, Any], **options: Any) -> settings.Source | None:
    """The source as the agent reads it."""
    text = helm.objects(*helm.values(given), **options)["ConfigMap", "ha-postgres-config"]["data"]["failover.json"]
    return settings.parse(text).source


def volume(given: dict[str, Any]) -> dict[str, Any]:
    (found,) = [each["secret"] for each in helm.pod(*helm.values(given))["spec"]["volumes"] if each["name"] == "source"]
    return dict(found)


def test_without_a_clone_nothing_is_there() -> None:
    text = helm.objects()["ConfigMap", "ha-postgres-config"]["data"]["failover.json"]
    assert not {"bootstrap", "source"} & json.loads(text).keys()
    assert helm.objects(*helm.values({"clone.from.port": 5433})) == helm.objects()


@BOTH
def test_a_release_is_cloned_under_the_login_of_its_pods(version: str) -> None:
    assert source(RELEASE, version=version) == settings.Source("production", 5432, "prefer", "ha_postgres_replication")
    assert volume(RELEASE) == {
        "secretName": "production-replication",
        "items": [{"key": "REPLICATION_PASSWORD", "path": "password"}],
        "optional": True,
        "defaultMode": 0o440,
    }


def test_any_server_is_cloned_under_the_login_in_a_secret() -> None:
    assert source(HOST) == settings.Source("db.example.org", 5433, "require")
    assert volume(HOST) == {"secretName": "source", "optional": True, "defaultMode": 0o440}


def test_the_login_is_mounted_in_the_failover_container_alone() -> None:
    containers = helm.containers(helm.pod(*helm.values(HOST))["spec"])
    assert [name for name, each in containers.items() if "source" in [mount["name"] for mount in each["volumeMounts"]]] == ["failover"]


def test_a_policy_lets_the_pods_reach_the_source() -> None:
    policy = helm.objects(*helm.values({**HOST, "networkPolicy.enabled": True}))["NetworkPolicy", "ha-postgres"]
    assert {"ports": [{"protocol": "TCP", "port": 5433}]} in policy["spec"]["egress"]


def test_a_policy_lets_the_pods_reach_those_of_a_release_whatever_the_port_of_its_service() -> None:
    given = {**RELEASE, "clone.from.port": 5433, "networkPolicy.enabled": True}
    egress = helm.objects(*helm.values(given))["NetworkPolicy", "ha-postgres"]["spec"]["egress"]
    assert egress[-1] == {"ports": [{"protocol": "TCP", "port": 5432}]}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"clone.from.release": "ha-postgres"}, "clone.from.release: ha-postgres is this release itself; name the one to clone"),
        ({"clone.from.host": "db"}, "clone.from.secretName: missing; a host needs a Secret with username and password"),
        ({"clone.from.secretName": "source"}, "clone.from.secretName: has no effect without clone.from.host or clone.from.release"),
        ({**RELEASE, "clone.from.sslMode": "verify-full"}, "clone.from.sslMode: verify-full needs secretName"),
        (
            {**RELEASE, "restore.enabled": True, "restore.stanza": "old", "archiver.type": "posix", "archiver.claimName": "a"},
            "clone.from: restore.enabled is true too, but there is one way to make the first server; keep one of them",
        ),
        ({"clone.from.host": "a b"}, "pattern"),
        ({"clone.from.sslMode": "allow"}, "sslMode"),
    ],
)
@BOTH
def test_what_of_a_clone_is_refused(given: dict[str, Any], sentence: str, version: str) -> None:
    assert sentence in helm.refusal(*helm.values(given), version=version)
