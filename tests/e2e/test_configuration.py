"""A mistake in a release's values: running pods report it, and new pods survive it. The tests
depend on each other, in order.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.fixtures import Cluster
from tests.robustness.failpoint import acts
from tests.robustness.release import Release, identities
from tests.robustness.stock import installed

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(500)]

MISTAKE = 'postgresql.pgHba[1]: invalid authentication method "scram-sha256"'
LINES = "host orders reporting 10.0.0.0/8 scram-sha-256", "host all reporting 10.0.0.0/8 scram-sha256"
RULES = "SELECT count(*) FROM pg_hba_file_rules WHERE user_name = '{reporting}' AND error IS NULL"


@pytest.fixture(scope="module")
def release(cluster: Cluster) -> Iterator[Release]:
    """A release with warm standbys, at full strength, with a row."""
    with installed("e2e-configuration") as release:
        release.client.sql("CREATE TABLE kept AS SELECT 1 AS number")
        yield release


def all_say(release: Release, reason: str, word: str) -> bool:
    """True if each pod has an Event with this reason that contains this word."""
    found = release.latest(reason)
    return all(word in found.get(pod.name, "") for pod in release.pods())


def markers(release: Release) -> dict[str, str]:
    """The marker of each pod's volume, which only a clone replaces."""
    return {pod.name: release.marker(pod.name) for pod in release.pods()}


def set_lines(release: Release, *lines: str) -> None:
    quoted = ", ".join(f'"{line}"' for line in lines)
    release.upgrade("--set-json", f"postgresql.pgHba=[{quoted}]")
    release.look_again()


def test_a_wrong_line_is_named_by_each_pod_and_changes_nothing(release: Release) -> None:
    before = identities(release.pods())
    set_lines(release, *LINES)
    release.wait("each pod names the line", lambda: all_say(release, "ConfigurationRefused", MISTAKE), 180)
    assert identities(release.at_full_strength()) == before
    assert release.client.sql(RULES) == [["0"]]
    release.client.sql("INSERT INTO kept VALUES (2)")
    said = [text for text in release.status()["warnings"] if MISTAKE in text]
    assert len(said) == release.replicas, said


def test_servers_that_start_again_take_what_they_took_before(release: Release) -> None:
    volumes = markers(release)
    release.fail_over()
    standby = release.standbys()[-1]
    acts.kill_postmaster_by_exec(release, standby)
    release.wait_full_strength()
    assert release.client.sql("SELECT number FROM kept ORDER BY 1") == [["1"], ["2"]]
    assert markers(release) == volumes
    for reason in ("VolumeDamaged", "Clone", "StartFailed"):
        assert release.latest(reason) == {}


def test_a_rollback_heals(release: Release) -> None:
    release.namespace.helm("rollback", release.name)
    release.look_again()
    release.wait("each pod takes its settings", lambda: all_say(release, "ConfigurationAccepted", "accepts its configuration"), 180)
    release.wait("nothing is wrong", lambda: release.status()["warnings"] == [], 60)


def test_the_corrected_lines_reach_all_servers(release: Release) -> None:
    set_lines(release, LINES[0])
    release.wait("the primary has the line", lambda: release.client.sql(RULES) == [["1"]], 180)
    release.fail_over()
    assert release.client.sql(RULES) == [["1"]], "its successor had read it while it was a warm standby"
