"""Packages charts with helm and makes the result reproducible: helm itself writes the current time into packages."""

from __future__ import annotations

import gzip
import io
import shutil
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hapg.chart import helm
from hapg.errors import OutputError

INDEX = "index.yaml"

_DATE = 315532800
"""The date of every file in a package: 1980-01-01, the earliest that all archive formats can store."""


def make(charts: Sequence[Path], output: Path, program: str, url: str | None) -> list[Path]:
    """Package each chart, write the index of all packages in `output`, and return the packages' paths.

    program: helm; url: where `output` will be served, for the index. If one chart fails, nothing is written. Raises
    HapgError if helm refuses a chart, OutputError if a package already exists with different content.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".packages.", dir=output) as scratch:
            made = [_package(chart, Path(scratch), program) for chart in charts]
            _refuse_changed(made, output)
            _index(made, output, Path(scratch), program, url)
            return [Path(shutil.move(path, output / path.name)) for path in (*made, Path(scratch) / INDEX)][:-1]
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
    # helm lint names its release test-release, and with a chart's name that may become too long.
    helm.run(program, ["lint", "--strict", str(chart), "--set", "fullnameOverride=linted"])
    folder = Path(tempfile.mkdtemp(dir=scratch))
    helm.run(program, ["package", str(chart), "--destination", str(folder)])
    (made,) = folder.glob("*.tgz")
    made.write_bytes(normal(made.read_bytes()))
    return made


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
