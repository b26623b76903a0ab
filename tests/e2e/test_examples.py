"""The cluster's API server accepts every example, and every chart with its values for ct, in a namespace that enforces the Pod Security
Standard restricted.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster.fixtures import Cluster
from tests.cluster.paths import REPOSITORY
from tests.robustness import programs
from tests.robustness.programs import HAPG, Namespace
from tests.robustness.release import CHART

pytestmark = pytest.mark.cluster

EXAMPLES = REPOSITORY / "values-examples"
CI = sorted(REPOSITORY.glob("charts/*/ci/*.yaml"))


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Iterator[Namespace]:
    with programs.namespace("e2e-examples") as made:
        yield made


def dry_run(namespace: Namespace, chart: Path, *options: str) -> list[str]:
    """Let the server validate a rendered chart; return the kinds. A warning, such as one about Pod
    Security, is a failure.
    """
    rendered = namespace.helm("template", "--validate", "ha-postgres", str(chart), *options)
    done = namespace.try_kubectl("apply", "--dry-run=server", "--output", "name", "--filename", "-", stdin=rendered)
    assert done.code == 0, done.text
    assert done.err == ""
    made = done.out.split()
    assert len(made) == sum(bool(document) for document in yaml.safe_load_all(rendered))
    return [name.partition("/")[0].partition(".")[0] for name in made]


@pytest.mark.parametrize("values", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_server_takes_the_values(values: Path, namespace: Namespace) -> None:
    assert {"statefulset", "service", "configmap", "role", "rolebinding"} <= set(dry_run(namespace, CHART, "--values", str(values)))


@pytest.mark.parametrize("values", CI, ids=lambda path: f"{path.parents[1].name}-{path.stem}")
def test_server_takes_every_chart_with_its_values_for_ct(values: Path, namespace: Namespace) -> None:
    kinds = set(dry_run(namespace, values.parents[1], "--values", str(values)))
    assert {"statefulset", "service", "configmap", "role", "rolebinding"} <= kinds


@pytest.mark.parametrize("spec", sorted(EXAMPLES.glob("specs/*.yaml")), ids=lambda path: path.stem)
def test_server_takes_the_chart_of_the_spec(spec: Path, namespace: Namespace, tmp_path: Path) -> None:
    programs.run(str(HAPG), "generate", str(spec), "-o", str(tmp_path))
    [chart] = tmp_path.iterdir()
    assert {"statefulset", "service", "configmap", "role", "rolebinding"} <= set(dry_run(namespace, chart))
