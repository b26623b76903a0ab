"""Every object of every chart is valid in every supported version of Kubernetes, unknown fields
refused, and no key occurs twice.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from hapg.spec.version_profiles import PROFILES, ChartProfile
from tests.chart import golden, helm, kubernetes_schemas

EVERYTHING = Path(__file__).with_name("everything.yaml")
LATER = ("majorUpgrade.allowed=false", "import.method=dump,import.step=follow")
"""What of everything.yaml an old chart refuses: there is no former major, and 9.6 has no logical replication."""
NO_ARCHIVE = ("archiver=null", "backup.schedules=null", "backup.verify=null", "restore=null")
"""What a chart without archives refuses, and so the examples with them."""
ARCHIVED = ("restored", "s3")
BEFORE_13 = ("ha-postgres-9.6", "ha-postgres-12")
OTHERS = [pytest.param(chart, marks=pytest.mark.slow, id=chart.name) for chart in helm.CHARTS if chart != helm.CHART]


def profile(chart: Path) -> ChartProfile:
    """The profile of a chart's major."""
    return PROFILES[chart.name.removeprefix("ha-postgres-")]


def everything(chart: Path) -> tuple[str, ...]:
    """Options that set every value of a chart."""
    refused = NO_ARCHIVE if profile(chart).no_archive else ()
    return ("--values", str(EVERYTHING), "--set-string", f"version={profile(chart).major}", "--set", ",".join((*LATER, *refused)))


def outputs(chart: Path) -> list[str]:
    """What the defaults, every value at once, each example and the chart's values for ct render to."""
    unknown = ("--set", "postgresql.parameters.wal_keep_size=null") if chart.name in BEFORE_13 else ()  # which examples set
    own = [("--values", str(path)) for path in sorted((chart / "ci").iterdir())]
    examples = [helm.example(name) for name in golden.NAMES if name not in ARCHIVED or not profile(chart).no_archive]
    return [helm.text(*options, *unknown, chart=chart) for options in ((), everything(chart), *examples, *own)]


@pytest.mark.parametrize("chart", [pytest.param(helm.CHART, id=helm.CHART.name), *OTHERS])
def test_every_object_is_valid_in_every_supported_version(chart: Path, tmp_path: Path) -> None:
    rendered = outputs(chart)
    assert all(helm.documents(output) for output in rendered)  # which refuses a key that occurs twice
    once = dict.fromkeys(part for output in rendered for part in re.split(r"^---\n", output, flags=re.MULTILINE) if part.strip())
    (tmp_path / "all.yaml").write_text("---\n".join(once))
    for version in kubernetes_schemas.RELEASES:
        done = helm.conforms(kubernetes_schemas.location(version), tmp_path / "all.yaml")
        assert done == len(helm.documents("---\n".join(once))), version


def test_the_supported_versions_are_those_of_the_charts() -> None:
    oldest = yaml.safe_load((helm.CHART / "Chart.yaml").read_text())["kubeVersion"]
    minors = [version.rpartition(".")[0] for version in kubernetes_schemas.RELEASES]
    newest = int(helm.KUBERNETES.split(".")[1])
    assert oldest == f">={minors[0]}.0-0"
    assert minors == [f"1.{minor}" for minor in range(29, newest + 1)]


def test_a_key_that_occurs_twice_is_refused() -> None:
    with pytest.raises(yaml.constructor.ConstructorError, match="duplicate keys: a"):
        helm.documents("top: {a: 1, b: 2, a: 3}")
