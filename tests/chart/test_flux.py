"""The example of a HelmRelease: Flux reads it, and the chart takes its values."""

from __future__ import annotations

import yaml

from tests.chart import helm, kubernetes_schemas

OBJECTS = {each["kind"]: each for each in yaml.safe_load_all((helm.EXAMPLES / "flux" / "ha-postgres.yaml").read_text())}


def test_it_is_valid_by_the_definition_of_flux() -> None:
    found = OBJECTS["HelmRelease"]
    named = {**found, "metadata": {**found["metadata"], "labels": {}}}
    assert kubernetes_schemas.problems(named, helm.KUBERNETES) == []
    wrong = {**named, "spec": {**named["spec"], "upgrades": {}, "timeout": "soon"}}
    assert len(kubernetes_schemas.problems(wrong, helm.KUBERNETES)) == 2


def test_it_names_its_source() -> None:
    source, reference = OBJECTS["OCIRepository"], OBJECTS["HelmRelease"]["spec"]["chartRef"]
    assert reference == {"kind": source["kind"], "name": source["metadata"]["name"]}
    assert {each["metadata"]["namespace"] for each in OBJECTS.values()} == {"demo"}


def test_the_chart_takes_its_values() -> None:
    found = helm.objects(*helm.values(OBJECTS["HelmRelease"]["spec"]["values"]))
    assert ("StatefulSet", OBJECTS["HelmRelease"]["metadata"]["name"]) in found


def test_the_version_of_the_chart_is_no_part_of_a_pod() -> None:
    """Flux adds a digest to it: another package of the same chart must not replace pods."""
    found = helm.objects()["StatefulSet", "ha-postgres"]
    label = "helm.sh/chart"
    assert label in found["metadata"]["labels"]
    assert label not in found["spec"]["template"]["metadata"]["labels"]
    assert all(label not in claim["metadata"].get("labels", {}) for claim in found["spec"]["volumeClaimTemplates"])
