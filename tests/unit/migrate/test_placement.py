"""Rules about where the old pods run become rules about the release's pods."""

from __future__ import annotations

from typing import Any

import pytest

from hapg.migrate.placement import OLD_PODS
from hapg.migrate.rules import Outcome
from tests.unit.migrate.test_tables import CNPG, CRUNCHY, KUBEDB, ZALANDO, migrate, said

HOSTS = "kubernetes.io/hostname"
REQUIRED, PREFERRED = "requiredDuringSchedulingIgnoredDuringExecution", "preferredDuringSchedulingIgnoredDuringExecution"


def anti(labels: dict[str, str]) -> dict[str, Any]:
    return {"podAntiAffinity": {REQUIRED: [{"topologyKey": HOSTS, "labelSelector": {"matchLabels": labels}}]}}


CASES: list[tuple[dict[str, Any], Any, dict[str, str]]] = [
    (KUBEDB, lambda affinity: {"podTemplate": {"spec": {"affinity": affinity}}}, {"app.kubernetes.io/instance": "db"}),
    (KUBEDB, lambda affinity: {"affinity": affinity}, {"app.kubernetes.io/name": "postgreses.kubedb.com"}),
    (CNPG, lambda affinity: {"affinity": {"additionalPodAntiAffinity": affinity["podAntiAffinity"]}}, {"cnpg.io/cluster": "db"}),
    (
        CRUNCHY,
        lambda affinity: {"instances": [{"affinity": affinity}]},
        {"postgres-operator.crunchydata.com/cluster": "db", "postgres-operator.crunchydata.com/instance-set": "a"},
    ),
    ({}, lambda affinity: {"auth": {}, "primary": {"affinity": affinity}}, {"app.kubernetes.io/name": "postgresql"}),
]


@pytest.mark.parametrize(("document", "spec", "labels"), CASES)
def test_a_term_for_the_old_pods_is_for_the_releases(document: dict[str, Any], spec: Any, labels: dict[str, str]) -> None:
    found = migrate(document, spec(anti(labels))) if document else migrate(spec(anti(labels)))
    assert found.values["affinity"] == {"podAntiAffinity": {REQUIRED: [{"topologyKey": HOSTS}]}}
    (entry,) = [entry for entry in found.entries if entry.path[-1] == "labelSelector"]
    assert (entry.outcome, entry.text) == (Outcome.NONE, OLD_PODS)


@pytest.mark.parametrize(("document", "spec", "_labels"), CASES)
@pytest.mark.parametrize("labels", [{"app": "db"}, {"app.kubernetes.io/name": "web"}])
def test_a_term_for_other_pods_stays(document: dict[str, Any], spec: Any, _labels: object, labels: dict[str, str]) -> None:
    found = migrate(document, spec(anti(labels))) if document else migrate(spec(anti(labels)))
    assert found.values["affinity"] == anti(labels)


def test_another_clusters_pods_stay_avoided() -> None:
    other = anti({"cnpg.io/cluster": "other"})
    found = migrate(CNPG, {"affinity": {"additionalPodAntiAffinity": other["podAntiAffinity"]}})
    assert found.values["affinity"] == other


def test_preferred_terms_and_expressions_count_too() -> None:
    selector = {"matchExpressions": [{"key": "cnpg.io/cluster", "operator": "In", "values": ["db"]}]}
    term = {"topologyKey": HOSTS, "labelSelector": selector, "namespaces": ["shop"]}
    found = migrate(CNPG, {"affinity": {"additionalPodAntiAffinity": {PREFERRED: [{"weight": 1, "podAffinityTerm": term}]}}})
    assert found.values["affinity"]["podAntiAffinity"] == {PREFERRED: [{"weight": 1, "podAffinityTerm": {"topologyKey": HOSTS}}]}


@pytest.mark.parametrize(
    ("document", "prefix"),
    [(KUBEDB, "spec.podTemplate.spec"), (CNPG, "spec"), (ZALANDO, "spec"), (CRUNCHY, "spec.instances[0]"), ({"auth": {}}, "primary")],
)
def test_pods_are_spread_without_the_old_selector(document: dict[str, Any], prefix: str) -> None:
    plain = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
    node: Any = {"topologySpreadConstraints": [{**plain, "labelSelector": {"matchLabels": {"app": "x"}}}]}
    for key in reversed(prefix.removeprefix("spec.").split(".") if prefix != "spec" else []):
        node = {key.removesuffix("[0]"): [node] if key.endswith("[0]") else node}
    found = migrate(document, node) if "kind" in document else migrate(document | node)
    assert found.values["topologySpreadConstraints"] == [plain]
    assert said(found, f"{prefix}.topologySpreadConstraints[0].labelSelector") == (Outcome.NONE, OLD_PODS)
