"""The database of an application and the Secret with which it connects, through the life of a release. The tests depend on each other, in
order, but for the last one.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from tests.cluster.fixtures import Cluster
from tests.e2e import printed
from tests.robustness.programs import Done
from tests.robustness.release import CHART, VALUES, Release, identities
from tests.robustness.stock import installed

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(600)]

HELM_TEST = "Phase:          Succeeded"
PROJECTION_SECONDS = 180.0
ROLL_SECONDS = 300.0
CHANGED = "Rotated-'42$ \\é:@/"
KEYS = {"password", "host", "port", "dbname", "user", "username", "uri", "jdbc-uri", "pgpass"}
OPTIONS = ("--set", "app.database=orders,app.owner=shop,standbyMode=hot,postgresql.parameters.log_statement=all")


def secret(release: Release, name: str = "ha-postgres-app") -> dict[str, str]:
    """The entries of a Secret."""
    return {key: base64.b64decode(value).decode() for key, value in release.namespace.get("secret", name)["data"].items()}


def change(release: Release, value: str) -> None:
    """Change the password, and make kubelet update it at once."""
    encoded = base64.b64encode(value.encode()).decode()
    release.namespace.kubectl("patch", "secret", "ha-postgres-app", "--type=merge", "--patch", f'{{"data":{{"password":"{encoded}"}}}}')
    release.look_again()


def connect(release: Release, uri: str, statement: str) -> Done:
    """Run a statement as an application does that has nothing but this URI."""
    encoded = [base64.b64encode(text.encode()).decode() for text in (uri, statement)]
    psql = 'unset PGHOST PGUSER PGDATABASE PGPASSWORD; psql -XqAt -v ON_ERROR_STOP=1 "$(base64 -d <<<%s)" -c "$(base64 -d <<<%s)"'
    return release.namespace.try_kubectl(*release.client.command("bash", "-c", psql % tuple(encoded)), limit=60)


def answers(release: Release, uri: str, statement: str) -> str:
    """The answer to a statement, '' if there is none."""
    done = connect(release, uri, statement)
    return done.out.strip() if done.code == 0 else ""


def messages(release: Release, reason: str) -> set[str]:
    return {event.message for event in release.events(f"reason={reason}")}


@pytest.fixture(scope="module")
def release(cluster: Cluster) -> Iterator[Release]:
    """A release with hot standbys and an application, whose servers log every statement, at full strength."""
    with installed("e2e-app", *OPTIONS) as release:
        yield release


@pytest.fixture(scope="module")
def known(release: Release) -> list[str]:
    """All passwords of the application so far."""
    return [secret(release)["password"]]


def test_the_application_connects_with_the_uri_of_its_secret(release: Release, known: list[str]) -> None:
    found = secret(release)
    assert found.keys() == KEYS | {"ro-uri"}
    assert found["uri"] == f"postgresql://shop:{known[0]}@ha-postgres.{release.namespace.name}:5432/orders"
    [shows_uri] = printed.commands("### The database of an application")
    assert printed.run(shows_uri, printed.names(release)) == found["uri"]
    done = connect(release, found["uri"], "CREATE TABLE t AS SELECT 1 AS number; SELECT current_user || ' ' || current_database()")
    assert done.out.strip() == "shop orders", done.text
    release.wait("it reads", lambda: answers(release, found["ro-uri"], "SELECT number FROM t") == "1", 30)
    assert release.ask_inside("SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = 'shop'") == "f|f|f"


def test_the_first_server_had_database_and_owner_before_it_was_the_primary(release: Release, known: list[str]) -> None:
    assert messages(release, "AppChanged") == set()


def test_helm_tests_the_release_as_the_application(release: Release, known: list[str]) -> None:
    assert HELM_TEST in release.namespace.helm("test", release.name)


def test_it_connects_after_a_failover_and_nothing_is_made_again(release: Release, known: list[str]) -> None:
    uri = secret(release)["uri"]
    release.fail_over()
    once = "INSERT INTO t SELECT 2 WHERE NOT EXISTS (SELECT FROM t WHERE number = 2); SELECT count(*) FROM t"
    release.wait("it connects", lambda: answers(release, uri, once) == "2", 30)
    assert secret(release)["uri"] == uri
    assert messages(release, "AppChanged") == messages(release, "AppDiffers") == set()


def test_a_changed_password_is_in_force_and_the_other_entries_follow(release: Release, known: list[str]) -> None:
    before, old = identities(release.pods()), secret(release)["uri"]
    change(release, CHANGED)
    known.append(CHANGED)
    release.wait("the URI is another one", lambda: secret(release)["uri"] != old, PROJECTION_SECONDS)
    found = secret(release)
    assert found["password"] == CHANGED
    release.wait("it is the one that connects", lambda: answers(release, found["uri"], "SELECT count(*) FROM t") == "2", 30)
    assert "password authentication failed" in connect(release, old, "SELECT 1").text
    assert identities(release.pods()) == before
    release.wait("an Event says so", lambda: "shop has the password from the Secret" in messages(release, "AppChanged"), 10)


def test_no_password_of_the_application_is_in_a_log_or_an_event(release: Release, known: list[str]) -> None:
    kubectl = release.namespace.try_kubectl
    said = kubectl("get", "events", "--output", "yaml").text
    for pod in release.pods():
        for container in ("prepare", "failover", "postgres"):
            said += kubectl("logs", pod.name, "--container", container).text
    assert "statement: SELECT count(*) FROM t" in said
    assert [password for password in known if password in said] == []
    assert "SCRAM-SHA-256$" not in said


def test_another_owner_of_the_database_is_told_and_stays(release: Release, known: list[str]) -> None:
    release.ask_inside("ALTER DATABASE orders OWNER TO postgres")
    release.fail_over()
    sentence = "the database orders belongs to postgres, not to shop"
    release.wait("an Event says so", lambda: sentence in messages(release, "AppDiffers"), 30)
    assert release.ask_inside("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'orders'") == "postgres"
    release.ask_inside("ALTER DATABASE orders OWNER TO shop")


def test_another_name_is_another_database_and_restarts_nothing(release: Release, known: list[str]) -> None:
    before = identities(release.pods())
    release.upgrade("--set", "app.database=invoices")
    release.look_again()
    release.wait("the Secret names it", lambda: secret(release)["dbname"] == "invoices", PROJECTION_SECONDS)
    release.wait("it connects", lambda: answers(release, secret(release)["uri"], "SELECT current_database()") == "invoices", 30)
    assert identities(release.pods()) == before
    release.upgrade("--set", "app.database=orders")
    release.look_again()
    release.wait("the Secret names the first one", lambda: secret(release)["dbname"] == "orders", PROJECTION_SECONDS)


@pytest.mark.thorough
def test_the_next_installation_has_the_same_secret_and_the_same_rows(release: Release, known: list[str]) -> None:
    before = secret(release)
    release.uninstall()
    assert secret(release) == before
    release.install(CHART, "--values", str(VALUES), *OPTIONS)
    release.wait_serving()
    release.wait_full_strength()
    assert secret(release) == before
    release.wait("it connects", lambda: answers(release, before["uri"], "SELECT count(*) FROM t") == "2", 30)


@pytest.mark.thorough
def test_a_wipe_deletes_the_secret(release: Release, known: list[str]) -> None:
    release.uninstall()
    release.hapg("wipe", "--yes", release.name)
    assert release.namespace.try_kubectl("get", "secret", "ha-postgres-app").code != 0


@pytest.mark.thorough
def test_a_release_that_exists_gets_an_application_with_a_secret_of_its_own(cluster: Cluster) -> None:
    with installed("e2e-app-later", replicas=2) as release:
        release.client.sql("CREATE TABLE kept AS SELECT 1 AS number")
        entries = {"username": "late", "password": CHANGED}
        release.namespace.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "late-login"}, "stringData": entries})
        old = {pod.uid for pod in release.pods()}
        release.upgrade("--set", "app.database=late,app.secretName=late-login")
        release.wait("all pods are new", lambda: not old & {pod.uid for pod in release.pods()}, ROLL_SECONDS)
        release.wait_full_strength()
        release.wait("both are made", lambda: len(messages(release, "AppChanged")) == 2, 30)
        assert HELM_TEST in release.namespace.helm("test", release.name)
        assert secret(release, "late-login") == entries
        assert release.namespace.try_kubectl("get", "secret", "ha-postgres-app").code != 0
        assert release.client.sql("SELECT number FROM kept") == [["1"]]
