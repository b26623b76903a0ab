"""helm 3 and 4 as the tests run them, without a cluster."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Hashable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.paths import BIN

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "ha-postgres-15"
CHARTS = tuple(sorted(path for path in (ROOT / "charts").iterdir() if path.name.startswith("ha-postgres-")))
EXAMPLES = ROOT / "values-examples"
VERSIONS = ("helm3", "helm4")
HELM_4_SLOWLY = ("helm3", pytest.param("helm4", marks=pytest.mark.slow))
"""For tests that run helm for every row of a long table: with helm 4 they are left out of make test-fast."""
KUBERNETES = "1.34.4"

Object = dict[str, Any]


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one of the tools; needs `make tools`."""
    return subprocess.run([str(BIN / program), *arguments], capture_output=True, text=True, check=False)


@cache
def template(*options: str, version: str = "helm3", release: str = "ha-postgres", chart: Path = CHART) -> subprocess.CompletedProcess[str]:
    return run(version, "template", release, str(chart), "--namespace", "demo", "--kube-version", KUBERNETES, *options)


def text(*options: str, **how: Any) -> str:
    """Return helm's rendered output."""
    done = template(*options, **how)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Strict(yaml.CSafeLoader):
    """Refuses a key that is given twice, of which YAML in general keeps the last. libyaml is ten times as fast as PyYAML itself."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return the mapping. ConstructorError: a key occurs twice."""
        keys = Counter(key.value for key, _ in node.value)
        twice = [key for key, times in keys.items() if times > 1]
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"duplicate keys: {', '.join(twice)}", node.start_mark)
        return super().construct_mapping(node, deep)


def documents(text: str) -> list[Object]:
    """Return the documents of a YAML stream without empty ones. ConstructorError: a key occurs twice."""
    return [document for document in yaml.load_all(text, Strict) if document]


def objects(*options: str, **how: Any) -> dict[tuple[str, str], Object]:
    """Return the rendered objects by kind and name."""
    rendered = documents(text(*options, **how))
    found = {(document["kind"], document["metadata"]["name"]): document for document in rendered}
    assert len(found) == len(rendered), "two objects of the same kind and name"
    return found


def refusal(*options: str, **how: Any) -> str:
    """Return helm's error message for values that it refuses."""
    done = template(*options, **how)
    assert done.returncode != 0
    assert done.stdout == ""
    return done.stderr


def values(document: Object) -> tuple[str, ...]:
    """Return options that pass the values `document` to helm; unlike --set they keep all types."""
    return tuple(option for key, value in document.items() for option in ("--set-json", f"{key}={json.dumps(value)}"))


def example(name: str) -> tuple[str, str]:
    """Return options for a file of values-examples/."""
    return "--values", str(EXAMPLES / f"{name}.yaml")


def pod(*options: str, **how: Any) -> Object:
    """Return the pod template of the StatefulSet."""
    (found,) = [document for (kind, _), document in objects(*options, **how).items() if kind == "StatefulSet"]
    template: Object = found["spec"]["template"]
    return template


def containers(spec: Object) -> dict[str, Object]:
    """Return all containers of a pod by name."""
    return {container["name"]: container for container in [*spec.get("initContainers", []), *spec["containers"]]}


def conforms(location: str, *files: Path) -> int:
    """Return how many objects of the files are valid; AssertionError if one is not. location: of the schemas."""
    done = run("kubeconform", "-strict", "-summary", "-schema-location", location, *map(str, files))
    assert done.returncode == 0, done.stdout
    assert "Invalid: 0, Errors: 0, Skipped: 0" in done.stdout
    return int(done.stdout.split("Valid: ")[1].split(",")[0])
