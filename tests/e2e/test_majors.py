"""PostgreSQL majors other than the tutorial's: installation, warm and hot standbys, failover,
rejoin. Their releases run side by side, and the tests of a major depend on each other, in order.
The image of 9.6 lacks pg_rewind, pg_controldata and pg_xlogdump, to test the way without them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cluster import chosen
from tests.cluster.fixtures import Cluster
from tests.cluster.paths import REPOSITORY
from tests.robustness import programs, trial
from tests.robustness.failpoint import acts, faults
from tests.robustness.release import DATA, Pod, Release, identities

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(420)]

REPLICAS = {"9.6": 2, "17": 3, "18": 2, "19": 2}
OFTEN = ("9.6", "18")
REFUSALS = {"9.6": "the database system is starting up"} | dict.fromkeys(("17", "18", "19"), "Hot standby mode is disabled.")
PASSWORDS = {"9.6": "md5"} | dict.fromkeys(("17", "18", "19"), "SCRAM-SHA-256")
REJOINS = {"9.6": "Clone"} | dict.fromkeys(("17", "18", "19"), "Rewind")
TODAYS_NAMES = """
    CREATE FUNCTION pg_current_wal_lsn() RETURNS pg_lsn LANGUAGE sql AS 'SELECT pg_current_xlog_location()';
    CREATE FUNCTION pg_walfile_name(pg_lsn) RETURNS text LANGUAGE sql AS 'SELECT pg_xlogfile_name($1)';
"""
"""What the writers of the tests call, for 9.6."""
WRITE_WHAT_NOBODY_RECEIVES = """
    for directory in /proc/[0-9]*; do
      IFS= read -r -d '' title <"$directory/cmdline"
      [[ $title =~ ^postgres:.*wal\\ ?sender ]] && kill -STOP "${directory#/proc/}"
    done 2>/dev/null
    psql -qX -h /run/hapg/socket -U postgres -v ON_ERROR_STOP=1 -c "INSERT INTO fork SELECT 'lost' FROM generate_series(1, 1000)"
