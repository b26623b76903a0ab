"""Unpacking, with every Python 3.11: the first ones know no filters."""

from __future__ import annotations

import tarfile
from pathlib import Path


def extract(archive: tarfile.TarFile, folder: Path, filter_name: str = "data", members: list[tarfile.TarInfo] | None = None) -> None:
    """Extract an archive of our own, or some of its members; filter_name: data, tar or fully_trusted.

    docs.python.org/3/library/tarfile.html, "Supporting older Python versions".
    """
    archive.extraction_filter = getattr(tarfile, f"{filter_name}_filter", lambda member, _: member)
    archive.extractall(folder, members=members)  # noqa: S202 our own archives
