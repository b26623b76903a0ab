"""Replication slots, clones, and settings that keep a server from starting, with hot standbys. The
tests depend on each other, in order.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.fixtures import Cluster
from tests.robustness import programs
from tests.robustness.release import Release, identities
from tests.robustness.stock import installed

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(500)]

ROLL_SECONDS = 300.0


@pytest.fixture(scope="module")
def hot(cluster: Cluster) -> Iterator[Release]:
    """A release with hot standbys, at full strength."""
    with installed("e2e-rejoin", "--set", "standbyMode=hot") as release:
        yield release


def slots(release: Release, host: str | None = None) -> list[list[str]]:
    """Name and use of each slot of the primary, or of the server at an address."""
    return release.client.sql("SELECT slot_name, active FROM pg_replication_slots ORDER BY 1", host=host)


def wait_slots(release: Release) -> None:
    """Wait until every standby streams with its slot, and no standby has slots of its own."""
    expected = [[pod.name.replace("-", "_"), "t"] for pod in release.standbys()]
    release.wait("all stream by their slots", lambda: slots(release) == expected, 60)
    for pod in release.standbys():
        assert slots(release, pod.ip) == [], pod.name


def all_have(release: Release, setting: str, value: str) -> bool:
    """True if the release is at full strength and all servers return this value."""
    pods = release.at_full_strength()
    try:
        return bool(pods) and all(release.client.sql(f"SHOW {setting}", host=pod.ip) == [[value]] for pod in pods)
    except programs.ProgramError:
        return False


def test_standbys_stream_by_slots_and_a_former_primary_keeps_none(hot: Release) -> None:
    wait_slots(hot)
    hot.fail_over()
    wait_slots(hot)


def test_a_replica_that_lost_its_volume_is_cloned_from_another_replica(hot: Release) -> None:
    lost = hot.standbys()[-1]
    hot.lose(lost, "data")
    hot.wait_replaced(lost)
    assert "a clone of the standby at " in hot.agent_log(lost.name)
    wait_slots(hot)


@pytest.mark.thorough
def test_max_connections_is_raised_and_lowered_while_standbys_are_hot(hot: Release) -> None:
    hot.client.sql("CREATE TABLE kept AS SELECT 1 AS number")
    hot.upgrade("--set", "postgresql.parameters.max_connections=130")
    hot.wait("all have the higher value", lambda: all_have(hot, "max_connections", "130"), ROLL_SECONDS)
    assert hot.latest("StartedWarm") == {}
    hot.upgrade("--set", "postgresql.parameters.max_connections=70")
    hot.wait("all have the lower value, and are hot again", lambda: all_have(hot, "max_connections", "70"), ROLL_SECONDS)
    assert hot.latest("StartedWarm") == {}
    assert hot.latest("VolumeDamaged") == {}
    assert hot.client.sql("SELECT number FROM kept") == [["1"]]


def test_a_setting_that_a_reload_is_enough_for_restarts_nothing(hot: Release) -> None:
    before = identities(hot.pods())
    hot.upgrade("--set", "postgresql.parameters.work_mem=7MB")
    hot.look_again()
    hot.wait("all have it", lambda: all_have(hot, "work_mem", "7MB"), 180)
    assert identities(hot.pods()) == before


@pytest.mark.thorough
def test_a_setting_that_no_server_takes_costs_no_data_and_no_server(hot: Release) -> None:
    """The chart knows the values that a parameter takes, but not the libraries of an image."""
    last = hot.pods()[-1].name
    volume = hot.marker(last)
    hot.upgrade("--set", "postgresql.parameters.max_locks_per_transaction=90,postgresql.parameters.shared_preload_libraries=timescaledb")
    message = hot.wait(f"{last} says so", lambda: hot.latest("ConfigurationRefused").get(last, ""), 120)
    assert "postgresql.parameters.shared_preload_libraries" in message
    hot.wait("all go on with the former one", lambda: all_have(hot, "max_locks_per_transaction", "64"), ROLL_SECONDS)
    assert hot.client.sql("SELECT number FROM kept") == [["1"]]
    hot.upgrade("--set", "postgresql.parameters.max_locks_per_transaction=80,postgresql.parameters.shared_preload_libraries=")
    hot.wait("all have the setting", lambda: all_have(hot, "max_locks_per_transaction", "80"), ROLL_SECONDS)
    assert hot.marker(last) == volume
    assert hot.latest("VolumeDamaged") == {}
