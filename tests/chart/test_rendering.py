"""Rendering is a pure function, is the same in helm 3 and 4, and gives objects that Kubernetes
accepts.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.chart import golden, helm
from tests.cluster.paths import BIN

EXAMPLES = golden.NAMES


@pytest.mark.parametrize("example", EXAMPLES)
def test_helm_3_and_4_render_the_same(example: str) -> None:
    three, four = (helm.text(*helm.example(example), version=version) for version in helm.VERSIONS)
    assert [line for line in three.splitlines() if line.strip()] == [line for line in four.splitlines() if line.strip()]


@pytest.mark.parametrize("example", EXAMPLES)
def test_rendering_depends_on_nothing_else(example: str) -> None:
    once = helm.text(*helm.example(example))
    helm.template.cache_clear()
    assert helm.text(*helm.example(example)) == once
    assert helm.text(*helm.example(example), "--is-upgrade") == once


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_rendered_examples_are_current(example: str) -> None:
    assert golden.path(example).read_text() == golden.render(example), "if it is meant: python -m tests.chart.golden"


def test_no_rendered_example_is_left_over() -> None:
    assert sorted(path.stem for path in golden.RENDERED.iterdir()) == list(EXAMPLES)


@pytest.mark.parametrize("version", helm.HELM_4_SLOWLY)
def test_lint(version: str) -> None:
    for example in EXAMPLES:
        done = helm.run(version, "lint", str(helm.CHART), "--strict", "--kube-version", helm.KUBERNETES, *helm.example(example))
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("chart", helm.CHARTS, ids=lambda chart: chart.name)
def test_the_chart_of_every_major_is_linted(chart: Path) -> None:
    done = helm.run("helm3", "lint", str(chart), "--strict", "--kube-version", helm.KUBERNETES)
    assert done.returncode == 0, done.stdout
    assert "1 chart(s) linted, 0 chart(s) failed" in done.stdout


@pytest.mark.slow
def test_chart_testing(tmp_path: Path) -> None:
    """With the values that the chart brings, and the examples."""
    chart = tmp_path / helm.CHART.name
    shutil.copytree(helm.CHART, chart)
    for example in EXAMPLES:
        shutil.copy(helm.EXAMPLES / f"{example}.yaml", chart / "ci" / f"{example}-values.yaml")
    without = ("--validate-maintainers=false", "--check-version-increment=false", "--validate-chart-schema=false", "--validate-yaml=false")
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    command = [str(BIN / "ct"), "lint", "--charts", str(chart), *without]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=helm.ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    for example in EXAMPLES:
        assert f"/ci/{example}-values.yaml" in done.stdout


def test_kubeconform(location: str, tmp_path: Path) -> None:
    rendered = []
    for example in EXAMPLES:
        rendered.append(tmp_path / f"{example}.yaml")
        rendered[-1].write_text(helm.text(*helm.example(example)))
    for chart in helm.CHARTS:
        rendered.append(tmp_path / f"{chart.name}.yaml")
        rendered[-1].write_text(helm.text(chart=chart))
    done = helm.run("kubeconform", "-strict", "-summary", "-schema-location", location, *map(str, rendered))
    assert done.returncode == 0, done.stdout
    assert "Invalid: 0, Errors: 0, Skipped: 0" in done.stdout
    assert not done.stdout.startswith("Summary: 0 ")


def test_kubeconform_would_find_a_misspelt_field(location: str, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(helm.text(*helm.example("tutorial-warm")).replace("readOnlyRootFilesystem:", "readOnlyRootFileSystem:"))
    done = helm.run("kubeconform", "-strict", "-schema-location", location, str(wrong))
    assert done.returncode == 1
    assert "readOnlyRootFileSystem" in done.stdout


def test_the_only_hook_is_the_test() -> None:
    hooks = {
        name: document["metadata"]["annotations"]["helm.sh/hook"]
        for name, document in helm.objects().items()
        if "helm.sh/hook" in document["metadata"].get("annotations", {})
    }
    assert hooks == {("Pod", "ha-postgres-test-primary"): "test"}


def test_a_cluster_that_is_too_old_is_refused() -> None:
    done = helm.run("helm3", "template", "ha-postgres", str(helm.CHART), "--kube-version", "1.28.9")
    assert "chart requires kubeVersion: >=1.29.0-0 which is incompatible with Kubernetes v1.28.9" in done.stderr


@pytest.mark.parametrize("version", helm.VERSIONS)
def test_as_a_part_of_another_chart(version: str, tmp_path: Path) -> None:
    shutil.copytree(helm.CHART, tmp_path / "charts" / "ha-postgres")
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: shop\nversion: 1.0.0\n")
    (tmp_path / "values.yaml").write_text("global: {storage: x}\nha-postgres: {replicas: 2}\n")
    found = helm.objects(chart=tmp_path, release="shop", version=version)
    assert found["StatefulSet", "shop-ha-postgres"]["spec"]["replicas"] == 2


def notes(*options: str) -> str:
    """What helm says after an installation. helm 3 can't say it without a cluster."""
    done = helm.run("helm4", "install", "ha-postgres", str(helm.CHART), "--namespace", "demo", "--dry-run=client", *options)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\nNOTES:\n")[1]


def test_the_notes_say_how_to_connect() -> None:
    said = notes()
    assert "host ha-postgres.demo, port 5432, database postgres, user postgres" in said
    assert "kubectl get secrets -n demo ha-postgres-auth -o jsonpath='{.data.POSTGRES_PASSWORD}' | base64 -d" in said
    assert "kubectl get pods -n demo --selector=kubedb.com/name=ha-postgres -L kubedb.com/role" in said
    assert "ha-postgres-readonly.demo" not in said
    assert "WARNING" not in said
    assert "host ha-postgres-readonly.demo" in notes("--set", "standbyMode=hot")


def test_the_notes_warn() -> None:
    said = notes("--set", "storage=null,replicas=1")
    assert "WARNING: storage is null. Data is kept in an emptyDir and lost with its pod" in said
    assert "With one server there is no replica to fail over to." in said


def test_the_notes_of_an_archive_and_of_a_restore() -> None:
    said = notes(*helm.example("s3"))
    assert "hapg backup list ha-postgres -n demo\n" in said
    assert "WARNING" not in said
    assert "WARNING: no backup is scheduled (backup.schedules). Without a backup, archived WAL restores nothing." in notes(
        *helm.example("restored")
    )
    assert "A new release begins with a restore of ha-postgres-1a2b3c4d. Events of restored-0 say how it went." in notes(
        *helm.example("restored")
    )
    assert "archive" not in notes().lower()


@pytest.mark.parametrize("version", helm.VERSIONS)
@pytest.mark.parametrize("kubernetes", ["v1.30.4-gke.1", "v1.29.1+k3s1", "v1.29.0-eks-1a2b3c4", "v1.34.1-rc.0", "1.29"])
def test_versions_of_kubernetes_as_vendors_write_them(kubernetes: str, version: str) -> None:
    assert helm.text("--kube-version", kubernetes, version=version) == helm.text(version=version)


@pytest.mark.parametrize("version", helm.VERSIONS)
@pytest.mark.parametrize("kubernetes", ["v1.28-eks", "v1.28.9+k3s1"])
def test_older_ones_of_vendors_are_refused(kubernetes: str, version: str) -> None:
    assert "chart requires kubeVersion: >=1.29.0-0" in helm.refusal("--kube-version", kubernetes, version=version)
