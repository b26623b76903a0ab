"""Values that values.schema.json accepts are rendered to valid objects, in which no key occurs twice, or refused with the path of a
value.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import Phase, given, settings

from tests.chart import drawn, helm, kubernetes_schemas

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
CERT_MANAGER = "tls.secretName=,tls.certManager.issuerRef.name=company"
SCHEMAS = "- at '/"
REFUSED = re.compile(r"([a-z][A-Za-z.]*\.?[^ :]*: |the name )")
"""How each line of a refusal by a template begins."""


def is_refusal(said: str) -> bool:
    """Whether helm's error message names values that are refused, and is not about the template or what it renders to."""
    if SCHEMAS in said:
        return True
    lines = [line for line in said.splitlines()[1:] if line and not line.startswith("Use --debug")]
    if "the name " in said.splitlines()[0]:
        return True
    return "execution error at" in said and bool(lines) and all(REFUSED.match(line) for line in lines)


@given(drawn.values())
@settings(max_examples=1000 if NIGHTLY else 20, phases=[Phase.explicit, Phase.reuse, Phase.generate])  # with helm, shrinking takes minutes
def test_any_accepted_values_give_valid_objects_or_are_refused_with_a_path(document: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "values.yaml")
        file.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
        done = helm.run("helm3", "template", "ha-postgres", str(helm.CHART), "--namespace", "123", "--values", str(file))
    if done.returncode != 0:
        assert is_refusal(done.stderr), done.stderr
        return
    for rendered in helm.documents(done.stdout):
        assert kubernetes_schemas.problems(rendered, helm.KUBERNETES) == []


def test_an_annotation_of_the_pods_that_the_chart_sets_is_refused() -> None:
    key = "kubectl.kubernetes.io/default-container"
    said = helm.refusal(*helm.values({"podAnnotations": {key: "other"}}))
    assert f"podAnnotations: {key} can't be set, because it is the chart's own" in said


def test_a_name_that_looks_like_a_number_is_a_label_of_text() -> None:
    found = helm.objects(*helm.values({"nameOverride": "1e3", "fullnameOverride": "orders"}))
    assert {document["metadata"]["labels"]["app.kubernetes.io/name"] for document in found.values()} == {"1e3"}


def test_a_name_that_is_no_label_is_refused() -> None:
    assert "at '/nameOverride'" in helm.refusal(*helm.values({"nameOverride": "a: b", "fullnameOverride": "orders"}))


def test_a_domain_of_labels_that_the_chart_uses_otherwise_is_refused() -> None:
    assert "labelDomain: app.kubernetes.io is taken" in helm.refusal("--set", "labelDomain=app.kubernetes.io")


def test_a_certificate_in_a_namespace_that_looks_like_a_number_is_valid() -> None:
    found = helm.documents(helm.text(*helm.example("production-tls"), "--set", CERT_MANAGER, "--namespace", "123"))
    (certificate,) = [document for document in found if document["kind"] == "Certificate"]
    assert kubernetes_schemas.problems(certificate, helm.KUBERNETES) == []


def test_a_huge_number_of_unavailable_pods_is_an_integer(tmp_path: Path) -> None:
    """A number of a file is floating point for helm, and one of an option is not."""
    for number, value in enumerate((0, 2, 999999999999, "40%")):
        file = tmp_path / f"{number}.yaml"
        file.write_text(json.dumps({"podDisruptionBudget": {"maxUnavailable": value}}))
        found = helm.objects("--values", str(file))
        rendered = found["PodDisruptionBudget", "ha-postgres"]["spec"]["maxUnavailable"]
        assert (rendered, type(rendered)) == (value, type(value))
