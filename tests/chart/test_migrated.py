"""The charts that `hapg migrate` and `hapg generate` make of other systems' objects render, also with the import of the data."""

from __future__ import annotations

from pathlib import Path

import pytest

from hapg.cli import main
from tests.chart import helm
from tests.unit.migrate.examples import EXAMPLES


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_migrated_release_renders(name: str, tmp_path: Path) -> None:
    (tmp_path / "in.yaml").write_text(EXAMPLES[name])
    assert main(["migrate", str(tmp_path / "in.yaml"), "-o", str(tmp_path / "out")]) == 0
    for folder in (tmp_path / "out").iterdir():
        spec, values = str(folder / "postgres.yaml"), str(folder / "values.yaml")
        assert main(["generate", spec, "--values", values, "-o", str(tmp_path / "charts")]) == 0
        chart = tmp_path / "charts" / folder.name
        plain = helm.objects(chart=chart, release=folder.name)
        assert ("StatefulSet", folder.name) in plain
        found = helm.objects("--values", str(folder / "import.yaml"), chart=chart, release=folder.name)
        assert {kind for kind, _ in found.keys() - plain.keys()} >= {"Job"}
