"""Two releases do not see each other: nothing that selects pods or Services of one matches those of another, whether they share a
namespace, a name or an umbrella, and whatever Argo CD makes of the label of the instance.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hapg_protocol.pods import HOT_STANDBY
from tests.chart import helm

ALL = helm.values(
    {
        "monitor": {"agent": "prometheus.io/coreos-operator", "prometheus": {"namespace": "monitoring"}},
        "networkPolicy": {"enabled": True, "clients": [{"podSelector": {}}], "metrics": [{"podSelector": {}}]},
        "archiver": {"type": "s3", "bucket": "backups", "secretName": "s3"},
        "backup": {"schedules": {"full": "0 1 * * 0"}, "verify": {"schedule": "0 6 * * *"}},
        "import": {"from": {"host": "old.example.org", "secretName": "old"}, "databases": ["app"]},
    }
)
Labels = dict[str, str]
Selector = tuple[str, str, Labels]
"""Kind and name of the object that selects, and the labels that it asks for."""


def selectors(found: dict[tuple[str, str], helm.Object], kind: str) -> Iterator[Selector]:
    """What the objects of a kind select."""
    for (each, name), document in found.items():
        spec = document.get("spec", {})
        if each != kind:
            continue
        if kind == "Service":
            yield kind, name, spec["selector"]
        elif kind == "NetworkPolicy":
            yield kind, name, spec["podSelector"]["matchLabels"]
            peers = (peer for rule in spec["ingress"] for peer in rule.get("from", []))
            yield from ((kind, name, peer["podSelector"]["matchLabels"]) for peer in peers if peer["podSelector"])
        else:
            yield kind, name, spec["selector"]["matchLabels"]


SELECT_PODS = ("Service", "NetworkPolicy", "PodDisruptionBudget", "StatefulSet")


def pods(found: dict[tuple[str, str], helm.Object]) -> dict[str, Labels]:
    """The labels of all pods, as the objects that make them say."""

    def labels(kind: str, document: Any) -> Labels:
        if kind == "CronJob":
            return labels("Job", document["spec"]["jobTemplate"])
        inner = document if kind == "Pod" else document["spec"]["template"]
        made: Labels = inner["metadata"]["labels"]
        return made

    kinds = ("Pod", "StatefulSet", "Job", "CronJob")
    return {f"{kind} {name}": labels(kind, document) for (kind, name), document in found.items() if kind in kinds}


def services(found: dict[tuple[str, str], helm.Object], instance: str | None = None) -> dict[str, Labels]:
    """The labels of all Services. instance: the name of the Application that Argo CD writes into them."""
    tracked = {} if instance is None else {"app.kubernetes.io/instance": instance}
    return {name: {**document["metadata"]["labels"], **tracked} for (kind, name), document in found.items() if kind == "Service"}


def chosen(selector: Labels, among: dict[str, Labels]) -> list[str]:
    return [name for name, labels in among.items() if selector.items() <= labels.items()]


@pytest.mark.parametrize("first", [0, 1])
def test_nothing_of_a_release_selects_pods_or_services_of_another_in_its_namespace(first: int) -> None:
    releases = [helm.objects(*ALL, release=name) for name in ("ha-postgres", "ha-postgres-2")]
    own, other = releases[first], releases[1 - first]
    for selector in (each for kind in SELECT_PODS for each in selectors(own, kind)):
        by_agents = selector[2].get("kubedb.com/role") == "primary" or HOT_STANDBY in selector[2]  # labels that are never rendered
        assert chosen(selector[2], pods(own)) or by_agents, selector
        assert chosen(selector[2], pods(other)) == [], selector
    for selector in selectors(own, "ServiceMonitor"):
        assert chosen(selector[2], services(own)) == [f"{selector[1].removesuffix('.demo')}-{end}" for end in ("stats", "backup-stats")]
        assert chosen(selector[2], services(other)) == []
    assert not own.keys() & other.keys()


@pytest.mark.parametrize("version", helm.VERSIONS)
def test_nor_does_that_of_a_dependency_of_the_same_umbrella(version: str) -> None:
    """Both have the umbrella's instance."""
    found = [helm.objects(*ALL, "--set", f"fullnameOverride={name}", version=version) for name in ("orders", "invoices")]
    for own, other in (found, found[::-1]):
        for selector in (each for kind in SELECT_PODS for each in selectors(own, kind)):
            assert chosen(selector[2], pods(other)) == [], selector
        for selector in selectors(own, "ServiceMonitor"):
            assert chosen(selector[2], services(other)) == []


def test_service_monitors_of_one_name_in_two_namespaces_are_two_objects_and_look_into_their_own() -> None:
    monitors = []
    for namespace in ("demo", "production"):
        rendered = helm.documents(helm.text(*ALL, "--namespace", namespace))
        monitors += [document for document in rendered if document["kind"] == "ServiceMonitor"]
    assert [each["metadata"]["namespace"] for each in monitors] == ["monitoring", "monitoring"]
    assert [each["metadata"]["name"] for each in monitors] == ["ha-postgres.demo", "ha-postgres.production"]
    assert [each["spec"]["namespaceSelector"] for each in monitors] == [{"matchNames": ["demo"]}, {"matchNames": ["production"]}]


def test_a_service_monitor_in_the_namespace_of_its_release_has_its_name() -> None:
    assert ("ServiceMonitor", "ha-postgres") in helm.objects(*ALL, "--set", "monitor.prometheus.namespace=")


def test_argocd_that_tracks_by_the_instance_label_under_another_name_hides_no_metrics() -> None:
    found = helm.objects(*ALL)
    ((_, _, selector),) = selectors(found, "ServiceMonitor")
    assert chosen(selector, services(found, instance="orders-in-production")) == ["ha-postgres-stats", "ha-postgres-backup-stats"]


def test_no_selector_asks_for_the_instance() -> None:
    found = helm.objects(*ALL)
    asked = [each for kind in (*SELECT_PODS, "ServiceMonitor") for each in selectors(found, kind)]
    assert [each for each in asked if "app.kubernetes.io/instance" in each[2]] == []


@pytest.mark.parametrize("value", ["commonLabels", "monitor.prometheus.labels"])
def test_labels_by_which_they_are_told_apart_are_the_charts_own(value: str) -> None:
    given: dict[str, Any] = {"ha-postgres/name": "other"}
    for key in reversed(value.split(".")):
        given = {key: given}
    assert f"{value}: ha-postgres/name can't be set, because it is the chart's own" in helm.refusal(*helm.values(given))
