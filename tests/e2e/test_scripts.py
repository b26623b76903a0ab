"""Scripts for a new database, from values, a ConfigMap and a Secret, run once in a release's life.
The tests depend on each other, in order.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.fixtures import Cluster
from tests.robustness import programs
from tests.robustness.release import CHART, VALUES, Release

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

PASSWORD = "of-the-app"
OWN = """
initdb:
  scripts:
    10-table.sql: |
      CREATE TABLE ran (script text, who name DEFAULT current_user);
      INSERT INTO ran VALUES ('values');
      CREATE ROLE app LOGIN;
      CREATE DATABASE app OWNER app;
      \\connect app
      CREATE TABLE orders AS SELECT 1 AS number;
      ALTER TABLE orders OWNER TO app;
  scriptsConfigMap: scripts
  scriptsSecret: passwords
"""
CONFIG_MAP = {"20-more.sql": "INSERT INTO ran VALUES ('ConfigMap');\n"}
SECRET = {"30-password.sql": f"INSERT INTO ran VALUES ('Secret');\nALTER ROLE app PASSWORD '{PASSWORD}';\n"}
ALL = [["values", "postgres"], ["ConfigMap", "postgres"], ["Secret", "postgres"]]


@pytest.fixture(scope="module")
def scripted(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """A release with a hot standby whose database began with scripts, at full strength."""
    values = tmp_path_factory.mktemp("scripts") / "values.yaml"
    values.write_text(OWN)
    with programs.namespace("e2e-scripts") as namespace:
        namespace.apply(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "scripts"}, "data": CONFIG_MAP},
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "passwords"}, "stringData": SECRET},
        )
        release = Release(namespace, replicas=2)
        release.install(CHART, "--values", str(VALUES), "--values", str(values), "--set", "replicas=2,standbyMode=hot")
        release.settle()
        yield release


def have_run_once(release: Release) -> bool:
    """True if both servers, at full strength, show that each script has run once, in order of name."""
    pods = release.at_full_strength()
    return bool(pods) and all(release.client.sql("SELECT * FROM ran", host=pod.ip) == ALL for pod in pods)


def test_their_effect_is_on_the_primary_and_on_its_standby(scripted: Release) -> None:
    scripted.wait("both have it", lambda: have_run_once(scripted), 30)
    as_app = f"export PGUSER=app PGDATABASE=app PGPASSWORD={PASSWORD}"
    for pod in scripted.pods():
        assert scripted.client.try_psql("SELECT number FROM orders", host=pod.ip, setup=as_app, options="-qAt").out == "1\n"
    log = scripted.namespace.kubectl("logs", "--selector", scripted.selector, "--all-containers", "--prefix", "--tail=-1")
    assert PASSWORD not in log + scripted.namespace.kubectl("get", "events", "--output", "json")


def test_a_failover_runs_none(scripted: Release) -> None:
    scripted.fail_over()
    scripted.wait("both have it, once", lambda: have_run_once(scripted), 30)


def test_a_clone_runs_none(scripted: Release) -> None:
    [lost] = scripted.standbys()
    scripted.lose(lost, "data")
    scripted.wait_replaced(lost)
    scripted.wait("both have it, once", lambda: have_run_once(scripted), 30)
