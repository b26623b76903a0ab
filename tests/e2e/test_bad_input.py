"""The generator and Helm refuse bad input with a message that names the path and what is allowed.
Nothing is created from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.fixtures import Cluster
from tests.e2e import page
from tests.robustness import programs
from tests.robustness.programs import HAPG, Namespace
from tests.robustness.release import CHART, VALUES

pytestmark = [pytest.mark.cluster, pytest.mark.pages]

KINDS = "all,secrets,serviceaccounts,roles,rolebindings,persistentvolumeclaims,poddisruptionbudgets,leases"


@dataclass(frozen=True)
class Mistake:
    """One mistake: in a spec, as a Helm option, and the text that each of the two messages must contain."""

    name: str
    change: Callable[[dict[str, Any]], object]
    says: tuple[str, ...]
    option: tuple[str, str]
    helm_says: tuple[str, ...]


def storage(spec: dict[str, Any], size: str) -> None:
    spec["storage"]["resources"]["requests"]["storage"] = size


MISTAKES = [
    Mistake(
        "misspelt key",
        lambda spec: spec.update(replcias=spec.pop("replicas")),
        ("spec.replcias: ", "unknown key", "replicas"),
        ("--set", "replcias=3"),
        ("replcias", "not allowed"),
    ),
    Mistake(
        "replicas 0",
        lambda spec: spec.update(replicas=0),
        ("spec.replicas: 0 ", "an integer from 1 to 9"),
        ("--set", "replicas=0"),
        ("/replicas", "minimum: got 0, want 1"),
    ),
    Mistake(
        "unknown version",
        lambda spec: spec.update(version="99"),
        ('spec.version: "99" ', "is not a supported version", '"15"'),
        ("--set-string", "version=99"),
        ("/version", "value must be '15'"),
    ),
    Mistake(
        "bad quantity",
        lambda spec: storage(spec, "50 megs"),
        ('spec.storage.resources.requests.storage: "50 megs" ', "not a quantity", "50Mi"),
        ("--set-string", "storage.resources.requests.storage=50 megs"),
        ("/storage/resources/requests/storage", "'50 megs' does not match pattern", "[KMGTPE]i"),
    ),
]


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Iterator[Namespace]:
    with programs.namespace("e2e-refused") as made:
        yield made


def objects(namespace: Namespace) -> set[str]:
    """Objects other than those that every namespace has; Helm stores its own record of a release in a Secret."""
    return set(namespace.kubectl("get", KINDS, "--output", "name").split()) - {"serviceaccount/default"}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_generator_refuses(mistake: Mistake, tmp_path: Path) -> None:
    document = page.ha_postgres()
    mistake.change(document["spec"])
    spec = tmp_path / "spec.yaml"
    spec.write_text(yaml.safe_dump(document), encoding="utf-8")
    done = programs.attempt(str(HAPG), "generate", str(spec), "-o", str(tmp_path / "out"))
    assert done.code == 2
    assert [part for part in mistake.says if part not in done.err] == [], done.err
    assert len(done.err.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["spec.yaml"]


@pytest.mark.parametrize("program", ["helm3", "helm4"])
@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_helm_refuses(mistake: Mistake, program: str, namespace: Namespace) -> None:
    done = namespace.try_helm("install", "ha-postgres", str(CHART), "--values", str(VALUES), *mistake.option, program=program)
    assert done.code != 0
    assert [part for part in mistake.helm_says if part not in done.err] == [], done.err
    assert objects(namespace) == set()
