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
    """How to render charts. program: helm; options: further ones of `helm template`; access: those that lead helm to the cluster."""

    program: str
    release: str
    namespace: str
    options: Sequence[str]
    access: Sequence[str] = ()


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


def installed(name: str, how: Rendering) -> list[Manifest]:
    """Return the objects that Helm has installed as `name`, without hooks. Raises HapgError if helm knows no such release."""
    place = f"release {name} in {how.namespace}"
    rendered = helm.run(how.program, ["get", "manifest", name, "--namespace", how.namespace, *how.access])
    return _checked(manifests.read(rendered.encode(errors="surrogateescape"), place), Path(place))


def values_of(name: str, how: Rendering) -> str:
    """Return the values with which Helm has installed `name`, as YAML. Raises HapgError."""
    return helm.run(how.program, ["get", "values", name, "--namespace", how.namespace, "--output", "yaml", *how.access])


def without_hooks(found: Sequence[Manifest]) -> list[Manifest]:
    """Return the objects that Helm keeps as parts of a release."""
    return [each for each in found if "helm.sh/hook" not in (each["metadata"].get("annotations") or {})]


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
