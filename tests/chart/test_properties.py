"""Any valid spec renders the same with helm 3 and 4, lints, and is accepted by Kubernetes."""

from __future__ import annotations

import copy
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings

from hapg.chart import render, write
from hapg.spec import parser
from tests.chart import helm
from tests.unit.generator import specs


@pytest.mark.slow
@given(specs.SPECS)
@settings(max_examples=25, phases=[Phase.explicit, Phase.reuse, Phase.generate])  # with helm, shrinking takes minutes
def test_any_valid_spec(location: str, document: specs.Object) -> None:
    wanted = parser.parse(specs.text(document), "pg.yaml")
    with tempfile.TemporaryDirectory() as folder:
        chart = Path(folder, wanted.name)
        write.write(chart, render.chart(wanted.name, wanted.profile, wanted.defaults))
        three, four = (rendered(chart, version) for version in helm.VERSIONS)
        assert three == four
        apart = rendered(chart, "helm3", "--set", "walVolume.enabled=true") if wanted.defaults.get("storage.accessModes") else ""
        short = ("--set", f"fullnameOverride={wanted.name}")  # the release of a lint is called test-release
        linted = helm.run("helm3", "lint", "--strict", str(chart), "--kube-version", helm.KUBERNETES, *short)
        assert linted.returncode == 0, linted.stdout
        Path(folder, "rendered.yaml").write_text(f"{three}\n{apart}")
        checked = helm.run("kubeconform", "-strict", "-summary", "-schema-location", location, str(Path(folder, "rendered.yaml")))
        assert checked.returncode == 0, checked.stdout
        assert "Invalid: 0, Errors: 0, Skipped: 0" in checked.stdout
        check_against_spec(three, wanted)


def rendered(chart: Path, version: str, *options: str) -> str:
    done = helm.run(version, "template", chart.name, str(chart), "--namespace", "123", "--kube-version", helm.KUBERNETES, *options)
    assert done.returncode == 0, done.stderr
    return "\n".join(line for line in done.stdout.splitlines() if line.strip())


def _with_selector(affinity: Any, own: dict[str, Any]) -> Any:
    """The affinity, in which terms about pods without a selector have the release's."""
    found = copy.deepcopy(affinity)
    for kind in ("podAffinity", "podAntiAffinity"):
        terms = found.get(kind, {})
        for term in terms.get("requiredDuringSchedulingIgnoredDuringExecution", []):
            term.setdefault("labelSelector", own)
        for weighted in terms.get("preferredDuringSchedulingIgnoredDuringExecution", []):
            weighted["podAffinityTerm"].setdefault("labelSelector", own)
    return found


def check_against_spec(text: str, wanted: parser.Spec) -> None:
    """The values of the spec arrive in the objects as they are, and no delimiter of a template does."""
    (stateful_set,) = (document for document in helm.documents(text) if document["kind"] == "StatefulSet")
    pod = stateful_set["spec"]["template"]["spec"]
    assert stateful_set["spec"]["replicas"] == wanted.defaults["replicas"]
    for key in ("nodeSelector", "tolerations", "schedulerName"):
        assert pod.get(key) == (wanted.defaults.get(key) or None)
    secrets: Any = wanted.defaults.get("imagePullSecrets", ())
    assert [secret["name"] for secret in pod.get("imagePullSecrets", ())] == list(dict.fromkeys(secret["name"] for secret in secrets))
    if wanted.defaults.get("affinity"):
        own = stateful_set["spec"]["selector"]
        assert pod["affinity"] == _with_selector(wanted.defaults["affinity"], own)
    if not any(delimiter in str(wanted.defaults) for delimiter in ("{{", "[[", "[%")):
        assert not re.search(r"\{\{|\}\}|\[\[ [a-z]|\[% [a-z]|<no value>", text)