"""


def chart(major: str) -> Path:
    return REPOSITORY / "charts" / f"ha-postgres-{major}"


@pytest.fixture(scope="module")
def releases(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[dict[str, Release]]:
    """A release of each major that is tested, installed at the same time."""
    ours = [item for item in request.session.items if item.path == request.path]
    selected = {item.callspec.params["major"] for item in ours if isinstance(item, pytest.Function) and hasattr(item, "callspec")}
    majors = [major for major in REPLICAS if major in selected]
    chosen.load_majors(majors)
    with ExitStack() as stack:
        made = {}
        for major in majors:
            replicas = REPLICAS[major]
            namespace = stack.enter_context(programs.namespace(f"e2e-{major.replace('.', '-')}"))
            made[major] = Release(namespace, replicas=replicas)
            storage = ("--set", "storage.storageClassName=standard", "--set", "storage.resources.requests.storage=50Mi")
            made[major].install(chart(major), "--set", f"replicas={replicas}", *storage)
        for major, release in made.items():
            release.wait_serving()
            release.add_clients()
            if major == "9.6":
                release.client.sql(TODAYS_NAMES)
        yield made


@pytest.fixture(params=[pytest.param(major, marks=[] if major in OFTEN else [pytest.mark.thorough]) for major in REPLICAS])
def major(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def release(releases: dict[str, Release], major: str) -> Release:
    """The release of a major, at full strength."""
    releases[major].wait_full_strength()
    return releases[major]


def test_it_is_the_major_and_keeps_passwords_as_well_as_it_can(release: Release, major: str) -> None:
    [[version, checksums]] = release.client.sql("SELECT current_setting('server_version'), current_setting('data_checksums')")
    assert version.startswith((f"{major}.", f"{major}rc"))
    assert checksums == "on"
    [[password]] = release.client.sql("SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'")
    assert password.startswith(PASSWORDS[major])
    assert "password authentication failed" in release.client.try_psql("SELECT 1", setup="export PGPASSWORD=not-the-password").err


def test_a_warm_standby_refuses_a_connection(release: Release, major: str) -> None:
    for standby in release.standbys():
        done = release.client.try_psql("SELECT 1", host=standby.ip)
        assert done.code != 0
        assert REFUSALS[major] in done.err


def test_a_deleted_primary_is_replaced_and_comes_back_as_a_replica(release: Release, major: str, measured: list[str]) -> None:
    found = trial.run(release, faults.GRACEFUL, "graceful")
    measured.append(f"{major}, {found.summary}")
    assert found.violations() == []
    assert found.new.name != found.old.name
    assert (found.lost, found.lost_pinned) == ([], [])
    assert release.pod(found.old.name).role == "replica"


def test_a_killed_server_loses_nothing(release: Release, major: str, measured: list[str]) -> None:
    fault = faults.CONTAINER if faults.CONTAINER.possible else faults.POSTMASTER
    found = trial.run(release, fault, "killed")
    measured.append(f"{major}, {found.summary}")
    assert found.violations() == []
    assert (found.lost, found.lost_pinned) == ([], [])


def test_standbys_become_hot(release: Release) -> None:
    before = identities(release.pods())
    release.upgrade("--set", "standbyMode=hot")
    release.look_again()
    for standby in release.standbys():
        release.wait(f"{standby.name} answers", lambda pod=standby: recovers(release, pod), 180)  # type: ignore[misc]
        done = release.client.try_psql("CREATE DATABASE standby", host=standby.ip)
        assert "ERROR:  cannot execute CREATE DATABASE in a read-only transaction" in done.err
    release.wait_full_strength()
    assert identities(release.pods()) == before


def recovers(release: Release, pod: Pod) -> bool:
    return release.client.sql("SELECT pg_is_in_recovery()", host=pod.ip) == [["t"]]


def rows(release: Release, pod: Pod) -> list[list[str]]:
    return release.client.sql("SELECT word, count(*) FROM fork GROUP BY 1 ORDER BY 1", host=pod.ip)


def test_a_primary_that_was_ahead_of_its_successor_comes_back(release: Release, major: str) -> None:
    """By pg_rewind, or by a clone if the image has none. Unreplicated WAL is lost, as in
    asynchronous replication.
    """
    release.client.sql("CREATE TABLE fork (word text); INSERT INTO fork SELECT 'both' FROM generate_series(1, 1000)")
    release.wait_full_strength()
    old = release.primary()
    client = release.client_apart_from(old.node)
    with acts.cordoned(release, old.node):
        release.inside(old.name, "bash", "-c", WRITE_WHAT_NOBODY_RECEIVES)
        acts.delete(release, old, grace=0)
        release.wait("another is primary", lambda: release.primary().name != old.name, 60)
        release.wait("it can be written", lambda: client.try_psql("INSERT INTO fork VALUES ('after')").code == 0, 30)
    release.wait_full_strength(asker=client)
    for pod in release.pods():
        release.wait(f"{pod.name} has the rows", lambda pod=pod: rows(release, pod) == [["after", "1"], ["both", "1000"]], 30)  # type: ignore[misc]
    assert REJOINS[major] in {event.reason for event in release.events(f"involvedObject.name={old.name}")}


@pytest.mark.thorough
@pytest.mark.parametrize("major", ["17"])
def test_data_of_another_major_is_not_touched(release: Release, major: str) -> None:
    """An upgrade to the next major's chart stops at the first pod, which says why; the others
    continue.
    """
    release.client.sql("CREATE TABLE kept AS SELECT number FROM generate_series(1, 1000) AS number")
    last = f"{release.name}-{release.replicas - 1}"
    before = identity(release, last)
    release.namespace.helm("upgrade", release.name, str(chart("18")), "--reuse-values", "--set-string", "version=18")
    reason = "the volume has data of PostgreSQL 17, this is the chart of PostgreSQL 18: nothing is touched"
    release.wait("an Event says so", lambda: reason in release.namespace.kubectl("get", "events"), 90)
    assert reason in release.agent_log(last)
    release.wait("the others have a primary", lambda: len([pod for pod in release.pods() if pod.ready]) == release.replicas - 1, 60)
    assert release.client.sql("SELECT count(*) FROM kept") == [["1000"]]
    assert identity(release, last) == before
    release.namespace.helm("rollback", release.name)
    release.wait_full_strength()
    assert release.client.sql("SELECT count(*) FROM kept") == [["1000"]]


def identity(release: Release, pod: str) -> str:
    """Values that would differ in a new data directory: its inode and the time of its marker."""
    script = f"stat -c %i {DATA} && stat -c %Y {DATA}/../volume"
    return release.inside(pod, "bash", "-c", script)
