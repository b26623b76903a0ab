"""Changed values take effect in every pod without kubelet's minute, and without a restart of any container. The tests depend on each other,
in order.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.fixtures import Cluster
from tests.robustness import trial
from tests.robustness.failpoint.faults import Fault
from tests.robustness.release import Release, identities
from tests.robustness.stock import installed

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(400)]

WAIT_S = 40.0
"""Below kubelet's own sync, which takes 60 to 90 s."""
IN_TURN_S = 120.0
"""Three servers restart one after the other, and some once more to become hot."""
PENDING = "SELECT count(*) FROM pg_settings WHERE pending_restart"
RULE = "host orders reporting 10.0.0.0/8 scram-sha-256"
RULES = "SELECT count(*) FROM pg_hba_file_rules WHERE '{reporting}' = user_name AND error IS NULL"


@pytest.fixture(scope="module")
def release(cluster: Cluster) -> Iterator[Release]:
    """A release with warm standbys, at full strength."""
    with installed("e2e-reconfigure") as release:
        yield release


def asked(release: Release, statement: str) -> list[str]:
    """What each server answers inside its pod, '' for one that accepts no connection."""
    psql = ("psql", "-h", "/run/hapg/socket", "-U", "postgres", "-qAtXc", statement)
    return [release.try_inside(pod.name, *psql).out.strip() for pod in release.pods()]


def everywhere(release: Release, statement: str, answer: str, seconds: float = WAIT_S) -> None:
    """Wait until every server answers this."""
    release.wait(f"{statement}: {answer}", lambda: asked(release, statement) == [answer] * release.replicas, seconds)


def readers(release: Release) -> list[str]:
    """The pods to which the Service for reads leads."""
    slices = release.namespace.get("endpointslices", "--selector", f"kubernetes.io/service-name={release.name}-readonly")
    found = [each for part in slices for each in part.get("endpoints") or ()]
    return sorted(each["targetRef"]["name"] for each in found if each["conditions"]["ready"])


def reads_are_led_to_the_standbys(release: Release) -> None:
    """Wait until the Service for reads leads to all standbys and to nobody else."""
    standbys = sorted(pod.name for pod in release.standbys())
    release.wait(f"reads are led to {standbys}", lambda: readers(release) == standbys, WAIT_S)


@pytest.mark.thorough
def test_reconfigure_of_reads_leads_to_no_warm_standby(release: Release) -> None:
    assert readers(release) == []


def test_reconfigure_to_hot_standbys_restarts_servers_and_no_container(release: Release) -> None:
    before, primary = identities(release.pods()), release.primary().name
    release.upgrade("--set", "standbyMode=hot")
    everywhere(release, "SELECT 1", "1")
    release.wait_full_strength()
    assert identities(release.pods()) == before
    assert release.primary().name == primary


@pytest.mark.thorough
def test_reconfigure_of_reads_leads_to_hot_standbys_alone_also_after_a_failover(release: Release) -> None:
    if release.standby_mode() != "hot":
        release.upgrade("--set", "standbyMode=hot")
    everywhere(release, "SELECT 1", "1")
    release.wait_full_strength()
    reads_are_led_to_the_standbys(release)
    host = f"{release.name}-readonly.{release.namespace.name}"
    assert release.client.sql("SELECT pg_is_in_recovery()", host=host) == [["t"]]
    old = release.primary()
    release.fail_over()
    assert release.primary().name != old.name
    reads_are_led_to_the_standbys(release)
    assert old.name in readers(release)


def test_reconfigure_reloads_parameters(release: Release) -> None:
    before = identities(release.pods())
    release.upgrade("--set-string", "postgresql.parameters.work_mem=7MB")
    everywhere(release, "SHOW work_mem", "7MB")
    release.wait_full_strength()
    assert identities(release.pods()) == before


def test_reconfigure_reloads_the_rules_of_access(release: Release) -> None:
    before = identities(release.pods())
    release.upgrade("--set-json", f'postgresql.pgHba=["{RULE}"]')
    everywhere(release, RULES, "1")
    release.wait_full_strength()
    assert identities(release.pods()) == before


def test_reconfigure_of_the_failover_times_reaches_the_agents(release: Release) -> None:
    before = identities(release.pods())
    release.upgrade("--set-json", "failover.ttlSeconds=9.5,failover.leaseSeconds=7.5")
    release.wait(
        "each pod has the file", lambda: all('"ttlSeconds": 9.5' in text for text in release.projected("failover.json").values()), WAIT_S
    )
    release.wait("the leader uses it", lambda: release.lease()["ttlSeconds"] == 9.5, WAIT_S)
    release.wait_full_strength()
    assert identities(release.pods()) == before


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "value"), [("max_connections", "130"), ("max_connections", "70"), ("shared_buffers", "64MB")])
def test_reconfigure_of_what_servers_read_at_a_start_costs_one_switchover(
    release: Release, measured: list[str], name: str, value: str
) -> None:
    before, term = identities(release.pods()), release.lease()["term"]
    change = Fault[Release](f"{name}={value}", lambda release, _: release.upgrade("--set", f"postgresql.parameters.{name}={value}"))
    found = trial.run(release, change, f"{name}-{value}".lower().replace("_", "-"))
    measured.append(found.summary)
    assert found.violations() == []
    assert found.lost == []
    assert found.lost_pinned == []
    everywhere(release, f"SHOW {name}", value, IN_TURN_S)
    everywhere(release, PENDING, "0")
    release.wait_full_strength()
    assert identities(release.pods()) == before
    assert release.lease()["term"] == term + 1
    assert release.latest("StartedWarm") == {}


@pytest.mark.thorough
def test_reconfigure_with_a_refused_value_restarts_nothing_and_helm_test_says_why(release: Release) -> None:
    before, term = identities(release.pods()), release.lease()["term"]
    release.upgrade("--set", "postgresql.parameters.max_connections=80,postgresql.parameters.shared_preload_libraries=timescaledb")
    refuses = "refuses its configuration: postgresql.parameters.shared_preload_libraries"

    def is_said() -> bool:
        return sum(refuses in warning for warning in release.status()["warnings"]) == release.replicas

    release.wait("hapg status says it of each pod", is_said, WAIT_S)
    assert release.namespace.try_helm("test", release.name).code != 0
    assert refuses in release.namespace.kubectl("logs", f"{release.name}-test-primary")
    assert asked(release, "SHOW max_connections") == ["70"] * release.replicas
    assert (identities(release.pods()), release.lease()["term"]) == (before, term)
    release.upgrade("--set", "postgresql.parameters.max_connections=70,postgresql.parameters.shared_preload_libraries=")
    release.wait("nothing is wrong", lambda: release.status()["warnings"] == [], IN_TURN_S)
    assert "Succeeded" in release.namespace.helm("test", release.name)
