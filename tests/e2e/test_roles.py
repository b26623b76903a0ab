"""Declared roles and databases on the cluster, as the page prints them: created, changed, drifted, over failovers, removed. The tests
depend on each other, in order.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster import chosen
from tests.cluster.fixtures import Cluster
from tests.cluster.paths import REPOSITORY
from tests.e2e import printed
from tests.robustness import programs
from tests.robustness.failpoint import acts
from tests.robustness.release import Release, identities
from tests.robustness.stock import installed

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(480)]

PROJECTION_SECONDS = 180.0
PRINTED = printed.values("## Roles and databases")
GONE = {**PRINTED["roles"][0], "ensure": "absent", "memberOf": []}
FIRST, SECOND = "First-'42$ é", "Second-One"
LIMIT = "SELECT rolconnlimit FROM pg_roles WHERE rolname = 'shop'"


def options(**declared: Any) -> tuple[str, ...]:
    return tuple(option for key, value in declared.items() for option in ("--set-json", f"{key}={json.dumps(value)}"))


def declare(release: Release, **declared: Any) -> None:
    """Upgrade the release, and make kubelet update the files at once."""
    release.upgrade(*options(**declared))
    release.look_again()


def changed_role(**attributes: Any) -> list[dict[str, Any]]:
    shop, *others = PRINTED["roles"]
    return [{**shop, **attributes}, *others]


def secret(release: Release, password: str) -> None:
    data = {"password": base64.b64encode(password.encode()).decode()}
    release.namespace.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shop-login"}, "data": data})


def answer(release: Release, password: str) -> str:
    """What the Service answers to `shop` with this password, in its own database."""
    encoded = base64.b64encode(password.encode()).decode()
    setup = f"export PGPASSWORD=$(base64 -d <<<{encoded}) PGUSER=shop PGDATABASE=shop"
    return release.client.try_psql("SELECT current_user || ' in ' || current_setting('search_path')", setup=setup, options="-qAt").text


def warnings(release: Release) -> str:
    return " ".join(text for text in release.status()["warnings"] if "not as declared" in text)


@pytest.fixture(scope="module")
def release(cluster: Cluster) -> Iterator[Release]:
    """A release that declares what the page prints, whose servers log every statement; the Secret does not exist yet."""
    with installed("e2e-roles", "--set", "postgresql.parameters.log_statement=all", *options(**PRINTED)) as release:
        yield release


def test_roles_and_databases_are_there_and_a_secret_may_come_later(release: Release) -> None:
    release.wait("the database is there", lambda: release.client.sql("SELECT 1 FROM pg_database WHERE datname = 'shop'"), 60)
    release.wait("what is missing is said", lambda: "no usable password in Secret shop-login, key password" in warnings(release), 60)
    assert "password authentication failed" in answer(release, FIRST)
    secret(release, FIRST)
    release.look_again()
    release.wait("the role has its password", lambda: answer(release, FIRST) == "shop in sales, public", PROJECTION_SECONDS)
    assert release.client.sql("SELECT pg_has_role('shop', 'readers', 'member'), rolconnlimit FROM pg_roles WHERE rolname = 'shop'") == [
        ["t", "50"]
    ]
    assert release.ask_inside("SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'sales'", "shop") == "shop"
    assert release.ask_inside("SELECT extname FROM pg_extension WHERE extname = 'pg_trgm'", "shop") == "pg_trgm"
    release.wait("all is as declared", lambda: not warnings(release), 60)


def test_a_change_of_roles_or_of_a_password_restarts_nothing(release: Release) -> None:
    before, term = identities(release.pods()), release.lease()["term"]
    secret(release, SECOND)
    declare(release, roles=changed_role(connectionLimit=40))
    release.wait("the role has its new limit", lambda: release.client.sql(LIMIT) == [["40"]], PROJECTION_SECONDS)
    release.wait("and its new password", lambda: answer(release, SECOND) == "shop in sales, public", PROJECTION_SECONDS)
    assert "password authentication failed" in answer(release, FIRST)
    assert identities(release.pods()) == before
    assert release.lease()["term"] == term


def test_a_change_by_hand_is_reported_and_left_alone_by_the_next_primary_too(release: Release) -> None:
    release.client.sql("ALTER ROLE shop CONNECTION LIMIT 7")
    release.fail_over()
    release.wait("it is said", lambda: "connectionLimit 40 is declared, but somebody has changed it: 7" in warnings(release), 60)
    primary = release.primary().name
    release.wait("by an Event too", lambda: primary in release.latest("DatabaseObjectsDrifted"), 30)
    assert release.client.sql(LIMIT) == [["7"]]
    assert answer(release, SECOND) == "shop in sales, public"


def test_a_change_is_made_true_after_a_switchover_at_the_same_time(release: Release) -> None:
    old = release.primary().name
    release.upgrade(*options(roles=changed_role(connectionLimit=30)))
    acts.switchover(release)
    release.wait("there is another primary", lambda: release.at_full_strength() and release.primary().name != old, 120)
    release.look_again()
    release.wait("it has made the change", lambda: release.client.sql(LIMIT) == [["30"]], PROJECTION_SECONDS)
    release.wait("all is as declared", lambda: not warnings(release), 60)


def test_what_can_not_be_done_is_said_and_keeps_nothing_else_from_it(release: Release) -> None:
    shop = {**PRINTED["databases"][0], "extensions": [{"name": "no_such_extension"}]}
    declare(
        release,
        roles=[GONE, {"name": "readers"}, {"name": "writers"}],
        databases=[{key: value for key, value in shop.items() if key not in ("owner", "schemas")}],
    )
    query = "SELECT 1 FROM pg_roles WHERE rolname = 'writers'"
    release.wait("what can be done is done", lambda: release.client.sql(query), PROJECTION_SECONDS)
    release.wait("the rest is said", lambda: "role shop: can't be removed" in warnings(release), 60)
    assert "extension no_such_extension is not available" in warnings(release)
    assert release.at_full_strength()


def test_removal_is_done_when_it_is_said_and_possible(release: Release) -> None:
    declare(release, roles=[GONE], databases=[{"name": "shop", "ensure": "absent"}])
    query = "SELECT rolname FROM pg_roles WHERE rolname IN ('shop', 'readers', 'writers') ORDER BY 1"
    release.wait("only what is to go is gone", lambda: release.client.sql(query) == [["readers"], ["writers"]], PROJECTION_SECONDS)
    assert release.client.sql("SELECT 1 FROM pg_database WHERE datname = 'shop'") == []
    release.wait("all is as declared", lambda: not warnings(release), 60)


def test_no_password_or_verifier_is_in_a_log_an_event_or_an_annotation(release: Release) -> None:
    kubectl = release.namespace.try_kubectl
    said = kubectl("get", "events,pods,leases,configmaps", "--output", "yaml").text
    for pod in release.pods():
        for container in ("failover", "postgres"):
            said += kubectl("logs", pod.name, "--container", container).text
    assert "DatabaseObjectsApplied" in said
    assert [word for word in (FIRST, SECOND, "SCRAM-SHA-256$") if word in said] == []


@pytest.mark.thorough
@pytest.mark.parametrize("major", ["18"])
def test_another_major_does_the_same_and_revokes_what_another_role_has_granted(cluster: Cluster, major: str) -> None:
    """From 16 on a membership has as many rows as grantors."""
    chosen.load_majors([major])
    with programs.namespace(f"e2e-roles-{major}") as namespace:
        release = Release(namespace, replicas=1)
        storage = ("--set", "storage.storageClassName=standard", "--set", "storage.resources.requests.storage=50Mi")
        release.install(REPOSITORY / "charts" / f"ha-postgres-{major}", "--set", "replicas=1", *storage, *options(**PRINTED))
        release.wait_serving()
        release.add_clients()
        release.wait("the role is there", lambda: release.client.sql("SELECT 1 FROM pg_roles WHERE rolname = 'shop'"), 60)
        release.ask_inside("CREATE ROLE boss SUPERUSER")
        release.ask_inside("GRANT readers TO boss WITH ADMIN OPTION")
        release.ask_inside("SET ROLE boss; GRANT readers TO shop")
        declare(release, roles=changed_role(memberOf=[]))
        query = "SELECT pg_has_role('shop', 'readers', 'member')"
        release.wait("it is no member any more", lambda: release.client.sql(query) == [["f"]], PROJECTION_SECONDS)
