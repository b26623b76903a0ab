"""A new release that begins as a clone of a live one in the same namespace. The tests depend on each other, in order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.fixtures import Cluster
from tests.e2e import printed
from tests.robustness.release import CHART, FAILOVER_SECONDS, VALUES, Release
from tests.robustness.stock import installed

pytestmark = [pytest.mark.cluster, pytest.mark.thorough, pytest.mark.timeout(400)]

CLONE_SECONDS = 240.0
EVENT_SECONDS = 60.0
NAME = "copied"
ROWS = "INSERT INTO kept SELECT i, md5(i::text) FROM generate_series(1, 20000) AS i"
CHECKSUM = "SELECT count(*), md5(string_agg(number || word, ',' ORDER BY number)) FROM kept"


@pytest.fixture(scope="module")
def source(cluster: Cluster) -> Iterator[Release]:
    """A release of one server, with rows."""
    with installed("e2e-clone", replicas=1) as release:
        release.client.sql("CREATE TABLE kept (number int PRIMARY KEY, word text)")
        release.client.sql(ROWS)
        yield release


@pytest.fixture(scope="module")
def copied(source: Release) -> Iterator[Release]:
    """A second release, whose source has a host that does not exist at first."""
    release = Release(source.namespace, name=NAME, replicas=2)
    release.install(
        CHART,
        "--values",
        str(VALUES),
        "--set",
        f"replicas=2,fullnameOverride={NAME},clone.from.release={source.name},clone.from.host=nobody",
    )
    yield release
    release.uninstall()


def test_a_source_that_is_not_found_is_told_and_nothing_is_made(copied: Release) -> None:
    copied.wait("Event CloneFailed", lambda: copied.events("reason=CloneFailed"), CLONE_SECONDS)
    assert "the source nobody:5432 can't be queried as ha_postgres_replication" in copied.latest("CloneFailed")[f"{NAME}-0"]
    copied.wait("the status says so", lambda: "could not make the first server" in str(copied.try_status()[1]["warnings"]), EVENT_SECONDS)


def test_the_clone_has_the_rows_once_the_value_is_right(source: Release, copied: Release) -> None:
    copied.upgrade("--set", "clone.from.host=")
    copied.look_again()
    copied.wait_serving(CLONE_SECONDS)
    assert copied.ask_inside(CHECKSUM) == source.ask_inside(CHECKSUM)
    copied.wait("Event Cloned", lambda: copied.events("reason=Cloned"), EVENT_SECONDS)


def test_the_clone_is_a_release_of_its_own(source: Release, copied: Release) -> None:
    """It has its own password and Lease, fails over, and neither sees what the other writes."""
    passwords = [each.namespace.get("secret", f"{each.name}-auth")["data"] for each in (source, copied)]
    assert passwords[0] != passwords[1]
    stored = "SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'"
    assert source.ask_inside(stored) != copied.ask_inside(stored)
    streaming = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
    copied.wait("both servers", lambda: copied.ask_inside(streaming) == "1", CLONE_SECONDS)
    old = copied.primary()
    copied.namespace.kubectl("delete", "pod", old.name)
    copied.wait("another primary", lambda: copied.serving() and copied.primary().name != old.name, FAILOVER_SECONDS)
    copied.ask_inside("INSERT INTO kept VALUES (0, 'of the copy')")
    assert source.ask_inside("SELECT count(*) FROM kept WHERE number = 0") == "0"
    assert source.status()["writable"]


@pytest.mark.pages
@pytest.mark.thorough
def test_the_command_of_the_page_clones_a_release_beside_it(source: Release, tmp_path: Path) -> None:
    """my-values.yaml is the source's, with its name."""
    [install] = printed.commands("## Clone a live release")
    copy = Release(source.namespace, name="again", replicas=2)
    values = printed.my_values(tmp_path, replicas=copy.replicas)
    printed.run(install, printed.names(source) | {"NEW": copy.name, "my-values.yaml": str(values)})
    try:
        copy.wait_serving(CLONE_SECONDS)
        assert copy.ask_inside(CHECKSUM) == source.ask_inside(CHECKSUM)
        copy.wait("Event Cloned", lambda: f"{copy.name}-0" in copy.latest("Cloned"), EVENT_SECONDS)
    finally:
        copy.uninstall()
