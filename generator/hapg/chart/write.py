"""Writes charts to disk, completely or not at all, and compares them."""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Mapping
from pathlib import Path

import yaml

from hapg.chart.render import GENERATED
from hapg.errors import OutputError


def write(directory: Path, files: Mapping[str, bytes]) -> None:
    """Replace the content of `directory` with `files` (path to bytes). A rename does it, so it is never half-written.

    Raises OutputError if the directory has content that hapg did not write, or if it can't be written.
    """
    _refuse_foreign(directory)
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{directory.name}.", dir=directory.parent) as scratch:
            new, old = Path(scratch, "new"), Path(scratch, "old")
            for path, data in files.items():
                (new / path).parent.mkdir(parents=True, exist_ok=True)
                (new / path).write_bytes(data)
            _swap(directory, new, old)
    except OSError as error:
        raise OutputError(f"{directory}: can't be written: {error.strerror or error}") from error


def difference(directory: Path, files: Mapping[str, bytes]) -> str:
    """Return the unified diff from the content of `directory` to `files`; empty if they are equal."""
    found = {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    return "".join(
        _file_difference(f"{directory}/{path}", found.get(path), files.get(path))
        for path in sorted(found.keys() | files.keys())
        if found.get(path) != files.get(path)
    )


def _refuse_foreign(directory: Path) -> None:
    if directory.is_symlink() or (directory.exists() and not directory.is_dir()):
        raise OutputError(f"{directory}: already exists and is not a directory; choose another path")
    if not directory.is_dir() or not any(directory.iterdir()):
        return
    try:
        chart = yaml.safe_load((directory / "Chart.yaml").read_bytes())
        own = chart["annotations"][GENERATED] == "true"
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        own = False
    if not own:
        raise OutputError(f"{directory}: not empty and not written by hapg; choose another directory or empty it")


def _swap(directory: Path, new: Path, old: Path) -> None:
    if not directory.exists():
        new.rename(directory)
        return
    directory.rename(old)
    try:
        new.rename(directory)
    except OSError:
        old.rename(directory)
        raise


def _file_difference(path: str, old: bytes | None, new: bytes | None) -> str:
    before, after = ((data or b"").decode(errors="replace").splitlines(keepends=True) for data in (old, new))
    names = ("/dev/null" if old is None else path, "/dev/null" if new is None else path)
    lines = difflib.unified_diff(before, after, *names)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
