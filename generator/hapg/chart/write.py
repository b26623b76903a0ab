"""Writes charts to disk, completely or not at all, without touching anything else, and compares them."""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from hapg import interrupts
from hapg.chart import ownership
from hapg.chart.ownership import STAGED, Changes
from hapg.errors import OutputError

_Undo = list[Callable[[], object]]


def write(directory: Path, files: Mapping[str, bytes]) -> Changes:
    """Make `directory` contain the chart `files` (path to bytes), and return what has changed.

    Files that hapg did not write stay as they are. A failure or an interrupt at any point leaves the old chart or the new one. Raises
    OutputError if the directory is not a chart of hapg's, if a file of somebody else is in the way, or if it can't be written.
    """
    try:
        with interrupts.held():
            changes = ownership.changes(directory, ownership.with_record(files))
            _carry_out(directory, changes)
    except OSError as error:
        raise OutputError(f"{directory}: can't be written: {error.strerror or error}") from error
    return changes


def difference(directory: Path, files: Mapping[str, bytes]) -> str:
    """Return what `write` would change, as a unified diff; empty if nothing. Raises OutputError as `write` does."""
    try:
        changes = ownership.changes(directory, ownership.with_record(files))
        found = {path: _read(directory / path) for path in (*changes.written, *changes.removed)}
    except OSError as error:
        raise OutputError(f"{directory}: can't be read: {error.strerror or error}") from error
    shown = sorted(found.keys() - {ownership.RECORD}) or sorted(found)
    return "".join(_file_difference(f"{directory}/{path}", found[path], changes.written.get(path)) for path in shown)


def _carry_out(directory: Path, changes: Changes) -> None:
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    undo: _Undo = []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        staged = directory / STAGED
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir()
        try:
            for number, data in enumerate(changes.written.values()):
                (staged / f"{number}.new").write_bytes(data)
            _replace(directory, changes, undo)
        except OSError:
            for step in reversed(undo):
                step()
            raise
        finally:
            shutil.rmtree(staged, ignore_errors=True)
    except OSError:
        if missing:
            shutil.rmtree(missing[-1], ignore_errors=True)
        raise
    _remove_empty(directory, changes)


def _replace(directory: Path, changes: Changes, undo: _Undo) -> None:
    """Put the staged files in their places, the record last, and the former ones aside. Each step appends how to undo it."""
    staged = directory / STAGED
    for number, path in enumerate(changes.removed):
        _move(directory / path, staged / f"{number}.removed", undo)
    for number, path in enumerate(changes.written):
        target = directory / path
        for folder in reversed([folder for folder in target.parents if not folder.exists()]):
            folder.mkdir()
            undo.append(folder.rmdir)
        if target.is_symlink() or target.exists():
            _move(target, staged / f"{number}.old", undo)
        _move(staged / f"{number}.new", target, undo)


def _move(here: Path, there: Path, undo: _Undo) -> None:
    here.rename(there)
    undo.append(lambda: there.rename(here))


def _remove_empty(directory: Path, changes: Changes) -> None:
    """Remove the folders of removed files that are empty now."""
    for path in changes.removed:
        for folder in list((directory / path).parents):
            if folder == directory or not folder.is_dir() or any(folder.iterdir()):
                break
            folder.rmdir()


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _file_difference(path: str, old: bytes | None, new: bytes | None) -> str:
    before, after = ((data or b"").decode(errors="replace").splitlines(keepends=True) for data in (old, new))
    names = ("/dev/null" if old is None else path, "/dev/null" if new is None else path)
    lines = difflib.unified_diff(before, after, *names)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
