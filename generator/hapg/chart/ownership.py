"""Which files of a chart's folder hapg has written: its record of them, and what a new chart changes. Everything else is the user's."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import yaml

from hapg.chart.render import GENERATED
from hapg.errors import OutputError

RECORD = ".hapg-files"
"""The file with the name and the digest of each file that hapg has written; `sha256sum --check` reads it."""
STAGED = ".hapg-new"
"""The folder in which new files wait for their place."""
RESERVED = (RECORD, STAGED)

_LINE = re.compile(r"([0-9a-f]{64})  (.+)")
_FORMER_FOLDERS = ("templates", "files", "ci")
"""Where a file that no chart has any more would still count. For charts that were written without a record."""


@dataclass(frozen=True)
class Changes:
    """The changes of a folder. written: new bytes by path; removed: paths of hapg's that the chart no longer has; edited: paths among
    both that somebody has changed since hapg wrote them; former: the version of the chart that was there, None if there was none.
    """

    written: Mapping[str, bytes]
    removed: tuple[str, ...]
    edited: tuple[str, ...]
    former: str | None


def with_record(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return `files` (path to bytes) with the record of them."""
    lines = "".join(f"{_digest(data)}  {path}\n" for path, data in sorted(files.items()))
    return {**files, RECORD: lines.encode()}


def changes(directory: Path, files: Mapping[str, bytes]) -> Changes:
    """Return the changes that make `directory` contain the chart `files`, record included, and leave all other files alone.

    Raises OutputError if the directory is not a chart of hapg's, or if a file of somebody else is in the way; OSError.
    """
    if directory.is_symlink() or (directory.exists() and not directory.is_dir()):
        raise OutputError(f"{directory}: already exists and is not a directory; choose another path")
    if not directory.is_dir() or not any(entry.name != STAGED for entry in directory.iterdir()):
        return Changes(dict(files), (), (), None)
    former = version(_content(directory / "Chart.yaml") or b"")
    if former is None:
        raise OutputError(f"{directory}: not empty and not written by hapg; choose another directory or empty it")
    record = _record(directory)
    known = dict.fromkeys(files, "") if record is None else {**record, RECORD: ""}
    in_the_way = sorted({*_in_the_way(directory, files, known), *([] if record is not None else _left_over(directory, files))})
    if in_the_way:
        sentence = "not written by hapg, and in the way of the chart; move it, or delete it if an earlier hapg wrote it"
        raise OutputError("\n".join(f"{directory}/{path}: {sentence}" for path in in_the_way))
    removed = tuple(sorted(path for path in known if path not in files and _is_file(directory / path)))
    written = {path: data for path, data in files.items() if _content(directory / path) != data}
    edited = tuple(sorted(path for path in (*written, *removed) if known.get(path) and _is_edited(directory / path, known[path])))
    return Changes(written, removed, edited, former)


def version(head: bytes) -> str | None:
    """Return the version of a chart of hapg's from the content of its Chart.yaml; None if hapg did not write it."""
    try:
        chart = yaml.safe_load(head)
        return str(chart["version"]) if chart["annotations"][GENERATED] == "true" else None
    except (ValueError, yaml.YAMLError, KeyError, TypeError):
        return None


def _record(directory: Path) -> dict[str, str] | None:
    """Return the digests of the files that hapg wrote, by path; None without a record. Raises OutputError if it can't be used."""
    path = directory / RECORD
    if not _exists(path):
        return None
    try:
        matches = [_LINE.fullmatch(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise OutputError(f"{path}: can't be read: {error}; nothing was written") from error
    found = {match[2]: match[1] for match in matches if match is not None}
    if len(found) != len(matches) or not all(is_inside(path) for path in found):
        raise OutputError(f"{path}: not a record of hapg's; restore it, or delete the chart's files and generate it again")
    return found


def is_inside(path: str) -> bool:
    """True for the plain relative path of a file below the chart's folder."""
    parts = PurePosixPath(path).parts
    return bool(parts) and ".." not in parts and not path.startswith("/") and str(PurePosixPath(path)) == path and "\0" not in path


def _in_the_way(directory: Path, files: Mapping[str, bytes], known: Mapping[str, str]) -> Iterator[str]:
    """Yield the paths that hapg did not write where the chart has a file with other content, or a folder."""
    for path in {*files, *known}:
        here = directory / path
        folders = [folder for folder in PurePosixPath(path).parents if str(folder) != "."]
        yield from (str(folder) for folder in folders if _is_no_folder(directory / folder) and str(folder) not in known)
        is_folder = here.is_dir() and not here.is_symlink()
        is_other = path not in known and _exists(here) and _content(here) != files.get(path)
        if path in files and (is_folder or is_other):
            yield path


def _is_no_folder(path: Path) -> bool:
    return _exists(path) and (path.is_symlink() or not path.is_dir())


def _left_over(directory: Path, files: Mapping[str, bytes]) -> Iterator[str]:
    for folder in _FORMER_FOLDERS:
        for path in (directory / folder).rglob("*"):
            name = str(path.relative_to(directory))
            if not path.is_dir() and name not in files:
                yield name


def _exists(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def _is_file(path: Path) -> bool:
    return path.is_symlink() or path.is_file()


def _content(path: Path) -> bytes | None:
    """Return the bytes of a file; None if it is none, or a symbolic link."""
    return path.read_bytes() if path.is_file() and not path.is_symlink() else None


def _is_edited(path: Path, digest: str) -> bool:
    if not _exists(path):
        return False
    data = _content(path)
    return data is None or _digest(data) != digest


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
