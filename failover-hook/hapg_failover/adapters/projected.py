"""The files that kubelet makes of a ConfigMap."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def entries(folder: Path) -> Mapping[str, bytes]:
    """Return the content of each file, by name. Raise OSError.

    Kubelet keeps the files in a directory of its own and swaps the link `..data` to it, so they are read below that one directory.
    """
    current = (folder / "..data").resolve(strict=True)
    return {file.name: file.read_bytes() for file in current.iterdir()}
