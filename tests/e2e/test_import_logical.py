"""A database is imported by logical replication from one release into another, which fails over meanwhile. The tests depend on each other,
in order.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster.fixtures import Cluster
from tests.e2e import printed
from tests.robustness import programs
from tests.robustness.release import CHART, VALUES, Release

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.thorough, pytest.mark.timeout(600)]

OLD = "old"
LOGIN = "old-login"
IMPORT_SECONDS = 300.0
ROWS = """
CREATE TABLE orders (number serial PRIMARY KEY, word text);
INSERT INTO orders (word) SELECT md5(i::text) FROM generate_series(1, 20000) AS i;
ALTER TABLE orders OWNER TO shop;
"""
CHECKSUM = "SELECT count(*), md5(string_agg(number || word, ',' ORDER BY number)) FROM orders"
SLOTS = "SELECT count(*) FROM pg_replication_slots WHERE slot_type = 'logical'"


@pytest.fixture(scope="module")
def both(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Release, Release]]:
    """A release with a database, whose wal_level is logical, and a new one that follows it."""
    with programs.namespace("e2e-import-logical") as namespace:
        old = Release(namespace, name=OLD, replicas=1)
        storage = ("--set", "storage.storageClassName=standard", "--set", "storage.resources.requests.storage=50Mi")
        old.install(CHART, "--set", f"replicas=1,fullnameOverride={OLD},postgresql.parameters.wal_level=logical", *storage)
        old.wait_serving()
        old.ask_inside("CREATE ROLE shop LOGIN PASSWORD 'of-the-shop'")
        old.ask_inside("CREATE DATABASE shop OWNER shop")
        old.ask_inside(ROWS, "shop")
        found = namespace.get("secret", f"{OLD}-auth")["data"]["POSTGRES_PASSWORD"]
        entries = {"username": "postgres", "password": base64.b64decode(found).decode()}
        namespace.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": LOGIN}, "stringData": entries})
        new = Release(namespace, replicas=2)
        values = tmp_path_factory.mktemp("import") / "values.yaml"
        write(values)
        new.install(CHART, "--values", str(VALUES), "--values", str(values), "--set", "replicas=2")
        new.settle()
        yield old, new


def write(values: Path) -> None:
    """Write the page's values, with this source and its database."""
    found = printed.values("### Import by logical replication", {"old.example.org": OLD, "app": "shop"})
    values.write_text(yaml.safe_dump(found), encoding="utf-8")


def imported(release: Release) -> str:
    """What `hapg status` says of the import."""
    return str(release.status()["import"])


def test_an_import_follows_its_source(both: tuple[Release, Release]) -> None:
    old, new = both
    new.wait("the status says that it follows", lambda: imported(new).startswith("running: shop: following, "), IMPORT_SECONDS)
    old.ask_inside("UPDATE orders SET word = 'changed' WHERE number <= 100", "shop")
    assert old.ask_inside(SLOTS) == "1"
    assert new.ask_inside("SELECT count(*) FROM pg_database WHERE datname = 'shop'") == "0"


@pytest.mark.parametrize("program", ["helm3", "helm4"])
def test_a_release_with_an_import_that_follows_is_not_uninstalled(both: tuple[Release, Release], program: str) -> None:
    _, new = both
    refused = new.namespace.try_helm("uninstall", new.name, program=program)
    assert refused.code != 0
    assert "databases may still follow their source" in refused.text
    assert new.serving()


def test_an_import_goes_on_after_a_failover_of_the_release(both: tuple[Release, Release]) -> None:
    old, new = both
    new.fail_over()
    old.ask_inside("INSERT INTO orders (word) VALUES ('after the failover')", "shop")
    position = old.ask_inside("SELECT pg_current_wal_lsn()")
    confirmed = f"SELECT bool_and(confirmed_flush_lsn >= '{position}') FROM pg_replication_slots WHERE slot_type = 'logical'"
    new.wait("the new primary follows", lambda: old.ask_inside(confirmed) == "t", IMPORT_SECONDS)


@pytest.mark.pages
def test_an_import_is_finished(both: tuple[Release, Release]) -> None:
    """By the command of the page."""
    [finish] = printed.commands("### Import by logical replication")
    old, new = both
    printed.run(finish, printed.names(new))
    new.wait("the import is done", lambda: imported(new) == "done", IMPORT_SECONDS)
    assert new.ask_inside(CHECKSUM, "shop") == old.ask_inside(CHECKSUM, "shop")
    assert new.ask_inside("SELECT nextval('orders_number_seq')", "shop") == "20002"
    assert new.ask_inside("SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'orders'", "shop") == "shop"
    assert old.ask_inside(SLOTS) == "0"
    assert old.ask_inside("SELECT count(*) FROM pg_publication", "shop") == "0"
    assert new.ask_inside("SELECT count(*) FROM pg_subscription") == "0"
