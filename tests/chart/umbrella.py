"""A chart that has some of ours as dependencies, as docs/operations.md prints them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.chart import helm
from tests.e2e import printed

NAME = "app"
TAG = "databases"


def build(folder: Path, aliases: Mapping[str, str], values: Mapping[str, Any]) -> Path:
    """Make the umbrella in `folder`, run `helm dependency update`, and return its path. aliases: the major of each dependency."""
    chart = folder / NAME
    (chart / "templates").mkdir(parents=True)
    dependencies = [_dependency(alias, major) for alias, major in aliases.items()]
    described = {"apiVersion": "v2", "name": NAME, "version": "0.1.0", "dependencies": dependencies}
    (chart / "Chart.yaml").write_text(yaml.safe_dump(described), encoding="utf-8")
    (chart / "values.yaml").write_text(yaml.safe_dump(dict(values)), encoding="utf-8")
    done = helm.run("helm3", "dependency", "update", str(chart))
    assert done.returncode == 0, done.stderr
    return chart


def _dependency(alias: str, major: str) -> dict[str, Any]:
    """The dependency that the page prints, with another alias and major, and a tag."""
    names = {"db": alias, "15": major, "file://charts": f"file://{helm.ROOT}/charts"}
    [found] = printed.values("### As a dependency of another chart", names)["dependencies"]
    return {**found, "tags": [TAG]}
