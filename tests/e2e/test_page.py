"""The tutorial's own object becomes a chart, and the chart a release, with Helm 4."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.fixtures import Cluster
from tests.e2e import page, printed
from tests.robustness import programs
from tests.robustness.programs import HAPG
from tests.robustness.release import CHART, VALUES, Release

pytestmark = [pytest.mark.cluster, pytest.mark.pages, pytest.mark.slow, pytest.mark.timeout(420)]

HELM = "helm4"


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    (folder / "ha-postgres.yaml").write_text(page.HA_POSTGRES, encoding="utf-8")
    programs.run(str(HAPG), "generate", str(folder / "ha-postgres.yaml"), "-o", str(folder / "charts"))
    return folder / "charts" / "ha-postgres"


@pytest.fixture(scope="module")
def release(cluster: Cluster, chart: Path) -> Iterator[Release]:
    with programs.namespace("e2e-page") as namespace:
        release = Release(namespace)
        release.install(chart, program=HELM)
        yield release


def test_three_servers_run_with_what_the_page_asks_for(release: Release) -> None:
    pods = release.wait_serving()
    assert [pod.name for pod in pods] == ["ha-postgres-0", "ha-postgres-1", "ha-postgres-2"]
    claims = release.namespace.get("persistentvolumeclaims")
    assert [claim["metadata"]["name"] for claim in claims] == [f"data-ha-postgres-{number}" for number in range(3)]
    for claim in claims:
        assert claim["spec"]["storageClassName"] == "standard"
        assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
        assert claim["spec"]["resources"]["requests"]["storage"] == "50Mi"


def test_helm_test_passes(release: Release) -> None:
    release.wait_serving()
    said = release.namespace.helm("test", "ha-postgres", program=HELM)
    assert "Phase:          Succeeded" in said


def test_uninstall_leaves_the_data_and_the_password_alone(release: Release) -> None:
    release.uninstall(HELM)
    assert len(release.namespace.get("persistentvolumeclaims")) == 3
    assert release.namespace.get("secret", "ha-postgres-auth")["data"]["POSTGRES_PASSWORD"]
    left = release.namespace.kubectl("get", "statefulsets,services,configmaps,roles,rolebindings,poddisruptionbudgets", "--output", "name")
    assert left.split() == ["configmap/kube-root-ca.crt"]


def test_cleaning_up_as_printed_wipes_everything(release: Release) -> None:
    release.install(CHART, "--values", str(VALUES), "--set", "doNotPause=true")
    release.wait_serving()
    namespace = release.namespace
    own = {"demo": namespace.name}
    allow, uninstall, listed, wipe, delete = printed.commands("### Clean up after the tutorial")

    refused = printed.follow(uninstall, own)
    assert refused.code != 0
    assert "doNotPause is true, so nothing is deleted" in refused.err
    for line in (allow, uninstall):
        done = printed.follow(line, own)
        assert done.code == 0, done.text
    assert release.pods() == []
    asleep = printed.follow(listed, own)
    assert asleep.code == 0, asleep.text
    assert "ha-postgres" in asleep.out
    assert namespace.get("persistentvolumeclaims")

    wiped = printed.follow(wipe, own)
    assert wiped.code == 0, wiped.text
    left = namespace.kubectl("get", "persistentvolumeclaims,secrets,leases,statefulsets,services", "--output", "name")
    assert left.split() == []
    deleted = printed.follow(delete, own)
    assert deleted.code == 0, deleted.text
