"""Values that a spec gives are the same as values that Helm is given."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from hapg.cli import main
from tests.chart import helm
from tests.chart.golden import NAMES

SPEC = {"name": yaml.safe_load((helm.CHART / "Chart.yaml").read_text())["name"], "version": "15"}
BASE = {"replicas": 3, "standbyMode": "warm", "storage": {"resources": {"requests": {"storage": "8Gi"}}}}
"""What the shipped chart has where a spec that leaves it out has something else."""


@pytest.mark.parametrize("name", NAMES)
def test_a_chart_with_given_values_renders_as_with_helms(name: str, tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump({**SPEC, "values": BASE}))
    _, example = helm.example(name)
    assert main(["generate", str(tmp_path / "spec.yaml"), "--values", example, "-o", str(tmp_path)]) == 0
    assert helm.objects(chart=tmp_path / SPEC["name"]) == helm.objects("--values", example)
