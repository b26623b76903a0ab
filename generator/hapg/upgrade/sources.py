"""Reads the two sides of a comparison: a chart directory or package, rendered by helm, or manifests already rendered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hapg import files
from hapg.chart import helm, manifests
from hapg.chart.manifests import Manifest
from hapg.errors import InputError

_EXPECTED = "a chart, a package (.tgz) or a file of rendered manifests is expected"


@dataclass(frozen=True)
class Rendering:
    """How to render charts. program: helm; options: further ones of `helm template`."""

    program: str
    release: str
    namespace: str
    options: Sequence[str]


def read(path: Path, how: Rendering) -> list[Manifest]:
    """Return the objects of `path`, which include a release.

    Raises InputError if it is neither a chart nor manifests of a release, HapgError if helm can't render it.
    """
    if path.is_dir() and not (path / "Chart.yaml").is_file():
        raise InputError([f"{path}: directory without Chart.yaml; {_EXPECTED}"])
    if path.is_dir() or path.suffix == ".tgz":
        rendered = helm.run(how.program, ["template", how.release, str(path), "--namespace", how.namespace, *how.options])
        return _checked(manifests.read(rendered.encode(errors="surrogateescape"), f"{path}, rendered"), path)
    return _checked(manifests.read(files.read(path, manifests.LARGEST), str(path)), path)


def _checked(found: list[Manifest], path: Path) -> list[Manifest]:
    """Return `found`. Raises InputError if there is no release in it: everything would be new, and nothing at risk."""
    if releases(found):
        return found
    if any(each["kind"] == "Postgres" for each in found):
        raise InputError([f"{path}: a spec, not a chart; `hapg generate` makes one of it"])
    what = f"{len(found)} objects, but no release of hapg's among them: no ConfigMap has failover.json" if found else "no objects in it"
    raise InputError([f"{path}: {what}; {_EXPECTED}"])


def releases(found: Sequence[Manifest]) -> set[str]:
    """Return the releases among the objects, as NAME, with the namespace if the objects have one."""
    configs = [each["metadata"] for each in found if each["kind"] == "ConfigMap" and "failover.json" in (each.get("data") or {})]
    return {
        config["name"].removesuffix("-config") + (f" in {config['namespace']}" if config.get("namespace") else "") for config in configs
    }
