"""A value that is null, empty in the values file, or unknown to the release's former chart means its default."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from hapg.chart import values
from tests.chart import helm
from tests.chart.test_upgrade_guard import PACKAGES

FILLED = {path.replace("?", ""): default for path, default in values.filled(values.source({}, "15")).items()}
MEANT = {
    *("storage", "walVolume.storageClassName", "service.nodePort", "import.scratch.storageClassName"),
    *("backup.verify.scratch.size", "backup.verify.scratch.storageClassName", "securityContext.uid"),
}
"""Values for which null is a meaning of its own."""


def nulls(paths: list[str]) -> dict[str, Any]:
    """A values file in which these paths are null."""
    document: dict[str, Any] = {}
    for path in paths:
        *way, last = path.split(".")
        node = document
        for key in way:
            node = node.setdefault(key, {})
        node[last] = None
    return document


def given(folder: Path, document: dict[str, Any]) -> tuple[str, str]:
    path = folder / "values.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return "--values", str(path)


@pytest.mark.parametrize("version", helm.VERSIONS)
def test_null_means_the_default_everywhere(version: str, tmp_path: Path) -> None:
    assert helm.text(*given(tmp_path, nulls(list(FILLED))), version=version) == helm.text(version=version)


@pytest.mark.parametrize("version", helm.VERSIONS)
def test_an_empty_section_means_its_defaults(version: str, tmp_path: Path) -> None:
    sections = sorted({path.split(".")[0] for path in FILLED} - MEANT)
    assert helm.text(*given(tmp_path, nulls(sections)), version=version) == helm.text(version=version)


@pytest.mark.parametrize("inner", ["accessModes", "resources", "resources.requests", "resources.requests.storage"])
def test_null_below_storage_means_its_default_and_leaves_the_rest(inner: str, tmp_path: Path) -> None:
    document = nulls([f"storage.{inner}"])
    document["storage"]["storageClassName"] = "fast"
    assert helm.text(*given(tmp_path, document)) == helm.text("--set", "storage.storageClassName=fast")


def test_beside_null_other_values_of_the_section_count(tmp_path: Path) -> None:
    document = {"replication": {"mode": "synchronous", "minSyncReplicas": None}, "enabled": None}
    assert helm.text(*given(tmp_path, document)) == helm.text("--set", "replication.mode=synchronous")


def test_every_value_has_a_default_to_fall_back_to_or_a_meaning_of_null() -> None:
    def leaves(node: dict[str, Any], prefix: str = "") -> set[str]:
        found = set()
        for name, child in node.items():
            path = f"{prefix}{name}"
            whole = path in FILLED and not any(f"{path}.{key}" in MEANT for key in (child if isinstance(child, dict) else ()))
            inner = isinstance(child, dict) and child and path not in MEANT and not whole
            found |= leaves(child, f"{path}.") if inner else {path}
        return found

    shipped = yaml.safe_load((helm.CHART / "values.yaml").read_text(encoding="utf-8"))
    assert leaves(shipped) - FILLED.keys() == MEANT


@pytest.mark.parametrize("major", PACKAGES)
def test_reuse_values_works_from_the_last_released_package(major: str, tmp_path: Path) -> None:
    """`helm upgrade --reuse-values` puts the values of the former chart in the place of the new chart's values.yaml."""
    ours = helm.ROOT / "charts" / f"ha-postgres-{major}"
    chart = tmp_path / "ha-postgres"
    shutil.copytree(ours, chart)
    with tarfile.open(PACKAGES[major]) as package:
        former = package.extractfile("ha-postgres/values.yaml")
        assert former is not None
        values_then = yaml.safe_load(former)
    values_then["failover"].pop("grantSeconds", None)  # in the oldest packages; renamed before the first version was published
    (chart / "values.yaml").write_text(yaml.safe_dump(values_then), encoding="utf-8")
    reused = helm.text("--set", "replicas=2", chart=chart)
    assert reused == helm.text("--values", str(chart / "values.yaml"), "--set", "replicas=2", chart=ours)
