"""Databases, roles and large objects of a release of PostgreSQL 9.6 are imported into one of 15 by its Job. The tests depend on each other,
in order.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster import chosen
from tests.cluster.fixtures import Cluster
from tests.cluster.paths import REPOSITORY
from tests.e2e import printed
from tests.robustness import programs
from tests.robustness.release import CHART, VALUES, Release

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.thorough, pytest.mark.timeout(600)]

OLD, MAJOR = "old", "9.6"
OLD_CHART = REPOSITORY / "charts" / f"ha-postgres-{MAJOR}"
LOGIN = "old-login"
IMPORT_SECONDS = 300.0
SQL = (
    "CREATE ROLE shop LOGIN PASSWORD 'of-the-shop'",
    "CREATE DATABASE shop OWNER shop",
)
ROWS = """
CREATE TABLE orders AS SELECT i AS number, md5(i::text) AS word FROM generate_series(1, 20000) AS i;
ALTER TABLE orders OWNER TO shop;
SELECT lo_from_bytea(4711, 'large');
"""
CHECKSUM = "SELECT count(*), md5(string_agg(number || word, ',' ORDER BY number)) FROM orders"


@pytest.fixture(scope="module")
def both(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Release, Release]]:
    """A release of 9.6 with a database, and a new one with an import whose Secret has a wrong password at first."""
    chosen.load_majors([MAJOR])
    with programs.namespace("e2e-import") as namespace:
        old = Release(namespace, name=OLD, replicas=1)
        storage = ("--set", "storage.storageClassName=standard", "--set", "storage.resources.requests.storage=50Mi")
        old.install(OLD_CHART, "--set", f"replicas=1,fullnameOverride={OLD}", *storage)
        old.wait_serving()
        for statement in SQL:
            old.ask_inside(statement)
        old.ask_inside(ROWS, "shop")
        secret(old, "wrong")
        new = Release(namespace, replicas=2)
        values = tmp_path_factory.mktemp("import") / "values.yaml"
        write(values)
        new.install(CHART, "--values", str(VALUES), "--values", str(values), "--set", "replicas=2")
        new.settle()
        yield old, new


def write(values: Path) -> None:
    """Write the page's values, with this source and its database."""
    found = printed.values("## Import from another PostgreSQL", {"old.example.org": OLD, "app": "shop"})
    values.write_text(yaml.safe_dump(found), encoding="utf-8")


def secret(old: Release, password: str) -> None:
    """Create or replace the source's Secret."""
    entries = {"username": "postgres", "password": password}
    old.namespace.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": LOGIN}, "stringData": entries})


def imported(release: Release) -> str:
    """What `hapg status` says of the import."""
    return str(release.status()["import"])


def job_pods(release: Release) -> dict[str, str]:
    """The phase of each pod of the import's Jobs."""
    found = release.namespace.get("pods", "--selector", f"ha-postgres/import={release.name}")
    return {pod["metadata"]["name"]: pod["status"].get("phase", "") for pod in found}


def test_a_wrong_password_is_told(both: tuple[Release, Release]) -> None:
    _, new = both
    new.wait("the status says why", lambda: 'password authentication failed for user "postgres"' in imported(new), IMPORT_SECONDS)


@pytest.mark.pages
def test_the_import_goes_on_once_the_secret_is_right(both: tuple[Release, Release]) -> None:
    """The page's command makes it, from a Secret as Bitnami's chart has it."""
    [make] = printed.commands("### From Bitnami's chart and from CloudNativePG")
    old, new = both
    data = {"postgres-password": old.namespace.get("secret", f"{OLD}-auth")["data"]["POSTGRES_PASSWORD"]}
    old.namespace.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"{OLD}-postgresql"}, "data": data})
    old.namespace.kubectl("delete", "secret", LOGIN)
    printed.run(make, {"NS": old.namespace.name, "RELEASE": OLD})
    new.namespace.kubectl("annotate", "pods", "--selector", f"ha-postgres/import={new.name}", "--overwrite", "tests/looked=1")
    new.wait("the import is done", lambda: imported(new) == "done", IMPORT_SECONDS)
    assert new.ask_inside(CHECKSUM, "shop") == old.ask_inside(CHECKSUM, "shop")
    assert new.ask_inside("SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'orders'", "shop") == "shop"
    assert new.ask_inside("SELECT convert_from(lo_get(4711), 'UTF8')", "shop") == "large"


def test_another_job_leaves_it_alone(both: tuple[Release, Release]) -> None:
    """Also one that is to copy all databases."""
    _, new = both
    new.ask_inside("INSERT INTO orders VALUES (0, 'new')", "shop")
    before = job_pods(new)
    new.upgrade("--set-json", "import.jobs=1,import.databases=[]")
    new.wait(
        "the new Job is done",
        lambda: "Succeeded" in {phase for name, phase in job_pods(new).items() if name not in before},
        IMPORT_SECONDS,
    )
    assert imported(new) == "done"
    assert new.ask_inside("SELECT word FROM orders WHERE number = 0", "shop") == "new"
