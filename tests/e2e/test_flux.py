"""A release that Flux installs, upgrades and rolls back, from the example of a HelmRelease. The tests depend on each other, in order."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from tests.cluster import chosen, flux
from tests.cluster.fixtures import Cluster
from tests.cluster.flux import RELEASES, SOURCES, Flux
from tests.cluster.paths import REPOSITORY
from tests.robustness import programs
from tests.robustness.release import CHART, NAME, Release, identities

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.thorough, pytest.mark.timeout(900)]

EXAMPLE = REPOSITORY / "values-examples" / "flux" / "ha-postgres.yaml"
OURS = {
    "global": {"imageRegistry": "localhost"},
    "storage": {"storageClassName": "standard", "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "50Mi"}}},
}
"""Values for the tests' cluster."""
FIRST, NEXT = "15.0.7", "15.0.8"
"""Versions of the chart."""
SYNC_SECONDS = 360.0
BROKEN_SECONDS = 90
HELM_RELEASE, SOURCE = f"{RELEASES}/{NAME}", f"{SOURCES}/{NAME}"
KEPT = ("pvc/data-ha-postgres-0", "pvc/data-ha-postgres-1", "pvc/data-ha-postgres-2", "secret/ha-postgres-auth", "lease/ha-postgres")


@dataclass
class Synced:
    """The HelmRelease and its source, in the release's namespace."""

    flux: Flux
    release: Release
    objects: dict[str, dict[str, Any]]

    def offer(self, version: str) -> None:
        """Package the chart with a version, and do as source-controller does once it has fetched it."""
        programs.run("helm3", "package", str(CHART), "--version", version, "--destination", str(self.flux.charts))
        own = self.release.namespace
        own.apply(self.objects["OCIRepository"])
        status = self.flux.artifact(self.flux.charts / f"{CHART.name.rpartition('-')[0]}-{version}.tgz")
        status["observedGeneration"] = own.get(SOURCE)["metadata"]["generation"]
        own.kubectl("patch", SOURCE, "--subresource=status", "--type=merge", "--patch", yaml.safe_dump({"status": status}))

    def apply(self, **values: Any) -> None:
        """Apply the HelmRelease with changed values."""
        helm_release = self.objects["HelmRelease"]
        helm_release["spec"]["values"] |= values
        self.release.namespace.apply(helm_release)

    def found(self) -> dict[str, Any]:
        """The HelmRelease as it is in the cluster."""
        found: dict[str, Any] = self.release.namespace.get(HELM_RELEASE)
        return found

    def condition(self, kind: str) -> str:
        """The status and reason of a condition that Flux has made of the present generation, "" if there is none."""
        found = self.found()
        if found["status"].get("observedGeneration") != found["metadata"]["generation"]:
            return ""
        [*said] = [f"{each['status']} {each['reason']}" for each in found["status"]["conditions"] if each["type"] == kind]
        return said[0] if said else ""

    def deployed(self) -> list[str]:
        """The version of the chart in the history's releases that are deployed; without the digest that Flux adds."""
        history = self.found()["status"].get("history", [])
        return [each["chartVersion"].partition("+")[0] for each in history if each["status"] == "deployed"]

    def wait_for(self, condition: str, version: str) -> None:
        """Wait until Ready has this status and reason, and this version of the chart is deployed."""
        self.wait(f"{condition}, {version}", lambda: self.condition("Ready") == condition and self.deployed() == [version])

    def wait(self, what: str, condition: Any) -> None:
        try:
            self.release.wait(what, condition, SYNC_SECONDS)
        except AssertionError as error:
            said = self.release.namespace.try_kubectl("get", HELM_RELEASE, "--output=yaml").text
            raise AssertionError(f"{error}\n{said[-4000:]}\n{self.flux.log()[-4000:]}") from error

    def look(self) -> None:
        """Have Flux compare the cluster with the chart now, and wait until it has."""
        now = f"{time.time()}"
        self.release.namespace.kubectl("annotate", HELM_RELEASE, "--overwrite", f"reconcile.fluxcd.io/requestedAt={now}")
        self.wait("it was compared", lambda: self.found()["status"].get("lastHandledReconcileAt") == now)

    def said(self) -> set[str]:
        """The reasons of Flux's Events about the HelmRelease."""
        return {event.reason for event in self.release.events("involvedObject.kind=HelmRelease")}


@pytest.fixture(scope="module")
def synced(cluster: Cluster) -> Iterator[Synced]:
    if not chosen.is_local():
        pytest.skip("Flux is run beside the local cluster only")
    with flux.running() as running, programs.namespace("e2e-flux") as namespace:
        objects = {each["kind"]: each for each in yaml.safe_load_all(EXAMPLE.read_text())}
        for each in objects.values():
            each["metadata"]["namespace"] = namespace.name
        yield Synced(running, Release(namespace), objects)


def test_the_first_sync_installs_it(synced: Synced) -> None:
    synced.offer(FIRST)
    synced.apply(**OURS)
    synced.wait_for("True InstallSucceeded", FIRST)
    synced.release.settle()
    synced.release.client.sql("CREATE TABLE kept AS SELECT 1 AS number")


def test_a_failover_is_no_drift(synced: Synced) -> None:
    release = synced.release
    release.fail_over()
    primary = release.primary().uid
    synced.look()
    assert synced.condition("Ready") == "True InstallSucceeded"
    assert not [reason for reason in synced.said() if "Drift" in reason]
    assert release.primary().uid == primary


def test_an_upgrade(synced: Synced) -> None:
    """To another version of the chart with changed values, neither of which replaces a pod."""
    release = synced.release
    before = identities(release.pods())
    synced.apply(standbyMode="hot")
    synced.offer(NEXT)
    synced.wait_for("True UpgradeSucceeded", NEXT)
    for standby in release.standbys():
        release.wait(f"{standby.name} answers", lambda pod=standby: release.client.sql("SELECT number FROM kept", host=pod.ip), 120)  # type: ignore[misc]
    release.wait_full_strength()
    assert identities(release.pods()) == before


def test_an_upgrade_that_fails_is_rolled_back(synced: Synced) -> None:
    """The first pod does not start again, the others go on, and Flux brings the former values back by itself."""
    release, spec = synced.release, synced.objects["HelmRelease"]["spec"]
    spec["timeout"] = f"{BROKEN_SECONDS}s"
    synced.apply(image={"tag": "none"})
    last = f"{release.name}-{release.replicas - 1}"
    release.wait(f"{last} cannot start", lambda: not release.pod(last).ready, 60)
    release.client.sql("INSERT INTO kept VALUES (2)")
    synced.wait("it is rolled back", lambda: synced.condition("Remediated") == "True RollbackSucceeded")
    assert synced.deployed() == [NEXT]
    release.wait_full_strength()
    assert release.client.sql("SELECT number FROM kept ORDER BY 1") == [["1"], ["2"]]
    synced.apply(image={"tag": ""})
    synced.wait("it is in sync again", lambda: synced.condition("Ready").startswith("True"))
    release.wait_full_strength()


def test_a_deletion_keeps_the_data(synced: Synced) -> None:
    namespace = synced.release.namespace
    before = {each["metadata"]["uid"] for each in namespace.get(*KEPT)}
    namespace.kubectl("delete", HELM_RELEASE, "--timeout=180s")
    synced.release.wait("the pods are gone", lambda: not synced.release.pods(), 180)
    assert {each["metadata"]["uid"] for each in namespace.get(*KEPT)} == before
