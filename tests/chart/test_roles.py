"""What the chart renders for declared roles and databases, and which values it refuses."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from hapg.spec.restrictions import RESERVED_NAMES
from hapg_failover.adapters import declared_files
from hapg_failover.declared import desired
from hapg_failover.declared.desired import Database, Declaration, Entry, Extension, Role, Schema
from tests.chart import helm

BOTH = pytest.mark.parametrize("version", helm.VERSIONS)
ROLES: list[dict[str, Any]] = [
    {"name": "app", "login": True, "memberOf": ["readers"], "passwordSecret": {"name": "logins", "key": "app"}},
    {"name": "readers", "superuser": False},
    {"name": "Other-1", "passwordSecret": {"name": "another"}},
    {"name": "more", "passwordSecret": {"name": "logins", "key": "app"}},
]
DATABASES = [
    {
        "name": "shop",
        "owner": "app",
        "connectionLimit": 100000,
        "settings": {"work_mem": "16MB", "enable_sort": False, "work": None, "random_page_cost": 1.1},
        "schemas": [{"name": "sales", "owner": "app"}],
        "extensions": [{"name": "pg_trgm", "version": "1.6"}],
    },
    {"name": "old", "ensure": "absent"},
]

APP = {"database": "shop", "owner": "seller"}


def declared(roles: Any = (), databases: Any = (), **options: Any) -> Declaration:
    """What the agent reads."""
    given = helm.values({"roles": list(roles), "databases": list(databases)})
    text = helm.objects(*given, **options)["ConfigMap", "ha-postgres-config"]["data"][declared_files.DECLARED.name]
    return desired.parse(text)


def test_without_a_declaration_nothing_is_there() -> None:
    assert "roles.json" not in helm.objects()["ConfigMap", "ha-postgres-config"]["data"]
    assert "roles" not in {volume["name"] for volume in helm.pod()["spec"]["volumes"]}


@BOTH
def test_the_agent_reads_what_is_declared(version: str) -> None:
    assert declared(ROLES, DATABASES, version=version) == Declaration(
        (
            Role("app", flags=(("login", True),), member_of=("readers",), password=Entry("logins", "app")),
            Role("readers", flags=(("superuser", False),)),
            Role("Other-1", password=Entry("another", "password")),
            Role("more", password=Entry("logins", "app")),
        ),
        (
            Database(
                "shop",
                owner="app",
                connection_limit=100000,
                settings=(("enable_sort", "off"), ("random_page_cost", "1.1"), ("work", None), ("work_mem", "16MB")),
                schemas=(Schema("sales", owner="app"),),
                extensions=(Extension("pg_trgm", version="1.6"),),
            ),
            Database("old", present=False),
        ),
    )


@pytest.mark.parametrize("chart", helm.CHARTS, ids=lambda chart: chart.name)
def test_every_major_takes_all_of_it(chart: Any) -> None:
    assert declared(ROLES, DATABASES, chart=chart) == declared(ROLES, DATABASES)


def test_the_named_entries_are_mounted_in_the_failover_container_alone_and_none_has_to_exist() -> None:
    spec = helm.pod(*helm.values({"roles": ROLES}))["spec"]
    (volume,) = [each["projected"] for each in spec["volumes"] if each["name"] == "roles"]
    assert volume == {
        "defaultMode": 0o440,
        "sources": [
            {"secret": {"name": "another", "items": [{"key": "password", "path": "another/password"}], "optional": True}},
            {"secret": {"name": "logins", "items": [{"key": "app", "path": "logins/app"}], "optional": True}},
        ],
    }
    mounts = {
        name: each["mountPath"] for name, box in helm.containers(spec).items() for each in box["volumeMounts"] if each["name"] == "roles"
    }
    assert mounts == {"failover": str(declared_files.PASSWORDS)}


def test_only_another_entry_of_a_secret_changes_the_pods_and_no_right_is_added() -> None:
    pod = helm.pod(*helm.values({"roles": ROLES}))
    changed = copy.deepcopy([*reversed(ROLES), {"name": "new"}])
    changed[0]["connectionLimit"] = 3
    assert helm.pod(*helm.values({"roles": changed, "databases": DATABASES})) == pod
    assert helm.pod(*helm.values({"databases": DATABASES})) == helm.pod()
    assert helm.pod(*helm.values({"roles": [{"name": "app", "passwordSecret": {"name": "other"}}]})) != pod
    rights = ("Role", "ha-postgres")
    assert helm.objects(*helm.values({"roles": ROLES}))[rights] == helm.objects()[rights]


def test_the_agent_refuses_what_the_chart_refuses() -> None:
    assert frozenset(RESERVED_NAMES) == desired.RESERVED


@BOTH
@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"roles": [{"name": "postgres"}]}, "roles: postgres can't be declared, because it is reserved; choose another name"),
        (
            {"roles": [{"name": "pg_monitor"}]},
            "roles: pg_monitor can't be declared, because names that begin with pg_ are PostgreSQL's own",
        ),
        ({"roles": [{"name": "ha_postgres_replication"}]}, "names that begin with ha_postgres_ are the chart's own"),
        ({"databases": [{"name": "template1"}]}, "databases: template1 can't be declared, because it is reserved"),
        ({"databases": [{"name": "postgres", "ensure": "absent"}]}, "databases: postgres can't be declared, because it is reserved"),
        ({"roles": [{"name": "a"}, {"name": "b"}, {"name": "a"}]}, "roles: a is listed twice; keep one entry"),
        ({"databases": [{"name": "a"}, {"name": "a"}]}, "databases: a is listed twice; keep one entry"),
        (
            {"roles": [{"name": "a", "ensure": "absent"}, {"name": "b", "memberOf": ["a"]}]},
            "roles: b is a member of a, which roles declares absent",
        ),
        (
            {"roles": [{"name": "a", "ensure": "absent"}], "databases": [{"name": "b", "owner": "a"}]},
            "databases: the owner of b is a, which roles declares absent",
        ),
        (
            {"roles": [{"name": "a", "ensure": "absent"}], "databases": [{"name": "b", "schemas": [{"name": "c", "owner": "a"}]}]},
            "databases: the owner of the schema c of b is a, which roles declares absent",
        ),
        (
            {"databases": [{"name": "a", "schemas": [{"name": "pg_x"}]}]},
            "the schema pg_x of a can't be declared, because it is PostgreSQL's own",
        ),
        (
            {"app": APP, "roles": [{"name": "seller", "login": True, "passwordSecret": {"name": "a"}}]},
            "roles: seller is the owner that app makes",
        ),
        ({"app": APP, "roles": [{"name": "seller", "memberOf": ["a"]}]}, "its entry needs login: true and has no passwordSecret"),
        ({"app": APP, "roles": [{"name": "seller", "login": True, "ensure": "absent"}]}, "roles: seller is the owner that app makes"),
        ({"app": APP, "databases": [{"name": "shop", "ensure": "absent"}]}, "databases: shop is the database that app makes"),
        ({"app": APP, "databases": [{"name": "shop", "owner": "a"}]}, "it can't be absent, and its owner is seller"),
        (
            {"databases": [{"name": "a", "settings": {"Ha_postgres.declared": "x"}}]},
            "setting Ha_postgres.declared of a can't be declared, because names that begin with ha_postgres. are the chart's own",
        ),
        *(
            ({"databases": [{"name": "a", "settings": {name: value}}]}, f"databases[0].settings.{name}: {why}")
            for name, value, why in (
                ("work_mem", "5KB", '"5KB" is not allowed; a whole number from 64 to 2147483647 in kB, or one with B, kB, MB, GB or TB'),
                ("DateStile", "x", "unknown parameter of PostgreSQL 15; "),
                ("max_connections", 5, "can't be set for one database; the whole server has one value"),
                ("log_connections", True, "can't be set for one database; the whole server has one value"),
                ("block_size", 5, "can't be set for one database; the whole server has one value"),
            )
        ),
        (
            {
                "replication": {"mode": "synchronous"},
                "databases": [{"name": "b"}, {"name": "a", "settings": {"synchronous_commit": False}}],
            },
            'databases[1].settings.synchronous_commit: "off" is not allowed with replication.mode synchronous; on or remote_apply: ',
        ),
        ({"roles": [{"login": True}]}, "name"),
        ({"roles": [{"name": "a", "password": "x"}]}, "password"),
        ({"roles": [{"name": "a", "validUntil": "tomorrow"}]}, "validUntil"),
        ({"extraVolumes": [{"name": "roles"}], "roles": ROLES}, "extraVolumes: the name roles is the chart's own"),
    ],
)
def test_what_is_refused(given: dict[str, Any], sentence: str, version: str) -> None:
    assert sentence in helm.refusal(*helm.values(given), version=version)


def test_what_app_makes_can_be_declared_further() -> None:
    more = {
        "roles": [{"name": "seller", "login": True, "memberOf": ["a"]}],
        "databases": [{"name": "shop", "extensions": [{"name": "pg_trgm"}]}],
    }
    helm.objects(*helm.values({"app": APP, **more}))
    helm.objects(*helm.values({"roles": [{"name": "seller"}], "databases": [{"name": "shop", "owner": "a"}]}))


def test_the_configuration_is_json_whatever_a_name_holds() -> None:
    odd = {"roles": [{"name": "o\"dd' {{ x }} <&>"}]}
    text = helm.objects(*helm.values(odd))["ConfigMap", "ha-postgres-config"]["data"]["roles.json"]
    assert json.loads(text)["roles"] == odd["roles"]
