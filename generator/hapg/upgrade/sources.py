"""Reads the two sides of a comparison: a chart directory or package, rendered by helm, or manifests already rendered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hapg import files
from hapg.chart import helm, manifests
from hapg.errors import InputError


@dataclass(frozen=True)
class Rendering:
    """How to render charts. program: helm; values: values files."""

    program: str
    release: str
    namespace: str
    values: Sequence[Path]


def read(path: Path, how: Rendering) -> list[manifests.Manifest]:
    """Return the objects of `path`. Raises InputError if it is neither a chart nor manifests, HapgError if helm can't render it."""
    if path.is_dir() and not (path / "Chart.yaml").is_file():
        raise InputError([f"{path}: directory without Chart.yaml; a chart, a package (.tgz) or a file of rendered manifests is expected"])
    if path.is_dir() or path.suffix == ".tgz":
        options = [option for file in how.values for option in ("--values", str(file))]
        rendered = helm.run(how.program, ["template", how.release, str(path), "--namespace", how.namespace, *options])
        return manifests.read(rendered.encode(errors="surrogateescape"), f"{path}, rendered")
    return manifests.read(files.read(path, manifests.LARGEST), str(path))
