"""The files that kubelet makes of ConfigMaps and Secrets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

Stamps = tuple[tuple[int, int], ...]
"""Inode and modification time in nanoseconds of each file."""


def entries(folder: Path) -> Mapping[str, bytes]:
    """Return the content of each file, by name. Raise OSError.

    Kubelet keeps the files in a directory of its own and swaps the link `..data` to it, so they are read below that one directory.
    """
    current = (folder / "..data").resolve(strict=True)
    return {file.name: file.read_bytes() for file in current.iterdir()}


def stamps(files: Iterable[Path]) -> Stamps:
    """Return what changes whenever kubelet replaces one of the files; zeros stand for a file that can't be found."""
    return tuple(map(_stamp, files))


def _stamp(file: Path) -> tuple[int, int]:
    try:
        status = file.stat()
    except OSError:
        return 0, 0
    return status.st_ino, status.st_mtime_ns
