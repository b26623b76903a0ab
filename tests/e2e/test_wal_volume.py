"""A release whose servers have WAL volumes. The tests depend on each other, in order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.fixtures import Cluster, NodeFaults
from tests.e2e import diverging
from tests.robustness.release import DATA, Pod, Release
from tests.robustness.stock import installed

pytestmark = [pytest.mark.cluster, pytest.mark.thorough, pytest.mark.slow, pytest.mark.timeout(420)]

WITH_WAL_VOLUMES = ("--set", "walVolume.enabled=true,walVolume.size=100Mi")


@pytest.fixture(scope="module")
def apart(cluster: Cluster) -> Iterator[Release]:
    """A release with WAL volumes, at full strength."""
    with installed("e2e-wal", *WITH_WAL_VOLUMES) as release:
        yield release


def directories(release: Release, pod: Pod) -> tuple[str, list[str]]:
    """The target of a pod's pg_wal, and the directories on its WAL volume."""
    script = f"readlink {DATA}/pg_wal; ls -d /var/lib/postgresql/wal/wal.*; df --output=target {DATA}/pg_wal/. | tail -1"
    link, *found, mounted = release.inside(pod.name, "bash", "-c", script).split()
    assert mounted == "/var/lib/postgresql/wal", "it is a mount of its own"
    return link, found


def wal_is_apart(release: Release) -> dict[str, str]:
    """Check that each pod's pg_wal is the only directory of its WAL volume; return it by pod."""
    links = {}
    for pod in release.pods():
        link, found = directories(release, pod)
        assert found == [link]
        links[pod.name] = link
    return links


def test_every_pod_has_its_wal_on_a_claim_of_its_own(apart: Release) -> None:
    apart.client.sql("CREATE TABLE kept AS SELECT number FROM generate_series(1, 1000) AS number; CREATE TABLE diverged (text text)")
    claims = {claim["metadata"]["name"]: claim["status"]["phase"] for claim in apart.namespace.get("pvc", "--selector", apart.selector)}
    assert claims == {f"{claim}-{apart.name}-{number}": "Bound" for claim in ("data", "wal") for number in range(3)}
    wal_is_apart(apart)


def test_a_pod_hands_over_and_finds_its_wal_again(apart: Release) -> None:
    before = wal_is_apart(apart)
    apart.fail_over()
    assert apart.client.sql("SELECT count(*) FROM kept") == [["1000"]]
    assert wal_is_apart(apart) == before


def test_a_former_primary_is_rewound_on_both_volumes(apart: Release, node_faults: NodeFaults) -> None:
    before = wal_is_apart(apart)
    old, elsewhere = diverging.rejoined(apart, node_faults)
    assert "rewound to" in apart.agent_log(old.name)
    assert elsewhere.sql("SELECT count(*) FROM kept") == [["1000"]]
    assert wal_is_apart(apart) == before


def test_a_replica_that_lost_its_claims_is_cloned_onto_new_ones(apart: Release) -> None:
    before, lost = wal_is_apart(apart), apart.standbys()[-1]
    apart.lose(lost, "data", "wal")
    apart.wait_replaced(lost)
    after = wal_is_apart(apart)
    assert "a clone of the primary" in apart.agent_log(lost.name)
    assert {name for name in after if after[name] != before[name]} == {lost.name}
    assert apart.client.sql("SELECT count(*) FROM kept") == [["1000"]]


def test_a_replica_whose_wal_volume_alone_is_new_is_not_opened_but_cloned(apart: Release) -> None:
    lost = apart.standbys()[-1]
    apart.lose(lost, "wal")
    apart.wait_replaced(lost)
    wal_is_apart(apart)
    assert "a clone of the primary has replaced the old data" in apart.agent_log(lost.name)


def test_a_replica_whose_data_volume_alone_is_new_is_told_and_left_alone(apart: Release) -> None:
    lost = apart.standbys()[-1]
    apart.lose(lost, "data")
    message = apart.wait("an Event", lambda: mismatched(apart, lost.name), 120)
    assert "the data volume is empty: nothing is touched; to have the pod cloned again, delete both of its PVCs and the pod" in message
    apart.lose(lost, "data", "wal")
    apart.wait_full_strength()
    wal_is_apart(apart)


def mismatched(release: Release, pod: str) -> str:
    """The message of the latest Event about a pod's two volumes, '' if there is none."""
    return release.latest("VolumesMismatched").get(pod, "")
