"""Every address of a release is of the cluster's family. FAMILY=ipv6 gives a local cluster of IPv6 addresses alone."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

import pytest

from tests.cluster.fixtures import Cluster
from tests.robustness import programs, trial
from tests.robustness.failpoint import faults
from tests.robustness.release import Release
from tests.robustness.stock import installed

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.thorough, pytest.mark.timeout(420)]


@pytest.fixture(scope="module")
def family(cluster: Cluster) -> str:
    """The family that the cluster gives a Service that asks for none: IPv4 or IPv6."""
    found = programs.run("kubectl", "get", "service", "kubernetes", "--namespace", "default", "-o", "jsonpath={.spec.ipFamilies[0]}")
    assert found in ("IPv4", "IPv6")
    return found


@pytest.fixture(scope="module")
def release(family: str) -> Iterator[Release]:
    """A release of three hot servers, whose Services ask for the cluster's family."""
    options = ("--set", f"service.ipFamilies={{{family}}},service.ipFamilyPolicy=SingleStack,standbyMode=hot")
    with installed("e2e-family", *options) as release:
        yield release


def families(addresses: list[str]) -> set[str]:
    return {f"IPv{ipaddress.ip_address(address).version}" for address in addresses}


def test_pods_services_and_replication_have_addresses_of_one_family(release: Release, family: str) -> None:
    pods = [each["status"]["podIP"] for each in release.namespace.get("pods", "-l", release.selector)]
    services = [each["spec"]["clusterIP"] for each in release.namespace.get("services")]
    services = [each for each in services if each != "None"]
    streaming = release.ask_inside("SELECT host(client_addr) FROM pg_stat_replication").split()
    assert families(pods) == families(services) == families(streaming) == {family}
    assert len(streaming) == 2
    assert len(services) >= 3


@pytest.mark.parametrize("fault", [faults.SWITCHOVER, faults.GRACEFUL, faults.NODE], ids=lambda fault: fault.name)
def test_a_failover_loses_nothing(release: Release, fault: faults.Fault, measured: list[str]) -> None:
    found = trial.run(release, fault, fault.name)
    measured.append(found.summary)
    assert found.violations() == []
    assert found.lost == []
