"""A values file that sets every value: it has all keys of the schema, every value has an effect,
and Kubernetes accepts the result.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from hapg.chart import values
from tests.chart import helm

FILE = Path(__file__).with_name("everything.yaml")
SET = ("--values", str(FILE))
GIVEN = yaml.safe_load(FILE.read_text(encoding="utf-8"))


def leaves(schema: dict[str, Any], document: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Path, default and given content of each value."""
    for name, child in schema["properties"].items():
        if "default" in child:
            yield prefix + name, child["default"], document.get(name)
        elif not child.get("unset"):
            yield from leaves(child, document.get(name, {}), f"{prefix}{name}.")


LEAVES = list(leaves(values.source({}, "15"), GIVEN))
KEPT = {
    *("version", "podDisruptionBudget.enabled", "serviceAccount.create", "tls.secretName"),
    *("archiver.claimName", "restore.source.claimName", "majorUpgrade.withoutVerifiedBackup"),
    *(f"clone.from.{name}" for name in ("release", "host", "port", "secretName", "sslMode")),  # the first server is restored
}
"""With another content something else would have none."""


def test_every_value_is_given_with_another_content_than_its_default() -> None:
    assert {path for path, default, given in LEAVES if given is None or given == default} == KEPT


def test_the_defaults_have_the_same_keys() -> None:
    shipped = yaml.safe_load((helm.CHART / "values.yaml").read_text(encoding="utf-8"))
    assert [path for path, _, _ in leaves(values.source({}, "15"), shipped)] == [path for path, _, _ in LEAVES]
    assert shipped.keys() == GIVEN.keys()


def reset(path: str) -> dict[str, Any]:
    """What is given, but for one value with its default."""
    *way, last = path.split(".")
    document: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    node = document
    for key in way:
        node = node[key]
    node[last] = next(default for name, default, _ in LEAVES if name == path)
    return document


HIDDEN = {
    "image.registry",  # by global.imageRegistry
    "failoverImage.registry",
    "backupImage.registry",
    "image.tag",  # by the digest
    "failoverImage.tag",
    "backupImage.tag",
    "nameOverride",  # by fullnameOverride, but for a label
    "persistentVolumeClaimRetentionPolicy.whenScaled",  # by pause
}


@cache
def rendered(file: Path) -> tuple[str, str]:
    """What helm makes of a file of values, or says of it."""
    done = helm.run("helm3", "template", "ha-postgres", str(helm.CHART), "--namespace", "demo", "--values", str(file))
    return done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("path", [path for path, _, _ in LEAVES if path not in KEPT | HIDDEN])
def test_every_value_has_an_effect(path: str, tmp_path: Path) -> None:
    """With a value's default the output differs, or the other values are refused."""
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(reset(path)))
    assert rendered(tmp_path / "values.yaml") != rendered(FILE)


@pytest.mark.parametrize("version", helm.VERSIONS)
def test_lint(version: str) -> None:
    """Without doNotPause, which lint warns of (test_protected.py)."""
    done = helm.run(version, "lint", str(helm.CHART), "--strict", "--kube-version", helm.KUBERNETES, *SET, "--set", "doNotPause=false")
    assert done.returncode == 0, done.stdout


def test_helm_3_and_4_render_the_same() -> None:
    assert helm.objects(*SET, version="helm3") == helm.objects(*SET, version="helm4")


def test_kubeconform(location: str, tmp_path: Path) -> None:
    (tmp_path / "everything.yaml").write_text(helm.text(*SET))
    done = helm.run("kubeconform", "-strict", "-summary", "-schema-location", location, str(tmp_path / "everything.yaml"))
    assert done.returncode == 0, done.stdout
    assert "Invalid: 0, Errors: 0, Skipped: 0" in done.stdout


def test_common_labels_and_annotations_are_on_all_but_pods_and_claims() -> None:
    found = helm.objects(*SET)
    own = {key: each for key, each in found.items() if key[0] != "Pod" and not key[1].endswith(("-extra", "-text"))}
    assert {each["metadata"]["labels"].get("example.com/team") for each in own.values()} == {"orders"}
    assert {each["metadata"]["annotations"].get("example.com/cost") for each in own.values()} == {"1234"}
    stateful_set = found["StatefulSet", "everything"]["spec"]
    for each in (stateful_set["template"], *stateful_set["volumeClaimTemplates"]):
        assert "example.com/" not in str({k: v for k, v in each["metadata"].get("labels", {}).items() if v == "orders"})


def test_objects_of_the_users_are_templates() -> None:
    found = helm.objects(*SET)
    assert ("ConfigMap", "ha-postgres-extra") in found
    assert ("ConfigMap", "ha-postgres-text") in found


def test_no_password_is_rendered() -> None:
    assert not [document for (kind, _), document in helm.objects(*SET).items() if kind == "Secret"]
