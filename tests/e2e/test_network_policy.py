"""The release's NetworkPolicy, enforced: who reaches it, what it reaches, and that failover still
works. The tests depend on each other, in order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import yaml

from tests.cluster import chosen, policies
from tests.cluster.fixtures import Cluster
from tests.robustness import programs
from tests.robustness.client import Client
from tests.robustness.release import CHART, VALUES, Release

pytestmark = [pytest.mark.cluster, pytest.mark.thorough, pytest.mark.timeout(300)]

LABEL = {"example.com/database-client": "true"}
POLICY = {"enabled": True, "clients": [{"podSelector": {"matchLabels": LABEL}}], "metrics": [{"podSelector": {"matchLabels": LABEL}}]}
REFUSED = "Connection refused"


@dataclass(frozen=True)
class Guarded:
    """A release with a policy, and a client that the policy doesn't list; it lists the release's other clients."""

    release: Release
    stranger: Client

    def turns_away(self) -> bool:
        """True if the Service and every pod refuse the stranger."""
        hosts = [None, *(pod.ip for pod in self.release.pods())]
        return all(REFUSED in self.stranger.try_psql("SELECT 1", host=host).err for host in hosts)

    def connects(self, pod: str, container: str, host: str, port: int) -> bool:
        """True if a container of a pod reaches a port."""
        script = f"exec 3<>/dev/tcp/{host}/{port}"
        return self.release.try_inside(pod, "bash", "-c", script, container=container).code == 0


@pytest.fixture(scope="module")
def guarded(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A release with a policy that lists some of its clients, at full strength."""
    if not chosen.is_local():
        pytest.skip("network policies are enforced on the local cluster")
    values = tmp_path_factory.mktemp("policy") / "values.yaml"
    values.write_text(yaml.safe_dump({"standbyMode": "hot", "networkPolicy": POLICY}))
    with policies.enforced(), programs.namespace("e2e-policy") as namespace:
        release = Release(namespace)
        release.install(CHART, "--values", str(VALUES), "--values", str(values))
        release.wait_serving()
        release.add_clients()
        *listed, stranger = release.clients
        release.clients = listed
        labels = [f"{key}={value}" for key, value in LABEL.items()]
        namespace.kubectl("label", "pods", *(each.name for each in listed), *labels)
        release.wait_full_strength()
        yield Guarded(release, stranger)


def test_a_client_that_is_not_listed_is_refused(guarded: Guarded) -> None:
    release = guarded.release
    release.wait("the stranger is refused", guarded.turns_away, 30)
    for pod in release.pods():
        assert release.client.sql("SELECT 1", host=pod.ip) == [["1"]]
    assert release.client.sql("SELECT 1") == [["1"]]


def test_metrics_are_for_who_is_listed(guarded: Guarded) -> None:
    [address, *_] = [pod.ip for pod in guarded.release.pods()]
    assert guarded.connects(guarded.release.client.name, "client", address, 8008)
    assert not guarded.connects(guarded.stranger.name, "client", address, 8008)


def test_the_pods_reach_each_other_by_two_ports_alone(guarded: Guarded) -> None:
    one, other, *_ = guarded.release.pods()
    assert [guarded.connects(one.name, "postgres", other.ip, port) for port in (5432, 8009, 8008)] == [True, True, False]


def test_helm_test_is_let_through(guarded: Guarded) -> None:
    assert "Phase:          Succeeded" in guarded.release.namespace.helm("test", guarded.release.name)


def test_a_failover_goes_on(guarded: Guarded) -> None:
    release = guarded.release
    release.client.sql("CREATE TABLE kept AS SELECT 1 AS number")
    release.fail_over()
    assert release.client.sql("SELECT number FROM kept") == [["1"]]
    release.wait("the stranger is refused by the new pod too", guarded.turns_away, 30)
