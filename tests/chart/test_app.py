"""The value `app`: what the pods are told, which Secret they may change, what test and notes of the release use, what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from hapg_failover import settings
from hapg_failover.app_database import FILE
from hapg_failover.credentials.app import App
from tests.chart import helm
from tests.chart.test_rendering import notes

TABLE = pytest.mark.parametrize("version", helm.HELM_4_SLOWLY)
ON = {"app.database": "orders"}
NAMED = {**ON, "app.owner": "shop", "app.secretName": "orders-login"}


def told(given: dict[str, Any], **how: Any) -> App | None:
    """The value as the agent reads it."""
    text = helm.objects(*helm.values(given), **how)["ConfigMap", "ha-postgres-config"]["data"]["failover.json"]
    return settings.parse(text).app


def projected(given: dict[str, Any]) -> list[dict[str, Any]]:
    (volume,) = [each for each in helm.pod(*helm.values(given))["spec"]["volumes"] if each["name"] == "secret"]
    return [source["secret"] for source in volume["projected"]["sources"][2:]]


def rights(given: dict[str, Any]) -> dict[str, set[str]]:
    """The verbs on each Secret."""
    found: dict[str, set[str]] = {}
    for rule in helm.objects(*helm.values(given))["Role", "ha-postgres"]["rules"]:
        if rule["resources"] == ["secrets"]:
            for name in rule.get("resourceNames", ["any"]):
                found.setdefault(name, set()).update(rule["verbs"])
    return found


def release_test(given: dict[str, Any]) -> dict[str, Any]:
    container: dict[str, Any] = helm.objects(*helm.values(given))["Pod", "ha-postgres-test-primary"]["spec"]["containers"][0]
    return container


def test_without_a_database_nothing_is_there() -> None:
    text = helm.objects()["ConfigMap", "ha-postgres-config"]["data"]["failover.json"]
    assert "app" not in json.loads(text)
    assert projected({}) == []
    assert rights({}).keys() == {"any", "ha-postgres-auth", "ha-postgres-replication"}


@TABLE
@pytest.mark.parametrize("chart", helm.CHARTS, ids=lambda chart: chart.name)
def test_the_pods_are_told_of_a_database_and_a_secret_that_they_make(chart: Path, version: str) -> None:
    expected = App("orders", "orders", "ha-postgres-app", True, "ha-postgres.demo", 6432, "ha-postgres-readonly.demo")
    assert told({**ON, "service.port": 6432}, chart=chart, version=version) == expected


def test_hosts_are_in_the_domain_of_the_cluster_if_it_is_given() -> None:
    found = told({**ON, "clusterDomain": "cluster.example"})
    assert found is not None
    assert (found.host, found.read_host) == ("ha-postgres.demo.svc.cluster.example", "ha-postgres-readonly.demo.svc.cluster.example")


def test_they_are_told_of_a_secret_of_ones_own() -> None:
    expected = App("orders", "shop", "orders-login", False, "ha-postgres.demo", 5432, "ha-postgres-readonly.demo")
    assert told(NAMED) == expected


def test_the_password_is_shown_to_the_pods_and_only_a_secret_that_they_make_may_be_missing() -> None:
    items = [{"key": "password", "path": FILE}]
    assert projected(ON) == [{"name": "ha-postgres-app", "items": items, "optional": True}]
    assert projected(NAMED) == [{"name": "orders-login", "items": items}]


def test_the_pods_may_read_and_change_the_secret_that_they_make_and_no_other_one() -> None:
    read = {"ha-postgres-auth": {"get"}, "ha-postgres-replication": {"get"}}
    assert rights(ON) == {"any": {"create"}, **read, "ha-postgres-app": {"get", "patch"}}
    assert rights(NAMED) == rights({})


def test_another_database_or_owner_restarts_no_pod() -> None:
    """Database and owner are in the settings, which the agents read again."""
    assert helm.pod(*helm.values(ON)) == helm.pod(*helm.values({"app.database": "other", "app.owner": "shop"}))
    assert helm.pod(*helm.values(ON)) != helm.pod()


def test_the_release_is_tested_with_the_uri_of_the_application() -> None:
    container = release_test(ON)
    env = {each["name"]: each.get("value") or each["valueFrom"]["secretKeyRef"] for each in container["env"]}
    assert env == {"PGCONNECT_TIMEOUT": "10", "APP_URI": {"name": "ha-postgres-app", "key": "uri"}}
    assert '--dbname "$APP_URI" ' in container["args"][0]


@pytest.mark.parametrize(
    ("given", "login"),
    [
        (NAMED, ("shop", "orders", {"name": "orders-login", "key": "password"})),
        ({}, ("postgres", "postgres", {"name": "ha-postgres-auth", "key": "POSTGRES_PASSWORD"})),
    ],
    ids=["a Secret of one's own", "no application"],
)
def test_the_release_is_tested_with_the_password(given: dict[str, Any], login: tuple[Any, ...]) -> None:
    container = release_test(given)
    env = {each["name"]: each.get("value") or each["valueFrom"]["secretKeyRef"] for each in container["env"]}
    assert (env["PGUSER"], env["PGDATABASE"], env["PGPASSWORD"]) == login
    assert "--dbname" not in container["args"][0]


def test_the_notes_name_the_application_before_the_superuser() -> None:
    text = notes(*helm.values(ON))
    assert re.search(
        r"cluster, with Secret ha-postgres-app:\n  host ha-postgres\.demo, port 5432, database orders, user orders\n"
        r"  kubectl get secrets -n demo ha-postgres-app -o jsonpath='{\.data\.uri}' \| base64 -d\n\n"
        r"The primary, from inside the cluster, for administration:\n  host ha-postgres\.demo, port 5432, database postgres,",
        text,
    )
    text = notes(*helm.values(NAMED))
    assert "with Secret orders-login:\n  host ha-postgres.demo, port 5432, database orders, user shop\n\nThe primary" in text
    text = notes()
    assert text.startswith("PostgreSQL 15: 3 servers, one primary and warm standbys.\n\nThe primary, from inside the cluster:\n")


@TABLE
@pytest.mark.parametrize(
    ("given", "path", "why"),
    [
        ({"app.database": "postgres"}, "database", "PostgreSQL has this name for itself"),
        ({"app.database": "template1"}, "database", "PostgreSQL has this name for itself"),
        ({**ON, "app.owner": "public"}, "owner", "PostgreSQL has this name for itself"),
        ({**ON, "app.owner": "pg_monitor"}, "owner", "names that begin with pg_ are those of PostgreSQL itself"),
        ({**ON, "app.owner": "ha_postgres_replication"}, "owner", "names that begin with ha_postgres_ are those of the pods"),
    ],
)
def test_names_that_others_have_are_refused_with_the_reason(given: dict[str, Any], path: str, why: str, version: str) -> None:
    """The schema refuses it, and the templates do if the schema is skipped."""
    said = helm.refusal(*helm.values(given), version=version)
    assert f"- at '/app/{path}': " in said
    assert f"left out, because {why}" in said
    said = helm.refusal(*helm.values(given), "--skip-schema-validation", version=version)
    assert f"app.{path}: can't be {given[f'app.{path}']}, because {why}" in said


@TABLE
@pytest.mark.parametrize("name", ["1st", 'a"b', "a b", "ü", "x" * 64, "a;b"])
def test_names_that_would_have_to_be_quoted_everywhere_are_refused(name: str, version: str) -> None:
    said = helm.refusal(*helm.values({"app.database": name}), version=version)
    assert "- at '/app/database': " in said
    said = helm.refusal(*helm.values({"app.database": name}), "--skip-schema-validation", version=version)
    assert f"app.database: {json.dumps(name, ensure_ascii=False)} is not a name that is allowed here; at most 63 letters" in said


@pytest.mark.parametrize("name", ["Orders", "orders-1", "shop.eu", "_x", "x" * 63])
def test_other_names_are_taken(name: str) -> None:
    found = told({"app.database": name})
    assert found is not None
    assert (found.database, found.owner) == (name, name)


IMPORT = {"import.from.host": "old.example.org", "import.from.secretName": "old-login"}


@TABLE
@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"app.owner": "shop"}, "app: owner and secretName have no effect without app.database; set it"),
        (
            {**ON, **IMPORT, "import.method": "logical"},
            "app.database: import.method logical gives the name orders to a database of its own, so it must not exist; set app when",
        ),
        ({**ON, **IMPORT, "import.method": "logical", "import.databases": ["orders"]}, "app.database: import.method logical gives"),
    ],
)
def test_what_contradicts_itself_is_refused(given: dict[str, Any], sentence: str, version: str) -> None:
    assert sentence in helm.refusal(*helm.values(given), version=version)


@pytest.mark.parametrize("more", [{"import.method": "dump"}, {"import.method": "logical", "import.databases": ["others"]}])
def test_an_import_that_fills_the_database_or_another_one_is_none_of_it(more: dict[str, Any]) -> None:
    assert told({**ON, **IMPORT, **more})
