"""A values file that sets every value: it has all keys of the schema, every value has an effect,
and Kubernetes accepts the result.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
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


ARCHIVER: dict[str, Any] = {"archiver": {"type": "s3", "bucket": "a", "secretName": "a"}}
POSIX: dict[str, Any] = {"archiver": {"type": "posix", "claimName": "a"}}
SOURCE: dict[str, Any] = {"restore": {"enabled": True, "stanza": "a", "source": {"type": "s3", "bucket": "a", "secretName": "a"}}}
POINT: dict[str, Any] = {"restore": {**SOURCE["restore"], "target": {"type": "lsn", "value": "0/1"}}}
CLONE: dict[str, Any] = {"clone": {"from": {"host": "a", "secretName": "a"}}}
IMPORT: dict[str, Any] = {"import": {"from": {"host": "a", "secretName": "a"}, "databases": ["a"]}}
UPGRADE: dict[str, Any] = {"majorUpgrade": {"allowed": True, "from": "14"}}

APART: dict[str, tuple[dict[str, Any], Any]] = {
    "app.database": ({}, "orders"),
    "archiver.bucket": (ARCHIVER, "b"),
    "archiver.claimName": (POSIX, "b"),
    "archiver.secretName": (ARCHIVER, "b"),
    "archiver.type": (ARCHIVER, "gcs"),
    "backup.verify.schedule": (ARCHIVER, "0 6 * * *"),
    "backupImage.registry": (ARCHIVER, "r.example"),
    "clone.from.host": (CLONE, "b"),
    "clone.from.port": (CLONE, 5433),
    "clone.from.release": ({}, "a"),
    "clone.from.secretName": (CLONE, "b"),
    "clone.from.sslMode": (CLONE, "require"),
    "extraVolumes": ({}, [{"name": "a", "emptyDir": {}}]),
    "failover.leaseSeconds": ({}, 4.8),
    "failover.overdueSeconds": ({}, 3.4),
    "failover.ttlSeconds": ({}, 7.0),
    "failoverImage.registry": ({}, "r.example"),
    "image.registry": ({}, "r.example"),
    "import.databases": (IMPORT, ["b"]),
    "import.from.host": (IMPORT, "b"),
    "import.from.secretName": (IMPORT, "b"),
    "import.method": (IMPORT, "logical"),
    "majorUpgrade.from": (UPGRADE, "13"),
    "majorUpgrade.withoutVerifiedBackup": ({**UPGRADE, **ARCHIVER}, True),
    "nameOverride": ({}, "a"),
    "persistentVolumeClaimRetentionPolicy.whenScaled": ({}, "Delete"),
    "podDisruptionBudget.enabled": ({}, False),
    "restore.source.bucket": (SOURCE, "b"),
    "restore.source.claimName": ({"restore": {"enabled": True, "stanza": "a", "source": {"type": "posix", "claimName": "a"}}}, "b"),
    "restore.source.secretName": (SOURCE, "b"),
    "restore.source.type": (SOURCE, "gcs"),
    "restore.stanza": (SOURCE, "b"),
    "restore.target.type": (POINT, "name"),
    "restore.target.value": (POINT, "0/2"),
    "service.type": ({}, "NodePort"),
    "serviceAccount.create": ({}, False),
    "tls.certManager.issuerRef.name": ({"tls": {"mode": "require", "certManager": {"issuerRef": {"name": "a"}}}}, "b"),
    "tls.secretName": ({"tls": {"mode": "require", "secretName": "a"}}, "b"),
}
"""Values that need others to have an effect which the file does not have, or that it needs: values beside it, and its other content."""
FIXED = {"version"}
"""Another major is another chart."""


def changed(given: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of what is given, but for one value."""
    *way, last = path.split(".")
    document: dict[str, Any] = copy.deepcopy(given)
    node = document
    for key in way:
        node = node.setdefault(key, {})
    node[last] = value
    return document


@pytest.mark.slow
@pytest.mark.parametrize("path", [path for path, _, _ in LEAVES if path not in APART.keys() | FIXED])
def test_every_value_has_an_effect(path: str, tmp_path: Path) -> None:
    """With a value's default the output differs."""
    default = next(default for name, default, _ in LEAVES if name == path)
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(changed(GIVEN, path, default)))
    assert helm.text("--values", str(tmp_path / "values.yaml")) != helm.text(*SET)


@pytest.mark.slow
@pytest.mark.parametrize("path", APART)
def test_every_other_value_has_an_effect_beside_the_values_that_it_needs(path: str, tmp_path: Path) -> None:
    beside, value = APART[path]
    for name, given in (("before", beside), ("after", changed(beside, path, value))):
        (tmp_path / name).write_text(yaml.safe_dump(given))
    assert helm.text("--values", str(tmp_path / "before")) != helm.text("--values", str(tmp_path / "after"))


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
