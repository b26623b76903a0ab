"""Packages charts with helm and makes the result reproducible: helm itself writes the current time into packages."""

from __future__ import annotations

import gzip
import io
import shutil
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml

from hapg import interrupts
from hapg.chart import helm
from hapg.errors import InputError, OutputError

INDEX = "index.yaml"

_DATE = 315532800
"""The date of every file in a package: 1980-01-01, the earliest that all archive formats can store."""


def make(charts: Sequence[Path], output: Path, program: str, url: str | None) -> list[Path]:
    """Package each chart, write the index of all packages in `output` if it changes, and return the packages' paths.

    program: helm; url: where `output` will be served, for the index. If one chart fails, nothing is written. Raises HapgError if helm
    refuses a chart, InputError if a symbolic link leads out of a chart, OutputError if a package already exists with different content.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".packages.", dir=output) as scratch:
            made = [_package(chart, Path(scratch), program) for chart in charts]
            _refuse_changed(made, output)
            _index(made, output, Path(scratch), program, url)
            is_new = _content_of_index(Path(scratch) / INDEX) != _content_of_index(output / INDEX)
            with interrupts.held():
                moved = [Path(shutil.move(path, output / path.name)) for path in made]
                if is_new:
                    shutil.move(Path(scratch) / INDEX, output / INDEX)
            return moved
    except OSError as error:
        raise OutputError(f"{output}: can't be written: {error.strerror or error}") from error


def normal(data: bytes) -> bytes:
    """Return the archive `data` (.tgz) with its files sorted by name, all with the same date and owner."""
    out = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as old,
        gzip.GzipFile(fileobj=out, mode="wb", filename="", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new,
    ):
        for entry in sorted(old.getmembers(), key=lambda entry: entry.name):
            content = old.extractfile(entry)
            if content is not None:
                head = tarfile.TarInfo(entry.name)
                head.size, head.mtime, head.mode = entry.size, _DATE, 0o644
                new.addfile(head, content)
    return out.getvalue()


def _package(chart: Path, scratch: Path, program: str) -> Path:
    _refuse_links(chart)
    # helm lint names its release test-release, and with a chart's name that may become too long.
    helm.run(program, ["lint", "--strict", str(chart), "--set", "fullnameOverride=linted"])
    folder = Path(tempfile.mkdtemp(dir=scratch))
    helm.run(program, ["package", str(chart), "--destination", str(folder)])
    (made,) = folder.glob("*.tgz")
    made.write_bytes(normal(made.read_bytes()))
    return made


def _refuse_links(chart: Path) -> None:
    """Raise InputError for symbolic links that lead out of the chart: helm would package what they lead to."""
    top = chart.resolve()
    wrong = [path for path in sorted(chart.rglob("*")) if path.is_symlink() and not path.resolve().is_relative_to(top)]
    if wrong:
        raise InputError([f"{path}: a symbolic link that leads out of the chart, to {path.resolve()}; remove it" for path in wrong])


def _content_of_index(path: Path) -> object:
    """Return what an index says, without the times at which it was made; None if there is none."""
    if not path.exists():
        return None
    found = yaml.safe_load(path.read_bytes())
    entries = {
        name: [{key: value for key, value in entry.items() if key != "created"} for entry in versions]
        for name, versions in (found.get("entries") or {}).items()
    }
    return {**found, "generated": None, "entries": entries}


def _refuse_changed(made: Sequence[Path], output: Path) -> None:
    for path in made:
        there = output / path.name
        if there.exists() and there.read_bytes() != path.read_bytes():
            raise OutputError(
                f"{there}: already exists with different content; a released package never changes, so raise the chart's version"
            )


def _index(made: Sequence[Path], output: Path, scratch: Path, program: str, url: str | None) -> None:
    """Write into `scratch` the index of the packages in `output` and of those just `made`."""
    new = Path(tempfile.mkdtemp(dir=scratch))
    for path in made:
        shutil.copyfile(path, new / path.name)
    there = ["--merge", str(output / INDEX)] if (output / INDEX).exists() else []
    helm.run(program, ["repo", "index", str(new), *(["--url", url] if url else []), *there])
    (new / INDEX).rename(scratch / INDEX)
